package op

import (
	"fmt"
	"hash"
	"hash/fnv"
	"time"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Func describes one op of a graph.
type Func struct {
	// Name is unique in the graph. Gorgonia merges nodes whose hashes are equal; the name keeps them apart.
	Name string
	// Kind is what the op does, by which Profile adds up; empty: Name.
	Kind string
	// Shape is that of the output; nil for a scalar.
	Shape []int
	// Run computes out, all of it, from the inputs; all are row-major.
	Run func(out []float32, in [][]float32)
	// Overwrites names inputs of the output's size which Run may be given as out: it
	// reads all of an element before it writes it. nil: none.
	Overwrites []int
	// Diff returns the gradient node of each input, nil for those that g.Trained
	// says need none. grad is the gradient of the output. A nil Diff means: not differentiable.
	Diff func(output, grad *G.Node) []*G.Node
	// ByPool says which inputs get their gradient from a pool beside this op; nil: none.
	ByPool []bool
}

// Apply adds a node that computes f from the inputs.
func (g *Graph) Apply(f Func, inputs ...*G.Node) *G.Node {
	if !g.claim(f.Name) {
		return nil
	}
	op := &function{Func: f, graph: g, inputs: inputs, differentiable: make([]bool, len(inputs))}
	types := make([]hm.Type, len(inputs)+1)
	for i, n := range inputs {
		types[i] = tensorType(len(n.Shape()))
		op.differentiable[i] = f.Diff != nil && g.trained[n] && (f.ByPool == nil || !f.ByPool[i])
	}
	types[len(inputs)] = tensorType(len(f.Shape))
	op.types = types
	n, err := G.ApplyOp(op, inputs...)
	if err != nil {
		g.Fail(fmt.Errorf("op: %s: %w", f.Name, err))
		return nil
	}
	for _, d := range op.differentiable {
		if d {
			g.trained[n] = true
		}
	}
	return n
}

// view adds a node whose values are those of another from an index on.
func (g *Graph) view(name string, of *G.Node, from int, shape []int) *G.Node {
	n := g.Apply(Func{Name: name, Kind: "view", Shape: shape, Run: func([]float32, [][]float32) {}}, of)
	if n != nil {
		n.Op().(*function).viewed = &viewed{of, from}
	}
	return n
}

// viewed is the node whose memory a view shares, and the index at which it begins.
type viewed struct {
	node *G.Node
	from int
}

// Place makes the op of node n write its output to out, which outlasts the run.
func (g *Graph) Place(n *G.Node, out []float32) {
	if g.err != nil {
		return
	}
	f, ok := n.Op().(*function)
	if !ok || f.size() != len(out) {
		g.Fail(fmt.Errorf("op: %v cannot be placed in %d values", n, len(out)))
		return
	}
	f.setMemory(out)
	f.placed = true
}

// Trained reports whether a gradient must reach n.
func (g *Graph) Trained(n *G.Node) bool { return g.trained[n] }

// function makes a Func a gorgonia.SDOp. It owns its output: Do returns the
// same value at each run, so a step allocates nothing.
type function struct {
	Func
	graph          *Graph
	inputs         []*G.Node
	types          []hm.Type // inputs, then the output
	differentiable []bool

	viewed *viewed   // or nil
	placed bool      // the caller gave the memory of out
	out    []float32 // from Place or Compile
	value  G.Value   // a view of out; for a scalar, a copy of out[0]
	in     [][]float32
	took   time.Duration // by all runs
}

func (f *function) size() int {
	return tensor.Shape(f.Shape).TotalSize()
}

func (f *function) setMemory(out []float32) {
	f.out = out
	if len(f.Shape) == 0 {
		f.value = G.NewF32(0)
	} else {
		f.value = tensor.New(tensor.WithShape(f.Shape...), tensor.WithBacking(out))
	}
}

// Do runs the op. A panic becomes the error, because in a goroutine of the tape
// machine it would end the process.
func (f *function) Do(inputs ...G.Value) (v G.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("op: %s: %v", f.Name, r)
		}
	}()
	if f.in == nil {
		f.in = make([][]float32, len(inputs))
	}
	for i, input := range inputs {
		f.in[i] = floats(input)
	}
	start := time.Now()
	f.Run(f.out, f.in)
	f.took += time.Since(start)
	if f.graph.watched {
		f.graph.watch(f)
	}
	if s, ok := f.value.(*G.F32); ok {
		*s = G.F32(f.out[0])
	}
	return f.value, nil
}

// SymDiff adds the nodes of the gradient.
func (f *function) SymDiff(_ G.Nodes, output, grad *G.Node) (G.Nodes, error) {
	if f.Diff == nil {
		return nil, fmt.Errorf("op: %s has no gradient", f.Name)
	}
	grads := f.Diff(output, f.graph.sumTerms(f.Name, grad))
	if f.graph.err != nil {
		return nil, f.graph.err
	}
	// Gorgonia would dereference the missing node.
	for i, d := range f.differentiable {
		if d && (i >= len(grads) || grads[i] == nil) {
			return nil, fmt.Errorf("op: %s gives no gradient for input %d", f.Name, i)
		}
	}
	return grads, nil
}

func (f *function) DiffWRT(int) []bool { return f.differentiable }
func (f *function) Arity() int         { return len(f.types) - 1 }
func (f *function) Type() hm.Type      { return hm.NewFnType(append([]hm.Type(nil), f.types...)...) }
func (f *function) InferShape(...G.DimSizer) (tensor.Shape, error) {
	if len(f.Shape) == 0 {
		return tensor.ScalarShape(), nil
	}
	return tensor.Shape(f.Shape).Clone(), nil
}
func (f *function) ReturnsPtr() bool      { return true }
func (f *function) CallsExtern() bool     { return false }
func (f *function) OverwritesInput() int  { return -1 }
func (f *function) WriteHash(h hash.Hash) { fmt.Fprint(h, f.Name) }
func (f *function) String() string        { return f.Name }
func (f *function) Hashcode() uint32 {
	h := fnv.New32a()
	f.WriteHash(h)
	return h.Sum32()
}

func tensorType(dims int) hm.Type {
	if dims == 0 {
		return hm.TypeVariable('a')
	}
	return G.TensorType{Dims: dims, Of: hm.TypeVariable('a')}
}

// floats is the data of a float32 tensor or scalar.
func floats(v G.Value) []float32 {
	switch v := v.(type) {
	case *G.F32:
		return []float32{float32(*v)}
	case *tensor.Dense: // its Data goes through reflection
		if v.Dtype() == tensor.Float32 {
			return v.Float32s()
		}
	}
	panic(fmt.Sprintf("value of type %T, want float32", v))
}
