package kernel

import (
	"fmt"
	"runtime"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/parallel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// Engine holds what the operations of a graph share: the number of threads,
// the instruction set and the scratch memory, which grows to the largest need
// and is then reused. It must not be used by two goroutines at once.
type Engine struct {
	pool    *parallel.Pool
	isa     *simd.InstructionSet
	parts   []part    // scratch of each piece of Parallel
	weights []float32 // packed right operand, read by all pieces
	rounded []uint16  // the same in bfloat16
	apart   []float32 // channels of several tensors joined in one
	partial []float32 // sums of the pieces before they are added
	sums    []float64 // per piece and channel
	rows    []float32 // per channel
	counted Moments   // of a batch norm that finds them itself

	algorithm algorithm // how 3x3 convolutions are done
}

// part is the scratch of one piece of work.
type part struct {
	tile      simd.GEMM
	columns   simd.Columnwise
	pixels    simd.CrossEntropy
	transform simd.Transform
	rowCopy   simd.RowCopy
	quad      simd.OnTheFly
	band      []float32 // zero-padded rows of an image, or a block of transformed tiles
	panel     []float32 // packed right operand of this piece alone
	taps      []float32 // ... before it is transformed
	products  []float32 // of frequencies
	patch     []float32 // tile at the border of an image
	rounds    bfloat16Part
	_         [128]byte // no two parts on one cache line, or on two that are fetched as a pair
}

// NewEngine returns an engine for the given number of threads (0: all cores)
// and instruction set: "auto" (the best this CPU has), "avx512", "avx2",
// "generic", or "bfloat16" with less exact convolutions. It is an error to ask
// for one the CPU does not have.
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
	if isa.BFloat16 != nil {
		if err := isa.BFloat16.Start(); err != nil {
			return nil, fmt.Errorf("kernel: the system gives no tile registers for %q: %w", kernel, err)
		}
	}
	return &Engine{pool: parallel.New(threads), isa: isa, parts: make([]part, threads)}, nil
}

// Threads is the largest number of pieces that run at once.
func (e *Engine) Threads() int { return e.pool.Threads() }

// Parallel runs f(worker, lo, hi) on at most Threads() contiguous pieces of 0..n at
// once: see parallel.Pool.Split.
func (e *Engine) Parallel(n int, f func(worker, lo, hi int)) { e.pool.Split(n, f) }

// Share runs f(worker, piece, lo, hi) on pieces of 0..n of about grain or more, which
// workers steal from each other: see parallel.Pool.Steal.
func (e *Engine) Share(n, grain int, f func(worker, piece, lo, hi int)) { e.pool.Steal(n, grain, f) }

// Kernel is the name of the chosen instruction set: avx512, avx2, generic or bfloat16.
func (e *Engine) Kernel() string { return e.isa.Name }
