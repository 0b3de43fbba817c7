package data

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Config says where the labelled images are and how they are brought to the net.
type Config struct {
	Source      string          `yaml:"source" enum:"synthetic,folder,npy"`
	Train       string          `yaml:"train"`                                   // folder: has images/ and masks/; npy: has images.npy and masks.npy. A * in it stands for ImageFolder and MaskFolder: city/*/train
	Val         string          `yaml:"val"`                                     // as Train; empty: a part of Train is split off
	Test        string          `yaml:"test"`                                    // as Train; may be empty
	ValFraction float64         `yaml:"val_fraction" range:"(0,1)"`              // of the images
	Folds       int             `yaml:"folds" range:"[0,)"`                      // 0: ValFraction holds. k >= 2, for cross-validation: the images of Train are divided into k parts by seed, and one of them is the validation set
	Fold        int             `yaml:"fold" range:"[0,)"`                       // the part that is the validation set, 0..Folds-1
	Group       string          `yaml:"group"`                                   // a regular expression for the images' names, whose first submatch, or else its match, is an image's group: ^([^_]*)_. Train is divided between groups only; empty: between images
	ImageFolder string          `yaml:"images"`                                  // folder or array of the images; empty: Train, Val and Test themselves
	MaskFolder  string          `yaml:"masks"`                                   // as ImageFolder
	ImageSuffix string          `yaml:"image_suffix"`                            // the end of image files' names, before the extension, that mask files do not have: _leftImg8bit
	MaskSuffix  string          `yaml:"mask_suffix"`                             // the same of masks: _mask
	Size        [2]int          `yaml:"size" range:"[1,)"`                       // height, width
	Patches     int             `yaml:"patches" range:"[0,)"`                    // 0: images are resized to Size. n >= 1: they keep their own size, and in each epoch n random patches of Size are cut from every training image
	RarePatches float64         `yaml:"rare_patches" range:"[0,1]"`              // share of the random patches around a pixel of a less frequent class: of the classes in the image but for the most frequent one, each is as likely, and so is each pixel of it
	Normalize   string          `yaml:"normalize" enum:"none,percentile,zscore"` // what is done with the values of each image: none; percentile: the 0.5th to the 99.5th percentile become 0..1; zscore: mean 0, standard deviation 1
	Classes     []string        `yaml:"classes"`                                 // names, in class order; 2 to 255
	Palette     [][3]int        `yaml:"palette" range:"[0,255]"`                 // empty: mask files hold class indices. Else they are read by colour: one [r, g, b] per class, and perhaps one more for ignored pixels
	MaxPixels   int64           `yaml:"max_pixels" range:"[1,)"`                 // larger images are refused before they are decoded
	MaskValues  []int           `yaml:"mask_values" range:"[-32768,65535]"`      // the value of each class in the masks, in class order, unless they are in colours or one-hot; empty: 0, 1, 2, ...
	IgnoreIndex int             `yaml:"ignore_index" range:"[-32768,65535]"`     // the value of ignored pixels in the masks, not a class; the default, 255, gives way to MaskValues
	Cache       string          `yaml:"cache" enum:"auto,ram,off"`               // auto: ram if the split takes at most CacheLimit bytes
	Synthetic   SyntheticConfig `yaml:"synthetic"`
	Augment     AugmentConfig   `yaml:"augment"`
}

// SyntheticConfig is the number of images in each split of the synthetic source.
type SyntheticConfig struct {
	Train int `yaml:"train" range:"[1,)"`
	Val   int `yaml:"val" range:"[1,)"` // also the size of the test split
}

// CacheLimit is the largest split, in bytes of decoded images, which cache: auto keeps in memory.
const CacheLimit = 1 << 30

const defaultIgnoreIndex = 255

// Values in masks are what 16 bits hold, with a sign or without.
const (
	smallestValue = math.MinInt16
	largestValue  = math.MaxUint16
)

