package data

import (
	"fmt"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// npySource is two arrays, such as DIR/images.npy and DIR/masks.npy.
type npySource struct{ *imagefile.Arrays }

func openNPY(cfg Config, dir string) (npySource, error) {
	a, err := cfg.Layout().OpenArrays(dir, cfg.imageFormat(), cfg.maskFormat())
	return npySource{a}, err
}

func (s npySource) Len() int          { return s.N }
func (s npySource) Name(i int) string { return fmt.Sprintf("%06d", i) }

func (s npySource) size(int) (h, w int) { return s.H, s.W }

func (s npySource) identity(i int) string {
	images, masks := s.Bytes()
	return fmt.Sprintf("%d %d %d", i, images, masks)
}

func (s npySource) Load(i int) (Sample, error) {
	image, mask, err := s.Read(i)
	if err != nil {
		return Sample{}, err
	}
	return Sample{Image: image.Pix, Mask: mask, H: s.H, W: s.W}, nil
}
