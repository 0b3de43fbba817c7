package run

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/doctor"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

const (
	surveyed       = 48       // most images that are looked at more closely
	surveyedPixels = 16 << 20 // most pixels of them together
	trialBatch     = 8        // most images of the batch that the steps are on
)

// Diagnose measures what package doctor judges: it reads all data, looks at some
// images, and takes a few steps on one batch with several learning rates. Nothing is written.
func (t Training) Diagnose(ctx context.Context, steps int) (doctor.Figures, error) {
	f := doctor.Figures{Config: t.Config}
	if err := t.check(ctx, &f); err != nil {
		return f, err
	}
	if err := t.lookAt(ctx, &f); err != nil || len(f.Faults) > 0 {
		return f, err
	}
	return f, t.trials(ctx, &f, steps)
}

// check reads all data, as the check command does.
func (t Training) check(ctx context.Context, f *doctor.Figures) error {
	cfg := t.Config
	var counts data.Counts // of the training set
	for _, split := range survey.Splits(cfg.Data) {
		c, err := survey.Check(ctx, cfg, split, t.Console.Progress("checking "+split, "images"))
		t.Console.Close()
		if err != nil {
			return err
		}
		for _, fault := range imagefile.Fold(c.Faults) {
			if text := fault.Error(); !slices.Contains(f.Faults, text) { // splits may share a folder
				f.Faults = append(f.Faults, text)
			}
		}
		f.Warnings = append(f.Warnings, c.Warnings...)
		if split == "train" {
			counts = c.Counts
		} else {
			f.Warnings = append(f.Warnings, survey.Beside(cfg.Data, split, c.Counts, counts)...)
		}
	}
	f.Samples = counts.Images * max(1, cfg.Data.Patches)
	f.Pixels, f.Void = counts.Pixels, counts.Ignored
	f.Weights, _ = loss.Weights(cfg.Loss, counts.Pixels, counts.ImagePixels, cfg.Data.Classes) // the error is one of the faults
	return nil
}

// lookAt measures some images of the training set and their masks.
func (t Training) lookAt(ctx context.Context, f *doctor.Figures) error {
	set, _ := data.List(t.Config.Data, t.Config.Seed, "train") // the check has told of problems
	if set == nil {
		return nil
	}
	loader := data.NewLoader(set, data.LoaderConfig{BatchSize: 1, Patches: t.Config.Data.Patches, RarePatches: t.Config.Data.RarePatches, Seed: t.Config.Seed})
	var samples []data.Sample
	var positions []int
	h, w := set.Size()
	n := min(set.Len(), surveyed, max(surveyedPixels/(h*w), doctor.LeastPairs))
	for i := range n {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		position := i - i%2 // pairs, to compare images that follow one another
		position = position*set.Len()/n + i%2
		s, err := loader.Sample(0, position)
		if err == nil { // the check has told of those
			samples, positions = append(samples, s), append(positions, position)
		}
	}
	f.Images = doctor.MeasureImages(samples)
	f.Edges = doctor.MeasureEdges(samples, positions, rand.New(rand.NewPCG(t.Config.Seed, 0)))
	return nil
}

// trials takes the steps from the same first weights with several learning rates.
func (t Training) trials(ctx context.Context, f *doctor.Figures, steps int) error {
	cfg := t.Config
	engine, err := NewEngine(cfg)
	if err != nil {
		return err
	}
	params, err := NewParameters(cfg)
	if err != nil {
		return err
	}
	if err := t.initialise(ctx, params); err != nil {
		return err
	}
	set, err := data.Open(cfg.Data, cfg.Seed, "train")
	if err != nil {
		return err
	}
	graphs := &train.Graphs{Engine: engine, Params: params, Loss: loss.New(cfg.Loss, f.Weights), Seed: cfg.Seed}
	batch, err := firstBatch(ctx, data.NewLoader(set, data.LoaderConfig{
		BatchSize: min(cfg.Train.BatchSize, trialBatch), Shuffle: true, Patches: cfg.Data.Patches, RarePatches: cfg.Data.RarePatches, Seed: cfg.Seed,
	}), graphs.Loss)
	if err != nil {
		return err
	}
	first := valuesOf(params)
	for {
		factor, ok := doctor.NextFactor(*f)
		if !ok {
			return nil
		}
		setValues(params, first)
		trial, err := t.trial(ctx, graphs, batch, steps, factor)
		if err != nil {
			return err
		}
		f.Trials = append(f.Trials, trial)
	}
}

