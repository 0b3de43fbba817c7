// Package annotation turns annotations of images into a folder data set: images,
// masks of class indices and the names of the classes.
//
// COCO: one JSON file of images, categories and annotations, each of these with
// polygons or run lengths (Lin et al., Microsoft COCO, 2014; maskApi.c of
// cocodataset/cocoapi).
//
// Coordinates are continuous, (0, 0) is the upper left corner of the first pixel.
// A pixel belongs to a polygon if its centre does, by the even-odd rule; where
// shapes overlap, the later in the file covers the earlier. Pixels without a
// shape are class 0, background. A shape of an unknown category is
// [imagefile.Void]: something is there, and nobody knows what.
//
// Annotations are hostile until read: numbers are checked before memory is asked
// for, an image's size comes from the image, and a path that leaves its folder is
// not followed.
package annotation
