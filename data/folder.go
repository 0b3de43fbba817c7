package data

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// folder is DIR/images and DIR/masks, paired by the names without extension.
type folder struct {
	pairs     []pair // sorted by name
	masks     maskFormat
	maxPixels int64
}

type pair struct {
	name                  string
	image, mask           string // paths
	h, w                  int
	imageBytes, maskBytes int64
}

// listFolder lists the pairs of dir, and all files that are not one of a pair as
// problems. The folder is nil where there is nothing to list.
func listFolder(cfg Config, dir string) (*folder, []error) {
	images, errs := listStems(filepath.Join(dir, "images"))
	masks, maskErrs := listStems(filepath.Join(dir, "masks"))
	errs = append(errs, maskErrs...)
	if len(errs) > 0 && (images == nil || masks == nil) {
		return nil, errs
	}
	f := &folder{masks: newMaskFormat(cfg), maxPixels: cfg.MaxPixels}
	for name, image := range images {
		mask, ok := masks[name]
		if !ok {
			errs = append(errs, fmt.Errorf("data: image %s has no mask %s", image, filepath.Join(dir, "masks", name+".*")))
			continue
		}
		f.pairs = append(f.pairs, pair{name: name, image: image, mask: mask})
	}
	for name, mask := range masks {
		if _, ok := images[name]; !ok {
			errs = append(errs, fmt.Errorf("data: mask %s has no image %s", mask, filepath.Join(dir, "images", name+".*")))
		}
	}
	if len(images) == 0 && len(masks) == 0 && len(errs) == 0 {
		return nil, []error{fmt.Errorf("data: %s has no image (%s)", filepath.Join(dir, "images"), strings.Join(extensions, " "))}
	}
	slices.SortFunc(f.pairs, func(a, b pair) int { return cmp.Compare(a.name, b.name) })
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return f, errs
}

// checkHeaders checks, from the headers of all files, that they can be read and
// that image and mask have equal sizes.
func (f *folder) checkHeaders() []error {
	problems, _ := pass(context.Background(), len(f.pairs), 0, nil, func(i int) error { return f.check(&f.pairs[i]) })
	return problems
}

// check reads both headers and fills in the sizes.
func (f *folder) check(p *pair) error {
	image, err := decodeHeader(p.image, f.maxPixels)
	if err != nil {
		err = fmt.Errorf("data: image %s: %w", p.image, err)
	}
	mask, maskErr := f.masks.check(p.mask)
	if err := errors.Join(err, maskErr); err != nil {
		return err
	}
	p.h, p.w, p.imageBytes, p.maskBytes = image.h, image.w, image.bytes, mask.bytes
	return p.sameSize(image.h, image.w, mask.h, mask.w)
}

func (p *pair) sameSize(h, w, maskH, maskW int) error {
	if h != maskH || w != maskW {
		return fmt.Errorf("data: image %s is %dx%d pixels, its mask %s is %dx%d, want equal sizes", p.image, w, h, p.mask, maskW, maskH)
	}
	return nil
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
				problems = append(problems, fmt.Errorf("data: %s and %s have one stem, want one file", other, path))
				continue
			}
			files[stem(path)] = path
		}
	}
	return files, problems
}

func (f *folder) Len() int          { return len(f.pairs) }
func (f *folder) Name(i int) string { return f.pairs[i].name }

func (f *folder) size(i int) (h, w int) { return f.pairs[i].h, f.pairs[i].w }

func (f *folder) identity(i int) string {
	p := f.pairs[i]
	return fmt.Sprintf("%q %d %d", p.name, p.imageBytes, p.maskBytes)
}

func (f *folder) Load(i int) (Sample, error) {
	p := f.pairs[i]
	image, err := ReadImage(p.image, f.maxPixels)
	mask, h, w, maskErr := f.masks.read(p.mask)
	if err := errors.Join(err, maskErr); err != nil {
		return Sample{}, err
	}
	if err := p.sameSize(image.H, image.W, h, w); err != nil {
		return Sample{}, err
	}
	return Sample{Image: image.Pix, Mask: mask, H: h, W: w}, nil
}