// firstBatch is the first batch that has a loss.
func firstBatch(ctx context.Context, loader *data.Loader, l train.Loss) (*data.Batch, error) {
	for batch, err := range loader.Epoch(ctx, 0, 0) {
		if err != nil {
			return nil, err
		}
		if l.Defined(batch.Targets) {
			b := *batch
			b.Images, b.Targets = slices.Clone(b.Images), slices.Clone(b.Targets)
			return &b, nil
		}
	}
	return nil, errors.New("data: no batch of the training set has a label")
}

// trial is steps on a batch with optimizer.lr times factor.
func (t Training) trial(ctx context.Context, graphs *train.Graphs, batch *data.Batch, steps int, factor float64) (doctor.Trial, error) {
	cfg, params := t.Config, graphs.Params
	result := doctor.Trial{Factor: factor}
	shape := train.Shape{N: batch.N, H: batch.H, W: batch.W}
	step, err := graphs.NewStep(shape)
	if err != nil {
		return result, err
	}
	rule, err := solver.New(cfg.Optimizer, train.Trained(params), graphs.Engine)
	if err != nil {
		return result, err
	}
	updates := []float64{}
	for i := range steps + 1 {
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		value, err := step.Run(batch.Images, batch.Targets, int64(i+1))
		if err != nil {
			return result, err
		}
		result.Losses = append(result.Losses, value)
		if !finite(value) || i == steps {
			break
		}
		before := valuesOf(params)
		norm, err := rule.Step(factor * cfg.Optimizer.LR)
		if i == 0 {
			result.GradNorm = norm
		}
		if err != nil { // the gradient is not finite
			result.Losses = append(result.Losses, math.NaN())
			break
		}
		updates = append(updates, change(params, before))
	}
	slices.Sort(updates)
	result.Update = math.NaN()
	if n := len(updates); n > 0 {
		result.Update = updates[n/2]
	}
	result.Truth = shares(predict.Argmax(nil, batch.Targets, batch.C), batch.Targets)
	if !finite(result.Losses[len(result.Losses)-1]) {
		return result, nil
	}
	for range 100 { // until the running statistics are those of this batch
		step.UpdateStatistics()
	}
	evaluation, err := graphs.NewEvaluation(shape)
	if err != nil {
		return result, err
	}
	logits, _, err := evaluation.Run(batch.Images, batch.Targets)
	if err != nil {
		return result, err
	}
	result.Predicted = shares(predict.Argmax(nil, logits, batch.C), batch.Targets)
	return result, nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// shares are those of each class among the pixels that have a label. of: (N,H,W);
// targets: (N,H,W,C).
func shares(of []uint8, targets []float32) []float64 {
	classes := len(targets) / len(of)
	all, total := make([]float64, classes), 0.0
	for i, class := range of {
		for _, y := range targets[i*classes:][:classes] { // one of them is 1, or none of a void pixel
			all[class] += float64(y)
			total += float64(y)
		}
	}
	for c := range all {
		all[c] /= total
	}
	return all
}

func valuesOf(params *model.Parameters) (all [][]float32) {
	for _, p := range params.All() {
		all = append(all, slices.Clone(p.Value))
	}
	return all
}

func setValues(params *model.Parameters, values [][]float32) {
	for i, p := range params.All() {
		copy(p.Value, values[i])
	}
}

// change is the norm of the change of the trained values over their norm before.
func change(params *model.Parameters, before [][]float32) float64 {
	moved, norm := 0.0, 0.0
	for i, p := range params.All() {
		if !p.Trained() {
			continue
		}
		for k, v := range p.Value {
			b := float64(before[i][k])
			d := float64(v) - b
			moved += d * d
			norm += b * b
		}
	}
	return math.Sqrt(moved / norm)
}
