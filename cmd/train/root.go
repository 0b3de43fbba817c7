package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/hub"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
)

// root is the program without a subcommand, which trains.
func (p *program) root() *cobra.Command {
	var settings settings
	var out, resume string
	var epochs int
	var quiet, version bool
	cmd := &cobra.Command{
		Use:   p.name + " --config FILE",
		Short: "Train a UNet for semantic segmentation",
		Long: `Train a UNet for semantic segmentation.

The configuration comes from the defaults, the file, environment variables
(UNET_TRAIN_EPOCHS for train.epochs), --set and the other flags; later ones win.
The run folder gets config.yaml, metrics.csv, log.jsonl, tensorboard/ (for
tensorboard --logdir), checkpoints/, pictures and report.html. On Ctrl-C, SIGTERM
or SIGHUP, training saves a checkpoint; --resume auto goes on from there.`,
		Example: p.named(`  PROGRAM --config unet.yaml
  PROGRAM --config camvid --set data.train=DIR/train --set data.val=DIR/val --out runs/camvid
  PROGRAM --config unet.yaml --resume auto --epochs 20`),
		Args:          noArguments,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.HasParent() {
				return nil
			}
			return usage(world.RefuseOthers(p.getenv, cmd.Name()))
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return p.runVersion(false)
			}
			if err := p.join(); err != nil {
				return err
			}
			if cmd.Flags().Changed("out") {
				settings.flags = append(settings.flags, config.Flag{Name: "out", Key: "out", Value: out})
			}
			if cmd.Flags().Changed("epochs") {
				settings.flags = append(settings.flags, config.Flag{Name: "epochs", Key: "train.epochs", Value: epochs})
			}
			load := p.loadPresent
			if resume != "" || p.world.Rank() > 0 { // a run that goes on no longer needs model.init, and one process reads it for all
				load = p.load
			}
			var cfg config.Config
			err := required(cmd, "config")
			if err == nil {
				cfg, err = load(settings)
			}
			if err := world.Agree(p.world, err); err != nil {
				return err
			}
			return p.train(cmd.Context(), run.Training{Config: cfg, File: settings.file, Resume: resume, Hub: hub.FromEnvironment(p.getenv), Console: p.console(quiet), Program: p.name, Revision: shortSource(), Now: p.clock.now, World: p.world})
		},
	}
	settings.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&out, "out", "", "run folder `DIR`, overrides the key out")
	flags.StringVar(&resume, "resume", "", "go on from a checkpoint `FILE`; auto: from the last one in the run folder")
	flags.IntVar(&epochs, "epochs", 0, "number of epochs, overrides the key train.epochs")
	flags.BoolVar(&version, "version", false, "the same as the version command")
	flags.BoolVar(&quiet, "quiet", false, "print only warnings and results, no progress")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 { // a misspelt command, whose flag is not one of this
			return noArguments(cmd, args)
		}
		return usagef("%w; see %s --help", err, cmd.CommandPath())
	})
	cmd.AddCommand(p.init(), p.check(), p.doctor(), p.weights(), p.augment(), p.evaluate(), p.predict(), p.crossval(), p.sweep(), p.runs(), p.report(), p.inspect(), p.export(),
		p.importCommand(), p.synth(), p.bench(), p.schema(), p.completion(), p.version())
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
	cmd.Flags().StringArrayVar(&s.set, "set", nil, "set a configuration key: `KEY=VALUE`; may be repeated")
}

func (p *program) load(s settings) (config.Config, error) {
	cfg, err := config.Load(config.Options{File: s.file, Environ: p.environ, Set: s.set, Flags: s.flags})
	return cfg, usage(err)
}

// loadPresent is load for a command that reads the data set and the first weights.
func (p *program) loadPresent(s settings) (config.Config, error) {
	cfg, err := p.load(s)
	if err != nil {
		return cfg, err
	}
	file := s.file
	if file != "" {
		if file, err = config.FindFile(file); err != nil {
			return cfg, err
		}
	}
	return cfg, cfg.CheckPaths(file)
}

func (p *program) console(quiet bool) *report.Console {
	return &report.Console{W: p.stderr, Terminal: p.terminal, Ink: p.ink, Quiet: quiet, Now: p.clock.now}
}

func (p *program) train(ctx context.Context, training run.Training) error {
	result, err := training.Train(ctx)
	if err != nil {
		var agreed world.Agreed
		p.stranded = !errors.As(err, &agreed)
		return err
	}
	if result.Confusion != nil {
		if err := result.Confusion.Report(training.Config.Data.Classes).Table(p.stdout); err != nil {
			return err
		}
	}
	if result.BestEpoch < 0 { // of a run with an older program, which measured on no labels
		return nil
	}
	where := training.Best(result)
	if where == "" {
		where = "its checkpoint is not in " + training.Config.Out
	}
	_, err = fmt.Fprintf(p.stdout, "best mIoU %.4f after epoch %d: %s\n", result.BestIoU, result.BestEpoch+1, where)
	return err
}
