package survey_test

import (
	"math"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
)

// checked is a training set of so many images of each size, with two classes: one of a
// tenth of the pixels in areas so many pixels wide, and the rest.
func checked(sizes map[[2]int]int, width float64) survey.Checked {
	c := survey.Checked{Sizes: sizes, Widths: []float64{math.Inf(1), width}}
	c.Pixels = make([]int64, 2)
	for size, n := range sizes {
		pixels := int64(n * size[0] * size[1])
		c.Images += n
		c.Pixels[0] += pixels - pixels/10
		c.Pixels[1] += pixels / 10
	}
	return c
}

// Size, depth and patches follow from the images and the width of what they show.
func TestSuggestSize(t *testing.T) {
	for _, tc := range []struct {
		name    string
		encoder string
		sizes   map[[2]int]int
		width   float64
		size    [2]int
		patches int
		depth   int
		reason  string
	}{
		{"as they are", "unet", map[[2]int]int{{128, 128}: 9}, 2, [2]int{128, 128}, 0, 4, "data.size 128x128 (height x width): the images' own"},
		{"rounded", "unet", map[[2]int]int{{100, 70}: 9}, 2, [2]int{96, 64}, 0, 4, "own"},
		{"photos of large things", "unet", map[[2]int]int{{2000, 3000}: 9}, 300, [2]int{176, 256}, 0, 4, "images are resized: the thinnest class, b, is still 25.6 pixels wide then"},
		{"photos of nothing", "unet", map[[2]int]int{{2000, 3000}: 9}, math.Inf(1), [2]int{176, 256}, 0, 4, "images are resized"},
		{"photos of thin things", "unet", map[[2]int]int{{2000, 3000}: 9}, 20, [2]int{256, 256}, 64, 4, "data.patches 64 of 256x256 an image and epoch, at the images' own size: b is 20.0 pixels wide, and would be 1.7"},
		{"tissue", "unet", map[[2]int]int{{512, 512}: 9}, 5, [2]int{128, 128}, 16, 4, "data.patches 16 of 128x128"},
		{"thin in images of other sizes", "unet", map[[2]int]int{{256, 256}: 8, {512, 512}: 4}, 5, [2]int{256, 256}, 2, 4, "data.patches 2"},
		{"wide in images of other sizes", "unet", map[[2]int]int{{256, 256}: 8, {512, 512}: 4}, 9, [2]int{256, 256}, 0, 4, "resized"},
		{"long and thin", "unet", map[[2]int]int{{100, 1000}: 9}, 2, [2]int{96, 96}, 11, 4, "data.patches 11 of 96x96"},
		{"median", "unet", map[[2]int]int{{64, 64}: 2, {96, 64}: 2, {500, 500}: 1}, 100, [2]int{96, 64}, 0, 4, "resized"},
		{"small", "unet", map[[2]int]int{{32, 40}: 1}, 2, [2]int{32, 40}, 0, 3, "own"},
		{"tiny", "unet", map[[2]int]int{{5, 9}: 1}, 2, [2]int{6, 10}, 0, 1, "own"},
		{"a line", "unet", map[[2]int]int{{1, 10000}: 1}, 200, [2]int{2, 256}, 0, 1, "resized"},
		{"photos for an encoder", "resnet34", map[[2]int]int{{2000, 3000}: 9}, 300, [2]int{160, 256}, 0, 4, "resized"},
		{"patches for an encoder", "resnet34", map[[2]int]int{{200, 3000}: 9}, 2, [2]int{192, 192}, 16, 4, "data.patches 16 of 192x192"},
		{"tiny for an encoder", "efficientnet_lite0", map[[2]int]int{{5, 9}: 1}, 2, [2]int{32, 32}, 0, 4, "own"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := checked(tc.sizes, tc.width)
			if tc.name != "tissue" {
				c.Upright = 3
			}
			r := suggest(t, c, tc.encoder)
			if init := r.Model.Init; r.Model.Encoder != tc.encoder || (init == "imagenet") != (tc.encoder != "unet") {
				t.Errorf("encoder %s, init %q", r.Model.Encoder, init)
			}
			if r.Data.Size != tc.size || r.Data.Patches != tc.patches || r.Model.Depth != tc.depth || r.Out != "runs/photos" {
				t.Errorf("size %v, %d patches, depth %d, out %s", r.Data.Size, r.Data.Patches, r.Model.Depth, r.Out)
			}
			if !strings.Contains(strings.Join(r.Reasons, "\n"), tc.reason) {
				t.Errorf("reasons %q lack %q", r.Reasons, tc.reason)
			}
		})
	}
}

func suggest(t *testing.T, train survey.Checked, encoder string) survey.Recipe {
	t.Helper()
	found := survey.Inferred{Config: data.DefaultConfig()}
	found.Source, found.Train, found.Classes = "folder", "photos", []string{"a", "b"}
	r, err := survey.Suggest(found, train, "photos/.", encoder)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Batches of few images have other statistics than those that the net is evaluated with.
func TestSuggestBatch(t *testing.T) {
	for _, tc := range []struct{ images, side, batch int }{
		{40, 128, 8}, {41, 128, 7}, {44, 128, 8}, {43, 128, 5}, {9, 128, 6}, {367, 128, 8}, {5, 128, 8}, {1, 128, 4}, {2, 128, 4},
		{8, 256, 4}, {9, 256, 3}, {1101, 256, 3}, {13, 256, 2},
	} {
		r := suggest(t, checked(map[[2]int]int{{tc.side, tc.side}: tc.images}, 99), "unet")
		if got := r.Train.BatchSize; got != tc.batch {
			t.Errorf("%d images of %d: batches of %d, want %d", tc.images, tc.side, got, tc.batch)
		}
	}
}

// A net is trained on about as many pixels of a small set as of a large one.
func TestSuggestEpochs(t *testing.T) {
	for images, epochs := range map[int]int{10: 200, 367: 69, 2560: 20, 100000: 20} {
		r := suggest(t, checked(map[[2]int]int{{128, 128}: images}, 99), "unet")
		if r.Train.Epochs != epochs {
			t.Errorf("%d images: %d epochs, want %d", images, r.Train.Epochs, epochs)
		}
	}
}

// Images without an upper side may be turned.
func TestSuggestAugmentation(t *testing.T) {
	for _, tc := range []struct {
		name           string
		size           [2]int
		upright        float64
		images         int
		vertical, turn float64
	}{
		{"cells", [2]int{128, 128}, 1.2, 9, 0.5, 0.75},
		{"oblong", [2]int{128, 160}, 1.2, 9, 0.5, 0},
		{"roads", [2]int{128, 128}, 5, 9, 0, 0},
		{"one image tells nothing", [2]int{128, 128}, 0, 1, 0, 0},
	} {
		c := checked(map[[2]int]int{tc.size: tc.images}, 99)
		c.Upright = tc.upright
		a := suggest(t, c, "unet").Data.Augment
		if a.FlipHorizontal != 0.5 || a.FlipVertical != tc.vertical || a.Turn90 != tc.turn {
			t.Errorf("%s: flips %v, %v, turns %v", tc.name, a.FlipHorizontal, a.FlipVertical, a.Turn90)
		}
	}
}
