package kernel_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// The convolutions of a UNet of base 16 or 32 and depth 4 on 128x128 images,
// batch 8: (H = W, In, Out). Base 16 has the half of the channels.
var layers = []struct{ size, in, out int }{
	{128, 3, 32}, {128, 32, 32}, {64, 64, 64}, {32, 128, 128}, {16, 256, 256}, {8, 512, 512}, {128, 64, 32},
}

// benchmarkKernels runs f for each instruction set of this CPU on all cores.
// flop is the number of floating point operations of one call (0: report
// bytes instead).
func benchmarkKernels(b *testing.B, name string, flop, bytes float64, f func(e *kernel.Engine)) {
	for _, set := range []string{"avx512", "avx2", "generic"} {
		e, err := kernel.NewEngine(0, set)
		if err != nil {
			continue
		}
		b.Run(fmt.Sprintf("%s/%s", name, set), func(b *testing.B) {
			f(e)
			for b.Loop() {
				f(e)
			}
			seconds := b.Elapsed().Seconds()
			if flop > 0 {
				b.ReportMetric(flop*float64(b.N)/seconds/1e9, "GFLOP/s")
			}
			if bytes > 0 {
				b.ReportMetric(bytes*float64(b.N)/seconds/1e9, "GB/s")
			}
		})
	}
}

func BenchmarkConv(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, base := range []int{16, 32} {
		for _, l := range layers {
			s := kernel.ConvShape{N: 8, H: l.size, W: l.size, In: l.in, Out: l.out * base / 32, Kernel: 3, Stride: 1, Pad: 1}
			if l.in > 3 {
				s.In = l.in * base / 32
			}
			pixels := s.N * s.H * s.W
			x, y, w := random(rng, pixels*s.In), random(rng, pixels*s.Out), random(rng, 9*s.In*s.Out)
			name := fmt.Sprintf("%dx%d/%d-%d/", l.size, l.size, s.In, s.Out)
			flop := 2 * float64(pixels) * 9 * float64(s.In) * float64(s.Out)
			for _, algorithm := range algorithms {
				run := func(pass string, f func(e *kernel.Engine)) {
					benchmarkKernels(b, name+pass+"/"+algorithm.name, flop, 0, func(e *kernel.Engine) {
						algorithm.choose(e)
						f(e)
					})
				}
				run("forward", func(e *kernel.Engine) { e.Conv(s, y, whole(x, s.In), w, nil) })
				if l.in > 3 {
					run("gradInput", func(e *kernel.Engine) { e.ConvGradInput(s, whole(x, s.In), y, w) })
				}
				run("gradWeights", func(e *kernel.Engine) { e.ConvGradWeights(s, w, whole(x, s.In), y) })
			}
		}
	}
}

func BenchmarkUpConv(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, l := range []struct{ size, in int }{{8, 512}, {16, 256}, {32, 128}, {64, 64}} {
		s := kernel.UpConvShape{N: 8, H: l.size, W: l.size, In: l.in, Out: l.in / 2}
		pixels := s.N * s.H * s.W
		x, y, w := random(rng, pixels*s.In), random(rng, pixels*4*s.Out), random(rng, 4*s.In*s.Out)
		name := fmt.Sprintf("%dx%d/%d-%d/", l.size, l.size, s.In, s.Out)
		flop := 2 * float64(pixels) * 4 * float64(s.In) * float64(s.Out)
		benchmarkKernels(b, name+"forward", flop, 0, func(e *kernel.Engine) { e.UpConv(s, y, x, w, nil) })
		benchmarkKernels(b, name+"gradInput", flop, 0, func(e *kernel.Engine) { e.UpConvGradInput(s, x, y, w) })
		benchmarkKernels(b, name+"gradWeights", flop, 0, func(e *kernel.Engine) { e.UpConvGradWeights(s, w, x, y) })
	}
}

// The head of segmentation_models.pytorch's Unet.
func BenchmarkHead(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	s := kernel.ConvShape{N: 8, H: 128, W: 128, In: 16, Out: 4, Kernel: 3, Stride: 1, Pad: 1}
	pixels := s.N * s.H * s.W
	x, y, w := random(rng, pixels*s.In), random(rng, pixels*s.Out), random(rng, 9*s.In*s.Out)
	flop := 2 * float64(pixels) * 9 * float64(s.In) * float64(s.Out)
	for name, choose := range map[string]func(*kernel.Engine){"narrow": func(*kernel.Engine) {}, "direct": kernel.Direct} {
		benchmarkKernels(b, "forward/"+name, flop, 0, func(e *kernel.Engine) { choose(e); e.Conv(s, y, whole(x, s.In), w, nil) })
		benchmarkKernels(b, "gradWeights/"+name, flop, 0, func(e *kernel.Engine) { choose(e); e.ConvGradWeights(s, w, whole(x, s.In), y) })
	}
}

