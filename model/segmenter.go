package model

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// Segmenter segments images of any size with a trained net. It is safe for
// concurrent use: the net runs for one caller at a time, on all cores.
type Segmenter struct {
	net     predict.Net
	classes []string
	palette color.Palette

	normalize imagefile.Normalization
}

// Open reads a checkpoint that the train command saved, such as
// checkpoints/best.safetensors of a run folder, or exported as safetensors. All that
// is needed besides the weights is the configuration inside it. The net runs on the
// best instruction set of this CPU. Errors name the file.
func Open(path string) (*Segmenter, error) {
	c, err := checkpoint.ReadRun(path)
	if err != nil {
		return nil, err
	}
	s, err := newSegmenter(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// recipe is what a Segmenter has to know of a run's configuration.
type recipe struct {
	Data struct {
		Size    [2]int   `yaml:"size"`    // height, width that the net sees
		Patches int      `yaml:"patches"` // > 0: images keep their resolution
		Classes []string `yaml:"classes"`
		Palette [][3]int `yaml:"palette"`

		Normalize imagefile.Normalization `yaml:"normalize"`
	} `yaml:"data"`
	Model arch.Config `yaml:"model"`
	Train struct {
		BatchSize int `yaml:"batch_size"` // largest number of tiles per run
	} `yaml:"train"`
}

const (
	imageChannels = 3           // red, green, blue
	largestTile   = 100_000_000 // pixels, as the default of data.max_pixels
)

// readRecipe reads the configuration in a checkpoint, and checks it against the
// tensors before memory is allocated by what it says.
func readRecipe(c *checkpoint.Checkpoint) (recipe, error) {
	r := recipe{Model: arch.DefaultConfig()}
	r.Train.BatchSize = 1
	r.Data.Normalize = imagefile.AsStored // in checkpoints that say nothing
	if err := yaml.Unmarshal(c.Config(), &r); err != nil {
		return r, fmt.Errorf("config: %w", err)
	}
	var errs []error
	h, w, classes := r.Data.Size[0], r.Data.Size[1], len(r.Data.Classes)
	if classes < 1 || classes > imagefile.MaxClasses {
		errs = append(errs, fmt.Errorf("config: data.classes has %d names, want 1..%d", classes, imagefile.MaxClasses))
	}
	if !r.Data.Normalize.Known() {
		errs = append(errs, fmt.Errorf("config: data.normalize = %q, want none, percentile or zscore", r.Data.Normalize))
	}
	if r.Train.BatchSize < 1 {
		errs = append(errs, fmt.Errorf("config: train.batch_size = %d, want >= 1", r.Train.BatchSize))
	}
	if err := r.Model.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("config: %w", err))
	} else if err := r.Model.CheckSize(h, w); err != nil {
		errs = append(errs, fmt.Errorf("config: %w", err))
	} else if imagefile.TooLarge(h, w, largestTile) {
		errs = append(errs, fmt.Errorf("config: data.size = %v, want at most %d pixels", r.Data.Size, largestTile))
	}
	if errs != nil {
		return r, errors.Join(errs...)
	}
	return r, Fit(r.Model, imageChannels, classes, c.Lookup)
}

func newSegmenter(c *checkpoint.Checkpoint) (*Segmenter, error) {
	r, err := readRecipe(c)
	if err != nil {
		return nil, err
	}
	params, err := NewParameters(r.Model, imageChannels, len(r.Data.Classes), rand.New(rand.NewPCG(0, 0)))
	if err != nil {
		return nil, err
	}
	if err := params.Load(c.Lookup); err != nil {
		return nil, err
	}
	engine, err := NewEngine(0, "auto")
	if err != nil {
		return nil, err
	}
	h, w := r.Data.Size[0], r.Data.Size[1]
	predictor := NewPredictor(engine, params)
	var mu sync.Mutex // guards predictor
	return &Segmenter{
		net: predict.Net{
			H: h, W: w, Classes: params.Classes, Batch: r.Train.BatchSize, Tiled: r.Data.Patches > 0,
			Run: func(images []float32, n int) ([]float32, error) {
				mu.Lock()
				defer mu.Unlock()
				probabilities, err := predictor.Probabilities(images, n, h, w)
				return slices.Clone(probabilities), err // the next caller's run overwrites them
			},
		},
		classes: r.Data.Classes,
		palette: imagefile.Colors(len(r.Data.Classes), r.Data.Palette),

		normalize: r.Data.Normalize,
	}, nil
}

// Classes are the names of the classes, in the order of their indices.
func (s *Segmenter) Classes() []string { return slices.Clone(s.classes) }

// Palette is one opaque colour per class, in the order of their indices: that of the
// configuration, or one that the colour-blind can tell apart.
func (s *Segmenter) Palette() color.Palette { return slices.Clone(s.palette) }

// Segment is the mask of an image of any size: at each pixel the index of the most
// probable class, with Palette as its palette and the image's bounds. The image is
// resized to the size that the net was trained at and its probabilities back, or,
// if the net was trained on patches, seen in overlapping tiles at full resolution,
// just as the predict command does it; data.normalize of the training holds. Alpha is dropped; a photo is not turned by
// its EXIF orientation, which an image.Image does not have. An image without a
// pixel is an error.
func (s *Segmenter) Segment(img image.Image) (*image.Paletted, error) {
	m, err := s.pixels(img)
	if err != nil {
		return nil, err
	}
	mask, err := s.net.Segment(context.Background(), m, nil)
	if err != nil {
		return nil, err
	}
	return &image.Paletted{Pix: mask, Stride: m.W, Rect: img.Bounds(), Palette: s.Palette()}, nil
}

// Probabilities are those of each class at each pixel of an image of any size, which
// is resized or tiled as for Segment: (H, W, C), row-major, for the H rows and W
// columns of the image and the C classes, each in 0..1 and with the sum 1 at each
// pixel but for rounding. That of class c at row y and column x, from 0, is
//
//	probabilities[(y*W+x)*C+c]
func (s *Segmenter) Probabilities(img image.Image) ([]float32, error) {
	m, err := s.pixels(img)
	if err != nil {
		return nil, err
	}
	if !s.net.Tiled {
		probabilities, err := s.net.Resized(m)
		if err != nil {
			return nil, err
		}
		return imagefile.Resize(probabilities, s.net.H, s.net.W, s.net.Classes, m.H, m.W), nil
	}
	all := make([]float32, 0, m.H*m.W*s.net.Classes)
	err = s.net.Tiles(context.Background(), m, func(_ int, rows []float32) error {
		all = append(all, rows...)
		return nil
	})
	return all, err
}

// pixels are those of an image that has some, as the net saw them in training.
func (s *Segmenter) pixels(img image.Image) (imagefile.Image, error) {
	if img == nil || img.Bounds().Empty() {
		return imagefile.Image{}, errors.New("model: an image without a pixel, want at least one")
	}
	return s.normalize.Apply(imagefile.FromImage(img)), nil
}
