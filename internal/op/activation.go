package op

import (
	"math/rand/v2"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// ReLU is max(x, 0). x: (N, H, W, C).
func (g *Graph) ReLU(name string, x *G.Node) *G.Node {
	if g.err != nil {
		return nil
	}
	return g.Apply(Func{
		Name:  name,
		Kind:  "relu",
		Shape: x.Shape(),
		Run:   func(y []float32, in [][]float32) { g.Engine.Clamp(y, in[0], kernel.ReLU) },
		Diff: func(y, dy *G.Node) []*G.Node {
			return []*G.Node{g.Apply(Func{Name: name + ".grad", Kind: "relu, gradient", Shape: x.Shape(), Run: func(dx []float32, in [][]float32) {
				g.Engine.ClampGrad(dx, in[0], in[1], kernel.ReLU)
			}}, dy, y)}
		},
	}, x)
}

// Softmax is exp(x_c) / sum_k exp(x_k) over the channels; it has no gradient. logits: (N, H, W, C).
func (g *Graph) Softmax(name string, logits *G.Node) *G.Node {
	_, _, _, c := g.shape4(name, logits)
	if g.err != nil {
		return nil
	}
	return g.Apply(Func{
		Name:  name,
		Kind:  "softmax",
		Shape: logits.Shape(),
		Run:   func(p []float32, in [][]float32) { g.Engine.Softmax(p, in[0], c) },
	}, logits)
}

// LogSoftmax is x_c - log(sum_k exp(x_k)) over the channels, computed without overflow. logits: (N, H, W, C).
func (g *Graph) LogSoftmax(name string, logits *G.Node) *G.Node {
	_, _, _, c := g.shape4(name, logits)
	if g.err != nil {
		return nil
	}
	return g.Apply(Func{
		Name:  name,
		Kind:  "log softmax",
		Shape: logits.Shape(),
		Run:   func(logp []float32, in [][]float32) { g.Engine.LogSoftmax(logp, in[0], c) },
		Diff: func(logp, dlogp *G.Node) []*G.Node {
			return []*G.Node{g.Apply(Func{Name: name + ".grad", Kind: "log softmax, gradient", Shape: logits.Shape(), Run: func(dx []float32, in [][]float32) {
				g.Engine.LogSoftmaxGrad(dx, in[0], in[1], c)
			}}, dlogp, logp)}
		},
	}, logits)
}

// Dropout sets each value to zero with probability p, [0, 1), and scales the
// others by 1/(1-p) (Srivastava et al. 2014). What is dropped depends on seed,
// the graph's Step and the place in the batch, with all its Parts, alone. x: (N, H, W, C).
func (g *Graph) Dropout(name string, x *G.Node, p float64, seed uint64) *G.Node {
	if g.err != nil {
		return nil
	}
	factor := make([]float32, x.Shape().TotalSize())
	multiply := func(y []float32, in [][]float32) {
		for i, v := range in[0] {
			y[i] = v * factor[i]
		}
	}
	return g.Apply(Func{
		Name:  name,
		Kind:  "dropout",
		Shape: x.Shape(),
		Run: func(y []float32, in [][]float32) {
			rng := rand.New(rand.NewPCG(seed, g.Step))
			for range g.Parts.first() * len(factor) / x.Shape()[0] {
				rng.Float64() // of the images before
			}
			for i := range factor {
				factor[i] = 0
				if rng.Float64() >= p {
					factor[i] = float32(1 / (1 - p))
				}
			}
			multiply(y, in)
		},
		Diff: func(y, dy *G.Node) []*G.Node {
			// y is an input only so that the factors are those of this run.
			return []*G.Node{g.Apply(Func{Name: name + ".grad", Kind: "dropout, gradient", Shape: x.Shape(), Run: multiply}, dy, y)}
		},
	}, x)
}
