package loss

import (
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// batchWeights counts the weights of a batch from the batch alone, as a first
// attempt at such a loss does: w_c = images / (pixels of class c + 1e-7). A class
// that the batch hardly has gets an enormous weight.
// target: (N, H, W, C). Result: (C). It has no gradient.
func batchWeights(g *op.Graph, target *G.Node) *G.Node {
	if g.Err() != nil {
		return nil
	}
	shape := target.Shape()
	images, classes := shape[0], shape[3]
	return g.Apply(op.Func{
		Name:  "class_weights",
		Shape: []int{classes},
		Run: func(w []float32, in [][]float32) {
			counts := make([]float64, classes+1) // and the number of images
			counts[classes] = float64(images)
			for i := 0; i < len(in[0]); i += classes {
				for c, y := range in[0][i : i+classes] {
					counts[c] += float64(y)
				}
			}
			g.Total(counts)
			for c, n := range counts[:classes] {
				w[c] = float32(counts[classes] / (n + 1e-7))
			}
		},
	}, target)
}

// expOf is exp(x) at each element. prefix begins the names of its nodes.
func expOf(g *op.Graph, prefix string, x *G.Node) *G.Node {
	if g.Err() != nil {
		return nil
	}
	return g.Apply(op.Func{
		Name:  prefix + "probabilities",
		Shape: x.Shape(),
		Run: func(y []float32, in [][]float32) {
			for i, v := range in[0] {
				y[i] = float32(math.Exp(float64(v)))
			}
		},
		Diff: func(y, dy *G.Node) []*G.Node {
			return []*G.Node{g.Apply(op.Func{Name: prefix + "probabilities.grad", Shape: x.Shape(), Run: func(dx []float32, in [][]float32) {
				for i, d := range in[0] {
					dx[i] = d * in[1][i]
				}
			}}, dy, y)}
		},
	}, x)
}

// Probabilities are clipped to [clip, 1-clip] before their logarithm is taken.
const clip = 1e-7

// logOfProbabilities is log(clip(p_c / sum_k p_k)) over the channels: the loss
// that starts from probabilities. No gradient passes where a value is clipped.
// p: (N, H, W, C), >= 0.
func logOfProbabilities(g *op.Graph, prefix string, p *G.Node) *G.Node {
	if g.Err() != nil {
		return nil
	}
	classes := p.Shape()[3]
	return g.Apply(op.Func{
		Name:  prefix + "log_probabilities",
		Shape: p.Shape(),
		Run: func(logp []float32, in [][]float32) {
			for i := 0; i < len(in[0]); i += classes {
				sum := 0.0
				for _, v := range in[0][i : i+classes] {
					sum += float64(v)
				}
				for c, v := range in[0][i : i+classes] {
					logp[i+c] = float32(math.Log(min(max(float64(v)/sum, clip), 1-clip)))
				}
			}
		},
		Diff: func(_, dlogp *G.Node) []*G.Node {
			return []*G.Node{g.Apply(op.Func{Name: prefix + "log_probabilities.grad", Shape: p.Shape(), Run: func(dp []float32, in [][]float32) {
				for i := 0; i < len(in[1]); i += classes {
					d, p := in[0][i:i+classes], in[1][i:i+classes]
					sum, passed := 0.0, 0.0
					for _, v := range p {
						sum += float64(v)
					}
					inside := func(c int) bool { q := float64(p[c]) / sum; return q > clip && q < 1-clip }
					for c := range p {
						if inside(c) {
							passed += float64(d[c])
						}
					}
					// d log(p_c/sum) / dp_k = [c = k]/p_k - 1/sum
					for c := range p {
						grad := -passed / sum
						if inside(c) {
							grad += float64(d[c]) / float64(p[c])
						}
						dp[i+c] = float32(grad)
					}
				}
			}}, dlogp, p)}
		},
	}, p)
}
