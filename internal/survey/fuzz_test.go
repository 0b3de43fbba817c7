package survey

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/tiff"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// FuzzMaskValues decodes bytes as a mask: no panic, and each pixel is of one value.
func FuzzMaskValues(f *testing.F) {
	indices := image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black, color.White, color.NRGBA{1, 2, 3, 255}})
	copy(indices.Pix, []uint8{0, 1, 2, 2, 1, 0})
	for _, encode := range []func(b *bytes.Buffer) error{
		func(b *bytes.Buffer) error { return png.Encode(b, indices) },
		func(b *bytes.Buffer) error { return png.Encode(b, image.NewGray16(indices.Rect)) },
		func(b *bytes.Buffer) error { return png.Encode(b, image.NewRGBA(indices.Rect)) },
		func(b *bytes.Buffer) error { return tiff.Encode(b, image.NewGray(indices.Rect), nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	path := filepath.Join(f.TempDir(), "mask")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := imagefile.DecodeMask(path, 1<<14)
		if err != nil {
			return
		}
		values, err := valuesOf(d)
		if err != nil {
			return
		}
		var pixels int64
		for _, e := range values {
			pixels += e.pixels
		}
		if h := d.Header; pixels != int64(h.H*h.W) {
			t.Fatalf("values of %d pixels in %dx%d", pixels, h.W, h.H)
		}
	})
}

// FuzzNames reads bytes as names of classes: what is taken can be data.classes.
func FuzzNames(f *testing.F) {
	f.Add([]byte("sky\n# a comment\n\n road \r\n"))
	f.Add([]byte("\ufeffa\na"))
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		names, err := readNames(bytes.NewReader(b))
		if err != nil || len(names) < 2 {
			return
		}
		cfg := data.DefaultConfig()
		cfg.Source, cfg.Train, cfg.Classes = "folder", ".", names
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}
