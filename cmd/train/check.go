package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
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
			cfg, err := p.load(settings)
			if err != nil {
				return err
			}
			_, err = p.runCheck(cmd.Context(), p.stdout, cfg, limit)
			return err
		},
	}
	settings.register(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "show at most this many faults; 0: all")
	return cmd
}

// runCheck shows at most limit faults on stderr (0: all) and what is fine on w;
// the train split comes first in what it returns.
func (p *program) runCheck(ctx context.Context, w io.Writer, cfg config.Config, limit int) (checked []survey.Checked, err error) {
	console := p.console(false)
	faults := faults{w: p.stderr, limit: limit, seen: map[string]bool{}}
	for _, split := range survey.Splits(cfg.Data) {
		c, err := survey.Check(ctx, cfg, split, console.Progress("checking "+split))
		console.Close()
		if err != nil {
			return nil, err
		}
		checked = append(checked, c)
		for _, err := range c.Faults {
			faults.add(err)
		}
		for _, warning := range c.Warnings {
			fmt.Fprintln(p.stderr, "warning:", warning)
		}
	}
	if err := survey.WriteTable(w, cfg.Data, checked); err != nil {
		return nil, err
	}
	return checked, faults.err()
}

// faults shows each different line once, at most limit of them, and counts all:
// splits that share a folder share what is wrong with it.
type faults struct {
	w     io.Writer
	limit int // 0: no limit
	seen  map[string]bool
}

func (f *faults) add(err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if f.seen[line] {
			continue
		}
		f.seen[line] = true
		if f.limit == 0 || len(f.seen) <= f.limit {
			fmt.Fprintln(f.w, line)
		}
	}
}

func (f *faults) err() error {
	switch n := len(f.seen); {
	case n == 0:
		return nil
	case n == 1:
		return fmt.Errorf("1 fault in the data set")
	case f.limit > 0 && n > f.limit:
		return fmt.Errorf("%d faults in the data set, the last %d not shown: --limit 0 shows all", n, n-f.limit)
	default:
		return fmt.Errorf("%d faults in the data set", n)
	}
}
