package op

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// UpConv is a 2x2 transposed convolution of stride 2.
// x: (N, H, W, I); w: (I, 2, 2, O); bias: (O). Result: (N, 2H, 2W, O).
func (g *Graph) UpConv(name string, x, w, bias *G.Node) *G.Node {
	n, h, wd, in := g.shape4(name, x)
	wi, k, k2, out := g.shape4(name, w)
	if g.err != nil {
		return nil
	}
	if k != 2 || k2 != 2 || wi != in {
		g.Fail(fmt.Errorf("op: %s: weights have shape %v, want (%d, 2, 2, O)", name, w.Shape(), in))
		return nil
	}
	g.checkVector(name, "bias", bias, out)
	s := kernel.UpConvShape{N: n, H: h, W: wd, In: in, Out: out}
	return g.Apply(Func{
		Name:  name,
		Kind:  "transposed conv",
		Shape: []int{n, 2 * h, 2 * wd, out},
		Run: func(y []float32, in [][]float32) {
			g.Engine.UpConv(s, y, in[0], in[1], in[2])
		},
		Diff: func(_, dy *G.Node) []*G.Node {
			grads := make([]*G.Node, 3)
			if g.Trained(x) {
				grads[0] = g.Apply(Func{Name: name + ".grad.input", Kind: "transposed conv, input gradient", Shape: x.Shape(), Run: func(dx []float32, in [][]float32) {
					g.Engine.UpConvGradInput(s, dx, in[0], in[1])
				}}, dy, w)
			}
			if g.Trained(w) {
				grads[1] = g.Apply(Func{Name: name + ".grad.weight", Kind: "transposed conv, weight gradient", Shape: w.Shape(), Run: func(dw []float32, in [][]float32) {
					g.Engine.UpConvGradWeights(s, dw, in[0], in[1])
				}}, x, dy)
			}
			if g.Trained(bias) {
				grads[2] = g.gradBias(name, dy, out)
			}
			return grads
		},
	}, x, w, bias)
}

// Upsample doubles height and width by nearest neighbour. x: (N, H, W, C). Result: (N, 2H, 2W, C).
func (g *Graph) Upsample(name string, x *G.Node) *G.Node {
	n, h, w, c := g.shape4(name, x)
	if g.err != nil {
		return nil
	}
	return g.Apply(Func{
		Name:  name,
		Kind:  "upsample",
		Shape: []int{n, 2 * h, 2 * w, c},
		Run:   func(y []float32, in [][]float32) { g.Engine.Upsample(n, h, w, c, y, in[0]) },
		Diff: func(_, dy *G.Node) []*G.Node {
			return []*G.Node{g.Apply(Func{Name: name + ".grad", Kind: "upsample, gradient", Shape: x.Shape(), Run: func(dx []float32, in [][]float32) {
				g.Engine.UpsampleGrad(n, h, w, c, dx, in[0])
			}}, dy)}
		},
	}, x)
}
