package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/hub"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
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
	// File is where the configuration was read from, "" if that is no file.
	File string
	// Hub has the weights of model.init = imagenet.
	Hub hub.Hub
	// Console shows progress, and whatever may surprise.
	Console *report.Console
	// Program is the name by which the program was started.
	Program string
	// Revision is what the program was built from, "" if that is not known.
	Revision string
	// Suspects has Crossval look for masks that are probably wrong, too.
	Suspects bool
	// Now is the clock of speeds and durations.
	Now func() time.Time
}

// Train runs it to its end, in the run folder of its configuration. At the end of
// ctx the run is saved, and the error is train.ErrInterrupted. The result has no
// Confusion if the run had already ended, and Ending says why.
func (t Training) Train(ctx context.Context) (result train.Result, err error) {
	cfg, console := t.Config, t.Console
	if err := readsBack(cfg); err != nil {
		return result, err
	}
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
	if err := (durable.Outputs{Inputs: cfg.Data.Inputs(), Force: true}).Check(filepath.Join(cfg.Out, lockName)); err != nil {
		return result, Usage(fmt.Errorf("out: %w", err))
	}
	out, err := OpenFolder(cfg.Out)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := out.checkConfig(cfg, t.File); err != nil {
		return result, err
	}
	folder := out.checkpoints(cfg.Checkpoint.Keep)
	from, err := t.resumeFrom(folder)
	if err != nil {
		return result, err
	}
	var resumed *resumed // nil: anew
	if from != "" {
		if resumed, err = t.resume(from); err != nil {
			return result, err
		}
		if err := refuseOther(from, folder); err != nil {
			return result, err
		}
		cfg = resumed.config
		if ending := resumed.at.Ending(cfg.Train.Epochs, cfg.Train.EarlyStop); ending != "" {
			resumed.sayEnded(ending, console)
			return train.Result{Epoch: resumed.at.Epoch - 1, BestIoU: resumed.at.BestIoU, BestEpoch: resumed.at.BestEpoch, Ending: ending}, nil
		}
	} else if err := t.initialise(ctx, params); err != nil {
		return result, err
	}
	console.Classes = cfg.Data.Classes
	counts, weights, err := ClassWeights(ctx, cfg, trainSet, console)
	if err != nil {
		return result, err
	}
	valCounts, err := count(ctx, cfg, "val", valSet, "counting classes of the validation set", console)
	if err != nil {
		return result, err
	}
	for _, warning := range survey.Beside(cfg.Data, "val", valCounts, counts) {
		console.Warn("warning: %s", warning)
	}
	setup := train.Setup{
		Seed: cfg.Seed, Epochs: cfg.Train.Epochs, BatchSize: cfg.Train.BatchSize, Accumulate: cfg.Train.Accumulate, EMA: cfg.Train.EMA, EarlyStop: cfg.Train.EarlyStop, Optimizer: cfg.Optimizer, Schedule: cfg.Schedule,
		Checkpoint: cfg.Checkpoint, Patches: cfg.Data.Patches, RarePatches: cfg.Data.RarePatches, Augment: cfg.Data.Augment,
		Now: t.Now, Engine: engine, Params: params, Train: trainSet, Val: valSet, Loss: loss.New(cfg.Loss, weights),
		Folder:     folder,
		Recorder:   t.recorders(out, cfg),
		ConfigYAML: cfg.YAML(), TrainCounts: counts, ValCounts: valCounts, ClassWeights: weights,
	}
	setup.Recorder = newWatcher(setup, cfg)
	if resumed != nil {
		setup.Resume = resumed.saved.Checkpoint
		setup.Changes = append(resumed.changes, resumed.compareData(setup, console)...)
	}
	if err := out.writeConfig(cfg); err != nil {
		return result, err
	}
	result, err = train.Run(ctx, setup)
	console.Close()
	switch {
	case errors.Is(err, train.ErrInterrupted):
		err = fmt.Errorf("%w: saved to %s, --resume auto goes on from there", err, folder.Dir)
	case err == nil && result.Ending == checkpoint.EarlyStop:
		console.Note("stopped early after epoch %d: no better validation mIoU in %d epochs (train.early_stop)", result.Epoch+1, cfg.Train.EarlyStop)
	}
	return result, err
}

// readsBack refuses a configuration that could be written but not read again, which
// would show when a checkpoint is to be used.
func readsBack(cfg config.Config) error {
	text := cfg.YAML()
	back, err := config.Parse("config.yaml", text)
	if err == nil && !bytes.Equal(back.YAML(), text) {
		err = errors.New("config.yaml: other values")
	}
	if err != nil {
		return Usage(fmt.Errorf("the configuration would not read back: %w", err))
	}
	return nil
}

// ClassWeights counts the classes of the training set and weighs them. It warns of
// what survey.Judge finds in the counts.
func ClassWeights(ctx context.Context, cfg config.Config, trainSet *data.Split, console *report.Console) (data.Counts, []float64, error) {
	counts, err := count(ctx, cfg, "train", trainSet, "counting classes", console)
	if err != nil {
		return counts, nil, err
	}
	weights, err := loss.Weights(cfg.Loss, counts.Pixels, counts.ImagePixels, cfg.Data.Classes)
	return counts, weights, err
}

// count counts the classes of a split, and says what survey.Judge finds in the counts.
func count(ctx context.Context, cfg config.Config, split string, set *data.Split, progress string, console *report.Console) (data.Counts, error) {
	counts, err := data.CountClasses(ctx, set, cfg.Threads, console.Progress(progress, "images"))
	console.Close()
	if err != nil {
		return counts, err
	}
	warnings, err := survey.Judge(cfg, set, split, counts)
	for _, warning := range warnings {
		console.Warn("warning: %s", warning)
	}
	return counts, err
}

// recorders are what sees the events of the run, in this order.
func (t Training) recorders(out *Folder, cfg config.Config) report.Recorders {
	classes, palette := cfg.Data.Classes, report.Display(data.Colors(cfg.Data))
	recorders := report.Recorders{
		t.Console,
		&report.Table{Path: out.path("metrics.csv"), Classes: classes},
		&report.Log{Path: out.path("log.jsonl"), Now: time.Now, Classes: classes, Revision: t.Revision},
		&report.TensorBoard{Dir: out.path("tensorboard"), Now: time.Now, Classes: classes, Palette: palette},
	}
	if cfg.Report.Pictures {
		pages := Pages(out.dir, cfg, t.Program)
		pages.Warn = t.Console.Warn
		recorders = append(recorders, pages) // from what the others have written
	}
	return recorders
}

// Pages draws the run of a folder; program is the name of the program on the page.
func Pages(dir string, cfg config.Config, program string) *report.Pages {
	return &report.Pages{Dir: dir, Classes: cfg.Data.Classes, Palette: report.Display(data.Colors(cfg.Data)), Size: cfg.Data.Size, Config: cfg.YAML(), Program: program}
}
