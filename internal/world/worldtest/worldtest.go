// Package worldtest runs several processes of a training as goroutines of a test, and
// finds calls that do not match: those that would hang or fail in MPI.
package worldtest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
)

// Run runs process for each of size ranks, and returns when all have returned. The test
// fails if their calls do not match, or one waits for another that has returned.
func Run(t testing.TB, size int, process func(w world.World)) {
	t.Helper()
	g := &group{t: t, size: size, left: size}
	g.changed.L = &g.mu
	var all sync.WaitGroup
	for rank := range size {
		all.Go(func() {
			defer g.leave()
			process(&member{g, rank})
		})
	}
	all.Wait()
}

// group is the processes.
type group struct {
	t       testing.TB
	size    int
	mu      sync.Mutex
	changed sync.Cond
	left    int    // processes that have not returned
	round   *round // under way; nil: none
	broken  bool   // calls did not match
}

// round is one call that all processes make.
type round struct {
	call  string
	given []any // by rank
	count int
}

// exchange returns what all processes have given to a call, by rank.
func (g *group) exchange(rank int, call string, given any) []any {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.round == nil {
		g.round = &round{call: call, given: make([]any, g.size)}
	}
	r := g.round
	if r.call != call {
		g.fail("rank %d calls %s while others call %s", rank, call, r.call)
	}
	r.given[rank] = given
	if r.count++; r.count == g.size {
		g.round = nil
		g.changed.Broadcast()
	}
	for r.count < g.size && !g.broken {
		if g.left < g.size {
			g.fail("rank %d waits in %s for a process that has returned", rank, call)
		}
		g.changed.Wait()
	}
	if r.count < g.size {
		runtime.Goexit()
	}
	return r.given
}

// fail ends all processes.
func (g *group) fail(format string, args ...any) {
	if !g.broken {
		g.broken = true
		g.t.Errorf(format, args...)
		g.changed.Broadcast()
	}
	runtime.Goexit()
}

func (g *group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left--
	g.changed.Broadcast()
}

// member is the world as one of the processes sees it.
type member struct {
	*group
	rank int
}

func (m *member) Rank() int { return m.rank }
func (m *member) Size() int { return m.size }

func (m *member) Sum32(values ...[]float32) {
	n := 0
	for _, v := range values {
		n += len(v)
	}
	flat := make([]float32, 0, n)
	for _, v := range values {
		flat = append(flat, v...)
	}
	total := make([]float32, n)
	for _, given := range m.exchange(m.rank, fmt.Sprintf("Sum32 of %d", n), flat) {
		for i, v := range given.([]float32) {
			total[i] += v
		}
	}
	for _, v := range values {
		total = total[copy(v, total):]
	}
}

func (m *member) Sum64(values []float64) {
	all := m.exchange(m.rank, fmt.Sprintf("Sum64 of %d", len(values)), append([]float64(nil), values...))
	clear(values)
	for _, given := range all {
		for i, v := range given.([]float64) {
			values[i] += v
		}
	}
}

func (m *member) Broadcast(root int, b []byte) []byte {
	return append([]byte(nil), m.exchange(m.rank, fmt.Sprintf("Broadcast of rank %d", root), b)[root].([]byte)...)
}

func (m *member) Watch(time.Duration) {}

func (m *member) Abort(code int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail("rank %d ends all with code %d", m.rank, code)
}

func (m *member) Close() {}
