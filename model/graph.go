package model

import (
	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// Engine is what computes: threads, an instruction set and scratch memory. The
// graphs that it runs must not run at the same time.
//
//	Threads() int     most pieces of work at once
//	Kernel() string   the instruction set
type Engine = kernel.Engine

// NewEngine makes an engine with this many threads (0: one per core) and an
// instruction set that this CPU has: "auto" for the best one, else "avx512",
// "avx2" or "generic", which is plain Go.
func NewEngine(threads int, kernelName string) (*Engine, error) {
	return kernel.NewEngine(threads, kernelName)
}

// Graph is a Gorgonia graph under construction (it embeds *gorgonia.ExprGraph)
// together with the engine that its ops run on. The methods that a program needs
// around New and loss.Loss.Nodes are
//
//	Input(name string, values []float32, shape ...int) *gorgonia.Node
//	    a node whose values, row-major, are read from the slice in each run: write
//	    to it before the run
//	Err() error
//	    the first error met while the graph was built; it sticks, and later calls
//	    add nothing
//	Compile(keep ...*gorgonia.Node) (machine, error)
//	    plans the memory; Values of the kept nodes can be read after a run of the
//	    machine, machine.Run() error; those of others are gone, because a run uses
//	    its memory again
//	Step uint64
//	    the number of the step, which seeds dropout: set it before each run
//
// A graph is not safe for concurrent use.
type Graph = op.Graph

// NewGraph begins an empty graph with memory of its own.
func NewGraph(engine *Engine) *Graph { return op.NewGraph(engine, &op.Memory{}) }

// Values are what the last run of a graph computed for a node that was kept,
// row-major. The next run overwrites them.
func Values(n *G.Node) []float32 { return op.Values(n) }
