package op_test

import (
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// move is how a kernel goes over an image.
type move struct{ kernel, stride, pad int }

// stridedConvRef has weights (K, K, I, O), or (K, K, 1, C) of a depthwise convolution.
func stridedConvRef(s image, out int, m move, depthwise bool, x, w []float64) []float64 {
	in := s.c
	if depthwise {
		in = 1
	}
	return image{s.n, s.h / m.stride, s.w / m.stride, out}.make(func(n, h, p, o int) float64 {
		sum := 0.0
		for i := range m.kernel {
			for j := range m.kernel {
				hh, ww := h*m.stride+i-m.pad, p*m.stride+j-m.pad
				if hh < 0 || hh >= s.h || ww < 0 || ww >= s.w {
					continue
				}
				for c := range in {
					channel := c
					if depthwise {
						channel = o
					}
					sum += x[s.at(n, hh, ww, channel)] * w[((i*m.kernel+j)*in+c)*out+o]
				}
			}
		}
		return sum
	})
}

func maxPool3Ref(s image, x []float64) []float64 {
	return image{s.n, s.h / 2, s.w / 2, s.c}.make(func(n, h, p, c int) float64 {
		largest := math.Inf(-1)
		for i := max(0, 2*h-1); i < min(s.h, 2*h+2); i++ {
			for j := max(0, 2*p-1); j < min(s.w, 2*p+2); j++ {
				largest = max(largest, x[s.at(n, i, j, c)])
			}
		}
		return largest
	})
}

// stridedCases are the ops of encoders that have seen ImageNet.
func stridedCases() []opCase {
	var cases []opCase
	add := func(c opCase) { cases = append(cases, c) }
	for _, s := range []struct {
		x   image
		out int
		move
	}{
		{image{2, 2, 2, 3}, 2, move{3, 2, 0}},
		{image{2, 4, 6, 3}, 5, move{3, 2, 1}},
		{image{1, 6, 4, 3}, 2, move{7, 2, 3}},
		{image{2, 4, 2, 5}, 3, move{1, 2, 0}},
		{image{2, 3, 5, 2}, 3, move{5, 1, 2}},
		{image{1, 2, 4, 2}, 3, move{5, 2, 1}},
	} {
		add(opCase{
			name:      fmt.Sprintf("Conv %v to %d, %+v", s.x, s.out, s.move),
			operands:  []operand{{s.x.shape(), normal}, {[]int{s.kernel, s.kernel, s.x.c, s.out}, normal}},
			build:     func(g *op.Graph, in []*G.Node) *G.Node { return g.Conv("y", in[:1], in[1], nil, s.stride, s.pad) },
			reference: func(in [][]float64) []float64 { return stridedConvRef(s.x, s.out, s.move, false, in[0], in[1]) },
			step:      1,
		})
	}
	for _, s := range []struct {
		x image
		move
	}{
		{image{2, 1, 1, 3}, move{3, 1, 1}},
		{image{2, 5, 3, 4}, move{3, 1, 1}},
		{image{1, 4, 6, 17}, move{3, 2, 0}},
		{image{2, 2, 2, 1}, move{3, 2, 1}},
		{image{1, 3, 7, 5}, move{5, 1, 2}},
		{image{2, 4, 8, 3}, move{5, 2, 1}},
		{image{1, 2, 2, 9}, move{5, 2, 2}},
	} {
		weights := []int{s.kernel, s.kernel, 1, s.x.c}
		add(opCase{
			name:      fmt.Sprintf("Depthwise %v, %+v", s.x, s.move),
			operands:  []operand{{s.x.shape(), normal}, {weights, normal}},
			build:     func(g *op.Graph, in []*G.Node) *G.Node { return g.Depthwise("y", in[0], in[1], s.stride, s.pad) },
			reference: func(in [][]float64) []float64 { return stridedConvRef(s.x, s.x.c, s.move, true, in[0], in[1]) },
			step:      1,
		})
		if values := s.x.n * s.x.h * s.x.w / s.stride / s.stride; values > 3 {
			add(opCase{
				name:     fmt.Sprintf("DepthwiseBatchNorm %v, %+v", s.x, s.move),
				operands: []operand{{s.x.shape(), normal}, {weights, normal}, {vector(s.x.c), nearOne}, {vector(s.x.c), nearZero}},
				build: func(g *op.Graph, in []*G.Node) *G.Node {
					y, _ := g.DepthwiseBatchNorm("conv", "norm", in[0], in[1], in[2], in[3], s.stride, s.pad, 1e-5, kernel.None)
					return y
				},
				reference: func(in [][]float64) []float64 {
					return batchNormRef(stridedConvRef(s.x, s.x.c, s.move, true, in[0], in[1]), in[2], in[3], kernel.None)
				},
				step: 1. / 64,
			})
		}
		rng := rand.New(rand.NewPCG(11, uint64(s.x.c)))
		constants := opCase{operands: []operand{
			{weights, normal}, {vector(s.x.c), nearOne}, {vector(s.x.c), nearZero}, {vector(s.x.c), nearZero}, {vector(s.x.c), nearOne},
		}}.draw(rng)
		add(opCase{
			name:     fmt.Sprintf("DepthwiseNorm %v, %+v", s.x, s.move),
			operands: []operand{{s.x.shape(), normal}},
			build: func(g *op.Graph, in []*G.Node) *G.Node {
				var fixed []*G.Node
				for i, a := range constants {
					fixed = append(fixed, g.Input(fmt.Sprintf("fixed.%d", i), a.values, a.shape...))
				}
				return g.DepthwiseNorm("y", in[0], fixed[0], fixed[1], fixed[2], fixed[3], fixed[4], s.stride, s.pad, 1e-5, kernel.None)
			},
			reference: func(in [][]float64) []float64 {
				w, gamma, beta, mean, variance := widen(constants[0].values), widen(constants[1].values), widen(constants[2].values), widen(constants[3].values), widen(constants[4].values)
				return normaliseRef(stridedConvRef(s.x, s.x.c, s.move, true, in[0], w), gamma, beta, mean, variance, kernel.None)
			},
			step: 1. / 1024,
		})
	}
	for _, s := range []image{{2, 2, 2, 1}, {2, 4, 6, 3}, {1, 2, 10, 5}} {
		add(opCase{
			name:      fmt.Sprintf("MaxPool3 %v", s),
			operands:  []operand{{s.shape(), distinct}},
			build:     func(g *op.Graph, in []*G.Node) *G.Node { return g.MaxPool3("y", in[0]) },
			reference: func(in [][]float64) []float64 { return maxPool3Ref(s, in[0]) },
			step:      1. / 32,
		})
	}
	return cases
}
