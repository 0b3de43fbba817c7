package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/hub"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

func (p *program) crossval() *cobra.Command {
	var settings settings
	var out, group string
	var folds int
	var quiet, suspects bool
	cmd := &cobra.Command{
		Use:   "crossval --config FILE",
		Short: "Train on all folds of the data, and measure each image by a net that has not seen it",
		Long: `Divide the images of data.train into folds, train a net for each fold on the others,
and have it predict the images of its fold. The division follows from the names of the
images and the seed; images of one group (--group, a regular expression for their names
whose first submatch is the group, such as the patient or the video) stay together.
data.val takes no part: every net validates on its fold.

The folder of --out, or else OUT-crossval, beside the run folder OUT of the configuration,
gets a run folder for each fold (fold0, fold1, ...), crossval.json and crossval.csv (IoU
of each class by fold, their mean and standard deviation, and IoU over the images of all
folds), predictions/ (for each image the mask of class indices, at its own size),
images.csv (what each image scores) and, with --suspects, suspects/: the masks that are
probably wrong, each by the net that has not learnt it, as evaluate --suspects finds them
(also later, by the same command). Nets are measured after the last epoch: the best one
would be chosen by the very images that it is measured on.

The same command goes on where it was stopped, bit for bit, and ends with the same
results. The nets of the folds can be used together, by predict --checkpoint
'OUT-crossval/fold*/checkpoints/last.safetensors'.`,
		Example: p.named(`  PROGRAM crossval --config unet.yaml --folds 5
  PROGRAM crossval --config unet.yaml --folds 4 --group '^([^_]*)_' --out runs/by-patient`),
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config"); err != nil {
				return err
			}
			if cmd.Flags().Changed("out") {
				settings.flags = append(settings.flags, config.Flag{Name: "out", Key: "out", Value: out})
			}
			if cmd.Flags().Changed("group") {
				settings.flags = append(settings.flags, config.Flag{Name: "group", Key: "data.group", Value: group})
			}
			cfg, err := p.loadPresent(settings)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("out") {
				cfg.Out = beside(cfg.Out, "crossval")
			}
			if cfg.Data.Folds == 0 || cmd.Flags().Changed("folds") {
				cfg.Data.Folds = folds
			}
			if cfg.Data.Folds < 2 {
				return usagef("--folds %d: want >= 2", cfg.Data.Folds)
			}
			console := p.console(quiet)
			if cfg.Data.Val != "" {
				console.Note("data.val = %s takes no part: the folds divide data.train", cfg.Data.Val)
				cfg.Data.Val = ""
			}
			return p.runCrossval(cmd.Context(), run.Training{Config: cfg, File: settings.file, Hub: hub.FromEnvironment(p.getenv), Console: console, Program: p.name, Revision: shortSource(), Suspects: suspects, Now: p.clock.now})
		},
	}
	settings.register(cmd)
	cmd.Flags().IntVar(&folds, "folds", 5, "number of folds, overrides the key data.folds")
	cmd.Flags().StringVar(&group, "group", "", "regular expression `PATTERN` for the group of an image, overrides the key data.group")
	cmd.Flags().BoolVar(&suspects, "suspects", false, "list the masks that are probably wrong, too")
	cmd.Flags().StringVar(&out, "out", "", "run folder `DIR`; without it, the key out followed by -crossval")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "print only warnings and results, no progress")
	return cmd
}

// beside is the folder for several runs of a configuration, whose own run folder may hold a training.
func beside(out, what string) string { return filepath.Clean(out) + "-" + what }

func (p *program) runCrossval(ctx context.Context, training run.Training) error {
	result, err := training.Crossval(ctx)
	if err != nil {
		return err
	}
	out := training.Config.Out
	fmt.Fprintf(p.stdout, "%d folds of %d images, each measured by the net that has not seen it\n", len(result.Folds), result.Images)
	if err := result.Table(p.stdout); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "predictions in %s, scores of each image in %s\n", filepath.Join(out, "predictions"), filepath.Join(out, "images.csv"))
	return err
}
