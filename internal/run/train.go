package run

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

// Training is a training run that is to be started.
type Training struct {
	Config config.Config
	// Resume is the checkpoint to go on from: a file, "auto" for the last one of
	// the run folder, or "" to start anew, which is refused in a folder that holds
	// a run already.
	Resume string
	// Console shows progress, and whatever may surprise.
	Console *report.Console
	// Program is the name by which the program was started.
	Program string
	// Now is the clock of speeds and durations.
	Now func() time.Time
}

// Train runs it to its end, in the run folder of its configuration. At the end of
// ctx the run is saved, and the error is train.ErrInterrupted. The result has no
// Confusion if the run had already reached its end.
func (t Training) Train(ctx context.Context) (result train.Result, err error) {
	cfg, console := t.Config, t.Console
	engine, err := NewEngine(cfg)
	if err != nil {
		return result, err
	}
	params, err := NewParameters(cfg)
	if err != nil {
		return result, err
	}
	trainSet, err := data.Open(cfg.Data, cfg.Seed, "train")
	if err != nil {
		return result, err
	}
	valSet, err := data.Open(cfg.Data, cfg.Seed, "val")
	if err != nil {
		return result, err
	}
	out, err := OpenFolder(cfg.Out)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	folder := out.checkpoints(cfg.Checkpoint.Keep)
	from, err := t.resumeFrom(folder)
	if err != nil {
		return result, err
	}
	var start *checkpoint.Checkpoint // nil: anew
	if from != "" {
		saved, err := Read(from)
		if err != nil {
			return result, err
		}
		if cfg, err = t.resume(saved, trainSet); err != nil {
			return result, err
		}
		start = saved.Checkpoint
	} else if cfg.Model.Init != "" {
		if err := initialise(params, cfg.Model.Init, console); err != nil {
			return result, err
		}
	}
	console.Classes = cfg.Data.Classes
	counts, weights, err := ClassWeights(ctx, cfg, trainSet, console)
	if err != nil {
		return result, err
	}
	if err := out.write("config.yaml", cfg.YAML()); err != nil {
		return result, err
	}
	result, err = train.Run(ctx, train.Setup{
		Seed: cfg.Seed, Epochs: cfg.Train.Epochs, BatchSize: cfg.Train.BatchSize, EarlyStop: cfg.Train.EarlyStop, Optimizer: cfg.Optimizer, Schedule: cfg.Schedule,
		Checkpoint: cfg.Checkpoint, Patches: cfg.Data.Patches, Augment: cfg.Data.Augment,
		Now: t.Now, Engine: engine, Params: params, Train: trainSet, Val: valSet, Loss: loss.New(cfg.Loss, weights),
		Folder: folder, Resume: start,
		Recorder:   t.recorders(out, cfg),
		ConfigYAML: cfg.YAML(), ClassCounts: counts.Pixels, ClassWeights: weights,
	})
	console.Close()
	switch {
	case errors.Is(err, train.ErrInterrupted):
		err = fmt.Errorf("%w: saved to %s, --resume auto goes on from there", err, folder.Dir)
	case err != nil:
	case result.Confusion == nil:
		console.Note("nothing to train: %s has all %d epochs; --epochs gives it more", from, cfg.Train.Epochs)
	case result.Stopped:
		console.Note("stopped early: no better validation in %d epochs", cfg.Train.EarlyStop)
	}
	return result, err
}

// BestCheckpoint is where a run in the folder out keeps the checkpoint of its best validation.
func BestCheckpoint(out string) string { return filepath.Join(out, "checkpoints", "best.safetensors") }

// resumeFrom is the checkpoint that Resume stands for, or "" to start anew.
func (t Training) resumeFrom(folder checkpoint.Folder) (path string, err error) {
	if t.Resume != "" && t.Resume != "auto" {
		return t.Resume, nil
	}
	path, skipped, err := folder.Last()
	if t.Resume == "" && (path != "" || err != nil) {
		return "", Usage(fmt.Errorf("%s holds checkpoints already: go on with --resume auto, or choose another folder with --out", folder.Dir))
	}
	if err != nil {
		return "", err
	}
	for _, err := range skipped {
		t.Console.Warn("passed over: %v", err)
	}
	if path != "" {
		t.Console.Note("resuming from %s", path)
	}
	return path, nil
}

// resume is the configuration to go on with from a checkpoint. It refuses one that
// does not fit, and notes what else differs.
func (t Training) resume(saved *Saved, trainSet *data.Split) (config.Config, error) {
	cfg, old, console := t.Config, saved.Config, t.Console
	if given := cfg.Model.Init; given != "" && given != old.Model.Init {
		console.Note("model.init = %s is not read: the run goes on from %s", given, saved.Path)
	}
	cfg.Model.Init = old.Model.Init // where the weights came from
	refused, changed := config.Compare(old, cfg)
	var errs []error
	for _, d := range refused {
		hint := ""
		if d.Key == "model.freeze" {
			hint = fmt.Sprintf("; to train other parts, start anew from its weights, with model.init=%s and another --out", saved.Path)
		}
		errs = append(errs, fmt.Errorf("%s does not fit the configuration: %v%s", saved.Path, d, hint))
	}
	for _, d := range changed {
		console.Note("changed since the checkpoint: %v", d)
	}
	if errs != nil {
		return cfg, Usage(errors.Join(errs...))
	}
	if !saved.HasOptimizerState() && cfg.Optimizer.KeepsAverages() {
		return cfg, Usage(fmt.Errorf("%s was exported without the optimizer's state: resume from a checkpoint of the run folder, or start anew with model.init=%s", saved.Path, saved.Path))
	}
	if saved.DataFingerprint() != trainSet.Fingerprint() {
		console.Warn("the training set is not the one that %s was trained on", saved.Path)
	}
	return cfg, nil
}

// ClassWeights counts the classes of the training set and weighs them.
func ClassWeights(ctx context.Context, cfg config.Config, trainSet *data.Split, console *report.Console) (data.Counts, []float64, error) {
	counts, err := data.CountClasses(ctx, trainSet, cfg.Threads, console.Progress("counting classes"))
	console.Close()
	if err != nil {
		return counts, nil, err
	}
	weights, err := loss.Weights(cfg.Loss, counts.Pixels, counts.ImagePixels, cfg.Data.Classes)
	return counts, weights, err
}

// recorders are what sees the events of the run, in this order.
func (t Training) recorders(out *Folder, cfg config.Config) report.Recorders {
	classes, palette := cfg.Data.Classes, data.Colors(cfg.Data)
	recorders := report.Recorders{
		t.Console,
		&report.Table{Path: out.path("metrics.csv"), Classes: classes},
		&report.Log{Path: out.path("log.jsonl"), Now: time.Now, Classes: classes},
		&report.TensorBoard{Dir: out.path("tensorboard"), Now: time.Now, Classes: classes, Palette: palette},
	}
	if cfg.Report.Pictures {
		recorders = append(recorders, Pages(out.dir, cfg, t.Program)) // from what the others have written
	}
	return recorders
}

// Pages draws the run of a folder; program is the name of the program on the page.
func Pages(dir string, cfg config.Config, program string) *report.Pages {
	return &report.Pages{Dir: dir, Classes: cfg.Data.Classes, Palette: data.Colors(cfg.Data), Size: cfg.Data.Size, Config: cfg.YAML(), Program: program}
}
