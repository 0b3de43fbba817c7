package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

// root is `train`, which trains.
func (p *program) root() *cobra.Command {
	var settings settings
	var out, resume string
	var epochs int
	var quiet bool
	cmd := &cobra.Command{
		Use:   "train --config FILE",
		Short: "Train a UNet for semantic segmentation",
		Long: `Train a UNet for semantic segmentation.

The configuration comes from the defaults, the file, environment variables
(UNET_TRAIN_EPOCHS for train.epochs), --set and the other flags; later ones win.
The run folder gets config.yaml, metrics.csv, log.jsonl, tensorboard/ (for
tensorboard --logdir), checkpoints/, pictures and report.html. An interrupted
training (Ctrl-C) saves a checkpoint and goes on with --resume auto.`,
		Example: `  train --config unet.yaml
  train --config camvid --set data.train=DIR/train --set data.val=DIR/val --out runs/camvid
  train --config unet.yaml --resume auto --epochs 20`,
		Args:          noArguments,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config"); err != nil {
				return err
			}
			if cmd.Flags().Changed("out") {
				settings.flags = append(settings.flags, config.Flag{Name: "out", Key: "out", Value: out})
			}
			if cmd.Flags().Changed("epochs") {
				settings.flags = append(settings.flags, config.Flag{Name: "epochs", Key: "train.epochs", Value: epochs})
			}
			cfg, err := p.load(settings)
			if err != nil {
				return err
			}
			return p.train(cmd.Context(), cfg, resume, p.console(quiet))
		},
	}
	settings.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&out, "out", "", "run folder `DIR`, overrides out")
	flags.StringVar(&resume, "resume", "", "go on from a checkpoint `FILE`, or from the last one of the run folder with auto")
	flags.IntVar(&epochs, "epochs", 0, "number of epochs, overrides train.epochs")
	flags.BoolVar(&quiet, "quiet", false, "no progress, only warnings and results")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef("%w; see %s --help", err, cmd.CommandPath()) })
	cmd.AddCommand(p.init(), p.check(), p.weights(), p.augment(), p.evaluate(), p.predict(), p.report(), p.inspect(), p.export(),
		p.synth(), p.bench(), p.schema(), p.completion(), p.version())
	for _, c := range append(cmd.Commands(), cmd) {
		complete(c)
	}
	return cmd
}

// settings are the flags that make a configuration.
type settings struct {
	file  string
	set   []string
	flags []config.Flag
}

func (s *settings) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.file, "config", "", "configuration `FILE`, as given or in configs/")
	cmd.Flags().StringArrayVar(&s.set, "set", nil, "set a configuration key: `KEY=VALUE`, may be repeated")
}

func (p *program) load(s settings) (config.Config, error) {
	cfg, err := config.Load(config.Options{File: s.file, Environ: p.environ, Set: s.set, Flags: s.flags})
	return cfg, usage(err)
}

func (p *program) console(quiet bool) *report.Console {
	return &report.Console{W: p.stderr, Terminal: p.terminal, Ink: p.ink, Quiet: quiet, Now: p.clock.now}
}

