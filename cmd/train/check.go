package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
)

func (p *program) check() *cobra.Command {
	var settings settings
	var limit int
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Read the whole data set and report everything wrong in it",
		Long: `Read every image and mask of the training, validation and test set as training
would, without stopping at a fault, so that all can be mended at once. Faults and
warnings go to stderr, what is fine to stdout. The exit code is 1 if there are faults.`,
		Example: p.named("  PROGRAM check --config unet.yaml --set data.train=DIR"),
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config"); err != nil {
				return err
			}
			if limit < 0 {
				return usagef("--limit %d: want >= 0", limit)
			}
			cfg, err := p.loadPresent(settings)
			if err != nil {
				return err
			}
			_, err = p.runCheck(cmd.Context(), p.stdout, cfg, limit)
			return err
		},
	}
	settings.register(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "show at most this many lines of faults; 0: every fault, also where many files have the same")
	return cmd
}

// runCheck shows at most limit lines of faults on stderr (0: all faults one by one)
// and what is fine on w; the train split comes first in what it returns.
func (p *program) runCheck(ctx context.Context, w io.Writer, cfg config.Config, limit int) (checked []survey.Checked, err error) {
	console := p.console(false)
	faults := faults{w: p.stderr, limit: limit, seen: map[string]bool{}}
	for _, split := range survey.Splits(cfg.Data) {
		c, err := survey.Check(ctx, cfg, split, console.Progress("checking "+split, "images"))
		console.Close()
		if err != nil {
			return nil, err
		}
		if len(checked) > 0 {
			c.Warnings = append(c.Warnings, survey.Beside(cfg.Data, split, c.Counts, checked[0].Counts)...)
		}
		checked = append(checked, c)
		faults.write(c.Faults)
		for _, warning := range c.Warnings {
			console.Warn("warning: %s", warning)
		}
	}
	if err := survey.WriteTable(w, cfg.Data, checked); err != nil {
		return nil, err
	}
	return checked, faults.err()
}

// faults shows at most limit lines, one for equal faults of many files, and counts
// all. Splits that share a folder share what is wrong with it: it is shown once.
type faults struct {
	w     io.Writer
	limit int // 0: no limit, and a line for each fault
	seen  map[string]bool
	lines int
	short bool // not all are shown
}

func (f *faults) write(errs []error) {
	var fresh []error
	for _, err := range imagefile.Each(errs) {
		if !f.seen[err.Error()] {
			f.seen[err.Error()] = true
			fresh = append(fresh, err)
		}
	}
	shown := fresh
	if f.limit > 0 {
		shown = imagefile.Fold(fresh)
	}
	for i, err := range shown {
		if f.limit > 0 && f.lines == f.limit {
			shown = shown[:i]
			break
		}
		f.lines++
		fmt.Fprintln(f.w, err)
	}
	f.short = f.short || len(shown) < len(fresh)
}

func (f *faults) err() error {
	n := len(f.seen)
	if n == 0 {
		return nil
	}
	text := fmt.Sprintf("%d faults in the data set", n)
	if n == 1 {
		text = "1 fault in the data set"
	}
	if f.short {
		return fmt.Errorf("%s: check --limit 0 shows each", text)
	}
	return errors.New(text)
}
