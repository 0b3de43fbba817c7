package loss

import (
	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// plain reports whether the loss is the weighted cross entropy and nothing else.
func plain(c Config) bool {
	return c.Kind == "weighted_cce" && c.WeightBy == "target" && c.Dice == 0 && c.Lovasz == 0 && c.FocalGamma == 0
}

// crossEntropy is sumsNode of logits instead of their log-softmax, for a plain
// config: one pass over the pixels forward and one backward.
// logits, target: (N, H, W, C); weights: (C).
func (l *Loss) crossEntropy(g *op.Graph, prefix string, logits, target, weights *G.Node) *G.Node {
	if g.Err() != nil {
		return nil
	}
	s := layout(len(l.weights))
	return g.Apply(op.Func{
		Name:  prefix + "loss.sums",
		Kind:  "cross entropy",
		Shape: []int{s.size()},
		Run: func(out []float32, in [][]float32) {
			cost, weight, labelled := g.Engine.CrossEntropy(in[0], in[1], in[2])
			denominator := weight
			switch l.cfg.Reduction {
			case "mean":
				denominator = labelled
			case "sum_per_image":
				denominator = float64(logits.Shape()[0])
			}
			clear(out)
			out[s.numerator()], out[s.denominator()] = float32(cost), float32(denominator)
		},
		Diff: func(_, dsums *G.Node) []*G.Node {
			return []*G.Node{g.Apply(op.Func{Name: prefix + "loss.sums.grad", Kind: "cross entropy, gradient", Shape: logits.Shape(), Run: func(dlogits []float32, in [][]float32) {
				g.Engine.CrossEntropyGrad(dlogits, in[0][s.numerator()], in[1], in[2], in[3])
			}}, dsums, logits, target, weights), nil, nil}
		},
	}, logits, target, weights)
}
