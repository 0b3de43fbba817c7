// Package op holds the Gorgonia ops of the UNet: NHWC, float32, with symbolic
// gradients (gorgonia.SDOp), their loops in internal/kernel.
//
// A Graph is a gorgonia.ExprGraph under construction together with the engine
// its ops run on. Each op is one Func: a name, an output shape, what to compute
// and how to differentiate it. Compile gives every op's output its memory and
// returns a Machine, Gorgonia's tape machine, to run the graph with.
package op

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// Graph is an expression graph under construction. Its methods add nodes; the
// first error sticks, makes all later calls return nil and is returned by Err, so
// that a net can be written down without a check at every line.
type Graph struct {
	*G.ExprGraph
	// Engine runs the loops of all ops of the graph.
	Engine *kernel.Engine
	// Step seeds what is random in a run of the graph (Dropout). The trainer
	// sets it before each run, so that a resumed run draws the same numbers.
	Step uint64
	// Parts says what part of a batch the graph computes, where others compute the
	// rest at the same time; nil: all of it.
	Parts *Parts

	memory   *Memory
	trained  map[*G.Node]bool // nodes a gradient must reach: parameters and all that depends on them
	names    map[string]bool
	pools    map[*G.Node]*pool // by their input, the first of each
	replaced map[*G.Node]bool  // Gorgonia's sums of gradients for which there are ops of ours
	err      error

	watched   bool   // each op's values are looked at
	nonFinite string // the first that were not finite
}

// NewGraph starts an empty graph. Graphs that never run at the same time may
// share one memory: what a run of one computed is then void after a run of another.
func NewGraph(engine *kernel.Engine, memory *Memory) *Graph {
	return &Graph{
		ExprGraph: G.NewGraph(),
		Engine:    engine,
		memory:    memory,
		trained:   map[*G.Node]bool{},
		names:     map[string]bool{},
		pools:     map[*G.Node]*pool{},
		replaced:  map[*G.Node]bool{},
	}
}

// Parts is one part of a batch that several graphs, each in a process of its own,
// compute together, so that batch norm and losses see all of it. All of them run the same
// ops in the same order.
type Parts struct {
	// Sum adds up values over all parts, in place.
	Sum func(values []float64)
	// First is how many images of the batch come before those of the graph, for what
	// is drawn for each (Dropout).
	First int
	// Empty says that the graph has no image of the batch: what its input is given then
	// stands for none, and adds nothing to any sum, as long as no pixel of it has a label.
	Empty bool
}

// sum is what adds up values over all parts; nil if there is one only.
func (p *Parts) sum() func([]float64) {
	if p == nil {
		return nil
	}
	return func(values []float64) {
		if p.Empty {
			clear(values)
		}
		p.Sum(values)
	}
}

func (p *Parts) empty() bool { return p != nil && p.Empty }

func (p *Parts) first() int {
	if p == nil {
		return 0
	}
	return p.First
}

// Total adds up values over all parts of the batch, in place. It is for the Run of an op
// that depends on all images.
func (g *Graph) Total(values []float64) {
	if sum := g.Parts.sum(); sum != nil {
		sum(values)
	}
}

// Join returns the values of all parts of the batch one after the other, and where those
// of the graph, values, which are of so many images, begin. It is for the Run of an op
// that depends on all images by more than sums.
func (g *Graph) Join(values []float32, images int) (all []float32, first int) {
	if g.Parts == nil {
		return values, 0
	}
	total := []float64{float64(images)}
	g.Total(total)
	each := len(values) / images
	first = g.Parts.First * each
	sum := make([]float64, int(total[0])*each) // exact: only one part has a value that is not 0
	if !g.Parts.Empty {
		for i, v := range values {
			sum[first+i] = float64(v)
		}
	}
	g.Total(sum)
	all = make([]float32, len(sum))
	for i, v := range sum {
		all[i] = float32(v)
	}
	return all, first
}

// Err is the first error met while the graph was built, or nil.
func (g *Graph) Err() error { return g.err }

// Fail makes err the graph's error, unless it has one already.
func (g *Graph) Fail(err error) {
	if g.err == nil {
		g.err = err
	}
}

// Input adds a node whose values the caller provides by writing to values, a
// row-major array of the given shape, before each run.
func (g *Graph) Input(name string, values []float32, shape ...int) *G.Node {
	if !g.claim(name) {
		return nil
	}
	if tensor.Shape(shape).TotalSize() != len(values) {
		g.Fail(fmt.Errorf("op: input %s: %d values for shape %v", name, len(values), tensor.Shape(shape)))
		return nil
	}
	value := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
	return G.NewTensor(g.ExprGraph, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(value))
}

// Parameter adds an input that is trained: gradients flow to it.
func (g *Graph) Parameter(name string, values []float32, shape ...int) *G.Node {
	n := g.Input(name, values, shape...)
	if n != nil {
		g.trained[n] = true
	}
	return n
}

// Constant adds a node of fixed values, shape (len(values)).
func (g *Graph) Constant(name string, values []float32) *G.Node {
	if !g.claim(name) {
		return nil
	}
	value := tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(append([]float32(nil), values...)))
	return g.AddNode(G.NewConstant(value, G.WithName(name)))
}

// Grad adds the nodes of the gradient of a scalar with respect to params, in their order.
func (g *Graph) Grad(loss *G.Node, params []*G.Node) (G.Nodes, error) {
	if g.err != nil {
		return nil, g.err
	}
	grads, err := G.Grad(loss, params...)
	if err != nil {
		return nil, fmt.Errorf("op: differentiate %s: %w", loss.Name(), err)
	}
	for _, grad := range grads {
		delete(g.replaced, grad)
	}
	return grads, g.err
}

// Values is what the last run computed for a node, row-major; a view that the next run overwrites.
func Values(n *G.Node) []float32 { return floats(n.Value()) }

func (g *Graph) claim(name string) bool {
	if g.err != nil {
		return false
	}
	if g.names[name] {
		g.Fail(fmt.Errorf("op: the graph has two nodes named %q", name))
		return false
	}
	g.names[name] = true
	return true
}

// shape4 is the shape of a node that must be (N, H, W, C).
func (g *Graph) shape4(name string, x *G.Node) (n, h, w, c int) {
	if g.err != nil {
		return
	}
	s := x.Shape()
	if len(s) != 4 {
		g.Fail(fmt.Errorf("op: %s: input has shape %v, want (N, H, W, C)", name, s))
		return
	}
	return s[0], s[1], s[2], s[3]
}

// checkVector fails the graph unless v has the shape (channels).
func (g *Graph) checkVector(name, what string, v *G.Node, channels int) {
	if g.err != nil {
		return
	}
	if s := v.Shape(); len(s) != 1 || s[0] != channels {
		g.Fail(fmt.Errorf("op: %s: %s has shape %v, want (%d)", name, what, s, channels))
	}
}
