package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// referenceDepthwise is the convolution and its gradients, element by element in float64.
func referenceDepthwise(s kernel.DepthwiseShape, x, dy, w []float32) convRef {
	r := convRef{make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(w))}
	height, width := s.H/s.Stride, s.W/s.Stride
	for at := range dy {
		c, p, h, n := at%s.C, at/s.C%width, at/s.C/width%height, at/s.C/width/height
		for i := range s.Kernel {
			for j := range s.Kernel {
				row, col := h*s.Stride+i-s.Pad, p*s.Stride+j-s.Pad
				if row < 0 || row >= s.H || col < 0 || col >= s.W {
					continue
				}
				xi, wi := ((n*s.H+row)*s.W+col)*s.C+c, (i*s.Kernel+j)*s.C+c
				r.y[at] += float64(x[xi]) * float64(w[wi])
				r.dx[xi] += float64(dy[at]) * float64(w[wi])
				r.dw[wi] += float64(dy[at]) * float64(x[xi])
			}
		}
	}
	return r
}

// checkDepthwise tests all passes on all instruction sets.
func checkDepthwise(t *testing.T, s kernel.DepthwiseShape, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	x, w := random(rng, s.N*s.H*s.W*s.C), random(rng, s.Kernel*s.Kernel*s.C)
	dy := random(rng, len(x)/s.Stride/s.Stride)
	scale, shift := random(rng, s.C), random(rng, s.C)
	want := referenceDepthwise(s, x, dy, w)
	terms := s.Kernel * s.Kernel
	for _, e := range engines(t) {
		name := fmt.Sprintf("%+v %s/%d ", s, e.Kernel(), e.Threads())
		y, dx, dw := result(len(dy)), result(len(x)), result(len(w))
		e.Depthwise(s, y, x, w)
		check(t, name+"y", y, want.y, terms)
		e.DepthwiseGradInput(s, dx, dy, w)
		check(t, name+"dx", dx, want.dx, terms)
		e.DepthwiseGradWeights(s, dw, x, dy)
		check(t, name+"dw", dw, want.dw, len(dy)/s.C)

		for _, act := range []kernel.Activation{kernel.None, kernel.ReLU, kernel.ReLU6} {
			normed, wantNormed := result(len(y)), make([]float64, len(y))
			e.DepthwiseNorm(s, normed, x, w, scale, shift, act)
			for i, v := range want.y {
				v = v*float64(scale[i%s.C]) + float64(shift[i%s.C])
				if act != kernel.None {
					v = max(v, 0)
				}
				if act == kernel.ReLU6 {
					v = min(v, 6)
				}
				wantNormed[i] = v
			}
			check(t, fmt.Sprintf("%sactivation %d ", name, act), normed, wantNormed, 4*terms)
		}

		again := result(len(y))
		var m kernel.Moments
		for range 2 { // nothing is left of the first time
			e.DepthwiseMoments(s, again, x, w, &m)
		}
		if !slices.Equal(again, y) {
			t.Fatalf("%sresults differ when moments are counted", name)
		}
		checkGuard(t, name+"results with moments", again)
		checkSums(t, name, y, &m, s.C)
	}
}

// checkSums tests that m are the moments of y.
func checkSums(t *testing.T, name string, y []float32, m *kernel.Moments, channels int) {
	t.Helper()
	sums, squares := kernel.Sums(m)
	for c := range channels {
		var sum, size, square float64
		for at := c; at < len(y); at += channels {
			v := float64(y[at])
			sum, size, square = sum+v, size+math.Abs(v), square+v*v
		}
		if !(math.Abs(sums[c]-sum) <= 1e-6*size) || !(math.Abs(squares[c]-square) <= 1e-6*square) {
			t.Fatalf("%ssums of channel %d are %g and, of squares, %g, want %g and %g", name, c, sums[c], squares[c], sum, square)
		}
	}
}

func TestDepthwise(t *testing.T) {
	for i, s := range []kernel.DepthwiseShape{
		{N: 1, H: 1, W: 1, C: 1, Kernel: 3, Stride: 1, Pad: 1},
		{N: 3, H: 1, W: 1, C: 16, Kernel: 5, Stride: 1, Pad: 2},
		{N: 1, H: 2, W: 2, C: 17, Kernel: 5, Stride: 2, Pad: 1}, // one pixel of output
		{N: 2, H: 1, W: 37, C: 32, Kernel: 5, Stride: 1, Pad: 2},
		{N: 2, H: 29, W: 1, C: 31, Kernel: 5, Stride: 1, Pad: 2},
		{N: 2, H: 64, W: 20, C: 96, Kernel: 3, Stride: 2, Pad: 0},
		{N: 2, H: 24, W: 40, C: 40, Kernel: 5, Stride: 2, Pad: 1},
		{N: 3, H: 17, W: 33, C: 48, Kernel: 3, Stride: 1, Pad: 1},
		{N: 1, H: 7, W: 70, C: 24, Kernel: 5, Stride: 1, Pad: 2}, // rows longer than a block
		{N: 2, H: 8, W: 8, C: 240, Kernel: 5, Stride: 1, Pad: 2},
		{N: 3, H: 4, W: 4, C: 576, Kernel: 5, Stride: 1, Pad: 2}, // fewer blocks than threads
	} {
		checkDepthwise(t, s, uint64(i))
	}
}

