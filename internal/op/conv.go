package op

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// Conv is a convolution of all channels of x side by side, with pad zeros above and
// left of the image and as many below and right as it needs.
// x: (N, H, W, I1), (N, H, W, I2), ..., H and W multiples of stride;
// w: (K, K, I1+I2+..., O), K 1, 3, 5 or 7; bias: (O) or nil.
// Result: (N, H/stride, W/stride, O).
//
// An x beside others that a MaxPool reads too is a skip connection: its gradient
// goes to the pool, which adds it to its own in one pass. The convolution must
// then depend on the pool by another x.
func (g *Graph) Conv(name string, x []*G.Node, w, bias *G.Node, stride, pad int) *G.Node {
	return g.conv(name, x, w, bias, stride, pad, nil)
}

// conv is Conv, and fills in the moments of its results if they are not nil; bias
// must be nil then.
func (g *Graph) conv(name string, x []*G.Node, w, bias *G.Node, stride, pad int, moments *kernel.Moments) *G.Node {
	s, channels := g.convShape(name, x, w, stride, pad)
	if g.err != nil {
		return nil
	}
	inputs := append(slices.Clone(x), w)
	if bias != nil {
		g.checkVector(name, "bias", bias, s.Out)
		inputs = append(inputs, bias)
	}
	skips, byPool := g.claimSkips(x, len(inputs))
	return g.Apply(Func{
		Name:   name,
		Kind:   "conv",
		Shape:  []int{s.N, s.H / stride, s.W / stride, s.Out},
		ByPool: byPool,
		Run: func(y []float32, in [][]float32) {
			if moments != nil {
				g.Engine.ConvMoments(s, y, channels.of(in), in[len(x)], moments)
				return
			}
			var b []float32
			if bias != nil {
				b = in[len(x)+1]
			}
			g.Engine.Conv(s, y, channels.of(in), in[len(x)], b)
		},
		Diff: func(_, dy *G.Node) []*G.Node {
			grads := make([]*G.Node, len(inputs))
			if slices.ContainsFunc(x, g.Trained) {
				copy(grads, g.convGradInput(name, s, x, channels, skips, dy, w))
			}
			if g.Trained(w) {
				grads[len(x)] = g.Apply(Func{Name: name + ".grad.weight", Kind: "conv, weight gradient", Shape: w.Shape(), Run: func(dw []float32, in [][]float32) {
					g.Engine.ConvGradWeights(s, dw, channels.of(in), in[len(x)])
				}}, append(slices.Clone(x), dy)...)
			}
			if bias != nil && g.Trained(bias) {
				grads[len(x)+1] = g.gradBias(name, dy, s.Out)
			}
			return grads
		},
	}, inputs...)
}

// claimSkips finds the images of a convolution whose gradient goes to a pool
// (see Conv): that pool for each, or nil, and whether there is one for each of
// the op's inputs, the first of which are the images.
func (g *Graph) claimSkips(x []*G.Node, inputs int) (skips []*pool, byPool []bool) {
	skips, byPool = make([]*pool, len(x)), make([]bool, inputs)
	for i, n := range x {
		if p := g.pools[n]; p != nil && len(x) > 1 && g.Trained(n) && !p.skipped {
			skips[i], byPool[i] = p, true
			p.skipped = true
		}
	}
	return skips, byPool
}

// convGradInput adds the gradients of a convolution's images, and gives those of
// skips to their pools. One op computes them one after the other in its memory;
// with several, each is a view of that.
func (g *Graph) convGradInput(name string, s kernel.ConvShape, x []*G.Node, channels channels, skips []*pool, dy, w *G.Node) []*G.Node {
	shape := x[0].Shape()
	if len(x) > 1 {
		shape = []int{s.N * s.H * s.W * s.In}
	}
	all := g.Apply(Func{Name: name + ".grad.input", Kind: "conv, input gradient", Shape: shape, Run: func(dx []float32, in [][]float32) {
		for i := range channels {
			size := s.N * s.H * s.W * channels[i].Count
			channels[i].Values, dx = dx[:size], dx[size:]
		}
		g.Engine.ConvGradInput(s, channels, in[0], in[1])
	}}, dy, w)
	if len(x) == 1 {
		return []*G.Node{all}
	}
	grads := make([]*G.Node, len(x))
	from := 0
	for i, n := range x {
		grads[i] = g.view(fmt.Sprintf("%s.grad.input.%d", name, i), all, from, n.Shape())
		from += n.Shape().TotalSize()
		if skips[i] != nil {
			skips[i].skip = grads[i]
		}
	}
	return grads
}

// channels are the images of a convolution; only a run fills in their values.
type channels []kernel.Channels

// of gives the channels the values of the first of an op's inputs.
func (c channels) of(in [][]float32) channels {
	for i := range c {
		c[i].Values = in[i]
	}
	return c
}

// convShape checks the shapes of a convolution's images and weights.
func (g *Graph) convShape(name string, x []*G.Node, w *G.Node, stride, pad int) (kernel.ConvShape, channels) {
	var s kernel.ConvShape
	var images channels
	for i, image := range x {
		n, h, wd, c := g.shape4(name, image)
		if g.err != nil {
			return s, nil
		}
		if i > 0 && (n != s.N || h != s.H || wd != s.W) {
			g.Fail(fmt.Errorf("op: %s: images have shapes %v and %v, want them to differ in channels only", name, x[0].Shape(), image.Shape()))
		}
		s.N, s.H, s.W = n, h, wd
		s.In += c
		images = append(images, kernel.Channels{Count: c})
	}
	k, k2, wi, out := g.shape4(name, w)
	if g.err == nil && (k != k2 || k%2 == 0 || k > 7 || wi != s.In) {
		g.Fail(fmt.Errorf("op: %s: weights have shape %v, want (K, K, %d, O) with K 1, 3, 5 or 7", name, w.Shape(), s.In))
	}
	if g.err == nil {
		g.checkMove(name, s.H, s.W, k, stride, pad)
	}
	s.Out, s.Kernel, s.Stride, s.Pad = out, k, stride, pad
	return s, images
}

// checkMove fails the graph unless a kernel can move over an image in this way.
func (g *Graph) checkMove(name string, h, w, kernel, stride, pad int) {
	switch {
	case stride != 1 && stride != 2:
		g.Fail(fmt.Errorf("op: %s: stride is %d, want 1 or 2", name, stride))
	case h%stride != 0 || w%stride != 0:
		g.Fail(fmt.Errorf("op: %s: input is %d x %d pixels, want both multiples of the stride %d", name, h, w, stride))
	case pad < 0 || pad >= kernel:
		g.Fail(fmt.Errorf("op: %s: %d pixels of padding, want 0..%d", name, pad, kernel-1))
	}
}

// gradBias sums dy: (..., C) over all but the channels.
func (g *Graph) gradBias(name string, dy *G.Node, channels int) *G.Node {
	return g.Apply(Func{Name: name + ".grad.bias", Kind: "bias gradient", Shape: []int{channels}, Run: func(db []float32, in [][]float32) {
		g.Engine.SumRows(db, in[0])
	}}, dy)
}
