package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

func (p *program) augment() *cobra.Command {
	var settings settings
	var out string
	var count int
	var replace outputs
	cmd := &cobra.Command{
		Use:   "augment --config FILE --out DIR",
		Short: "Draw what the net will see of some training images",
		Long: `Draw some training images and what the net will see of them in the first epochs, with
their masks, to augment.png. Training with this configuration sees exactly these.`,
		Example: p.named("  PROGRAM augment --config unet.yaml --set data.augment.elastic=4 --out look"),
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config", "out"); err != nil {
				return err
			}
			if count < 1 {
				return usagef("--count %d: want >= 1", count)
			}
			cfg, err := p.loadPresent(settings)
			if err != nil {
				return err
			}
			return p.runAugment(cmd.Context(), cfg, out, count, replace)
		},
	}
	settings.register(cmd)
	cmd.Flags().StringVar(&out, "out", "", "`DIR` for augment.png")
	cmd.Flags().IntVar(&count, "count", 6, "number of images, spread over the training set")
	replace.register(cmd)
	return cmd
}

func (p *program) runAugment(ctx context.Context, cfg config.Config, out string, count int, replace outputs) error {
	const epochs = 7
	path := filepath.Join(out, "augment.png")
	if err := replace.check("--out", cfg.Data.Inputs(), path); err != nil {
		return err
	}
	set, err := data.Open(cfg.Data, cfg.Seed, "train")
	if err != nil {
		return err
	}
	loader := data.NewLoader(set, data.LoaderConfig{BatchSize: 1, Patches: cfg.Data.Patches, RarePatches: cfg.Data.RarePatches, Augment: cfg.Data.Augment, Seed: cfg.Seed})
	count = min(count, set.Len())
	var rows []report.Augmented
	for k := range count {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		i := k * set.Len() / count
		s, err := set.Load(i)
		if err != nil {
			return err
		}
		row := report.Augmented{Name: set.Name(i), Image: s}
		for epoch := range epochs {
			if s, err = loader.Sample(epoch, i); err != nil {
				return err
			}
			row.Epochs = append(row.Epochs, s)
		}
		rows = append(rows, row)
	}
	if err := durable.MakeFolder(out); err != nil {
		return err
	}
	if err := imagefile.WritePNG(path, report.ContactSheet(rows, cfg.Data.Classes, report.Display(data.Colors(cfg.Data)))); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%s: %d of %d images in the first %d epochs\n", path, count, set.Len(), epochs)
	return err
}
