package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/bench"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

func (p *program) bench() *cobra.Command {
	var settings settings
	var steps int
	var asJSON, profile bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the speed of training and inference on random images",
		Long: `Measure the speed of training steps (forward, backward, update) and of inference on random images:
medians after warm-up. GFLOP/s counts the convolutions as direct ones, and is compared with that of a
large matrix product by the same kernel: Winograd's algorithm needs only a quarter of the
multiplications, so it can exceed 100%.`,
		Example: p.named("  PROGRAM bench --set model.base_channels=16 --steps 20 --json"),
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if steps < 1 {
				return usagef("--steps %d: want >= 1", steps)
			}
			cfg, err := p.load(settings)
			if err != nil {
				return err
			}
			return p.runBench(cmd.Context(), cfg, steps, asJSON, profile)
		},
	}
	settings.register(cmd)
	cmd.Flags().IntVar(&steps, "steps", 12, "number of measured steps")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&profile, "profile", false, "print the time of a training step by kind of op, and its slowest nodes")
	return cmd
}

func (p *program) runBench(ctx context.Context, cfg config.Config, steps int, asJSON, profile bool) error {
	engine, err := run.NewEngine(cfg)
	if err != nil {
		return err
	}
	params, err := run.NewParameters(cfg)
	if err != nil {
		return err
	}
	result, err := bench.Run(ctx, bench.Setup{
		Engine: engine, Params: params, Loss: cfg.Loss, Optimizer: cfg.Optimizer,
		Batch: cfg.Train.BatchSize, H: cfg.Data.Size[0], W: cfg.Data.Size[1], Steps: steps, Seed: cfg.Seed,
	})
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(p.stdout, result)
	}
	if err := result.Write(p.stdout); err != nil || !profile {
		return err
	}
	return result.WriteProfile(p.stdout)
}
