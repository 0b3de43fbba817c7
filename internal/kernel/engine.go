package kernel

import (
	"fmt"
	"runtime"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/parallel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// Engine holds what the operations of a graph share: the pool of threads, the
// instruction set and the scratch memory, which grows to the largest need and is then
// reused. Two goroutines must not use it at once.
type Engine struct {
	pool    *parallel.Pool
	isa     *simd.InstructionSet
	workers []worker // one for each thread
	shared  shared
	moments Moments // of a batch norm that finds them itself

	forced algorithm // how 3x3 convolutions are done, unless automatic
}

// NewEngine returns an engine for the given number of threads (0: all cores)
// and instruction set: "auto" (the best this CPU has), "avx512", "avx2" or "generic". It
// is an error to ask for one that the CPU does not have. The engine computes in float32:
// see SetPrecision.
func NewEngine(threads int, kernel string) (*Engine, error) {
	if threads < 0 {
		return nil, fmt.Errorf("kernel: threads = %d, want >= 0 (0: all cores)", threads)
	}
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	isa, err := simd.Choose(kernel)
	if err != nil {
		return nil, err
	}
	e := &Engine{pool: parallel.New(threads), isa: isa, workers: make([]worker, threads)}
	for i := range e.workers {
		e.workers[i].init()
	}
	return e, nil
}

// Threads is the largest number of pieces that run at once.
func (e *Engine) Threads() int { return e.pool.Threads() }

// Parallel runs f(worker, lo, hi) on at most Threads() contiguous pieces of 0..n at
// once: see parallel.Pool.Split.
func (e *Engine) Parallel(n int, f func(worker, lo, hi int)) { e.pool.Split(n, f) }

// Share runs f(worker, piece, lo, hi) on pieces of 0..n of about grain or more, which
// workers steal from each other: see parallel.Pool.Steal.
func (e *Engine) Share(n, grain int, f func(worker, piece, lo, hi int)) { e.pool.Steal(n, grain, f) }

// Kernel is the name of the chosen instruction set: avx512, avx2 or generic.
func (e *Engine) Kernel() string { return e.isa.Name }

// SetPrecision chooses the precision of the operands of 3x3 and transposed
// convolutions and of their gradients: "float32", as from the start, or "bfloat16",
// with sums in float32. bfloat16 is an error where the instruction set has no kernels
// for it: avx512 needs AMX, avx2 has none.
func (e *Engine) SetPrecision(precision string) error {
	switch precision {
	case "float32":
		with := *e.isa
		with.BFloat16 = nil
		e.isa = &with
		return nil
	case "bfloat16":
		with, err := e.isa.WithBFloat16()
		if err != nil {
			return err
		}
		e.isa = with
		return nil
	}
	return fmt.Errorf("kernel: unknown precision %q, want float32 or bfloat16", precision)
}

// Precision is float32 or bfloat16.
func (e *Engine) Precision() string {
	if e.isa.BFloat16 != nil {
		return "bfloat16"
	}
	return "float32"
}
