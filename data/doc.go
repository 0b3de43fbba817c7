// Package data turns labelled images into batches for semantic segmentation.
//
// Pairs of image and mask come from a folder of image files, from two npy arrays,
// or are shapes drawn from a seed. [Open] makes a [Split] of them, which brings
// every image to one size, unless patches are to be cut from them, and keeps them
// in memory when they fit. A [Loader] decodes images, cuts and augments samples in
// parallel ahead of its reader and delivers batches in order.
//
// Images are (H,W,3) float32 in 0..1 (a byte is divided by 255). Masks are (H,W)
// class indices, with [Void] for pixels that count nowhere; in a batch they are
// one-hot (N,H,W,C), and a void pixel is all zero. Pixels in error messages are
// (x, y), counted from the upper left corner.
//
// Nothing here depends on time, on the number of workers or on a shared random
// stream: order and augmentation come from (seed, epoch, sample).
package data
