package main

import (
	"image"
	"image/png"
	"os"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// A Go program gets the masks of predict, byte for byte, and their palette.
func TestSegmenterAgreesWithPredict(t *testing.T) {
	for _, tc := range []struct {
		name  string
		flags []string
	}{
		{"resized", nil},
		{"in tiles", []string{"--set", "data.patches=2"}},
		{"with a palette", []string{"--set", "data.palette=[[9, 9, 9], [250, 0, 0], [0, 250, 0], [0, 0, 250]]"}},
		{"normalized", []string{"--set", "data.normalize=percentile"}},
		{"normalized, in tiles", []string{"--set", "data.normalize=zscore", "--set", "data.patches=1"}},
		{"without norm", []string{"--set", "model={base_channels: 3, depth: 2, norm: none, up: nearest}", "--set", "train.batch_size=3"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inFolder(t)
			must(t, tiny(append(tc.flags, "--set", "loss.class_weights=none")...)...)
			if err := os.Mkdir("photos", 0o755); err != nil {
				t.Fatal(err)
			}
			sizes := map[string]image.Point{"a": {16, 16}, "b": {61, 37}, "c": {5, 90}, "d": {1, 1}}
			for name, size := range sizes {
				img := image.NewNRGBA(image.Rectangle{Max: size})
				for i := range img.Pix {
					img.Pix[i] = uint8(i * (7 + i%13))
				}
				if err := imagefile.WritePNG("photos/"+name+".png", img); err != nil {
					t.Fatal(err)
				}
			}
			must(t, "predict", "--checkpoint", best, "--input", "photos", "--out", "masks")
			segmenter, err := model.Open(best)
			if err != nil {
				t.Fatal(err)
			}
			for name := range sizes {
				f, err := os.Open("photos/" + name + ".png")
				if err != nil {
					t.Fatal(err)
				}
				img, err := png.Decode(f)
				f.Close()
				if err != nil {
					t.Fatal(err)
				}
				got, err := segmenter.Segment(img)
				if err != nil {
					t.Fatal(err)
				}
				want := indices(t, "masks/"+name+".png")
				if got.Rect != want.Rect || !slices.Equal(got.Pix, want.Pix) {
					t.Errorf("%s: another mask", name)
				}
				for c := range got.Palette {
					r, g, b, _ := got.Palette[c].RGBA()
					if wr, wg, wb, _ := want.Palette[c].RGBA(); r != wr || g != wg || b != wb {
						t.Errorf("%s: class %d is %v, want %v", name, c, got.Palette[c], want.Palette[c])
					}
				}
			}
		})
	}
}
