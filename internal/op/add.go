package op

import (
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// Add is act(a + b), the end of a residual block. a, b: any equal shape.
func (g *Graph) Add(name string, a, b *G.Node, act kernel.Activation) *G.Node {
	if g.err != nil {
		return nil
	}
	if !a.Shape().Eq(b.Shape()) {
		g.Fail(fmt.Errorf("op: %s: inputs have shapes %v and %v, want equal ones", name, a.Shape(), b.Shape()))
		return nil
	}
	return g.Apply(Func{
		Name:       name,
		Kind:       "add",
		Shape:      a.Shape(),
		Overwrites: []int{1, 0},
		Run:        func(y []float32, in [][]float32) { g.Engine.Add(y, in[0], in[1], act) },
		Diff: func(y, dy *G.Node) []*G.Node {
			if act != kernel.None {
				dy = g.Apply(Func{Name: name + ".grad", Kind: "add, gradient", Shape: y.Shape(), Overwrites: []int{0}, Run: func(d []float32, in [][]float32) {
					g.Engine.ClampGrad(d, in[0], in[1], act)
				}}, dy, y)
			}
			return []*G.Node{dy, dy}
		},
	}, a, b)
}

// sumTerms is grad, the gradient of the output of op name. Where that has several
// readers, Gorgonia adds up their gradients by an op that uses one thread and holds the
// memory of both; this adds them up by ops of ours.
func (g *Graph) sumTerms(name string, grad *G.Node) *G.Node {
	terms := g.terms(grad)
	sum := terms[0]
	for i, term := range terms[1:] {
		sum = g.Apply(Func{
			Name:       fmt.Sprintf("%s.grad.sum.%d", name, i+1),
			Kind:       "gradient sum",
			Shape:      grad.Shape(),
			Overwrites: []int{1, 0},
			Run:        func(y []float32, in [][]float32) { g.Engine.Add(y, in[0], in[1], kernel.None) },
		}, sum, term)
	}
	return sum
}

// terms are what Gorgonia's sums of n are made of, from left to right, or n alone.
func (g *Graph) terms(n *G.Node) []*G.Node {
	if n.Op() == nil || !strings.HasPrefix(n.Op().String(), "+ ") {
		return []*G.Node{n}
	}
	var terms []*G.Node
	summands := g.From(n.ID())
	for summands.Next() {
		term := summands.Node().(*G.Node)
		if !term.Shape().Eq(n.Shape()) {
			return []*G.Node{n}
		}
		terms = append(terms, g.terms(term)...)
	}
	g.replaced[n] = true
	return terms
}
