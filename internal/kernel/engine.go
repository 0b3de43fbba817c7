package kernel

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
)

// Engine holds what the operations of a graph share: the number of threads,
// the instruction set and the scratch memory, which grows to the largest need
// and is then reused. It must not be used by two goroutines at once.
type Engine struct {
	threads int
	isa     *instructionSet
	parts   []part    // scratch of each piece of Parallel
	weights []float32 // packed right operand, read by all pieces
	rounded []uint16  // the same in bfloat16
	apart   []float32 // channels of several tensors joined in one
	partial []float32 // sums of the pieces before they are added
	sums    []float64 // per piece and channel
	rows    []float32 // per channel
	counted Moments   // of a batch norm that finds them itself

	algorithm algorithm // how 3x3 convolutions are done

	helpers []helper       // one for each thread but the caller's
	begun   []atomic.Int64 // of the pieces of Share, how far each thread's share is begun
}

// part is the scratch of one piece of work.
type part struct {
	tile      tile
	columns   columns
	pixels    pixels
	transform transform
	rowCopy   rowCopy
	quad      quad
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
	isa, err := chooseInstructionSet(kernel)
	if err != nil {
		return nil, err
	}
	if isa.bfloat16 != nil {
		if err := isa.bfloat16.start(); err != nil {
			return nil, fmt.Errorf("kernel: the system gives no tile registers for %q: %w", kernel, err)
		}
	}
	return &Engine{threads: threads, isa: isa, parts: make([]part, threads), helpers: make([]helper, threads-1), begun: make([]atomic.Int64, threads)}, nil
}

func chooseInstructionSet(name string) (*instructionSet, error) {
	names := []string{"auto"}
	for _, set := range instructionSets() { // best first
		if set.name != name && name != "auto" {
			names = append(names, set.name)
			continue
		}
		if set.missing == "" {
			return set, nil
		}
		if name != "auto" {
			return nil, fmt.Errorf("kernel: %q needs a CPU with %s, which this one has not; want auto or generic", name, set.missing)
		}
	}
	return nil, fmt.Errorf("kernel: unknown kernel %q, want %s", name, strings.Join(names, ", "))
}

// Threads is the largest number of pieces that run at once.
func (e *Engine) Threads() int { return e.threads }

// Kernel is the name of the chosen instruction set: avx512, avx2, generic or bfloat16.
func (e *Engine) Kernel() string { return e.isa.name }

// grow returns *buf with length n and undefined contents, enlarged if need be;
// float32 as by scratch.
func grow[T any](buf *[]T, n int) []T {
	if cap(*buf) < n {
		if floats, ok := any(buf).(*[]float32); ok {
			*floats = scratch(n)
		} else {
			*buf = make([]T, n)
		}
	}
	return (*buf)[:n]
}
