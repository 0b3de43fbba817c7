package imagefile

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Pair is an image and its mask.
type Pair struct {
	Name        string // of both files, without folder and extension
	Image, Mask string // paths
}

// Pairs lists the files of dir/images and dir/masks that have one name without
// extension, sorted by it, and all files that are not one of a pair as problems.
// A nil list means that there is nothing to read.
func Pairs(dir string) (pairs []Pair, problems []error) {
	images, errs := listStems(filepath.Join(dir, "images"))
	masks, maskErrs := listStems(filepath.Join(dir, "masks"))
	errs = append(errs, maskErrs...)
	if len(errs) > 0 && (images == nil || masks == nil) {
		return nil, errs
	}
	pairs = []Pair{}
	for name, image := range images {
		mask, ok := masks[name]
		if !ok {
			errs = append(errs, fmt.Errorf("data: image %s has no mask %s", image, filepath.Join(dir, "masks", name+".*")))
			continue
		}
		pairs = append(pairs, Pair{Name: name, Image: image, Mask: mask})
	}
	for name, mask := range masks {
		if _, ok := images[name]; !ok {
			errs = append(errs, fmt.Errorf("data: mask %s has no image %s", mask, filepath.Join(dir, "images", name+".*")))
		}
	}
	if len(images) == 0 && len(masks) == 0 && len(errs) == 0 {
		return nil, []error{fmt.Errorf("data: %s has no images (%s)", filepath.Join(dir, "images"), strings.Join(extensions, " "))}
	}
	slices.SortFunc(pairs, func(a, b Pair) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return pairs, errs
}

// listStems maps the names without extension to the image files in dir. Hidden
// files are left out; any other file that is no image is a problem, so that none
// is overlooked. A nil map means that dir cannot be read.
func listStems(dir string) (files map[string]string, problems []error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, []error{fmt.Errorf("data: %w", err)}
	}
	files = map[string]string{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), ".") || e.Name() == "Thumbs.db" || e.Name() == "desktop.ini":
		case e.IsDir():
			problems = append(problems, fmt.Errorf("data: %s is a folder, want image files only", path))
		case !isImageName(e.Name()):
			problems = append(problems, fmt.Errorf("data: %s is not an image, want %s", path, strings.Join(extensions, " ")))
		default:
			if other, ok := files[stem(path)]; ok {
				problems = append(problems, fmt.Errorf("data: %s and %s differ only in the extension, want one file", other, path))
				continue
			}
			files[stem(path)] = path
		}
	}
	return files, problems
}

// Headers checks, from the headers of both files, that they can be read and have
// equal sizes. image and mask are valid where only the sizes differ, too.
func (p Pair) Headers(masks MaskFormat) (image, mask Header, err error) {
	image, err = decodeHeader(p.Image, masks.maxPixels)
	if err != nil {
		err = fmt.Errorf("data: image %s: %w", p.Image, err)
	}
	mask, maskErr := masks.header(p.Mask)
	if err := errors.Join(err, maskErr); err != nil {
		return Header{}, Header{}, err
	}
	return image, mask, p.sameSize(image.H, image.W, mask.H, mask.W)
}

// Read decodes both files.
func (p Pair) Read(masks MaskFormat) (Image, []uint8, error) {
	image, err := Read(p.Image, masks.maxPixels)
	mask, h, w, maskErr := masks.Read(p.Mask)
	if err := errors.Join(err, maskErr); err != nil {
		return Image{}, nil, err
	}
	return image, mask, p.sameSize(image.H, image.W, h, w)
}

func (p Pair) sameSize(h, w, maskH, maskW int) error {
	if h != maskH || w != maskW {
		return fmt.Errorf("data: image %s is %dx%d pixels, its mask %s is %dx%d, want equal sizes", p.Image, w, h, p.Mask, maskW, maskH)
	}
	return nil
}
