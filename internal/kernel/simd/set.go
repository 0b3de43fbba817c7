// Package simd holds the micro-kernels: the inner loops of all operations, in plain Go
// and in assembly for the instruction sets that have them. InstructionSet is the table
// of them, chosen at run time. Nothing here knows of threads or graphs.
//
//	file                 micro-kernels                                plain Go beside the assembly
//	gemm.go, pack.go     matrix products of packed panels             yes
//	winograd.go          input, weights and output transforms         yes
//	onthefly.go          products of weights transformed on the fly   for tests only
//	depthwise.go         depthwise convolutions                       yes
//	bfloat16.go          products of operands in bfloat16             yes
//	columnwise.go        batch norm, clamps, sums                    yes
//	pool.go              2x2 and 3x3 max pool                         yes
//	softmax.go           softmax, log-softmax                         yes
//	crossentropy.go      weighted cross entropy, with soft Dice       yes
//	classes.go           blocks of pixels, by class                   yes
//	update.go            Adam, SGD, sum of squares                    yes
//	copy.go, transpose.go, prefetch.go                                yes
//
// A struct is the argument of a micro-kernel; its doc is the loop. simd/asm writes
// kernels_amd64.s (go generate); bfloat16_amd64.s is by hand, because its instructions
// are unknown to the assembler and to the generator.
package simd

import (
	"fmt"
	"strings"
)

// Choose returns the instruction set of that name, or the best that this CPU has for
// "auto". It is an error to ask for one the CPU does not have.
func Choose(name string) (*InstructionSet, error) {
	names := []string{"auto"}
	for _, set := range InstructionSets() { // best first
		if set.Name != name && name != "auto" {
			names = append(names, set.Name)
			continue
		}
		if set.Missing == "" {
			return set, nil
		}
		if name != "auto" {
			return nil, fmt.Errorf("kernel: %q needs a CPU with %s, which this CPU does not have; want auto or generic", name, set.Missing)
		}
	}
	return nil, fmt.Errorf("kernel: unknown kernel %q, want %s", name, strings.Join(names, ", "))
}

// WithBFloat16 is the set with its kernels for bfloat16 switched on. It is an error if it
// has none that this CPU can run: AMX belongs to avx512, plain Go to generic.
func (s *InstructionSet) WithBFloat16() (*InstructionSet, error) {
	if s.bfloat16 == nil {
		return nil, fmt.Errorf("kernel: precision bfloat16 needs a CPU with AMX and AVX-512 (kernel avx512), found kernel %s; want float32, or kernel generic, whose bfloat16 is plain Go and slow", s.Name)
	}
	if err := s.bfloat16.start(); err != nil {
		return nil, fmt.Errorf("kernel: the OS denied AMX tile registers for precision bfloat16: %w", err)
	}
	with := *s
	with.BFloat16 = s.bfloat16
	return &with, nil
}

// InstructionSet is the table of an instruction set's micro-kernels: the seam between
// the algorithms and the CPU.
type InstructionSet struct {
	Name     string
	Missing  string // CPU features that are absent; empty: usable
	MR       int    // rows of the largest micro-tile
	NR       int    // columns of a panel
	NRNarrow int    // columns of the last panel, where that many are enough

	gemm       func(*GEMM)
	columnwise columnKernels
	depthwise  depthwiseKernels

	copyRows  func(*RowCopy)                            // for Cols that are a multiple of 8; or nil
	transpose func(Transposition)                       // for Rows and Cols that are multiples of 8; or nil
	prefetch  func(x []float32, rows, stride, cols int) // into the caches, some columns of rows; or nil

	transforms    []transformKernels // widest first; a plain loop does the rest
	OutputMoments bool               // has OutputMomentsTransform

	OnTheFly *OnTheFlyKernels // or nil
	BFloat16 *BFloat16Kernels // nil: all in float32, as Choose returns it
	bfloat16 *BFloat16Kernels // those that this CPU can run, or nil

	Pixels  PixelKernels
	updates updateKernels
}

// generic is plain Go, and what the others are tested against.
var generic = &InstructionSet{Name: "generic", MR: 2, NR: 4, NRNarrow: 4, gemm: gemmGeneric, columnwise: plainColumnwise, Pixels: plainPixels, updates: plainUpdates, bfloat16: plainBFloat16}