func (p *program) train(ctx context.Context, cfg config.Config, resume string, console *report.Console) (err error) {
	engine, err := kernel.NewEngine(cfg.Threads, cfg.Kernel)
	if err != nil {
		return usage(err)
	}
	params, err := newParameters(cfg)
	if err != nil {
		return err
	}
	trainSet, err := data.Open(cfg.Data, cfg.Seed, "train")
	if err != nil {
		return err
	}
	valSet, err := data.Open(cfg.Data, cfg.Seed, "val")
	if err != nil {
		return err
	}
	out, err := openRun(cfg.Out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	folder := out.checkpoints(cfg.Checkpoint.Keep)
	from, err := resumeFrom(folder, resume, console)
	if err != nil {
		return err
	}
	var start *checkpoint.Checkpoint // nil: anew
	if from != "" {
		var old config.Config
		if start, old, err = readCheckpoint(from); err != nil {
			return err
		}
		if given := cfg.Model.Init; given != "" && given != old.Model.Init {
			console.Note("model.init = %s is not read: the training goes on from %s", given, from)
		}
		cfg.Model.Init = old.Model.Init // where the weights came from
		if err := compare(from, old, cfg, console); err != nil {
			return err
		}
		if !slices.ContainsFunc(start.Tensors, isOptimizerState) && (cfg.Optimizer.Name != "sgd" || cfg.Optimizer.Momentum > 0) {
			return usagef("%s holds no optimizer state, as exported files do: a training cannot go on from it", from)
		}
		if fingerprint := start.Meta["data_fingerprint"]; fingerprint != trainSet.Fingerprint() {
			console.Warn("the training set is not the one of %s", from)
		}
	} else if cfg.Model.Init != "" {
		if err := initialise(params, cfg.Model.Init, console); err != nil {
			return err
		}
	}
	console.Classes = cfg.Data.Classes
	counts, weights, err := classWeights(ctx, cfg, trainSet, console)
	if err != nil {
		return err
	}
	if err := out.write("config.yaml", cfg.YAML()); err != nil {
		return err
	}
	recorders := report.Recorders{
		console,
		&report.Table{Path: out.path("metrics.csv"), Classes: cfg.Data.Classes},
		&report.Log{Path: out.path("log.jsonl"), Now: time.Now, Classes: cfg.Data.Classes},
		&report.TensorBoard{Dir: out.path("tensorboard"), Now: time.Now, Classes: cfg.Data.Classes, Palette: data.Colors(cfg.Data)},
	}
	if cfg.Report.Pictures {
		recorders = append(recorders, pages(out.dir, cfg)) // from what the others have written
	}
	result, err := train.Run(ctx, train.Setup{
		Seed: cfg.Seed, Config: cfg.Train, Optimizer: cfg.Optimizer, Schedule: cfg.Schedule,
		Checkpoint: cfg.Checkpoint, Patches: cfg.Data.Patches, Augment: cfg.Data.Augment,
		Now: p.clock.now, Engine: engine, Params: params, Train: trainSet, Val: valSet, Loss: loss.New(cfg.Loss, weights),
		Folder: folder, Resume: start,
		Recorder:   recorders,
		ConfigYAML: cfg.YAML(), ClassCounts: counts.Pixels, ClassWeights: weights,
	})
	console.Close()
	switch {
	case errors.Is(err, train.ErrInterrupted):
		return fmt.Errorf("%w: saved to %s, --resume auto goes on from there", err, folder.Dir)
	case err != nil:
		return err
	case result.Confusion == nil:
		console.Note("nothing to train: %s has all %d epochs; --epochs gives it more", from, cfg.Train.Epochs)
		return nil
	case result.Stopped:
		console.Note("stopped early: no better validation in %d epochs", cfg.Train.EarlyStop)
	}
	if err := result.Confusion.Report(cfg.Data.Classes).Table(p.stdout); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "best mIoU %.4f after epoch %d: %s\n", result.BestIoU, result.BestEpoch+1, filepath.Join(folder.Dir, "best.safetensors"))
	return err
}

// resumeFrom is the checkpoint that --resume stands for, or "" to start anew,
// which is refused in a folder that holds a run already.
func resumeFrom(folder checkpoint.Folder, resume string, console *report.Console) (path string, err error) {
	if resume != "" && resume != "auto" {
		return resume, nil
	}
	path, skipped, err := folder.Last()
	if resume == "" && (path != "" || err != nil) {
		return "", usagef("%s holds checkpoints already: go on with --resume auto, or choose another folder with --out", folder.Dir)
	}
	if err != nil {
		return "", err
	}
	for _, err := range skipped {
		console.Warn("passed over: %v", err)
	}
	if path != "" {
		console.Note("resuming from %s", path)
	}
	return path, nil
}

// compare refuses a checkpoint which does not fit the configuration and reports what else differs.
func compare(path string, old, resumed config.Config, console *report.Console) error {
	refused, changed := config.Compare(old, resumed)
	var errs []error
	for _, d := range refused {
		hint := ""
		if d.Key == "model.freeze" {
			hint = fmt.Sprintf("; to train other parts, start anew from its weights, with model.init=%s and another --out", path)
		}
		errs = append(errs, fmt.Errorf("%s does not fit the configuration: %v%s", path, d, hint))
	}
	for _, d := range changed {
		console.Note("changed since the checkpoint: %v", d)
	}
	return usage(errors.Join(errs...))
}

// classWeights counts the classes of the training set and weighs them.
func classWeights(ctx context.Context, cfg config.Config, trainSet *data.Split, console *report.Console) (data.Counts, []float64, error) {
	counts, err := data.CountClasses(ctx, trainSet, cfg.Threads, console.Progress("counting classes"))
	console.Close()
	if err != nil {
		return counts, nil, err
	}
	weights, err := loss.Weights(cfg.Loss, counts.Pixels, counts.ImagePixels, cfg.Data.Classes)
	return counts, weights, err
}

// readCheckpoint reads a checkpoint of this program and the configuration in it.
func readCheckpoint(path string) (*checkpoint.Checkpoint, config.Config, error) {
	c, err := checkpoint.Read(path)
	if err != nil {
		return nil, config.Config{}, err
	}
	if format := c.Meta["format"]; format != train.Format {
		return nil, config.Config{}, fmt.Errorf("%s: format = %s, want a checkpoint of this program (%s)", path, strconv.Quote(format), train.Format)
	}
	if err := c.Finite(); err != nil {
		return nil, config.Config{}, fmt.Errorf("%s: %w", path, err)
	}
	cfg, err := config.Parse(path+": config", []byte(c.Meta["config"]))
	return c, cfg, err
}
