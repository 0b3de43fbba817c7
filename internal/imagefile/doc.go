// Package imagefile reads and writes images, masks and arrays of them.
//
// Images are (H,W,3) float32 in 0..1, masks (H,W) class indices with [Void] for
// pixels without a class. [ImageFormat.Read] decodes PNG, JPEG, BMP, GIF, PNM, TIFF and WebP,
// one picture per file; a [MaskFormat] says how classes stand in mask files. The
// same picture or mask reads the same from every format. A [Layout] pairs the images
// and masks of a folder, [Arrays] those of two npy files (NumPy Enhancement Proposal
// 1). Files are hostile until read: sizes are checked before memory is asked for,
// and a damaged file is an error, not a panic.
//
// Errors begin with "data:", the section of the configuration that leads to the
// files. Pixels in them are (x, y), counted from the upper left corner.
package imagefile

// Void marks a pixel without a class in a mask in memory, whatever the mask files
// have for it.
const Void = 255

// MaxClasses is the largest number of classes that leaves 255 for Void.
const MaxClasses = 255
