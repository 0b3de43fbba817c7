package op

import (
	"math"

	G "gorgonia.org/gorgonia"
)

// Epsilon is what batch norm adds to the variance: PyTorch's default.
const Epsilon = 1e-5

// BatchStatistics is what a training batch norm saw in the last run.
type BatchStatistics struct {
	Mean     []float32 // (C)
	Variance []float32 // (C), biased
	Rows     int       // values a channel: N*H*W
}

// BatchNorm normalises each channel by the mean and the biased variance of the
// batch (Ioffe and Szegedy 2015), scales, shifts and, when relu is set, clips
// at zero from below. x: (N, H, W, C); gamma, beta: (C). Result: (N, H, W, C).
func (g *Graph) BatchNorm(name string, x, gamma, beta *G.Node, relu bool) (*G.Node, *BatchStatistics) {
	n, h, w, c := g.shape4(name, x)
	g.checkVector(name, "gamma", gamma, c)
	g.checkVector(name, "beta", beta, c)
	if g.err != nil {
		return nil, nil
	}
	stats := &BatchStatistics{Mean: make([]float32, c), Variance: make([]float32, c), Rows: n * h * w}
	y := g.Apply(Func{
		Name:  name,
		Kind:  "batch norm",
		Shape: x.Shape(),
		Run: func(y []float32, in [][]float32) {
			g.Engine.BatchNorm(y, in[0], in[1], in[2], stats.Mean, stats.Variance, Epsilon, relu)
		},
		Diff: func(y, dy *G.Node) []*G.Node {
			// One pass finds all three gradients. Its node is that of dx; the others
			// have it as their input, so that they run after it.
			dgamma, dbeta := make([]float32, c), make([]float32, c)
			dx := g.Apply(Func{Name: name + ".grad.input", Kind: "batch norm, gradient", Shape: x.Shape(), Run: func(dx []float32, in [][]float32) {
				g.Engine.BatchNormGrad(dx, dgamma, dbeta, in[0], in[1], in[2], in[3], stats.Mean, stats.Variance, Epsilon, relu)
			}}, dy, x, gamma, beta)
			handOut := func(suffix string, from []float32) *G.Node {
				return g.Apply(Func{Name: name + suffix, Kind: "batch norm, gradient", Shape: []int{c}, Run: func(out []float32, _ [][]float32) {
					copy(out, from)
				}}, dx)
			}
			return []*G.Node{dx, handOut(".grad.weight", dgamma), handOut(".grad.bias", dbeta)}
		},
	}, x, gamma, beta)
	return y, stats
}

// BatchNormInference normalises by running statistics instead; it has no
// gradient. x: (N, H, W, C); gamma, beta, mean, variance: (C). Result: (N, H, W, C).
func (g *Graph) BatchNormInference(name string, x, gamma, beta, mean, variance *G.Node, relu bool) *G.Node {
	_, _, _, c := g.shape4(name, x)
	g.checkVector(name, "gamma", gamma, c)
	g.checkVector(name, "beta", beta, c)
	g.checkVector(name, "mean", mean, c)
	g.checkVector(name, "variance", variance, c)
	if g.err != nil {
		return nil
	}
	scale, shift := make([]float32, c), make([]float32, c)
	return g.Apply(Func{
		Name:  name,
		Kind:  "batch norm",
		Shape: x.Shape(),
		Run: func(y []float32, in [][]float32) {
			gamma, beta, mean, variance := in[1], in[2], in[3], in[4]
			for i := range scale {
				s := float64(gamma[i]) / math.Sqrt(float64(variance[i])+Epsilon)
				scale[i] = float32(s)
				shift[i] = float32(float64(beta[i]) - s*float64(mean[i]))
			}
			g.Engine.ScaleShift(y, in[0], scale, shift, relu)
		},
	}, x, gamma, beta, mean, variance)
}
