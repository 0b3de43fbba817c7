package op

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// Conv is a stride-1 convolution with zero padding that keeps the size.
// x: (N, H, W, I); w: (K, K, I, O), K 1 or 3; bias: (O) or nil. Result: (N, H, W, O).
func (g *Graph) Conv(name string, x, w, bias *G.Node) *G.Node {
	s := g.convShape(name, x, w)
	if g.err != nil {
		return nil
	}
	inputs := []*G.Node{x, w}
	if bias != nil {
		g.checkVector(name, "bias", bias, s.Out)
		inputs = append(inputs, bias)
	}
	return g.Apply(Func{
		Name:  name,
		Kind:  "conv",
		Shape: []int{s.N, s.H, s.W, s.Out},
		Run: func(y []float32, in [][]float32) {
			var b []float32
			if len(in) == 3 {
				b = in[2]
			}
			g.Engine.Conv(s, y, in[0], in[1], b)
		},
		Diff: func(_, dy *G.Node) []*G.Node {
			grads := make([]*G.Node, len(inputs))
			if g.Trained(x) {
				grads[0] = g.Apply(Func{Name: name + ".grad.input", Kind: "conv, input gradient", Shape: x.Shape(), Run: func(dx []float32, in [][]float32) {
					g.Engine.ConvGradInput(s, dx, in[0], in[1])
				}}, dy, w)
			}
			grads[1] = g.Apply(Func{Name: name + ".grad.weight", Kind: "conv, weight gradient", Shape: w.Shape(), Run: func(dw []float32, in [][]float32) {
				g.Engine.ConvGradWeights(s, dw, in[0], in[1])
			}}, x, dy)
			if bias != nil {
				grads[2] = g.gradBias(name, dy, s.Out)
			}
			return grads
		},
	}, inputs...)
}

// convShape checks the shapes of a convolution's input and weights.
func (g *Graph) convShape(name string, x, w *G.Node) kernel.ConvShape {
	n, h, wd, in := g.shape4(name, x)
	k, k2, wi, out := g.shape4(name, w)
	if g.err == nil && (k != k2 || (k != 1 && k != 3) || wi != in) {
		g.Fail(fmt.Errorf("op: %s: weights have shape %v, want (K, K, %d, O) with K 1 or 3", name, w.Shape(), in))
	}
	return kernel.ConvShape{N: n, H: h, W: wd, In: in, Out: out, Kernel: k}
}

// gradBias sums dy: (..., C) over all but the channels.
func (g *Graph) gradBias(name string, dy *G.Node, channels int) *G.Node {
	return g.Apply(Func{Name: name + ".grad.bias", Kind: "bias gradient", Shape: []int{channels}, Run: func(db []float32, in [][]float32) {
		g.Engine.SumRows(db, in[0])
	}}, dy)
}
