// Package visit goes through the samples of a data set in parallel and gathers
// what is wrong with them, so that all faults can be mended at once.
package visit

import (
	"context"
	"runtime"
	"slices"
	"sync"
)

// All visits samples 0..n-1 in parallel workers (0: one per core) and returns what
// was wrong with them, in order, or the cause of a cancelled ctx. progress, which
// may be nil, is called from one goroutine at a time.
func All(ctx context.Context, n, workers int, progress func(done, total int), visit func(i int) error) ([]error, error) {
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	problems := make([]error, n)
	var mu sync.Mutex // guards next, done
	next, done := 0, 0
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for next < n && ctx.Err() == nil {
				i := next
				next++
				mu.Unlock()
				problems[i] = visit(i)
				mu.Lock()
				done++
				if progress != nil {
					progress(done, n)
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return slices.DeleteFunc(problems, func(err error) bool { return err == nil }), nil
}
