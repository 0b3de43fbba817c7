package kernel

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Parallel cuts 0..n into at most Threads() contiguous pieces, which depend on
// n and Threads() only, and runs f(part, lo, hi) for each of them at once. It
// returns when all have ended; if a piece panicked, the panic of the lowest
// one goes on in the caller. f must not call Parallel.
func (e *Engine) Parallel(n int, f func(part, lo, hi int)) {
	pieces := min(n, e.threads)
	if pieces <= 1 {
		if n > 0 {
			f(0, 0, n)
		}
		return
	}
	panics := make([]any, pieces)
	run := func(p int) {
		defer func() { panics[p] = recover() }()
		f(p, n*p/pieces, n*(p+1)/pieces)
	}
	for p := 1; p < pieces; p++ {
		e.helpers[p-1].post(run, p)
	}
	run(0)
	for p := 1; p < pieces; p++ {
		e.helpers[p-1].finish()
	}
	for _, v := range panics {
		if v != nil {
			panic(v)
		}
	}
}

// pieces is the number of pieces that Parallel makes of 0..n.
func (e *Engine) pieces(n int) int { return max(1, min(n, e.threads)) }

// piecesEach is how many pieces of Share a thread has at most.
const piecesEach = 16

// Share is Parallel in smaller pieces, of about grain or more. A thread that has
// done its own takes those that another one has not begun: some other program,
// or a slower core, may hold that one up. What the pieces are depends on n,
// grain and Threads() only; which thread does one does not, so f may use the
// scratch of its part, but what adds up must do so by the piece.
func (e *Engine) Share(n, grain int, f func(part, piece, lo, hi int)) {
	threads, pieces := min(n, e.threads), e.shares(n, grain)
	for whose := range threads {
		e.begun[whose].Store(int64(whose * pieces / threads))
	}
	e.Parallel(threads, func(part, _, _ int) {
		for k := range threads {
			whose := (part + k) % threads
			end := (whose + 1) * pieces / threads
			for {
				piece := int(e.begun[whose].Add(1)) - 1
				if piece >= end {
					break
				}
				f(part, piece, n*piece/pieces, n*(piece+1)/pieces)
			}
		}
	})
}

// shares is the number of pieces that Share makes of 0..n.
func (e *Engine) shares(n, grain int) int {
	threads := e.pieces(n)
	if threads == 1 {
		return 1
	}
	each := (n/threads + grain - 1) / grain
	return threads * min(max(each, 1), piecesEach)
}

// helper runs pieces of work on a goroutine of its own, which outlives a piece
// by linger: a step has hundreds of pieces with little between them, and to wake
// a thread takes as long as many of them do. An idle engine has no goroutines.
type helper struct {
	_     [128]byte // nothing else on its cache line: the threads look at state all the time
	state atomic.Int32
	run   func(piece int)
	piece int
	_     [128]byte
}

// States of a helper. Whoever moves it from posted to running does the piece.
const (
	asleep  int32 = iota // has no goroutine
	waiting              // its goroutine looks out for a piece
	posted               // a piece is there
	running              // its goroutine is at the piece
)

// linger is how long a goroutine looks out for another piece.
const linger = time.Millisecond

// post hands a piece to the helper, whose last one is finished.
func (h *helper) post(run func(piece int), piece int) {
	wake := !h.state.CompareAndSwap(waiting, running) // else its goroutine cannot end now
	h.run, h.piece = run, piece
	h.state.Store(posted)
	if wake {
		go h.work()
	}
}

// finish returns when the piece is done. It does it itself if the helper has
// not begun: its goroutine may have no processor to run on.
func (h *helper) finish() {
	if h.state.CompareAndSwap(posted, running) {
		h.run(h.piece)
		h.state.Store(waiting)
		return
	}
	for spins := 1; h.state.Load() == running; spins++ {
		if spins%spinsBetweenYields == 0 {
			runtime.Gosched()
		}
	}
}

// spinsBetweenYields is some microseconds of looking.
const spinsBetweenYields = 1 << 12

// work does the pieces that are posted until none has come for a while.
func (h *helper) work() {
	idle := time.Now()
	for spins := 1; ; spins++ {
		if h.state.Load() == posted && h.state.CompareAndSwap(posted, running) {
			h.run(h.piece)
			h.state.Store(waiting)
			idle = time.Now()
			continue
		}
		if spins%spinsBetweenYields == 0 {
			if time.Since(idle) > linger && h.state.CompareAndSwap(waiting, asleep) {
				return
			}
			runtime.Gosched()
		}
	}
}
