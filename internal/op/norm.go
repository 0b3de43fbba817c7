package op

import (
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// BatchStatistics is what a training batch norm saw in the last run.
type BatchStatistics struct {
	Mean     []float32 // (C)
	Variance []float32 // (C), biased
	Rows     int       // values per channel: N*H*W, of all parts of the batch
}

// ConvBatchNorm is a convolution (see Conv) without bias and, on its results, a
// BatchNorm. The convolution counts what the norm needs to know of them.
func (g *Graph) ConvBatchNorm(conv, norm string, x []*G.Node, w, gamma, beta *G.Node, stride, pad int, epsilon float64, act kernel.Activation) (*G.Node, *BatchStatistics) {
	moments := &kernel.Moments{}
	return g.batchNorm(norm, g.conv(conv, x, w, nil, stride, pad, moments), gamma, beta, moments, epsilon, act)
}

// BatchNorm normalises each channel by the mean and the biased variance of the
// batch, with all its Parts, plus epsilon (Ioffe and Szegedy 2015), scales, shifts and
// applies act. x: (N, H, W, C); gamma, beta: (C). Result: (N, H, W, C).
func (g *Graph) BatchNorm(name string, x, gamma, beta *G.Node, epsilon float64, act kernel.Activation) (*G.Node, *BatchStatistics) {
	return g.batchNorm(name, x, gamma, beta, nil, epsilon, act)
}

// batchNorm finds the moments of x itself if they are nil.
func (g *Graph) batchNorm(name string, x, gamma, beta *G.Node, moments *kernel.Moments, epsilon float64, act kernel.Activation) (*G.Node, *BatchStatistics) {
	_, _, _, c := g.shape4(name, x)
	g.checkVector(name, "gamma", gamma, c)
	g.checkVector(name, "beta", beta, c)
	if g.err != nil {
		return nil, nil
	}
	all := g.Parts.sum()
	stats := &BatchStatistics{Mean: make([]float32, c), Variance: make([]float32, c)}
	y := g.Apply(Func{
		Name:  name,
		Kind:  "batch norm",
		Shape: x.Shape(),
		Run: func(y []float32, in [][]float32) {
			stats.Rows = g.Engine.BatchNorm(y, in[0], in[1], in[2], moments, stats.Mean, stats.Variance, float32(epsilon), act, all)
		},
		Diff: func(y, dy *G.Node) []*G.Node {
			// One pass finds all three gradients. Its node is that of dx; the others
			// have it as their input, so that they run after it.
			dgamma, dbeta := make([]float32, c), make([]float32, c)
			dx := g.Apply(Func{Name: name + ".grad.input", Kind: "batch norm, gradient", Shape: x.Shape(), Overwrites: []int{0}, Run: func(dx []float32, in [][]float32) {
				g.Engine.BatchNormGrad(dx, dgamma, dbeta, in[0], in[1], in[2], in[3], stats.Mean, stats.Variance, stats.Rows, float32(epsilon), act, all)
				if g.Parts.empty() {
					clear(dx) // the rows stand for none
				}
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

// ConvNorm is a convolution (see Conv), batch norm by running statistics and an
// activation in one pass:
//
//	act(conv(x, w) * scale + shift)
//	scale = gamma / sqrt(variance + epsilon),  shift = beta - mean * scale
//
// It passes a gradient on to x alone. gamma, beta, mean, variance: (O). Result: (N, H, W, O).
func (g *Graph) ConvNorm(name string, x []*G.Node, w, gamma, beta, mean, variance *G.Node, stride, pad int, epsilon float64, act kernel.Activation) *G.Node {
	s, channels := g.convShape(name, x, w, stride, pad)
	norm := g.foldNorm(name, s.Out, gamma, beta, mean, variance, epsilon, act)
	if g.err != nil {
		return nil
	}
	inputs := append(slices.Clone(x), w, gamma, beta, mean, variance)
	skips, byPool := g.claimSkips(x, len(inputs))
	return g.Apply(Func{
		Name:   name,
		Kind:   "conv, batch norm",
		Shape:  []int{s.N, s.H / stride, s.W / stride, s.Out},
		ByPool: byPool,
		Run: func(y []float32, in [][]float32) {
			x, in := channels.of(in), in[len(channels):]
			norm.fold(in[1], in[2], in[3], in[4])
			g.Engine.ConvNorm(s, y, x, in[0], norm.scale, norm.shift, act)
		},
		Diff: func(y, dy *G.Node) []*G.Node {
			grads := make([]*G.Node, len(inputs))
			copy(grads, g.convGradInput(name, s, x, channels, skips, norm.grad(y, dy), w))
			return grads
		},
	}, inputs...)
}

// foldedNorm is a batch norm by running statistics, as one scale and one shift for each
// channel, and an activation.
type foldedNorm struct {
	graph           *Graph
	name            string // of the op that it is a part of
	gamma, variance *G.Node
	epsilon         float64
	act             kernel.Activation
	scale, shift    []float32 // (C)
}

// foldNorm checks the shapes of a batch norm of so many channels.
func (g *Graph) foldNorm(name string, channels int, gamma, beta, mean, variance *G.Node, epsilon float64, act kernel.Activation) *foldedNorm {
	for i, v := range []*G.Node{gamma, beta, mean, variance} {
		g.checkVector(name, []string{"gamma", "beta", "mean", "variance"}[i], v, channels)
	}
	return &foldedNorm{g, name, gamma, variance, epsilon, act, make([]float32, channels), make([]float32, channels)}
}

// fold computes scale and shift.
func (f *foldedNorm) fold(gamma, beta, mean, variance []float32) {
	for i := range f.scale {
		k := factor(gamma[i], variance[i], f.epsilon)
		f.scale[i], f.shift[i] = float32(k), float32(float64(beta[i])-k*float64(mean[i]))
	}
}

// grad adds the gradient of what the norm reads, from its result y and that one's gradient.
func (f *foldedNorm) grad(y, dy *G.Node) *G.Node {
	return f.graph.Apply(Func{Name: f.name + ".grad.norm", Kind: "batch norm, gradient", Shape: y.Shape(), Run: func(dx []float32, in [][]float32) {
		f.graph.Engine.ClampGrad(dx, in[0], in[1], f.act)
		for i := range f.scale {
			f.scale[i] = float32(factor(in[2][i], in[3][i], f.epsilon))
		}
		f.graph.Engine.Scale(dx, dx, f.scale)
	}}, dy, y, f.gamma, f.variance)
}

// factor is what batch norm multiplies a channel by.
func factor(gamma, variance float32, epsilon float64) float64 {
	return float64(gamma) / math.Sqrt(float64(variance)+epsilon)
}
