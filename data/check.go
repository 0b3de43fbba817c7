package data

import (
	"context"
	"fmt"
	"sync"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/visit"
)

// Checked is what a pass over all files of a split has found.
type Checked struct {
	Counts                // of the samples without fault
	Sizes  map[[2]int]int // samples by their own height and width
	Faults []error        // of the list of files, then of the samples in their order
}

// Check reads every sample of a split as training would, and goes on where Open
// gives up: the faults of one file do not hide those of another. Nothing is kept
// in memory. workers and progress are as in CountClasses; the error is that of ctx.
func Check(ctx context.Context, cfg Config, seed uint64, split string, workers int, progress func(done, total int)) (Checked, error) {
	r := Checked{Counts: newCounts(len(cfg.Classes)), Sizes: map[[2]int]int{}}
	s, problems := list(cfg, seed, split)
	r.Faults = problems
	if s == nil {
		return r, nil
	}
	var mu sync.Mutex // guards r
	problems, err := visit.All(ctx, s.Len(), workers, progress, func(i int) error {
		smp, err := s.src.Load(s.index[i])
		if err != nil {
			return err
		}
		mask := smp.Mask
		if !s.own {
			mask = imagefile.ResizeMask(mask, smp.H, smp.W, s.h, s.w)
		}
		seen := histogram(mask, s.classes)
		mu.Lock()
		defer mu.Unlock()
		r.add(seen)
		r.Sizes[[2]int{smp.H, smp.W}]++
		return nil
	})
	if err != nil {
		return Checked{}, fmt.Errorf("data: checking %s: %w", split, err)
	}
	r.Faults = append(r.Faults, problems...)
	return r, nil
}
