package data

import (
	"context"
	"fmt"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/visit"
)

// folder is the images and masks of a split's folder, paired by their names.
type folder struct {
	pairs []pair // sorted by name

	images imagefile.ImageFormat
	masks  imagefile.MaskFormat
}

// pair knows from the headers of its files, once they have been checked, how
// large image and mask are.
type pair struct {
	imagefile.Pair
	h, w                  int
	imageBytes, maskBytes int64
}

// listFolder lists the pairs of dir, and all files that are not one of a pair as
// problems. The folder is nil where there is nothing to list.
func listFolder(cfg Config, dir string) (*folder, []error) {
	listing := cfg.Layout().List(dir)
	if listing.Pairs == nil {
		return nil, listing.Problems
	}
	f := &folder{images: cfg.imageFormat(), masks: cfg.maskFormat()}
	for _, p := range listing.Pairs {
		f.pairs = append(f.pairs, pair{Pair: p})
	}
	return f, listing.Problems
}

// checkHeaders checks, from the headers of all files, that they can be read and
// that image and mask have equal sizes.
func (f *folder) checkHeaders() []error {
	problems, _ := visit.All(context.Background(), len(f.pairs), 0, nil, func(i int) error {
		p := &f.pairs[i]
		image, mask, err := p.Headers(f.masks)
		p.h, p.w, p.imageBytes, p.maskBytes = image.H, image.W, image.Bytes, mask.Bytes
		return err
	})
	return problems
}

func (f *folder) Len() int          { return len(f.pairs) }
func (f *folder) Name(i int) string { return f.pairs[i].Name }

func (f *folder) size(i int) (h, w int) { return f.pairs[i].h, f.pairs[i].w }

func (f *folder) identity(i int) string {
	p := f.pairs[i]
	return fmt.Sprintf("%q %d %d", p.Name, p.imageBytes, p.maskBytes)
}

func (f *folder) Load(i int) (Sample, error) {
	image, mask, err := f.pairs[i].Read(f.images, f.masks)
	if err != nil {
		return Sample{}, err
	}
	return Sample{Image: image.Pix, Mask: mask.Pix, H: image.H, W: image.W, Transparent: image.Transparent, Shown: mask.Shown}, nil
}
