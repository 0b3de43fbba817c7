// Package parallel spreads loops over a fixed number of workers. The pieces depend on the
// number of iterations and of workers only, so that sums over pieces are the same from
// run to run; with work stealing (Blumofe and Leiserson, "Scheduling Multithreaded
// Computations by Work Stealing", 1999) only who runs a piece changes.
package parallel

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Pool runs pieces of work on a fixed number of threads: the caller's, which is worker
// 0, and those of its other workers. Two goroutines must not use it at once.
type Pool struct {
	threads int
	workers []worker       // 1, 2, ...
	begun   []atomic.Int64 // of the pieces of Steal, up to which each worker's own are begun
}

// New returns a pool of so many threads, at least 1.
func New(threads int) *Pool {
	return &Pool{threads: threads, workers: make([]worker, threads-1), begun: make([]atomic.Int64, threads)}
}

// Threads is the largest number of pieces that run at once.
func (p *Pool) Threads() int { return p.threads }

// Split cuts 0..n into at most Threads() contiguous pieces, which depend on
// n and Threads() only, and runs f(worker, lo, hi) for each of them at once. It
// returns when all have ended; if a piece panicked, the panic of the lowest
// one goes on in the caller. f must not call the pool.
func (p *Pool) Split(n int, f func(worker, lo, hi int)) {
	pieces := min(n, p.threads)
	if pieces <= 1 {
		if n > 0 {
			f(0, 0, n)
		}
		return
	}
	panics := make([]any, pieces)
	run := func(piece int) {
		defer func() { panics[piece] = recover() }()
		f(piece, n*piece/pieces, n*(piece+1)/pieces)
	}
	for i := 1; i < pieces; i++ {
		p.workers[i-1].post(run, i)
	}
	run(0)
	for i := 1; i < pieces; i++ {
		p.workers[i-1].finish()
	}
	for _, v := range panics {
		if v != nil {
			panic(v)
		}
	}
}

// Pieces is the number of pieces that Split makes of 0..n.
func (p *Pool) Pieces(n int) int { return max(1, min(n, p.threads)) }

// maxPieces is how many pieces of Steal a worker has at most.
const maxPieces = 16

// Steal is Split in smaller pieces, of about grain or more. A worker that has
// done its own steals those that another one has not begun: some other program,
// or a slower core, may hold that one up. What the pieces are depends on n,
// grain and Threads() only; which worker runs one does not, so f may use the
// scratch of its worker, but sums must be kept by the piece.
func (p *Pool) Steal(n, grain int, f func(worker, piece, lo, hi int)) {
	threads, pieces := min(n, p.threads), p.StealPieces(n, grain)
	for whose := range threads {
		p.begun[whose].Store(int64(whose * pieces / threads))
	}
	p.Split(threads, func(worker, _, _ int) {
		for k := range threads {
			whose := (worker + k) % threads
			end := (whose + 1) * pieces / threads
			for {
				piece := int(p.begun[whose].Add(1)) - 1
				if piece >= end {
					break
				}
				f(worker, piece, n*piece/pieces, n*(piece+1)/pieces)
			}
		}
	})
}

// StealPieces is the number of pieces that Steal makes of 0..n.
func (p *Pool) StealPieces(n, grain int) int {
	threads := p.Pieces(n)
	if threads == 1 {
		return 1
	}
	each := (n/threads + grain - 1) / grain
	return threads * min(max(each, 1), maxPieces)
}

// worker runs pieces of work on a goroutine of its own, which outlives a piece
// by linger: a step has hundreds of pieces with little between them, and waking a
// thread takes as long as many of them do. An idle pool has no goroutines.
type worker struct {
	_     [128]byte // nothing else on its cache line: threads poll state all the time
	state atomic.Int32
	run   func(piece int)
	piece int
	_     [128]byte
}

// States of a worker. Whoever moves it from posted to running does the piece.
const (
	asleep  int32 = iota // has no goroutine
	waiting              // its goroutine polls for a piece
	posted               // a piece is there
	running              // the piece runs
)

// linger is how long a goroutine polls for another piece.
const linger = time.Millisecond

// post hands a piece to the worker, whose last one is finished.
func (w *worker) post(run func(piece int), piece int) {
	wake := !w.state.CompareAndSwap(waiting, running) // else its goroutine cannot end now
	w.run, w.piece = run, piece
	w.state.Store(posted)
	if wake {
		go w.work()
	}
}

// finish returns when the piece is done. It runs it itself if the worker has not begun:
// its goroutine may have no processor to run on.
func (w *worker) finish() {
	if w.state.CompareAndSwap(posted, running) {
		w.run(w.piece)
		w.state.Store(waiting)
		return
	}
	for spins := 1; w.state.Load() == running; spins++ {
		if spins%spinsBetweenYields == 0 {
			runtime.Gosched()
		}
	}
}

// spinsBetweenYields is some microseconds of polling.
const spinsBetweenYields = 1 << 12

// work runs the pieces that are posted until none has come for a while.
func (w *worker) work() {
	idle := time.Now()
	for spins := 1; ; spins++ {
		if w.state.Load() == posted && w.state.CompareAndSwap(posted, running) {
			w.run(w.piece)
			w.state.Store(waiting)
			idle = time.Now()
			continue
		}
		if spins%spinsBetweenYields == 0 {
			if time.Since(idle) > linger && w.state.CompareAndSwap(waiting, asleep) {
				return
			}
			runtime.Gosched()
		}
	}
}
