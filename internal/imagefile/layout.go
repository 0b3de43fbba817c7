package imagefile

import (
	"path/filepath"
	"strings"
)

// Layout says where images and masks lie in the folder of a split, and how the
// names of the two files of a sample differ.
type Layout struct {
	Images, Masks           string // folders (or arrays) in the split's folder; "" is that folder itself
	ImageSuffix, MaskSuffix string // ends of the file names, before the extension, that do not belong to the sample's name
}

// DefaultLayout is images/ and masks/, with files of equal names.
func DefaultLayout() Layout { return Layout{Images: "images", Masks: "masks"} }

// Paths are where the images and masks of a split are: dir/Images and dir/Masks,
// or, where dir has a *, dir with Images and Masks in its place, as in city/*/train.
func (l Layout) Paths(dir string) (images, masks string) {
	at := func(name string) string {
		if before, after, ok := strings.Cut(dir, "*"); ok {
			return filepath.Clean(before + name + after)
		}
		return filepath.Join(dir, name)
	}
	return at(l.Images), at(l.Masks)
}

// Together reports whether images and masks lie in one folder.
func (l Layout) Together() bool { return filepath.Clean(l.Images) == filepath.Clean(l.Masks) }

// imageName takes the suffix off the name of an image; ok is false if it is none.
func (l Layout) imageName(stem string) (name string, ok bool) {
	return l.cut(stem, l.ImageSuffix, l.MaskSuffix)
}

func (l Layout) maskName(stem string) (name string, ok bool) {
	return l.cut(stem, l.MaskSuffix, l.ImageSuffix)
}

// cut takes a suffix off. In one folder with both kinds, the longer suffix decides.
func (l Layout) cut(stem, suffix, other string) (name string, ok bool) {
	name, ok = strings.CutSuffix(stem, suffix)
	if l.Together() && len(other) > len(suffix) && strings.HasSuffix(stem, other) {
		ok = false
	}
	return name, ok && name != "" && !strings.HasSuffix(name, "/")
}
