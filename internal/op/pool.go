package op

import (
	"fmt"

	G "gorgonia.org/gorgonia"
)

// MaxPool is a 2x2 max pool of stride 2; the first of equal maxima gets the
// gradient. x: (N, H, W, C), H and W even. Result: (N, H/2, W/2, C).
func (g *Graph) MaxPool(name string, x *G.Node) *G.Node {
	n, h, w, c := g.evenShape(name, x)
	if g.err != nil {
		return nil
	}
	p := &pool{}
	if g.pools[x] == nil {
		g.pools[x] = p
	}
	which := make([]uint8, n*h/2*w/2*c) // where in its window each maximum was
	return g.Apply(Func{
		Name:  name,
		Kind:  "max pool",
		Shape: []int{n, h / 2, w / 2, c},
		Run:   func(y []float32, in [][]float32) { g.Engine.MaxPool(n, h, w, c, y, which, in[0]) },
		Diff: func(y, dy *G.Node) []*G.Node {
			inputs := []*G.Node{dy, y}
			var overwrites []int
			if p.skipped {
				if p.skip == nil {
					g.Fail(fmt.Errorf("op: %s: what reads its input as a skip connection must depend on it", name))
					return nil
				}
				overwrites = []int{len(inputs)}
				inputs = append(inputs, p.skip)
			}
			// y is an input only so that the pool has run and filled `which`.
			return []*G.Node{g.Apply(Func{Name: name + ".grad", Kind: "max pool, gradient", Shape: x.Shape(), Overwrites: overwrites, Run: func(dx []float32, in [][]float32) {
				var skip []float32
				if p.skipped {
					skip = in[2]
				}
				g.Engine.MaxPoolGrad(n, h, w, c, dx, in[0], which, skip)
			}}, inputs...)}
		},
	}, x)
}

// MaxPool3 is a 3x3 max pool of stride 2 that sees one pixel beyond the border, which is
// never the largest: PyTorch's max_pool2d(x, 3, 2, 1). The first of equal maxima gets
// the gradient. x: (N, H, W, C), H and W even. Result: (N, H/2, W/2, C).
func (g *Graph) MaxPool3(name string, x *G.Node) *G.Node {
	n, h, w, c := g.evenShape(name, x)
	if g.err != nil {
		return nil
	}
	which := make([]uint8, n*h/2*w/2*c) // where in its window each maximum was
	return g.Apply(Func{
		Name:  name,
		Kind:  "max pool",
		Shape: []int{n, h / 2, w / 2, c},
		Run:   func(y []float32, in [][]float32) { g.Engine.MaxPool3(n, h, w, c, y, which, in[0]) },
		Diff: func(y, dy *G.Node) []*G.Node {
			// y is an input only so that the pool has run and filled `which`.
			return []*G.Node{g.Apply(Func{Name: name + ".grad", Kind: "max pool, gradient", Shape: x.Shape(), Run: func(dx []float32, in [][]float32) {
				g.Engine.MaxPool3Grad(n, h, w, c, dx, in[0], which)
			}}, dy, y)}
		},
	}, x)
}

// evenShape is the shape of a node that must be (N, H, W, C) with even H and W.
func (g *Graph) evenShape(name string, x *G.Node) (n, h, w, c int) {
	n, h, w, c = g.shape4(name, x)
	if g.err == nil && (h%2 != 0 || w%2 != 0) {
		g.Fail(fmt.Errorf("op: %s: input is %d x %d pixels, want both even", name, h, w))
	}
	return n, h, w, c
}

// pool is a max pool whose gradient may add to its own that of a skip
// connection, another reader of its input.
type pool struct {
	skipped bool
	skip    *G.Node // the gradient, once the reader is differentiated
}
