package op

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// Depthwise is a convolution of each channel by itself, with pad zeros above and left
// of the image and as many below and right as it needs.
// x: (N, H, W, C), H and W multiples of stride; w: (K, K, 1, C), K 3 or 5.
// Result: (N, H/stride, W/stride, C).
func (g *Graph) Depthwise(name string, x, w *G.Node, stride, pad int) *G.Node {
	return g.depthwise(name, x, w, stride, pad, nil)
}

// DepthwiseBatchNorm is a depthwise convolution (see Depthwise) and, on its results, a
// BatchNorm. The convolution counts what the norm needs to know of them.
func (g *Graph) DepthwiseBatchNorm(conv, norm string, x, w, gamma, beta *G.Node, stride, pad int, epsilon float64, act kernel.Activation) (*G.Node, *BatchStatistics) {
	moments := &kernel.Moments{}
	return g.batchNorm(norm, g.depthwise(conv, x, w, stride, pad, moments), gamma, beta, moments, epsilon, act)
}

// depthwise is Depthwise, and fills in the moments of its results if they are not nil.
func (g *Graph) depthwise(name string, x, w *G.Node, stride, pad int, moments *kernel.Moments) *G.Node {
	s := g.depthwiseShape(name, x, w, stride, pad)
	if g.err != nil {
		return nil
	}
	return g.Apply(Func{
		Name:  name,
		Kind:  "depthwise conv",
		Shape: []int{s.N, s.H / stride, s.W / stride, s.C},
		Run: func(y []float32, in [][]float32) {
			if moments != nil {
				g.Engine.DepthwiseMoments(s, y, in[0], in[1], moments)
				return
			}
			g.Engine.Depthwise(s, y, in[0], in[1])
		},
		Diff: func(_, dy *G.Node) []*G.Node {
			grads := make([]*G.Node, 2)
			if g.Trained(x) {
				grads[0] = g.depthwiseGradInput(name, s, x, dy, w)
			}
			if g.Trained(w) {
				grads[1] = g.Apply(Func{Name: name + ".grad.weight", Kind: "depthwise conv, weight gradient", Shape: w.Shape(), Run: func(dw []float32, in [][]float32) {
					g.Engine.DepthwiseGradWeights(s, dw, in[0], in[1])
				}}, x, dy)
			}
			return grads
		},
	}, x, w)
}

// DepthwiseNorm is a depthwise convolution (see Depthwise), batch norm by running
// statistics and an activation in one pass, as ConvNorm is for other convolutions.
// It passes a gradient on to x alone. gamma, beta, mean, variance: (C).
func (g *Graph) DepthwiseNorm(name string, x, w, gamma, beta, mean, variance *G.Node, stride, pad int, epsilon float64, act kernel.Activation) *G.Node {
	s := g.depthwiseShape(name, x, w, stride, pad)
	norm := g.foldNorm(name, s.C, gamma, beta, mean, variance, epsilon, act)
	if g.err != nil {
		return nil
	}
	return g.Apply(Func{
		Name:  name,
		Kind:  "depthwise conv, batch norm",
		Shape: []int{s.N, s.H / stride, s.W / stride, s.C},
		Run: func(y []float32, in [][]float32) {
			norm.fold(in[2], in[3], in[4], in[5])
			g.Engine.DepthwiseNorm(s, y, in[0], in[1], norm.scale, norm.shift, act)
		},
		Diff: func(y, dy *G.Node) []*G.Node {
			grads := make([]*G.Node, 6)
			grads[0] = g.depthwiseGradInput(name, s, x, norm.grad(y, dy), w)
			return grads
		},
	}, x, w, gamma, beta, mean, variance)
}

func (g *Graph) depthwiseGradInput(name string, s kernel.DepthwiseShape, x, dy, w *G.Node) *G.Node {
	return g.Apply(Func{Name: name + ".grad.input", Kind: "depthwise conv, input gradient", Shape: x.Shape(), Run: func(dx []float32, in [][]float32) {
		g.Engine.DepthwiseGradInput(s, dx, in[0], in[1])
	}}, dy, w)
}

// depthwiseShape checks the shapes of a depthwise convolution's images and weights.
func (g *Graph) depthwiseShape(name string, x, w *G.Node, stride, pad int) kernel.DepthwiseShape {
	n, h, wd, c := g.shape4(name, x)
	k, k2, one, out := g.shape4(name, w)
	if g.err != nil {
		return kernel.DepthwiseShape{}
	}
	if k != k2 || (k != 3 && k != 5) || one != 1 || out != c {
		g.Fail(fmt.Errorf("op: %s: weights have shape %v, want (K, K, 1, %d) with K 3 or 5", name, w.Shape(), c))
	}
	g.checkMove(name, h, wd, k, stride, pad)
	return kernel.DepthwiseShape{N: n, H: h, W: wd, C: c, Kernel: k, Stride: stride, Pad: pad}
}