// All kernels, strides and paddings, for every channel count and width up to beyond the
// widest block.
func TestDepthwiseTails(t *testing.T) {
	i := 0
	for _, kernelSize := range []int{3, 5} {
		for stride := 1; stride <= 2; stride++ {
			for pad := range kernelSize {
				for range 7 {
					checkDepthwise(t, kernel.DepthwiseShape{
						N: 1 + i%2, H: (1 + i%5) * stride, W: (1 + i%19) * stride, C: 1 + i%33,
						Kernel: kernelSize, Stride: stride, Pad: pad,
					}, uint64(i))
					i++
				}
			}
		}
	}
}

// Results that are too large for the caches are written in another way: they are those of
// one image after the other, to the last bit.
func TestDepthwisePastTheCaches(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for stride := 1; stride <= 2; stride++ {
		s := kernel.DepthwiseShape{N: 2, H: 64, W: 66, C: 128, Kernel: 3, Stride: stride, Pad: 1}
		size := s.H * s.W * s.C
		x, w := slices.Repeat(random(rng, 997), 2*size/997+1), random(rng, 9*s.C)
		scale, shift := random(rng, s.C), random(rng, s.C)
		for _, e := range engines(t) {
			if e.Kernel() == "generic" {
				continue // has one way only
			}
			for _, pass := range []struct {
				name  string
				x, y  int // sizes, of an image
				apply func(s kernel.DepthwiseShape, y, x []float32)
			}{
				{"y", size, size / stride / stride, func(s kernel.DepthwiseShape, y, x []float32) { e.Depthwise(s, y, x, w) }},
				{"normed y", size, size / stride / stride, func(s kernel.DepthwiseShape, y, x []float32) { e.DepthwiseNorm(s, y, x, w, scale, shift, kernel.ReLU6) }},
				{"y with moments", size, size / stride / stride, func(s kernel.DepthwiseShape, y, x []float32) { e.DepthwiseMoments(s, y, x, w, new(kernel.Moments)) }},
				{"dx", size / stride / stride, size, func(s kernel.DepthwiseShape, dx, dy []float32) { e.DepthwiseGradInput(s, dx, dy, w) }},
			} {
				got, want := result(2*pass.y), result(2*pass.y)
				pass.apply(s, got, x)
				one := s
				one.N = 1
				for n := range 2 {
					pass.apply(one, want[n*pass.y:][:pass.y], x[n*pass.x:])
				}
				name := fmt.Sprintf("%s, stride %d, %s/%d", pass.name, stride, e.Kernel(), e.Threads())
				if !slices.Equal(got, want) {
					t.Errorf("%s: two images differ from one and one", name)
				}
				checkGuard(t, name, got)
			}
		}
	}
}

func FuzzDepthwise(f *testing.F) {
	f.Add(uint8(0), uint8(4), uint8(16), uint8(32), false, false, uint8(1), uint64(1))
	f.Add(uint8(2), uint8(0), uint8(0), uint8(2), true, true, uint8(2), uint64(2))
	f.Fuzz(func(t *testing.T, n, h, w, c uint8, five, two bool, pad uint8, seed uint64) {
		s := kernel.DepthwiseShape{N: int(n)%3 + 1, H: int(h)%20 + 1, W: int(w)%40 + 1, C: int(c)%70 + 1, Kernel: 3, Stride: 1}
		if five {
			s.Kernel = 5
		}
		if two {
			s.Stride, s.H, s.W = 2, 2*s.H, 2*s.W
		}
		s.Pad = int(pad) % s.Kernel
		checkDepthwise(t, s, seed)
	})
}

// A NaN makes NaN of all results near it and of no others, also behind a clamp.
func TestDepthwiseNaN(t *testing.T) {
	const size, c = 12, 19
	for _, s := range []kernel.DepthwiseShape{
		{N: 1, H: size, W: size, C: c, Kernel: 3, Stride: 1, Pad: 1},
		{N: 1, H: size, W: size, C: c, Kernel: 5, Stride: 2, Pad: 1},
	} {
		x, w := make([]float32, size*size*c), make([]float32, s.Kernel*s.Kernel*c)
		x[(5*size+6)*c+3] = nan()
		for _, e := range engines(t) {
			for _, act := range []kernel.Activation{kernel.None, kernel.ReLU6} {
				y := result(len(x) / s.Stride / s.Stride)
				e.DepthwiseNorm(s, y, x, w, slices.Repeat([]float32{1}, c), make([]float32, c), act)
				width := size / s.Stride
				for i, v := range y {
					row, col := 5-i/c/width*s.Stride+s.Pad, 6-i/c%width*s.Stride+s.Pad // of the tap
					near := i%c == 3 && row >= 0 && row < s.Kernel && col >= 0 && col < s.Kernel
					if near != (v != v) {
						t.Fatalf("%+v %s activation %d: y[%d] = %g, want NaN %v", s, e.Kernel(), act, i, v, near)
					}
				}
			}
		}
	}
}
