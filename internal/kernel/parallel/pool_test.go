package parallel_test

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/parallel"
)

func TestSplit(t *testing.T) {
	pool := parallel.New(3)
	for _, n := range []int{0, 1, 2, 3, 4, 100} {
		seen := make([]int, n)
		pool.Split(n, func(worker, lo, hi int) {
			if worker < 0 || worker >= 3 || lo >= hi {
				t.Errorf("n = %d: worker %d is %d..%d", n, worker, lo, hi)
			}
			for i := lo; i < hi; i++ {
				seen[i]++
			}
		})
		for i, v := range seen {
			if v != 1 {
				t.Errorf("n = %d: %d was visited %d times, want once", n, i, v)
			}
		}
	}
	ended := make([]bool, 3)
	defer func() {
		if v := recover(); v != "first" {
			t.Errorf("recovered %v, want the panic of the lowest piece", v)
		}
		if !ended[2] {
			t.Error("the last piece had not ended")
		}
	}()
	pool.Split(3, func(worker, _, _ int) {
		defer func() { ended[worker] = true }()
		switch worker {
		case 0:
			panic("first")
		case 1:
			panic("second")
		}
	})
}

// All pieces of Steal are done once, also those of a thread that is held up.
func TestSteal(t *testing.T) {
	pool := parallel.New(3)
	for _, n := range []int{0, 1, 2, 3, 4, 100, 1000} {
		for _, grain := range []int{1, 7, 2000} {
			var mu sync.Mutex
			seen, pieces := make([]int, n), map[int][2]int{}
			pool.Steal(n, grain, func(worker, piece, lo, hi int) {
				mu.Lock()
				defer mu.Unlock()
				if _, again := pieces[piece]; again || worker < 0 || worker >= 3 || lo >= hi {
					t.Errorf("n = %d: worker %d does piece %d, %d..%d", n, worker, piece, lo, hi)
				}
				pieces[piece] = [2]int{lo, hi}
				for i := lo; i < hi; i++ {
					seen[i]++
				}
			})
			for i, v := range seen {
				if v != 1 {
					t.Errorf("n = %d: %d was visited %d times, want once", n, i, v)
				}
			}
			again := map[int][2]int{}
			pool.Steal(n, grain, func(_, piece, lo, hi int) {
				mu.Lock()
				defer mu.Unlock()
				again[piece] = [2]int{lo, hi}
			})
			if !maps.Equal(pieces, again) {
				t.Errorf("n = %d, grain %d: pieces %v, and then %v", n, grain, pieces, again)
			}
		}
	}
	others := make(chan bool, 30)
	var first sync.Once // piece, which waits until all others are done
	pool.Steal(30, 1, func(_, _, _, _ int) {
		waits := false
		first.Do(func() { waits = true })
		if !waits {
			others <- true
			return
		}
		for range 29 {
			select {
			case <-others:
			case <-time.After(10 * time.Second):
				t.Error("a thread that is held up holds up others' pieces")
				return
			}
		}
	})
}
