package loss

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// meanNode is the mean of value, the loss of logits, with weight 1, and of the losses of
// the smaller logits of deep, with weight 1/k where they are k times lower and wider.
func (l *Loss) meanNode(g *op.Graph, value, logits, target, weights *G.Node, deep []*G.Node) *G.Node {
	if g.Err() != nil {
		return nil
	}
	values, shares, total := []*G.Node{value}, []float32{1}, float32(1)
	for i, d := range deep {
		full, s := logits.Shape(), d.Shape()
		k := 0
		if len(s) == 4 && s[1] > 0 {
			k = full[1] / s[1]
		}
		if k < 2 || k&(k-1) != 0 || s[0] != full[0] || s[1]*k != full[1] || s[2]*k != full[2] || s[3] != full[3] {
			g.Fail(fmt.Errorf("loss: deep logits have shape %v, want %v with height and width divided by a power of 2", s, full))
			return nil
		}
		prefix := fmt.Sprintf("deep.%d.", i+1)
		v, _ := l.nodes(g, prefix, d, shrunk(g, prefix+"target", target, k), weights, true)
		values, shares, total = append(values, v), append(shares, 1/float32(k)), total+1/float32(k)
	}
	for i := range shares {
		shares[i] /= total
	}
	if g.Err() != nil {
		return nil
	}
	return g.Apply(op.Func{
		Name: "loss.mean",
		Run: func(out []float32, in [][]float32) {
			out[0] = 0
			for i, share := range shares {
				out[0] += float32(share * in[i][0])
			}
		},
		Diff: func(_, dloss *G.Node) (grads []*G.Node) {
			for i, share := range shares {
				grads = append(grads, g.Apply(op.Func{Name: fmt.Sprintf("loss.mean.grad.%d", i), Run: func(d []float32, in [][]float32) {
					d[0] = share * in[0][0]
				}}, dloss))
			}
			return grads
		},
	}, values...)
}

// shrunk has of each k x k pixels of a target the one at (k/2, k/2). It has no gradient.
// target: (N, H, W, C). Result: (N, H/k, W/k, C).
func shrunk(g *op.Graph, name string, target *G.Node, k int) *G.Node {
	if g.Err() != nil {
		return nil
	}
	s := target.Shape()
	n, h, w, c := s[0], s[1], s[2], s[3]
	return g.Apply(op.Func{
		Name:  name,
		Shape: []int{n, h / k, w / k, c},
		Run: func(out []float32, in [][]float32) {
			for y := k / 2; y < n*h; y += k {
				for x := k / 2; x < w; x += k {
					out = out[copy(out, in[0][(y*w+x)*c:][:c]):]
				}
			}
		},
	}, target)
}
