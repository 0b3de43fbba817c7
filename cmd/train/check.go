package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

func (p *program) check() *cobra.Command {
	var settings settings
	var limit int
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Read the whole data set and report everything wrong in it",
		Long: `Read every image and mask of the training, validation and test set as a training
would, and go on after a fault, so that all can be mended at once. Faults and
warnings go to stderr, what is fine to stdout. Exit code 1: there are faults.`,
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
	cmd.Flags().IntVar(&limit, "limit", 100, "most faults to show, 0: all")
	return cmd
}

// runCheck shows at most limit faults on stderr (0: all) and what is fine on w;
// the train split comes first in what it returns.
func (p *program) runCheck(ctx context.Context, w io.Writer, cfg config.Config, limit int) (checked []data.Checked, err error) {
	splits := []string{"train", "val"}
	if cfg.Data.Test != "" {
		splits = append(splits, "test")
	}
	console := p.console(false)
	faults := faults{w: p.stderr, limit: limit, seen: map[string]bool{}}
	for _, split := range splits {
		c, err := data.Check(ctx, cfg.Data, cfg.Seed, split, cfg.Threads, console.Progress("checking "+split))
		console.Close()
		if err != nil {
			return nil, err
		}
		checked = append(checked, c)
		for _, err := range c.Faults {
			faults.add(err)
		}
		var unweighted error // a class that training refuses to be without
		if split == "train" && len(c.Faults) == 0 {
			_, unweighted = loss.Weights(cfg.Loss, c.Pixels, c.ImagePixels, cfg.Data.Classes)
		}
		if unweighted != nil {
			faults.add(unweighted)
		} else {
			warnAbsent(p.stderr, split, c, cfg.Data.Classes)
		}
		if cfg.Data.Patches == 0 {
			warnStretched(p.stderr, split, c, cfg.Data.Size)
		}
	}
	if err := writeChecked(w, cfg.Data, splits, checked); err != nil {
		return nil, err
	}
	return checked, faults.err()
}

// faults shows lines that differ, at most limit of them, and counts all. Splits
// that share a folder share what is wrong with it.
type faults struct {
	w     io.Writer
	limit int // 0: none
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

// warnAbsent tells of classes without a pixel, unless no image could be read.
func warnAbsent(w io.Writer, split string, c data.Checked, names []string) {
	where := ""
	if len(c.Faults) > 0 {
		where = " in the images without fault"
	}
	for class, n := range c.Pixels {
		if n == 0 && c.Images > 0 {
			fmt.Fprintf(w, "warning: %s: class %d (%s) has no pixel%s\n", split, class, names[class], where)
		}
	}
}

// warnStretched tells of images whose aspect ratio is more than twice, or less
// than half, that of the net's images.
func warnStretched(w io.Writer, split string, c data.Checked, size [2]int) {
	images, example := 0, [2]int{}
	for _, s := range sizesOf(c) {
		a, b := s[0]*size[1], s[1]*size[0]
		if max(a, b) > 2*min(a, b) {
			images += c.Sizes[s]
			example = s
		}
	}
	if images > 0 {
		fmt.Fprintf(w, "warning: %s: images of another shape than data.size, which stretches them to %dx%d: %d, such as one of %dx%d pixels\n",
			split, size[1], size[0], images, example[1], example[0])
	}
}

// sizesOf are the sizes of a split's images, the fewest pixels first.
func sizesOf(c data.Checked) [][2]int {
	return slices.SortedFunc(maps.Keys(c.Sizes), func(a, b [2]int) int {
		return cmp.Or(cmp.Compare(a[0]*a[1], b[0]*b[1]), cmp.Compare(a[0], b[0]))
	})
}

// share is that of a class in the labelled pixels, in percent.
func share(c data.Checked, class int) float64 {
	var labelled int64
	for _, n := range c.Pixels {
		labelled += n
	}
	return 100 * float64(c.Pixels[class]) / float64(max(labelled, 1))
}

// writeChecked prints what is fine: images, their sizes, and the labelled pixels of each class with their share.
func writeChecked(w io.Writer, cfg data.Config, splits []string, checked []data.Checked) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(what string, value func(c data.Checked) string) {
		fmt.Fprint(t, what, "\t")
		for _, c := range checked {
			fmt.Fprint(t, value(c), "\t")
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintf(t, "\t%s\t\n", strings.Join(splits, "\t"))
	row("images without fault", func(c data.Checked) string { return fmt.Sprint(c.Images) })
	row("sizes (width x height)", func(c data.Checked) string { return fmt.Sprint(len(c.Sizes)) })
	size := func(name string, of func(sizes [][2]int) [2]int) {
		row(name, func(c data.Checked) string {
			if len(c.Sizes) == 0 {
				return "-"
			}
			s := of(sizesOf(c))
			return fmt.Sprintf("%dx%d", s[1], s[0])
		})
	}
	size("smallest", func(sizes [][2]int) [2]int { return sizes[0] })
	size("largest", func(sizes [][2]int) [2]int { return sizes[len(sizes)-1] })
	for class, name := range cfg.Classes {
		if class < len(cfg.Palette) {
			name = fmt.Sprintf("%s %v", name, cfg.Palette[class])
		}
		row("pixels of "+name, func(c data.Checked) string { return fmt.Sprintf("%d %6.2f%%", c.Pixels[class], share(c, class)) })
	}
	row("ignored pixels", func(c data.Checked) string { return fmt.Sprint(c.Ignored) })
	if err := t.Flush(); err != nil {
		return err
	}
	if cfg.Patches > 0 {
		_, err := fmt.Fprintln(w, "pixels are counted at the images' own sizes")
		return err
	}
	_, err := fmt.Fprintf(w, "pixels are counted at data.size, %dx%d\n", cfg.Size[1], cfg.Size[0])
	return err
}
