package kernel_test

import (
	"fmt"
	"syscall"
	"testing"
	"unsafe"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// fenced gives n elements that end, or with front begin, at a page which may
// not be touched: a read or write beyond them ends the test with a fault.
func fenced[T float32 | float64 | uint8](t *testing.T, n int, front bool) []T {
	t.Helper()
	page := syscall.Getpagesize()
	size := n * int(unsafe.Sizeof(*new(T)))
	pages := (size + page - 1) / page * page
	raw, err := syscall.Mmap(-1, 0, pages+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(raw) })
	for _, fence := range [][]byte{raw[:page], raw[page+pages:]} {
		if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	inside := raw[page : page+pages]
	if !front {
		inside = inside[pages-size:]
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&inside[0])), n)
}

// No kernel touches anything outside of its arguments.
func TestFence(t *testing.T) {
	engines := engines(t)
	engines = append(engines, bfloat16Engines(t, 3)...)
	for i, shape := range [][5]int{ // N, H, W, In, Out; H and W even for the pool
		{1, 2, 2, 1, 1}, {1, 2, 2, 3, 4}, {2, 4, 6, 5, 16}, {1, 2, 14, 16, 17}, {1, 8, 8, 32, 16}, {1, 6, 26, 8, 33}, {3, 2, 2, 31, 32}, {1, 16, 16, 33, 20}, {2, 4, 6, 64, 32}, {1, 2, 2, 32, 96},
	} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			n, h, w, in, out := shape[0], shape[1], shape[2], shape[3], shape[4]
			f := func(size int) []float32 { return fenced[float32](t, size, i%2 == 1) }
			pixels := n * h * w
			x, y, bias := f(pixels*in), f(pixels*out), f(out)
			images := [][]kernel.Channels{whole(x, in)}
			if first := in / 2; first > 0 {
				images = append(images, []kernel.Channels{{Values: f(pixels * first), Count: first}, {Values: f(pixels * (in - first)), Count: in - first}})
			}
			half, which := f(pixels/4*in), fenced[uint8](t, pixels/4*in, i%2 == 1)
			up, upWeights := f(4*pixels*out), f(4*in*out)
			perIn := [6][]float32{f(in), f(in), f(in), f(in), f(in), f(in)}
			z := f(pixels * in)
			regions, slopes := fenced[float64](t, 3*out, i%2 == 1), f(3*out)
			for _, e := range engines {
				for _, c := range [][3]int{{1, 1, 0}, {3, 1, 1}, {1, 2, 0}, {3, 2, 0}, {3, 2, 1}, {5, 2, 1}, {7, 2, 3}} {
					k := c[0]
					s := kernel.ConvShape{N: n, H: h, W: w, In: in, Out: out, Kernel: k, Stride: c[1], Pad: c[2]}
					weights := f(k * k * in * out)
					y := y
					if s.Stride == 2 {
						y = f(outputs(s))
					}
					for _, algorithm := range algorithms {
						algorithm.choose(e)
						for _, x := range images {
							e.Conv(s, y, x, weights, bias)
							e.ConvNorm(s, y, x, weights, bias, bias, kernel.ReLU6)
							e.ConvGradInput(s, x, y, weights)
							e.ConvGradWeights(s, weights, x, y)
						}
					}
				}
				var m kernel.Moments
				for _, k := range []int{3, 5} {
					weights := f(k * k * in)
					for pad := range k {
						s := kernel.DepthwiseShape{N: n, H: h, W: w, C: in, Kernel: k, Stride: 1, Pad: pad}
						for ; s.Stride <= 2; s.Stride++ {
							y := z
							if s.Stride == 2 {
								y = half
							}
							e.Depthwise(s, y, x, weights)
							e.DepthwiseNorm(s, y, x, weights, perIn[0], perIn[1], kernel.ReLU6)
							e.DepthwiseMoments(s, y, x, weights, &m)
							e.DepthwiseGradInput(s, x, y, weights)
							e.DepthwiseGradWeights(s, weights, x, y)
						}
					}
				}
				s := kernel.UpConvShape{N: n, H: h, W: w, In: in, Out: out}
				e.UpConv(s, up, x, upWeights, bias)
				e.UpConvGradInput(s, x, up, upWeights)
				e.UpConvGradWeights(s, upWeights, x, up)
				e.SumRows(bias, y)
				e.MaxPool(n, h, w, in, half, which, x)
				e.MaxPoolGrad(n, h, w, in, x, half, which, nil)
				e.MaxPoolGrad(n, h, w, in, x, half, which, z)
				e.MaxPool3(n, h, w, in, half, which, x)
				e.MaxPool3Grad(n, h, w, in, x, half, which)
				e.Upsample(n, h/2, w/2, in, x, half)
				e.UpsampleGrad(n, h/2, w/2, in, half, x)
				gamma, beta, mean, variance, dgamma, dbeta := perIn[0], perIn[1], perIn[2], perIn[3], perIn[4], perIn[5]
				e.BatchNorm(z, x, gamma, beta, nil, mean, variance, 1e-5, kernel.ReLU6, nil)
				e.BatchNormGrad(z, dgamma, dbeta, z, x, gamma, beta, mean, variance, len(x)/len(gamma), 1e-5, kernel.ReLU6, nil)
				e.Scale(z, x, gamma)
				e.Clamp(z, x, kernel.ReLU)
				e.ClampGrad(z, x, z, kernel.ReLU)
				e.Add(z, x, z, kernel.ReLU)
				e.Softmax(y, y, out)
				e.LogSoftmax(y, y, out)
				e.LogSoftmaxGrad(y, y, y, out)
				e.CrossEntropy(y, y, bias)
				e.CrossEntropyGrad(y, 1, y, y, bias)
				e.CrossEntropyDice(regions, y, y, bias)
				e.CrossEntropyDiceGrad(y, 1, slopes, y, y, bias)
				e.Adam(&kernel.AdamStep{}, x, z, f(len(x)), f(len(x)))
				e.SGD(&kernel.SGDStep{}, x, z)
				e.Momentum(&kernel.SGDStep{}, x, z, f(len(x)))
				e.SumSquares(x)
			}
		})
	}
}
