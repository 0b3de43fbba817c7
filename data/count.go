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
// parallel workers (0: one a core), without augmentation. progress, which may be
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
		seen := histogram(smp.Mask, s.classes)
		mu.Lock()
		defer mu.Unlock()
		total.add(seen)
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

// histogram counts the pixels of each class in a mask, and of Void last.
func histogram(mask []uint8, classes int) []int64 {
	var n [Void + 1]int64
	for _, c := range mask {
		n[c]++
	}
	return append(n[:classes:classes], n[Void])
}

func newCounts(classes int) Counts {
	return Counts{Pixels: make([]int64, classes), ImagePixels: make([]int64, classes)}
}

func (c *Counts) add(image []int64) {
	classes := len(c.Pixels)
	var labelled int64
	for i, n := range image[:classes] {
		c.Pixels[i] += n
		labelled += n
	}
	for i, n := range image[:classes] {
		if n > 0 {
			c.ImagePixels[i] += labelled
		}
	}
	c.Ignored += image[classes]
	c.Images++
}
