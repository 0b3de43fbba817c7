package train

import (
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// brokenLoss is a loss that becomes NaN when told to.
type brokenLoss struct {
	Loss
	nan bool
}

func (b *brokenLoss) Nodes(g *op.Graph, logits, target *G.Node, training bool, deep ...*G.Node) (value, sums *G.Node, err error) {
	value, sums, err = b.Loss.Nodes(g, logits, target, training, deep...)
	if err != nil {
		return nil, nil, err
	}
	value = g.Apply(op.Func{
		Name: "broken",
		Run: func(out []float32, in [][]float32) {
			out[0] = in[0][0]
			if b.nan {
				out[0] = float32(math.NaN())
			}
		},
		Diff: func(_, grad *G.Node) []*G.Node { return []*G.Node{grad} },
	}, value)
	return value, sums, g.Err()
}
