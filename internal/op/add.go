package op

import (
	"fmt"

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
