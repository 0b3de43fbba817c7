package data

import (
	"context"
	"fmt"
	"runtime"
	"sync"
)

// Counts are the labelled pixels of a split, at the split's size.
type Counts struct {
	Images      int
	Pixels      []int64 // per class
	ImagePixels []int64 // per class, the labelled pixels of all images in which the class occurs
	Ignored     int64   // void pixels
}

// CountClasses counts the pixels of each class in one pass over the split, in
// parallel workers (0: one a core), without augmentation. progress, which may be
// nil, is called from one goroutine at a time. Bad samples are gathered over the
// whole pass, up to 100, so that all can be mended at once.
func CountClasses(ctx context.Context, s *Split, workers int, progress func(done, total int)) (Counts, error) {
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	total := Counts{Pixels: make([]int64, s.classes), ImagePixels: make([]int64, s.classes)}
	problems := make([]error, s.Len())
	var mu sync.Mutex // guards total, next
	next, done := 0, 0
	var wg sync.WaitGroup
	for range min(workers, s.Len()) {
		wg.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for next < s.Len() && ctx.Err() == nil {
				i := next
				next++
				mu.Unlock()
				seen, err := countSample(s, i)
				mu.Lock()
				if err != nil {
					problems[i] = err
				} else {
					total.add(seen)
				}
				done++
				if progress != nil {
					progress(done, s.Len())
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return Counts{}, fmt.Errorf("data: counting classes: %w", context.Cause(ctx))
	}
	if err := listed(problems); err != nil {
		return Counts{}, err
	}
	return total, nil
}

// countSample counts the pixels of each class in one mask, and of Void last.
func countSample(s *Split, i int) ([]int64, error) {
	smp, err := s.Load(i)
	if err != nil {
		return nil, err
	}
	var histogram [Void + 1]int64
	for _, c := range smp.Mask {
		histogram[c]++
	}
	return append(histogram[:s.classes:s.classes], histogram[Void]), nil
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