// DefaultConfig is the synthetic data set at 128x128.
func DefaultConfig() Config {
	return Config{
		Source:      "synthetic",
		ValFraction: 0.1,
		ImageFolder: "images",
		MaskFolder:  "masks",
		Normalize:   "none",
		Size:        [2]int{128, 128},
		Classes:     []string{"background", "disc", "square", "triangle"},
		MaxPixels:   100_000_000,
		IgnoreIndex: defaultIgnoreIndex,
		Cache:       "auto",
		Synthetic:   SyntheticConfig{Train: 256, Val: 64},
		Augment:     AugmentConfig{FlipHorizontal: 0.5, Scale: [2]float64{1, 1}, Gamma: [2]float64{1, 1}},
	}
}

// Validate reports every value out of range, one line each.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	switch c.Source {
	case "folder", "npy":
		if c.Train == "" {
			bad(`data.train = "", want the folder of the training set`)
		}
	case "synthetic":
		for _, p := range []struct{ key, value string }{{"train", c.Train}, {"val", c.Val}, {"test", c.Test}} {
			if p.value != "" {
				bad("data.%s = %q, want it empty with data.source = synthetic (or data.source = folder or npy)", p.key, p.value)
			}
		}
		if len(c.Classes) != syntheticClasses {
			bad("data.classes has %d names, want %d with data.source = synthetic: background, disc, square, triangle", len(c.Classes), syntheticClasses)
		}
		if c.Synthetic.Train < 1 {
			bad("data.synthetic.train = %d, want >= 1", c.Synthetic.Train)
		}
		if c.Synthetic.Val < 1 {
			bad("data.synthetic.val = %d, want >= 1", c.Synthetic.Val)
		}
	default:
		bad("data.source = %q, want synthetic, folder or npy", c.Source)
	}
	if c.Source == "folder" && c.Layout() == (imagefile.Layout{Images: c.MaskFolder, Masks: c.ImageFolder, ImageSuffix: c.MaskSuffix, MaskSuffix: c.ImageSuffix}) {
		bad("data.images and data.masks are both %q, and so are data.image_suffix and data.mask_suffix, %q: want a folder for each, or names that differ in the suffix", c.ImageFolder, c.MaskSuffix)
	}
	if !(c.ValFraction > 0 && c.ValFraction < 1) {
		bad("data.val_fraction = %v, want > 0 and < 1", c.ValFraction)
	}
	errs = append(errs, c.validateFolds()...)
	if c.MaxPixels < 1 {
		bad("data.max_pixels = %d, want >= 1", c.MaxPixels)
	}
	if c.Size[0] < 1 || c.Size[1] < 1 {
		bad("data.size = %v, want height and width >= 1", c.Size)
	} else if c.MaxPixels >= 1 && imagefile.TooLarge(c.Size[0], c.Size[1], c.MaxPixels) {
		bad("data.size = %v, want at most data.max_pixels = %d pixels", c.Size, c.MaxPixels)
	}
	if c.Patches < 0 {
		bad("data.patches = %d, want >= 0", c.Patches)
	}
	if !(c.RarePatches >= 0 && c.RarePatches <= 1) {
		bad("data.rare_patches = %v, want 0..1", c.RarePatches)
	} else if c.RarePatches > 0 && c.Patches == 0 {
		bad("data.rare_patches = %v, want 0, or data.patches >= 1: whole images are not cut into patches", c.RarePatches)
	}
	names := c.Classes
	if n := len(names); n < 2 || n > imagefile.MaxClasses {
		bad("data.classes has %d names, want 2..%d", n, imagefile.MaxClasses)
		names = nil
	}
	for i, name := range names {
		if name == "" {
			bad("data.classes[%d] is empty, want a name", i)
		} else if j := slices.Index(names, name); j < i {
			bad("data.classes[%d] = %q, the same as classes[%d], want distinct names", i, name, j)
		}
	}
	if n := len(c.Palette); n != 0 && n != len(c.Classes) && n != len(c.Classes)+1 {
		bad("data.palette has %d colours, want %d (one per class), %d (the last for ignored pixels) or none", n, len(c.Classes), len(c.Classes)+1)
	}
	for i, rgb := range c.Palette[:min(len(c.Palette), imagefile.MaxClasses+1)] {
		if slices.Min(rgb[:]) < 0 || slices.Max(rgb[:]) > 255 {
			bad("data.palette[%d] = %v, want three values in 0..255", i, rgb)
		} else if j := slices.Index(c.Palette, rgb); j < i {
			bad("data.palette[%d] = %v, the same as palette[%d], want distinct colours", i, rgb, j)
		}
	}
	errs = append(errs, c.validateValues(len(names))...)
	switch c.Cache {
	case "auto", "ram", "off":
	default:
		bad("data.cache = %q, want auto, ram or off", c.Cache)
	}
	if n := imagefile.Normalization(c.Normalize); !n.Known() {
		bad("data.normalize = %q, want none, percentile or zscore", c.Normalize)
	} else if n == imagefile.ZScore {
		errs = append(errs, c.Augment.withoutRecolouring())
	}
	errs = append(errs, c.Augment.Validate())
	if c.Augment.Turn90 > 0 && c.Size[0] != c.Size[1] {
		bad("data.augment.turn_90 = %v, want 0, or a data.size that is square: it is %v", c.Augment.Turn90, c.Size)
	}
	return errors.Join(errs...)
}

