package run

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// channels of an image: red, green, blue.
const channels = 3

// NewEngine makes the engine that a configuration asks for.
func NewEngine(cfg config.Config) (*kernel.Engine, error) {
	engine, err := kernel.NewEngine(cfg.Threads, cfg.Kernel)
	if err == nil {
		err = engine.SetPrecision(cfg.Precision)
	}
	return engine, Usage(err)
}

// NewParameters makes the net of a configuration with weights drawn from its seed.
func NewParameters(cfg config.Config) (*model.Parameters, error) {
	return model.NewParameters(cfg.Model, channels, len(cfg.Data.Classes), rand.New(rand.NewPCG(cfg.Seed, 0)))
}

// Saved is a checkpoint of this program with the configuration of its run.
type Saved struct {
	*checkpoint.Checkpoint
	Path   string
	Config config.Config
}

// Read reads a checkpoint that this program wrote. One whose values are not all
// finite, or whose configuration does not fit its tensors, is an error; until then no
// memory is allocated by what the configuration says.
func Read(path string) (*Saved, error) {
	c, err := checkpoint.ReadRun(path)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Parse(path+": config", c.Config())
	if err != nil {
		return nil, err
	}
	if err := errors.Join(bounded(cfg), model.Fit(cfg.Model, channels, len(cfg.Data.Classes), c.Lookup)); err != nil {
		return nil, fmt.Errorf("%s: config: %w", path, err)
	}
	return &Saved{c, path, cfg}, nil
}

// bounded refuses what a run can hardly have had, and nothing in a checkpoint can
// contradict: so that no file makes this program ask for any memory.
func bounded(cfg config.Config) error {
	const (
		image  = 100_000_000 // pixels, as the default of data.max_pixels
		batch  = 10 * image
		images = 100_000_000 // of the synthetic source
	)
	h, w := cfg.Data.Size[0], cfg.Data.Size[1]
	var errs []error
	if imagefile.TooLarge(h, w, image) {
		errs = append(errs, fmt.Errorf("data.size = %v, want at most %d pixels", cfg.Data.Size, image))
	} else if imagefile.TooLarge(h*w, cfg.Train.BatchSize, batch) {
		errs = append(errs, fmt.Errorf("train.batch_size = %d images of data.size = %v, want at most %d pixels", cfg.Train.BatchSize, cfg.Data.Size, batch))
	}
	if n := max(cfg.Data.Synthetic.Train, cfg.Data.Synthetic.Val); cfg.Data.Source == "synthetic" && n > images {
		errs = append(errs, fmt.Errorf("data.synthetic has %d images, want at most %d", n, images))
	}
	return errors.Join(errs...)
}

// ImageFormat is how the net sees image files.
func (s *Saved) ImageFormat() imagefile.ImageFormat {
	return imagefile.ImageFormat{MaxPixels: s.Config.Data.MaxPixels, Normalize: imagefile.Normalization(s.Config.Data.Normalize)}
}

// Parameters is the net with the checkpoint's weights and running statistics.
func (s *Saved) Parameters() (*model.Parameters, error) {
	params, err := NewParameters(s.Config)
	if err == nil {
		err = train.LoadWeights(params, s.Checkpoint)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	return params, nil
}

// ownEngine uses all cores and the best instruction set there is, in float32: what
// a checkpoint's configuration says belongs to the machine that trained.
func ownEngine() (*kernel.Engine, error) { return kernel.NewEngine(0, "auto") }

// Net is the net and an engine of this machine.
func (s *Saved) Net() (*kernel.Engine, *model.Parameters, error) {
	engine, err := ownEngine()
	if err != nil {
		return nil, nil, err
	}
	params, err := s.Parameters()
	return engine, params, err
}

// ClassWeights are those that the checkpoint was trained with.
func (s *Saved) ClassWeights() ([]float64, error) {
	weights, err := s.Checkpoint.ClassWeights(len(s.Config.Data.Classes))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	return weights, nil
}

// predictor is the checkpoint's part of an Ensemble's Predictor.
func (s *Saved) predictor(engine *kernel.Engine, tiled, flips bool) (predict.Net, error) {
	params, err := s.Parameters()
	if err != nil {
		return predict.Net{}, err
	}
	predictor := model.NewPredictor(engine, params)
	h, w := s.Config.Data.Size[0], s.Config.Data.Size[1]
	net := predict.Net{
		H: h, W: w, Classes: params.Classes, Batch: s.Config.Train.BatchSize, Tiled: tiled || s.Config.Data.Patches > 0,
		Run: func(images []float32, n int) ([]float32, error) { return predictor.Probabilities(images, n, h, w) },
	}
	if flips {
		net = net.Flipped()
		if a := s.Config.Data.Augment; a.FlipVertical > 0 || a.Turn90 > 0 {
			net = net.FlippedVertically()
		}
	}
	return net, nil
}
