package loss

import (
	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// plain reports whether the loss is the weighted cross entropy, with or without soft
// Dice, and nothing else.
func plain(c Config) bool {
	return c.Kind == "weighted_cce" && c.WeightBy == "target" && c.Lovasz == 0 && c.FocalGamma == 0
}

// crossEntropy is sumsNode of logits instead of their log-softmax, for a plain
// config: one pass over the pixels forward and one backward.
// logits, target: (N, H, W, C); weights: (C).
func (l *Loss) crossEntropy(g *op.Graph, prefix string, logits, target, weights *G.Node) *G.Node {
	if g.Err() != nil {
		return nil
	}
	s := layout(len(l.weights))
	dice := l.cfg.Dice > 0
	kind := "cross entropy"
	if dice {
		kind = "cross entropy, dice"
	}
	return g.Apply(op.Func{
		Name:  prefix + "loss.sums",
		Kind:  kind,
		Shape: []int{s.size()},
		Run: func(out []float32, in [][]float32) {
			total := make([]float64, s.size())
			var cost, weight, labelled float64
			if dice {
				cost, weight, labelled = g.Engine.CrossEntropyDice(total[s.overlap(0):], in[0], in[1], in[2])
			} else {
				cost, weight, labelled = g.Engine.CrossEntropy(in[0], in[1], in[2])
			}
			total[s.numerator()], total[s.denominator()] = cost, weight
			switch l.cfg.Reduction {
			case "mean":
				total[s.denominator()] = labelled
			case "sum_per_image":
				total[s.denominator()] = float64(logits.Shape()[0])
			}
			g.Total(total)
			for i, v := range total {
				out[i] = float32(v)
			}
		},
		Diff: func(_, dsums *G.Node) []*G.Node {
			return []*G.Node{g.Apply(op.Func{Name: prefix + "loss.sums.grad", Kind: kind + ", gradient", Shape: logits.Shape(), Run: func(dlogits []float32, in [][]float32) {
				dnumerator := in[0][s.numerator()]
				if dice {
					g.Engine.CrossEntropyDiceGrad(dlogits, dnumerator, in[0][s.overlap(0):], in[1], in[2], in[3])
				} else {
					g.Engine.CrossEntropyGrad(dlogits, dnumerator, in[1], in[2], in[3])
				}
			}}, dsums, logits, target, weights), nil, nil}
		},
	}, logits, target, weights)
}
