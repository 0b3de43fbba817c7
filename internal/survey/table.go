package survey

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/unet-gorgonia/unet-gorgonia/data"
)

// WriteTable prints what is fine, a column for each split: images, their sizes,
// and the labelled pixels of each class with their share.
func WriteTable(w io.Writer, cfg data.Config, checked []Checked) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(what string, value func(c Checked) string) {
		fmt.Fprint(t, what, "\t")
		for _, c := range checked {
			fmt.Fprint(t, value(c), "\t")
		}
		fmt.Fprintln(t)
	}
	var splits []string
	for _, c := range checked {
		splits = append(splits, c.Split)
	}
	fmt.Fprintf(t, "\t%s\t\n", strings.Join(splits, "\t"))
	row("images without fault", func(c Checked) string { return fmt.Sprint(c.Images) })
	row("sizes (width x height)", func(c Checked) string { return fmt.Sprint(len(c.Sizes)) })
	size := func(name string, of func(sizes [][2]int) [2]int) {
		row(name, func(c Checked) string {
			if len(c.Sizes) == 0 {
				return "-"
			}
			s := of(c.sizes())
			return fmt.Sprintf("%dx%d", s[1], s[0])
		})
	}
	size("smallest", func(sizes [][2]int) [2]int { return sizes[0] })
	size("largest", func(sizes [][2]int) [2]int { return sizes[len(sizes)-1] })
	for class, name := range cfg.Classes {
		if class < len(cfg.Palette) {
			name = fmt.Sprintf("%s %v", name, cfg.Palette[class])
		}
		row("pixels of "+name, func(c Checked) string { return withShare(c.Pixels[class], c.Labelled()) })
	}
	row("void pixels", func(c Checked) string { return withShare(c.Ignored, c.Ignored+c.Labelled()) })
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

// withShare is a number of pixels, and which share of all it is; of none, there is no share.
func withShare(pixels, all int64) string {
	if all == 0 {
		return fmt.Sprintf("%d %7s", pixels, "–")
	}
	return fmt.Sprintf("%d %6.2f%%", pixels, 100*float64(pixels)/float64(all))
}