// validateValues checks which values stand in masks; classes is the number of
// classes, or 0 if there are too many.
func (c Config) validateValues(classes int) (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if n := len(c.MaskValues); n > 0 {
		if n != len(c.Classes) {
			bad("data.mask_values has %d numbers, want %d, the value of each class in the masks, or none", n, len(c.Classes))
		}
		if len(c.Palette) > 0 {
			bad("data.mask_values has %d numbers and data.palette %d colours, want one of the two", n, len(c.Palette))
		}
		if c.Source == "synthetic" {
			bad("data.mask_values has %d numbers, want none with data.source = synthetic", n)
		}
	}
	for i, v := range c.MaskValues[:min(len(c.MaskValues), imagefile.MaxClasses)] {
		if v < smallestValue || v > largestValue {
			bad("data.mask_values[%d] = %d, want %d..%d", i, v, smallestValue, largestValue)
		} else if j := slices.Index(c.MaskValues, v); j < i {
			bad("data.mask_values[%d] = %d, the same as mask_values[%d], want distinct values", i, v, j)
		}
	}
	switch v := c.IgnoreIndex; {
	case v < smallestValue || v > largestValue:
		bad("data.ignore_index = %d, want %d..%d", v, smallestValue, largestValue)
	case len(c.MaskValues) > 0:
		if i := slices.Index(c.MaskValues, v); i >= 0 && i < classes && v != defaultIgnoreIndex {
			bad("data.ignore_index = %d is the class %q by data.mask_values, want another value", v, c.Classes[i])
		}
	case v >= 0 && v < classes:
		bad("data.ignore_index = %d is the class %q, want a value outside 0..%d, or data.mask_values with the value of each class, such as [1, 2, ...] where 0 is void", v, c.Classes[v], classes-1)
	}
	return errs
}

// ValueOf is the value of class c in masks that are neither in colours nor one-hot.
func (c Config) ValueOf(class int) int {
	if len(c.MaskValues) > 0 {
		return c.MaskValues[class]
	}
	return class
}

// Layout is where the files of a split are.
func (c Config) Layout() imagefile.Layout {
	return imagefile.Layout{Images: c.ImageFolder, Masks: c.MaskFolder, ImageSuffix: c.ImageSuffix, MaskSuffix: c.MaskSuffix}
}

// imageFormat is how image files become images.
func (c Config) imageFormat() imagefile.ImageFormat {
	return imagefile.ImageFormat{MaxPixels: c.MaxPixels, Normalize: imagefile.Normalization(c.Normalize)}
}

// maskFormat is how classes stand in mask files.
func (c Config) maskFormat() imagefile.MaskFormat {
	return imagefile.NewMaskFormat(len(c.Classes), c.IgnoreIndex, c.Palette, c.MaxPixels).WithValues(c.MaskValues)
}
