package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

func (p *program) weights() *cobra.Command {
	var settings settings
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "weights --config FILE",
		Short:   "Count the classes of the training set and print their weights",
		Example: p.named("  PROGRAM weights --config unet.yaml --set loss.class_weights=enet"),
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config"); err != nil {
				return err
			}
			cfg, err := p.loadPresent(settings)
			if err != nil {
				return err
			}
			return p.runWeights(cmd.Context(), cfg, asJSON)
		},
	}
	settings.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// classCounts is the JSON of `weights`.
type classCounts struct {
	Images        int          `json:"images"`
	Pixels        int64        `json:"pixels"` // labelled ones
	IgnoredPixels int64        `json:"ignored_pixels"`
	Scheme        string       `json:"scheme"`
	Classes       []classCount `json:"classes"`
}

type classCount struct {
	Name      string  `json:"name"`
	Count     int64   `json:"count"`
	Frequency float64 `json:"frequency"` // count / pixels
	Weight    float64 `json:"weight"`
}

func (p *program) runWeights(ctx context.Context, cfg config.Config, asJSON bool) error {
	set, err := data.Open(cfg.Data, cfg.Seed, "train")
	if err != nil {
		return err
	}
	counts, weights, err := run.ClassWeights(ctx, cfg, set, p.console(false))
	if err != nil {
		return err
	}
	r := classCounts{Images: counts.Images, IgnoredPixels: counts.Ignored, Scheme: cfg.Loss.ClassWeights.String()}
	for _, n := range counts.Pixels {
		r.Pixels += n
	}
	for c, name := range cfg.Data.Classes {
		n := counts.Pixels[c]
		r.Classes = append(r.Classes, classCount{name, n, float64(n) / float64(max(r.Pixels, 1)), weights[c]})
	}
	if asJSON {
		return writeJSON(p.stdout, r)
	}
	fmt.Fprintf(p.stdout, "%d images, %d labelled pixels, %d ignored; class weights: %s\n", r.Images, r.Pixels, r.IgnoredPixels, r.Scheme)
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "class\tcount\tfrequency\tweight\t")
	for _, c := range r.Classes {
		fmt.Fprintf(t, "%s\t%d\t%.4f%%\t%.6g\t\n", c.Name, c.Count, 100*c.Frequency, c.Weight)
	}
	return t.Flush()
}
