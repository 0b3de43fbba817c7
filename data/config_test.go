package data_test

import (
	"math"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

func TestDefaultConfigIsValid(t *testing.T) {
	if err := data.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(c *data.Config)
		want   string
	}{
		{"source", func(c *data.Config) { c.Source = "zip" }, `data.source = "zip", want synthetic, folder or npy`},
		{"no train", func(c *data.Config) { c.Source = "folder" }, `data.train = "", want the folder of the training set`},
		{"train of synthetic", func(c *data.Config) { c.Train = "x" }, `data.train = "x", want it empty with data.source = synthetic (or data.source = folder or npy)`},
		{"classes of synthetic", func(c *data.Config) { c.Classes = c.Classes[:3] }, `data.classes has 3 names, want 4 with data.source = synthetic: background, disc, square, triangle`},
		{"synthetic train", func(c *data.Config) { c.Synthetic.Train = 0 }, `data.synthetic.train = 0, want >= 1`},
		{"synthetic val", func(c *data.Config) { c.Synthetic.Val = -1 }, `data.synthetic.val = -1, want >= 1`},
		{"val fraction", func(c *data.Config) { c.ValFraction = 1 }, `data.val_fraction = 1, want > 0 and < 1`},
		{"one fold", func(c *data.Config) { c.Folds = 1 }, `data.folds = 1, want >= 2, or 0 for data.val_fraction`},
		{"fold", func(c *data.Config) { c.Folds, c.Fold = 3, 3 }, `data.fold = 3, want 0..2 with data.folds = 3`},
		{"fold without folds", func(c *data.Config) { c.Fold = 1 }, `data.fold = 1, want 0 with data.folds = 0`},
		{"folds beside val", func(c *data.Config) { c.Source, c.Train, c.Val, c.Folds = "folder", "x", "y", 5 }, `data.folds = 5 takes the validation set from data.train, want 0, or data.val empty: it is "y"`},
		{"group", func(c *data.Config) { c.Group = "(" }, "data.group = \"(\", want a regular expression such as ^([^_]*)_: error parsing regexp: missing closing ): `(`"},
		{"size", func(c *data.Config) { c.Size = [2]int{0, 128} }, `data.size = [0 128], want height and width >= 1`},
		{"size over max_pixels", func(c *data.Config) { c.MaxPixels = 128*128 - 1 }, `data.size = [128 128], want at most data.max_pixels = 16383 pixels`},
		{"size overflows", func(c *data.Config) { c.Size = [2]int{1 << 62, 4} }, `data.size = [4611686018427387904 4], want at most data.max_pixels = 100000000 pixels`},
		{"max pixels", func(c *data.Config) { c.MaxPixels = 0 }, `data.max_pixels = 0, want >= 1`},
		{"empty class", func(c *data.Config) { c.Classes[1] = "" }, `data.classes[1] is empty, want a name`},
		{"class twice", func(c *data.Config) { c.Classes[3] = "disc" }, `data.classes[3] = "disc", the same as classes[1], want distinct names`},
		{"palette length", func(c *data.Config) { c.Palette = make([][3]int, 1) }, `data.palette has 1 colours, want 4 (one per class), 5 (the last for ignored pixels) or none`},
		{"palette value", func(c *data.Config) { c.Palette = [][3]int{{1}, {2}, {3}, {0, 256}} }, `data.palette[3] = [0 256 0], want three values in 0..255`},
		{"colour twice", func(c *data.Config) { c.Palette = [][3]int{{1}, {2}, {3}, {2}} }, `data.palette[3] = [2 0 0], the same as palette[1], want distinct colours`},
		{"ignore index", func(c *data.Config) { c.IgnoreIndex = 65536 }, `data.ignore_index = 65536, want -32768..65535`},
		{"ignore index is a class", func(c *data.Config) { c.IgnoreIndex = 1 }, `data.ignore_index = 1 is the class "disc", want a value outside 0..3, or data.mask_values with the value of each class, such as [1, 2, ...] where 0 is void`},
		{"ignore index 0", func(c *data.Config) { c.IgnoreIndex = 0 }, `data.ignore_index = 0 is the class "background", want a value outside 0..3, or data.mask_values with the value of each class, such as [1, 2, ...] where 0 is void`},
		{"mask values", func(c *data.Config) {
			c.Source, c.Train, c.MaskValues, c.IgnoreIndex = "folder", "x", []int{1, 2, 65536, 1}, 0
		}, "data.mask_values[2] = 65536, want -32768..65535\ndata.mask_values[3] = 1, the same as mask_values[0], want distinct values"},
		{"too few mask values", func(c *data.Config) { c.Source, c.Train, c.MaskValues = "folder", "x", []int{0, 255} }, `data.mask_values has 2 numbers, want 4, the value of each class in the masks, or none`},
		{"ignored mask value", func(c *data.Config) {
			c.Source, c.Train, c.MaskValues, c.IgnoreIndex = "folder", "x", []int{0, 1, 2, 9}, 9
		}, `data.ignore_index = 9 is the class "triangle" by data.mask_values, want another value`},
		{"mask values and palette", func(c *data.Config) {
			c.Source, c.Train, c.MaskValues, c.Palette = "folder", "x", []int{0, 1, 2, 255}, [][3]int{{1}, {2}, {3}, {4}}
		}, `data.mask_values has 4 numbers and data.palette 4 colours, want one of the two`},
		{"mask values of the synthetic set", func(c *data.Config) { c.MaskValues = []int{0, 1, 2, 255} }, `data.mask_values has 4 numbers, want none with data.source = synthetic`},
		{"normalize", func(c *data.Config) { c.Normalize = "minmax" }, `data.normalize = "minmax", want none, percentile or zscore`},
		{"recolouring beyond 0..1", func(c *data.Config) { c.Normalize, c.Augment.Hue, c.Augment.Blur = "zscore", 0.1, 1 }, `data.augment.hue works on values in 0..1, want it off with data.normalize = zscore, or data.normalize = percentile`},
		{"cache", func(c *data.Config) { c.Cache = "disk" }, `data.cache = "disk", want auto, ram or off`},
		{"flip", func(c *data.Config) { c.Augment.FlipVertical = -0.5 }, `data.augment.flip_vertical = -0.5, want 0..1`},
		{"rotate", func(c *data.Config) { c.Augment.Rotate = 181 }, `data.augment.rotate = 181, want 0..180`},
		{"scale", func(c *data.Config) { c.Augment.Scale = [2]float64{2, 1} }, `data.augment.scale = [2, 1], want lowest and highest factor, 0.1 <= lowest <= highest <= 10`},
		{"turn", func(c *data.Config) { c.Augment.Turn90 = 2 }, `data.augment.turn_90 = 2, want 0..1`},
		{"turn of oblong", func(c *data.Config) { c.Augment.Turn90, c.Size = 0.5, [2]int{64, 128} }, `data.augment.turn_90 = 0.5, want 0, or a data.size that is square: it is [64 128]`},
		{"crop", func(c *data.Config) { c.Augment.Crop = 0.95 }, `data.augment.crop = 0.95, want 0..0.9`},
		{"shift", func(c *data.Config) { c.Augment.Shift = -1 }, `data.augment.shift = -1, want 0..1`},
		{"elastic", func(c *data.Config) { c.Augment.Elastic = math.NaN() }, `data.augment.elastic = NaN, want 0..100`},
		{"gamma", func(c *data.Config) { c.Augment.Gamma = [2]float64{0, 1} }, `data.augment.gamma = [0, 1], want lowest and highest exponent, 0.1 <= lowest <= highest <= 10`},
		{"saturation", func(c *data.Config) { c.Augment.Saturation = 1.1 }, `data.augment.saturation = 1.1, want 0..1`},
		{"hue", func(c *data.Config) { c.Augment.Hue = 0.6 }, `data.augment.hue = 0.6, want 0..0.5`},
		{"blur", func(c *data.Config) { c.Augment.Blur = 11 }, `data.augment.blur = 11, want 0..10`},
		{"noise", func(c *data.Config) { c.Augment.Noise = 2 }, `data.augment.noise = 2, want 0..1`},
		{"patches", func(c *data.Config) { c.Patches = -1 }, `data.patches = -1, want >= 0`},
		{"rare patches", func(c *data.Config) { c.Patches, c.RarePatches = 1, 1.1 }, `data.rare_patches = 1.1, want 0..1`},
		{"rare patches of whole images", func(c *data.Config) { c.RarePatches = 0.3 }, `data.rare_patches = 0.3, want 0, or data.patches >= 1: whole images are not cut into patches`},
		{"too many classes", func(c *data.Config) { c.Source, c.Train, c.Classes = "folder", "x", make([]string, 256) }, `data.classes has 256 names, want 2..255`},
		{"very many classes", func(c *data.Config) { c.Source, c.Train, c.Classes = "folder", "x", make([]string, 100_000) }, `data.classes has 100000 names, want 2..255`},
		{"all at once", func(c *data.Config) { c.Cache, c.Augment.Contrast, c.MaxPixels = "", 2, 0 }, "data.max_pixels = 0, want >= 1\ndata.cache = \"\", want auto, ram or off\ndata.augment.contrast = 2, want 0..1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := data.DefaultConfig()
			tt.change(&c)
			if got := filetest.Message(c.Validate()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if _, err := data.Open(c, 1, "train"); err == nil {
				t.Error("Open took it")
			}
		})
	}
}

func TestColors(t *testing.T) {
	c := data.DefaultConfig()
	c.Classes = make([]string, 255)
	p := data.Colors(c)
	if len(p) != 255 {
		t.Fatalf("%d colours, want 255", len(p))
	}
	for i, a := range p {
		if j := slices.Index(p[:i], a); j >= 0 {
			t.Errorf("classes %d and %d have one colour %v", j, i, a)
		}
	}
	c.Classes = c.Classes[:2]
	c.Palette = [][3]int{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}
	p = data.Colors(c)
	if r, g, b, a := p[1].RGBA(); len(p) != 2 || r>>8 != 4 || g>>8 != 5 || b>>8 != 6 || a>>8 != 255 {
		t.Errorf("colours %v, want those of data.palette", p)
	}
}
