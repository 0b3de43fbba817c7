package survey_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
)

// folderConfig is a data set in the current folder at its files' size (h,w), with classes a, b, c, d.
func folderConfig(h, w int) data.Config {
	c := data.DefaultConfig()
	c.Source, c.Train, c.Val = "folder", ".", "."
	c.Classes = []string{"a", "b", "c", "d"}
	c.Size = [2]int{h, w}
	return c
}

// with is a configuration whose training could do without a class.
func with(c data.Config, seed uint64, threads int) config.Config {
	cfg := config.Default()
	cfg.Data, cfg.Seed, cfg.Threads, cfg.Loss.AllowAbsentClasses = c, seed, threads, true
	return cfg
}

// Faults of the list, of headers and of pixels come together, an image's beside
// its mask's, and the samples without fault are counted.
func TestCheckGoesOn(t *testing.T) {
	t.Chdir(t.TempDir())
	picture := filetest.Encode(t, ".png", filetest.RGB(2, 3))
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		filetest.Write(t, "images/"+name+".png", picture)
		filetest.Write(t, "masks/"+name+".png", filetest.Encode(t, ".png", filetest.Grey(2, 3, 0, 1, 1, 3, 3, 3)))
	}
	filetest.Write(t, "images/b.png", picture[:len(picture)-30]) // in its pixels
	filetest.Write(t, "masks/b.png", filetest.Encode(t, ".png", filetest.Grey(2, 3, 9)))
	filetest.Write(t, "images/d.png", nil)
	filetest.Write(t, "images/e.png", filetest.Encode(t, ".png", filetest.RGB(4, 6)))
	filetest.Write(t, "masks/e.png", filetest.Encode(t, ".png", filetest.Grey(4, 6)))
	filetest.Write(t, "images/f.png", picture)
	want := `data: image images/f.png has no mask masks/f.*
data: image images/b.png: png: invalid format: not enough pixel data
data: mask masks/b.png: pixel (0, 0) has class 9, want 0..3 or ignore 255
data: image images/d.png: is empty`
	got, err := survey.Check(t.Context(), with(folderConfig(2, 3), 1, 0), "train", nil)
	if err != nil {
		t.Fatal(err)
	}
	if faults := errors.Join(got.Faults...); filetest.Message(faults) != want {
		t.Errorf("got\n%v\nwant\n%s", faults, want)
	}
	// a, c: 1, 2, 0, 3 pixels each; e: 6 pixels of class 0 at 2x3
	counts := data.Counts{Images: 3, Pixels: []int64{8, 4, 0, 6}, ImagePixels: []int64{18, 12, 0, 12}, Between: make([]int64, 4), NoVoid: 2, Digest: got.Digest, Pictures: got.Pictures}
	if !reflect.DeepEqual(got.Counts, counts) {
		t.Errorf("counts %+v, want %+v", got.Counts, counts)
	}
	if sizes := map[[2]int]int{{2, 3}: 2, {4, 6}: 1}; !maps.Equal(got.Sizes, sizes) {
		t.Errorf("sizes %v, want %v", got.Sizes, sizes)
	}
}

// Validation and training samples of one folder are all its samples, each once.
func TestCheckDivided(t *testing.T) {
	c := shapesConfig(t, 10)
	images := 0
	for _, split := range []string{"train", "val"} {
		got, err := survey.Check(t.Context(), with(c, 7, 2), split, nil)
		if err != nil || len(got.Faults) > 0 {
			t.Fatal(err, got.Faults)
		}
		s, err := data.Open(c, 7, split)
		if err != nil {
			t.Fatal(err)
		}
		counts, err := data.CountClasses(t.Context(), s, 1, nil)
		if err != nil || !reflect.DeepEqual(got.Counts, counts) {
			t.Errorf("%s: got %+v, CountClasses %+v, %v", split, got.Counts, counts, err)
		}
		images += got.Images
	}
	if images != 10 {
		t.Errorf("%d images in both splits, want 10", images)
	}
}

// shapesConfig is a folder of n synthetic images which val_fraction divides.
func shapesConfig(t *testing.T, n int) data.Config {
	t.Helper()
	c := data.DefaultConfig()
	c.Size = [2]int{16, 16}
	c.Source, c.Train = "folder", t.TempDir()
	if err := data.WriteSynthetic(c.Train, c.Size, n, 3); err != nil {
		t.Fatal(err)
	}
	return c
}

// A single image cannot be divided; it is checked nevertheless.
func TestCheckTooFew(t *testing.T) {
	c := shapesConfig(t, 1)
	got, err := survey.Check(t.Context(), with(c, 7, 0), "train", nil)
	if err != nil || len(got.Faults) != 1 || !strings.Contains(got.Faults[0].Error(), "too few to split off validation images") || got.Images != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Where patches are cut, the pixels of the images at their own sizes are counted, as training counts them.
func TestCheckOfPatches(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, size := range map[string][2]int{"a": {5, 8}, "b": {31, 12}} {
		h, w := size[0], size[1]
		mask := filetest.Grey(h, w)
		for p := range mask.Pix {
			mask.Pix[p] = uint8((p%w + p/w) % 4)
			if p/w == h-1 {
				mask.Pix[p] = 255
			}
		}
		filetest.Write(t, "images/"+name+".png", filetest.Encode(t, ".png", filetest.RGB(h, w)))
		filetest.Write(t, "masks/"+name+".png", filetest.Encode(t, ".png", mask))
	}
	c := folderConfig(8, 8)
	c.Patches = 3
	got, err := survey.Check(t.Context(), with(c, 1, 0), "train", nil)
	if want := []int64{98, 98, 98, 98}; err != nil || !slices.Equal(got.Pixels, want) || got.Ignored != 20 || got.Images != 2 { // (4*8 + 30*12) / 4
		t.Errorf("counted %+v, %v, want %v", got.Counts, err, want)
	}
	s, err := data.Open(c, 1, "train")
	if err != nil {
		t.Fatal(err)
	}
	if counts, err := data.CountClasses(t.Context(), s, 0, nil); err != nil || !reflect.DeepEqual(counts, got.Counts) {
		t.Errorf("checked %+v, counted for training %+v, %v", got.Counts, counts, err)
	}
}
