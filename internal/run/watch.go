package run

import (
	"maps"
	"math"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/doctor"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// watcher passes events on, and adds what package doctor finds in them.
type watcher struct {
	train.Recorder
	params  *model.Parameters
	figures doctor.Figures
	fresh   bool                     // the run began with weights as they were drawn
	told    map[string]event.Noticed // what is wrong, by name
	moved   float64                  // sum of the sizes of the epoch's steps
	steps   int                      // of the epoch
}

func newWatcher(s train.Setup, cfg config.Config) *watcher {
	return &watcher{
		Recorder: s.Recorder, params: s.Params, told: map[string]event.Noticed{},
		figures: doctor.Figures{Config: cfg, Pixels: s.TrainCounts.Pixels, Void: s.TrainCounts.Ignored, Weights: s.ClassWeights},
	}
}

// Record passes an event on; before an epoch's, what it shows.
func (w *watcher) Record(e event.Event) error {
	switch e := e.(type) {
	case event.Started:
		w.fresh = e.Step == 0 && w.figures.Config.Model.Init == ""
	case event.Stepped:
		if w.fresh && w.figures.FirstLoss == 0 && !math.IsNaN(e.Loss) {
			w.figures.FirstLoss = e.Loss
		}
		w.moved += stepSize(w.figures.Config.Optimizer, e)
		w.steps++
	case event.Evaluated:
		if err := w.evaluated(e); err != nil {
			return err
		}
	}
	return w.Recorder.Record(e)
}

func (w *watcher) evaluated(e event.Evaluated) error {
	epoch := doctor.Epoch{Steps: e.Step, TrainLoss: e.TrainLoss, ValLoss: e.ValLoss, Update: w.moved / float64(w.steps) / norm(w.params)}
	w.moved, w.steps = 0, 0
	for class := range w.figures.Config.Data.Classes {
		epoch.Truth = append(epoch.Truth, e.Confusion.Pixels(class))
		epoch.Predicted = append(epoch.Predicted, e.Confusion.PredictedPixels(class))
	}
	w.figures.Epochs = append(w.figures.Epochs, epoch)

	before := w.told
	w.told = map[string]event.Noticed{}
	suffers, why := doctor.Watch(w.figures)
	for i, f := range slices.Concat(suffers, why) {
		now := event.Noticed{Epoch: e.Epoch, Step: e.Step, Name: f.Name, Text: f.String(), Classes: f.Classes, Cause: i >= len(suffers)}
		if was, told := before[f.Name]; told && slices.Equal(was.Classes, now.Classes) {
			now = was
		} else if err := w.Recorder.Record(now); err != nil {
			return err
		}
		w.told[f.Name] = now
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		over := before[name]
		if _, still := w.told[name]; still {
			continue
		}
		over.Epoch, over.Step, over.Over = e.Epoch, e.Step, true
		if err := w.Recorder.Record(over); err != nil {
			return err
		}
	}
	return nil
}

// stepSize is about the norm of the change that a step of SGD makes, NaN of other
// rules, whose steps do not follow from the gradient's norm.
func stepSize(c solver.Config, e event.Stepped) float64 {
	if c.Name != "sgd" {
		return math.NaN()
	}
	gradient := e.GradNorm
	if c.ClipNorm > 0 {
		gradient = min(gradient, c.ClipNorm)
	}
	return e.LR * gradient / (1 - c.Momentum)
}

// norm is that of all trained values.
func norm(params *model.Parameters) float64 {
	sum := 0.0
	for _, p := range params.All() {
		if p.Trained() {
			for _, v := range p.Value {
				sum += float64(v) * float64(v)
			}
		}
	}
	return math.Sqrt(sum)
}
