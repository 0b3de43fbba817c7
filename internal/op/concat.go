package op

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
)

// Concat joins channels. a: (N, H, W, A); b: (N, H, W, B). Result: (N, H, W, A+B).
func (g *Graph) Concat(name string, a, b *G.Node) *G.Node {
	n, h, w, ca := g.shape4(name, a)
	_, _, _, cb := g.shape4(name, b)
	if g.err != nil {
		return nil
	}
	if !slices.Equal(a.Shape()[:3], b.Shape()[:3]) {
		g.Fail(fmt.Errorf("op: %s: inputs have shapes %v and %v, want them to differ in channels only", name, a.Shape(), b.Shape()))
		return nil
	}
	return g.Apply(Func{
		Name:  name,
		Kind:  "concat",
		Shape: []int{n, h, w, ca + cb},
		Run:   func(y []float32, in [][]float32) { g.Engine.Concat(y, in[0], ca, in[1], cb) },
		Diff: func(_, dy *G.Node) []*G.Node {
			part := func(suffix string, of *G.Node, c, from int) *G.Node {
				if !g.Trained(of) {
					return nil
				}
				return g.Apply(Func{Name: name + suffix, Kind: "concat, gradient", Shape: of.Shape(), Run: func(dx []float32, in [][]float32) {
					g.Engine.Slice(dx, c, in[0], ca+cb, from)
				}}, dy)
			}
			return []*G.Node{part(".grad.first", a, ca, 0), part(".grad.second", b, cb, ca)}
		},
	}, a, b)
}
