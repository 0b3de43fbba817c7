package op

import (
	"fmt"

	G "gorgonia.org/gorgonia"
)

// Standardize is (x - mean) / deviation of each channel. It passes no gradient on.
// x: (N, H, W, C); mean, deviation: C values. Result: (N, H, W, C).
func (g *Graph) Standardize(name string, x *G.Node, mean, deviation []float32) *G.Node {
	_, _, _, c := g.shape4(name, x)
	if g.err != nil {
		return nil
	}
	if len(mean) != c || len(deviation) != c {
		g.Fail(fmt.Errorf("op: %s: %d means and %d deviations for %d channels", name, len(mean), len(deviation), c))
		return nil
	}
	return g.Apply(Func{
		Name:  name,
		Kind:  "standardize",
		Shape: x.Shape(),
		Run: func(y []float32, in [][]float32) {
			g.Engine.Parallel(len(y)/c, func(_, lo, hi int) {
				for i := lo * c; i < hi*c; i += c {
					for k, v := range in[0][i:][:c] {
						y[i+k] = (v - mean[k]) / deviation[k]
					}
				}
			})
		},
	}, x)
}
