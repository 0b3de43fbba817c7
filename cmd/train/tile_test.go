package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

// folderOf writes a folder data set of images of the given widths and heights,
// left half class 0 in black, right half class 1 in white.
func folderOf(t *testing.T, dir string, sizes ...image.Point) {
	t.Helper()
	for i, size := range sizes {
		img := imagefile.Image{Pix: make([]float32, size.X*size.Y*3), H: size.Y, W: size.X}
		mask := make([]uint8, size.X*size.Y)
		for p := range mask {
			if p%size.X >= size.X/2 {
				mask[p] = 1
				img.Pix[p*3], img.Pix[p*3+1], img.Pix[p*3+2] = 1, 1, 1
			}
		}
		name := fmt.Sprintf("%d.png", i)
		write(t, filepath.Join(dir, "images", name), "")
		write(t, filepath.Join(dir, "masks", name), "")
		if err := imagefile.WritePNG(filepath.Join(dir, "images", name), report.Picture(img)); err != nil {
			t.Fatal(err)
		}
		if err := imagefile.WriteMask(filepath.Join(dir, "masks", name), mask, size.Y, size.X, color.Palette{color.Black, color.White}); err != nil {
			t.Fatal(err)
		}
	}
}

// indices are the stored values of a paletted PNG.
func indices(t *testing.T, path string) *image.Paletted {
	t.Helper()
	return picture(t, path).(*image.Paletted)
}

// picture is what a PNG holds.
func picture(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// Trained on patches of images of many sizes, measured and used at their own sizes.
func TestLargeImages(t *testing.T) {
	inFolder(t)
	sizes := []image.Point{{16, 16}, {50, 37}, {1, 1}, {9, 40}, {64, 20}}
	folderOf(t, "set", sizes...)
	pixels := 0
	for _, s := range sizes {
		pixels += s.X * s.Y
	}
	write(t, "large.yaml", `
out: run
threads: 1
data: {source: folder, train: set, val: set, size: [16, 16], patches: 6, classes: [black, white], augment: {flip_vertical: 0.5}}
model: {base_channels: 2, depth: 1}
optimizer: {lr: 0.02}
train: {epochs: 3, batch_size: 4}
`)
	must(t, "--config", "large.yaml")
	best := "run/checkpoints/best.safetensors"

	type report struct {
		Images, Pixels int
		Loss           *float64
		MIoU           float64
		Confusion      [][]int
	}
	reports := map[string]report{}
	for _, flags := range [][]string{nil, {"--tile"}, {"--tta"}, {"--tile", "--tta"}} {
		var r report
		decode(t, must(t, append([]string{"evaluate", "--checkpoint", best, "--json"}, flags...)...), &r)
		if r.Images != len(sizes) || r.Pixels != pixels || (r.Loss == nil) != (flags != nil) || r.MIoU < 0.6 {
			t.Errorf("%v: got %+v, want %d images of %d pixels", flags, r, len(sizes), pixels)
		}
		reports[fmt.Sprint(flags)] = r
	}

	// What evaluate measures is what predict writes; a net of patches is always tiled.
	for _, flags := range [][]string{{"--tile"}, {"--tile", "--tta"}} {
		must(t, append([]string{"predict", "--checkpoint", best, "--input", "set/images", "--out", "masks", "--probabilities", "--force"}, flags[1:]...)...)
		confusion := [][]int{{0, 0}, {0, 0}}
		for i, size := range sizes {
			truth, got := indices(t, fmt.Sprintf("set/masks/%d.png", i)), indices(t, fmt.Sprintf("masks/%d.png", i))
			if got.Rect.Size() != size {
				t.Errorf("mask %d is %v, want %v", i, got.Rect.Size(), size)
			}
			for p, c := range truth.Pix {
				confusion[c][got.Pix[p]]++
			}
			if n := len(read(t, fmt.Sprintf("masks/%d.npy", i))); n != 128+size.X*size.Y*2*4 {
				t.Errorf("probabilities %d have %d bytes, want a header of 128 and %v x 2 float32", i, n, size)
			}
		}
		if want := reports[fmt.Sprint(flags)].Confusion; fmt.Sprint(confusion) != fmt.Sprint(want) {
			t.Errorf("%v: predict makes %v, evaluate %v", flags, confusion, want)
		}
	}

	t.Run("pictures", func(t *testing.T) {
		must(t, "evaluate", "--checkpoint", best, "--tile", "--pictures", "pictures")
		f, err := os.Open("pictures/1.png")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if c, err := png.DecodeConfig(f); err != nil || c.Width < 3*50 || c.Height < 37 {
			t.Errorf("%+v, %v, want three pictures of 50x37", c, err)
		}
	})
	t.Run("weights", func(t *testing.T) {
		var got classCounts
		decode(t, must(t, "weights", "--config", "large.yaml", "--json"), &got)
		if got.Images != len(sizes) || int(got.Pixels) != pixels {
			t.Errorf("%+v, want all %d pixels", got, pixels)
		}
	})
}

// An image of the net's size is one tile: the same mask with and without --tile.
// A mirrored image has the mirrored mask with --tta, and not without.
func TestTileAndFlip(t *testing.T) {
	inFolder(t)
	must(t, tiny("--quiet", "--epochs", "30", "--set", "optimizer.lr=0.01")...)
	best := "run/checkpoints/best.safetensors"
	write(t, "in/a.png", "")
	write(t, "in/b.png", "")
	set, err := data.Open(func() data.Config { c := data.DefaultConfig(); c.Size = [2]int{16, 16}; return c }(), 1, "val")
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.Load(0)
	if err != nil {
		t.Fatal(err)
	}
	img := report.Picture(imagefile.Image{Pix: s.Image, H: 16, W: 16})
	mirrored := image.NewRGBA(img.Rect)
	for i := range 16 * 16 {
		mirrored.Set(15-i%16, i/16, img.At(i%16, i/16))
	}
	for name, img := range map[string]image.Image{"a": img, "b": mirrored} {
		if err := imagefile.WritePNG("in/"+name+".png", img); err != nil {
			t.Fatal(err)
		}
	}
	for _, flags := range [][]string{{}, {"--tile"}, {"--tta"}, {"--tile", "--tta"}} {
		must(t, append([]string{"predict", "--checkpoint", best, "--input", "in", "--out", "out" + fmt.Sprint(len(flags), slices.Contains(flags, "--tta"))}, flags...)...)
	}
	mask := func(dir, name string) []uint8 { return indices(t, dir+"/"+name+".png").Pix }
	if !slices.Equal(mask("out0 false", "a"), mask("out1 false", "a")) {
		t.Error("--tile changes the mask of an image of the net's size")
	}
	if !slices.Equal(mask("out1 true", "a"), mask("out2 true", "a")) {
		t.Error("--tile changes the mask of an image of the net's size with --tta")
	}
	symmetric := func(dir string) bool {
		a, b := mask(dir, "a"), mask(dir, "b")
		for i, class := range a {
			if b[i/16*16+15-i%16] != class {
				return false
			}
		}
		return true
	}
	if !symmetric("out1 true") {
		t.Error("with --tta the mirrored image has not the mirrored mask")
	}
	if symmetric("out0 false") {
		t.Error("the net is symmetric without --tta, so this test shows nothing")
	}
}