// The depthwise convolutions of EfficientNet-Lite0 on 128x128 images, batch 8.
func BenchmarkDepthwise(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, s := range []kernel.DepthwiseShape{
		{H: 64, C: 32, Kernel: 3, Stride: 1, Pad: 1}, {H: 64, C: 96, Kernel: 3, Stride: 2, Pad: 0},
		{H: 32, C: 144, Kernel: 3, Stride: 1, Pad: 1}, {H: 32, C: 144, Kernel: 5, Stride: 2, Pad: 1},
		{H: 16, C: 240, Kernel: 5, Stride: 1, Pad: 2}, {H: 16, C: 240, Kernel: 3, Stride: 2, Pad: 0},
		{H: 8, C: 480, Kernel: 3, Stride: 1, Pad: 1}, {H: 8, C: 480, Kernel: 5, Stride: 1, Pad: 2},
		{H: 8, C: 672, Kernel: 5, Stride: 1, Pad: 2}, {H: 8, C: 672, Kernel: 5, Stride: 2, Pad: 1},
		{H: 4, C: 1152, Kernel: 5, Stride: 1, Pad: 2}, {H: 4, C: 1152, Kernel: 3, Stride: 1, Pad: 1},
	} {
		s.N, s.W = 8, s.H
		x, w := random(rng, s.N*s.H*s.W*s.C), random(rng, s.Kernel*s.Kernel*s.C)
		y := random(rng, len(x)/s.Stride/s.Stride)
		var m kernel.Moments
		name := fmt.Sprintf("%dx%d/%d/k%ds%d/", s.H, s.W, s.C, s.Kernel, s.Stride)
		bytes := 4 * float64(len(x)+len(y))
		benchmarkKernels(b, name+"forward", 0, bytes, func(e *kernel.Engine) { e.Depthwise(s, y, x, w) })
		benchmarkKernels(b, name+"moments", 0, bytes, func(e *kernel.Engine) { e.DepthwiseMoments(s, y, x, w, &m) })
		benchmarkKernels(b, name+"gradInput", 0, bytes, func(e *kernel.Engine) { e.DepthwiseGradInput(s, x, y, w) })
		benchmarkKernels(b, name+"gradWeights", 0, bytes, func(e *kernel.Engine) { e.DepthwiseGradWeights(s, w, x, y) })
	}
}

// The memory-bound operations on the tensor of the first level, (8,128,128,32).
func BenchmarkRows(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	const n, h, w, c = 8, 128, 128, 32
	const size = n * h * w * c
	x, y, dx := random(rng, size), random(rng, size), random(rng, size)
	which := make([]uint8, size/4)
	ch := func() []float32 { return random(rng, c) }
	gamma, beta, mean, variance, dgamma, dbeta := ch(), ch(), ch(), ch(), ch(), ch()
	head, logp := random(rng, n*h*w*4), random(rng, n*h*w*4)
	targets, weights := make([]float32, n*h*w*4), []float32{1, 2, 3, 4}
	regions, slopes := make([]float64, 3*4), random(rng, 3*4)
	for i := 0; i < len(targets); i += 4 {
		targets[i+rng.IntN(4)] = 1
	}
	for _, tt := range []struct {
		name  string
		bytes float64
		f     func(e *kernel.Engine)
	}{
		{"BatchNorm", 3, func(e *kernel.Engine) { e.BatchNorm(y, x, gamma, beta, nil, mean, variance, 1e-5, kernel.ReLU, nil) }},
		{"BatchNormGrad", 5, func(e *kernel.Engine) {
			e.BatchNormGrad(dx, dgamma, dbeta, y, x, gamma, beta, mean, variance, len(x)/len(gamma), 1e-5, kernel.ReLU, nil)
		}},
		{"Scale", 2, func(e *kernel.Engine) { e.Scale(y, x, gamma) }},
		{"Clamp", 2, func(e *kernel.Engine) { e.Clamp(y, x, kernel.ReLU) }},
		{"ClampGrad", 3, func(e *kernel.Engine) { e.ClampGrad(dx, x, y, kernel.ReLU) }},
		{"Add", 3, func(e *kernel.Engine) { e.Add(dx, x, y, kernel.None) }},
		{"MaxPool", 1.3125, func(e *kernel.Engine) { e.MaxPool(n, h, w, c, y, which, x) }},
		{"MaxPoolGrad", 1.3125, func(e *kernel.Engine) { e.MaxPoolGrad(n, h, w, c, dx, y, which, nil) }},
		{"MaxPool3", 1.3125, func(e *kernel.Engine) { e.MaxPool3(n, h, w, c, y, which, x) }},
		{"MaxPool3Grad", 1.3125, func(e *kernel.Engine) { e.MaxPool3Grad(n, h, w, c, dx, y, which) }},
		{"SumRows", 1, func(e *kernel.Engine) { e.SumRows(dbeta, x) }},
		{"LogSoftmax", 2 * 4. / 32, func(e *kernel.Engine) { e.LogSoftmax(logp, head, 4) }},
		{"LogSoftmaxGrad", 3 * 4. / 32, func(e *kernel.Engine) { e.LogSoftmaxGrad(head, head, logp, 4) }},
		{"CrossEntropy", 2 * 4. / 32, func(e *kernel.Engine) { e.CrossEntropy(head, targets, weights) }},
		{"CrossEntropyGrad", 3 * 4. / 32, func(e *kernel.Engine) { e.CrossEntropyGrad(logp, 1, head, targets, weights) }},
		{"CrossEntropyDice", 2 * 4. / 32, func(e *kernel.Engine) { e.CrossEntropyDice(regions, head, targets, weights) }},
		{"CrossEntropyDiceGrad", 3 * 4. / 32, func(e *kernel.Engine) { e.CrossEntropyDiceGrad(logp, 1, slopes, head, targets, weights) }},
	} {
		benchmarkKernels(b, tt.name, 0, tt.bytes*size*4, tt.f)
	}
}
