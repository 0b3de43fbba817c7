package survey

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/visit"
)

// Checked is what a pass over all files of a split has found.
type Checked struct {
	Split       string
	data.Counts                // of the samples without fault
	Sizes       map[[2]int]int // samples by their own height and width
	Faults      []error        // training would end with them: of the list of files, then of the samples in their order, then of the counts
	Warnings    []string       // training would not end

	Widths  []float64 // per class: mean width of its areas in pixels, at the samples' own sizes; +Inf: it has no edge
	Upright float64   // how far upper halves of the images differ from lower ones, in standard deviations
}

// Splits are the splits that a configuration has, train first.
func Splits(cfg data.Config) []string {
	splits := []string{"train", "val"}
	if cfg.Test != "" {
		splits = append(splits, "test")
	}
	return splits
}

// Check reads every sample of a split as training would, and goes on where
// data.Open gives up: the faults of one file do not hide those of another.
// progress is as in data.CountClasses; the error is that of ctx.
func Check(ctx context.Context, cfg config.Config, split string, progress func(done, total int)) (Checked, error) {
	c, set, err := read(ctx, cfg, split, progress)
	if err != nil {
		return Checked{}, fmt.Errorf("data: checking %s: %w", split, err)
	}
	if set != nil {
		where := ""
		if len(c.Faults) > 0 {
			where = " in the images without fault"
		}
		warnings, fault := judge(cfg, set, split, c.Counts, where)
		if fault != nil {
			c.Faults = append(c.Faults, fault)
		}
		c.Warnings = append(c.Warnings, warnings...)
	}
	if cfg.Data.Patches == 0 {
		c.warnStretched(cfg.Data.Size)
		c.warnThin(cfg.Data)
	}
	return c, nil
}

// read reads every sample of a split, which is nil where there is nothing to read.
func read(ctx context.Context, cfg config.Config, split string, progress func(done, total int)) (Checked, *data.Split, error) {
	classes := len(cfg.Data.Classes)
	c := Checked{Split: split, Sizes: map[[2]int]int{}}
	c.Pixels, c.ImagePixels, c.Between = make([]int64, classes), make([]int64, classes), make([]int64, classes)
	s, problems := data.List(cfg.Data, cfg.Seed, split)
	c.Faults = problems
	if s == nil {
		return c, nil, nil
	}
	h, w := s.Size()
	differences := make([][]float64, s.Len())
	areas := make(areas, classes)
	var mu sync.Mutex // guards c and areas
	problems, err := visit.All(ctx, s.Len(), cfg.Threads, progress, func(i int) error {
		smp, err := s.LoadOwn(i)
		if err != nil {
			return err
		}
		whole := smp
		differences[i] = halves(whole, classes)
		if cfg.Data.Patches == 0 {
			smp.Mask, smp.H, smp.W = imagefile.ResizeMask(smp.Mask, smp.H, smp.W, h, w), h, w
		}
		counts := s.Count(i, smp)
		mu.Lock()
		defer mu.Unlock()
		c.Add(counts)
		c.Sizes[[2]int{whole.H, whole.W}]++
		areas.count(whole)
		return nil
	})
	c.Widths = areas.widths()
	c.Upright = upright(differences, 3+classes)
	c.Faults = append(c.Faults, problems...)
	c.Sort()
	return c, s, err
}

// warnStretched warns of images whose aspect ratio is more than twice, or less
// than half, that of the net's images.
func (c *Checked) warnStretched(size [2]int) {
	images, example := 0, [2]int{}
	for _, s := range c.sizes() {
		a, b := s[0]*size[1], s[1]*size[0]
		if max(a, b) > 2*min(a, b) {
			images += c.Sizes[s]
			example = s
		}
	}
	if images > 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s: images that resizing to data.size, %dx%d, stretches: %d, such as one of %dx%d pixels",
			c.Split, size[1], size[0], images, example[1], example[0]))
	}
}

// warnThin warns of a class that is wide enough to see in the files, and no longer once
// images are resized, by the median of their sizes.
func (c *Checked) warnThin(cfg data.Config) {
	const least = 1.5 // pixels
	if len(c.Sizes) == 0 {
		return
	}
	h, w := medianSize(c.Sizes)
	scale := min(float64(cfg.Size[0])/float64(h), float64(cfg.Size[1])/float64(w))
	class, width := c.thinnest()
	if width >= least && width*scale < least {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s: class %d (%s) is %.1f pixels wide in the files, and %.1f in images resized to data.size, %dx%d: data.patches keeps images at their own size",
			c.Split, class, cfg.Classes[class], width, width*scale, cfg.Size[1], cfg.Size[0]))
	}
}

// thinnest is the class whose areas are the least wide, and their mean width in pixels.
func (c *Checked) thinnest() (class int, width float64) {
	width = math.Inf(1)
	for i, w := range c.Widths {
		if c.Pixels[i] > 0 && w < width {
			class, width = i, w
		}
	}
	return class, width
}

// scale is by how much resizing to a size makes the largest images smaller, at most 1.
func (c *Checked) scale(size [2]int) float64 {
	scale := 1.
	for own := range c.Sizes {
		scale = min(scale, float64(size[0])/float64(own[0]), float64(size[1])/float64(own[1]))
	}
	return scale
}

// sizes are the sizes of the images, the fewest pixels first.
func (c *Checked) sizes() [][2]int {
	return slices.SortedFunc(maps.Keys(c.Sizes), func(a, b [2]int) int {
		return cmp.Or(cmp.Compare(a[0]*a[1], b[0]*b[1]), cmp.Compare(a[0], b[0]))
	})
}
