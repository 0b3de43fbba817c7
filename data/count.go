package data

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/unet-gorgonia/unet-gorgonia/internal/visit"
)

// Counts are the labelled pixels of a split, at the size that Split.Load gives
// its images: where patches are cut from them, all pixels of the whole images.
type Counts struct {
	Images      int
	Pixels      []int64 // per class
	ImagePixels []int64 // per class, the labelled pixels of all images in which the class occurs
	Ignored     int64   // void pixels
}

// CountClasses counts the pixels of each class in one pass over the split, in
// parallel workers (0: one per core), without augmentation. progress, which may be
// nil, is called from one goroutine at a time. Bad samples are gathered over the
// whole pass, so that all can be mended at once.
func CountClasses(ctx context.Context, s *Split, workers int, progress func(done, total int)) (Counts, error) {
	total := newCounts(s.classes)
	var mu sync.Mutex // guards total
	problems, err := visit.All(ctx, s.Len(), workers, progress, func(i int) error {
		smp, err := s.Load(i)
		if err != nil {
			return err
		}
		counts := CountMask(smp.Mask, s.classes)
		mu.Lock()
		defer mu.Unlock()
		total.Add(counts)
		return nil
	})
	if err != nil {
		return Counts{}, fmt.Errorf("data: counting classes: %w", err)
	}
	if err := errors.Join(problems...); err != nil {
		return Counts{}, err
	}
	return total, nil
}

func newCounts(classes int) Counts {
	return Counts{Pixels: make([]int64, classes), ImagePixels: make([]int64, classes)}
}

// CountMask counts the pixels of one image's mask, of class indices 0..classes-1
// and Void.
func CountMask(mask []uint8, classes int) Counts {
	var n [Void + 1]int64
	for _, c := range mask {
		n[c]++
	}
	counts := newCounts(classes)
	counts.Images, counts.Ignored = 1, n[Void]
	copy(counts.Pixels, n[:Void])
	var labelled int64
	for _, n := range counts.Pixels {
		labelled += n
	}
	for c, n := range counts.Pixels {
		if n > 0 {
			counts.ImagePixels[c] = labelled
		}
	}
	return counts
}

// Add adds the counts of other images of the same classes.
func (c *Counts) Add(other Counts) {
	if c.Pixels == nil {
		*c = newCounts(len(other.Pixels))
	}
	c.Images += other.Images
	c.Ignored += other.Ignored
	for i := range other.Pixels {
		c.Pixels[i] += other.Pixels[i]
		c.ImagePixels[i] += other.ImagePixels[i]
	}
}
