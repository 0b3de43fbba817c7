// Package annotation turns annotations of images into a folder data set: images,
// masks of class indices and the names of the classes.
//
// COCO: one JSON file of images, categories and annotations, each of these with
// polygons or run lengths (Lin et al., Microsoft COCO, 2014; maskApi.c of
// cocodataset/cocoapi). Parts of one annotation are united; a crowd is drawn as its
// category.
//
// LabelMe: a JSON file per image (wkentaro/labelme, label_file.py and
// utils/shape.py). Polygons, rectangles, circles and masks are drawn, lines and
// points are not.
//
// VOC: masks in the colours of PASCAL VOC (Everingham et al., 2010), or in those of
// a labelmap.txt as CVAT writes it, or with the names of labelme2voc.py's
// class_names.txt; the border (224, 224, 192) is void.
//
// Cityscapes: masks of label ids, or polygons, to the 19 train ids (Cordts et al.,
// 2016; cityscapesScripts, helpers/labels.py). What has no train id is void, and so
// is what no polygon covers.
//
// Coordinates are continuous, (0, 0) is the upper left corner of the first pixel.
// A pixel belongs to a polygon if its centre does, by the even-odd rule; where
// shapes overlap, the later in the file covers the earlier. Of COCO and LabelMe,
// pixels without a shape are class 0, background. A shape of an unknown category is
// [imagefile.Void]: something is there, and nobody knows what. So is the box of a COCO
// annotation without a shape. An image of which nothing can be drawn is left out.
//
// Annotations are hostile until read: numbers are checked before memory is asked
// for, an image's size comes from the image, and a path that leaves its folder is
// not followed.
package annotation
