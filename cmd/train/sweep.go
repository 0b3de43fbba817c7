package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/hub"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

func (p *program) sweep() *cobra.Command {
	var file, out string
	var set []string
	var quiet bool
	cmd := &cobra.Command{
		Use:   "sweep --config FILE --set KEY=VALUE,VALUE...",
		Short: "Train one run for each combination of some keys' values",
		Long: `Train one run for each combination of the values that --set gives, and list the runs
as runs does. Each has a folder, named by its values, below that of --out, or else below
OUT-sweep, beside the run folder OUT of the configuration. A comma in brackets, braces,
parentheses or quotes is part of a value. The same command goes on where it was stopped;
with more values it trains those that are new.`,
		Example: p.named(`  PROGRAM sweep --config unet.yaml --set optimizer.lr=0.001,0.003 --set seed=1,2,3
  PROGRAM sweep --config unet.yaml --set 'data.size=[64,64],[128,128]' --set train.epochs=5 --out runs/size`),
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config", "set"); err != nil {
				return err
			}
			variants, err := config.Variants(set)
			if err != nil {
				return usage(err)
			}
			if len(variants) < 2 {
				return usagef("--set: every key has one value, want a key with several: KEY=VALUE,VALUE")
			}
			dir, runs, err := p.variants(file, out, variants)
			if err != nil {
				return err
			}
			for i := range runs {
				runs[i].Console = p.console(quiet)
			}
			return p.runSweep(cmd.Context(), dir, runs)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `FILE`, as given or in configs/")
	cmd.Flags().StringArrayVar(&set, "set", nil, "set a configuration key, to each of the values in turn: `KEY=VALUE,VALUE`; may be repeated")
	cmd.Flags().StringVar(&out, "out", "", "`DIR` for the run folders; without it, the key out followed by -sweep")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "print only warnings and results, no progress")
	return cmd
}

// variants are the runs of a sweep, and the folder of their run folders.
func (p *program) variants(file, out string, variants []config.Variant) (dir string, runs []run.Training, err error) {
	for _, v := range variants {
		s := settings{file: file, set: v.Set}
		if out != "" {
			s.flags = []config.Flag{{Name: "out", Key: "out", Value: out}}
		}
		cfg, err := p.loadPresent(s)
		if err != nil {
			return "", nil, err
		}
		if out == "" {
			cfg.Out = beside(cfg.Out, "sweep")
		}
		if dir != "" && cfg.Out != dir {
			return "", nil, usagef("--set out=...: want one folder for all runs")
		}
		dir = cfg.Out
		cfg.Out = filepath.Join(dir, v.Name)
		runs = append(runs, run.Training{Config: cfg, File: file, Hub: hub.FromEnvironment(p.getenv), Program: p.name, Revision: shortSource(), Now: p.clock.now})
	}
	return dir, runs, nil
}

func (p *program) runSweep(ctx context.Context, dir string, runs []run.Training) error {
	err := run.Sweep(ctx, dir, runs)
	if err != nil && !errors.As(err, new(run.FailedRuns)) {
		return err
	}
	return errors.Join(p.runRuns([]string{dir}, false, false), err)
}
