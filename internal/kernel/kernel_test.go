package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// engines gives one engine for each instruction set of this CPU, with one and
// with three threads.
func engines(t testing.TB) []*kernel.Engine {
	var all []*kernel.Engine
	for _, name := range []string{"avx512", "avx2", "generic"} {
		for _, threads := range []int{1, 3} {
			e, err := kernel.NewEngine(threads, name)
			if err != nil {
				if name == "generic" {
					t.Fatal(err)
				}
				t.Logf("not tested here: %v", err)
				continue
			}
			all = append(all, e)
		}
	}
	return all
}

// random gives n standard normal numbers.
func random(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

const guard = 64 // floats behind a result that nothing may write to

// result gives a slice of n NaNs, all of which must be overwritten, with the
// guard behind them.
func result(n int) []float32 {
	v := make([]float32, n+guard)
	for i := range v {
		v[i] = float32(math.NaN())
	}
	return v[:n]
}

// check compares got with want, which is a sum of that many terms of size about
// one, and looks at the guard behind got.
func check(t *testing.T, what string, got []float32, want []float64, terms int) {
	t.Helper()
	tolerance := 2e-6 * math.Sqrt(float64(terms)+1) * 4
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - w); !(d <= tolerance*(1+math.Abs(w))) {
			t.Fatalf("%s[%d] = %g, want %g (off by %g, tolerance %g)", what, i, got[i], w, d, tolerance)
		}
	}
	checkGuard(t, what, got)
}

func checkGuard(t *testing.T, what string, got []float32) {
	t.Helper()
	for i, v := range got[len(got):cap(got)] {
		if v == v {
			t.Fatalf("%s: wrote %g at %d past the end", what, v, i)
		}
	}
}

// reference convolution and its gradients, element by element in float64
type convRef struct{ y, dx, dw []float64 }

func referenceConv(s kernel.ConvShape, x, dy, w, bias []float32) convRef {
	r := convRef{
		y:  make([]float64, len(dy)),
		dx: make([]float64, len(x)),
		dw: make([]float64, len(w)),
	}
	high, wide := s.H/s.Stride, s.W/s.Stride
	for n := range s.N {
		for h := range high {
			for p := range wide {
				for o := range s.Out {
					at := ((n*high+h)*wide+p)*s.Out + o
					if bias != nil {
						r.y[at] = float64(bias[o])
					}
					for i := range s.Kernel {
						for j := range s.Kernel {
							hh, ww := h*s.Stride+i-s.Pad, p*s.Stride+j-s.Pad
							if hh < 0 || hh >= s.H || ww < 0 || ww >= s.W {
								continue
							}
							for c := range s.In {
								xi := ((n*s.H+hh)*s.W+ww)*s.In + c
								wi := ((i*s.Kernel+j)*s.In+c)*s.Out + o
								r.y[at] += float64(x[xi]) * float64(w[wi])
								r.dx[xi] += float64(dy[at]) * float64(w[wi])
								r.dw[wi] += float64(dy[at]) * float64(x[xi])
							}
						}
					}
				}
			}
		}
	}
	return r
}

// outputs is the size of a convolution's y.
func outputs(s kernel.ConvShape) int { return s.N * (s.H / s.Stride) * (s.W / s.Stride) * s.Out }

// whole is a tensor of all channels.
func whole(x []float32, channels int) []kernel.Channels {
	return []kernel.Channels{{Values: x, Count: channels}}
}

// apart splits x (pixels, channels) into its first channels and the others.
func apart[T any](x []T, channels, first int) (a, b []T) {
	for at := 0; at < len(x); at += channels {
		a = append(a, x[at:at+first]...)
		b = append(b, x[at+first:at+channels]...)
	}
	return a, b
}

// leftOut reports whether a short test leaves out a convolution: a large one in plain
// Go, which the race detector and an emulator slow down to minutes.
func leftOut(e *kernel.Engine, s kernel.ConvShape) bool {
	const most = 3_000_000 // multiplications
	return testing.Short() && e.Kernel() == "generic" && outputs(s)*s.In*s.Kernel*s.Kernel > most
}

func checkConv(t *testing.T, s kernel.ConvShape, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	size := s.Kernel * s.Kernel * s.In * s.Out
	x, dy := random(rng, s.N*s.H*s.W*s.In), random(rng, outputs(s))
	w, bias := random(rng, size), random(rng, s.Out)
	if seed%2 == 1 {
		bias = nil
	}
	want := referenceConv(s, x, dy, w, bias)
	for _, e := range engines(t) {
		if leftOut(e, s) {
			continue
		}
		for _, algorithm := range algorithms {
			if algorithm.name == "winograd" && (s.Kernel != 3 || s.Stride != 1 || s.Pad != 1) {
				continue
			}
			algorithm.choose(e)
			name := fmt.Sprintf("%+v %s/%d %s ", s, e.Kernel(), e.Threads(), algorithm.name)
			checkPasses(t, name, e, s, algorithm.check, x, dy, w, bias, want)
		}
	}
}

// checkPasses compares all passes of a convolution with want.
func checkPasses(t *testing.T, name string, e *kernel.Engine, s kernel.ConvShape, check checkFunc, x, dy, w, bias []float32, want convRef) {
	t.Helper()
	y, dx, dw := result(len(want.y)), result(len(want.dx)), result(len(want.dw))
	e.Conv(s, y, whole(x, s.In), w, bias)
	check(t, name+"y", y, want.y, s.Kernel*s.Kernel*s.In)
	checkNorm(t, name, e, s, x, w)
	checkMoments(t, name, e, s, x, w)
	e.ConvGradInput(s, whole(dx, s.In), dy, w)
	check(t, name+"dx", dx, want.dx, s.Kernel*s.Kernel*s.Out)
	e.ConvGradWeights(s, dw, whole(x, s.In), dy)
	check(t, name+"dw", dw, want.dw, s.N*s.H*s.W)

	if s.In == 1 {
		return
	}
	first := max(s.In/2, s.In/16*8) // of two tensors, the channels of the first
	a, b := apart(x, s.In, first)
	parts := []kernel.Channels{{Values: a, Count: first}, {Values: b, Count: s.In - first}}
	y, dw = result(len(want.y)), result(len(want.dw))
	e.Conv(s, y, parts, w, bias)
	check(t, name+"y of two", y, want.y, s.Kernel*s.Kernel*s.In)
	e.ConvGradWeights(s, dw, parts, dy)
	check(t, name+"dw of two", dw, want.dw, s.N*s.H*s.W)
	parts[0].Values, parts[1].Values = result(len(a)), result(len(b))
	e.ConvGradInput(s, parts, dy, w)
	wantA, wantB := apart(want.dx, s.In, first)
	check(t, name+"first dx of two", parts[0].Values, wantA, s.Kernel*s.Kernel*s.Out)
	check(t, name+"second dx of two", parts[1].Values, wantB, s.Kernel*s.Kernel*s.Out)
}

// checkNorm tests that a convolution's results with scale, shift and activation
// are those of the convolution, scaled, shifted and clamped.
func checkNorm(t *testing.T, name string, e *kernel.Engine, s kernel.ConvShape, x, w []float32) {
	t.Helper()
	size := outputs(s)
	plain, normed := result(size), result(size)
	scale, shift := make([]float32, s.Out), make([]float32, s.Out)
	for i := range scale {
		scale[i], shift[i] = float32(i%5)-2, float32(i%7)/4-0.5
	}
	e.Conv(s, plain, whole(x, s.In), w, nil)
	for _, act := range activations {
		e.ConvNorm(s, normed, whole(x, s.In), w, scale, shift, act)
		checkGuard(t, name+"normed results", normed)
		for i, v := range plain {
			c := i % s.Out
			if want := activate(act, v*scale[c]+shift[c]); !(math.Abs(float64(normed[i]-want)) <= 1e-6*(1+math.Abs(float64(v)))) {
				t.Fatalf("%snormed y[%d] with activation %d is %g, want %g", name, i, act, normed[i], want)
			}
		}
	}
}

// checkMoments tests that batch norm by the moments that a convolution counted
// is that by the moments of its results.
func checkMoments(t *testing.T, name string, e *kernel.Engine, s kernel.ConvShape, x, w []float32) {
	t.Helper()
	size := outputs(s)
	y, plain := result(size), result(size)
	var m kernel.Moments
	for range 2 { // nothing is left of the first time
		e.ConvMoments(s, y, whole(x, s.In), w, &m)
	}
	e.Conv(s, plain, whole(x, s.In), w, nil)
	if !slices.Equal(y, plain) {
		t.Fatalf("%sresults differ when moments are counted", name)
	}
	checkGuard(t, name+"results with moments", y)
	one, zero := make([]float32, s.Out), make([]float32, s.Out)
	for i := range one {
		one[i] = 1
	}
	norm := func(m *kernel.Moments) (y, mean, variance []float32) {
		y, mean, variance = result(size), make([]float32, s.Out), make([]float32, s.Out)
		e.BatchNorm(y, plain, one, zero, m, mean, variance, 1e-5, kernel.None, nil)
		return y, mean, variance
	}
	_, mean, variance := norm(&m)
	_, wantMean, wantVariance := norm(nil)
	for i, v := range wantVariance {
		deviation := math.Sqrt(float64(v))
		if d := math.Abs(float64(mean[i] - wantMean[i])); !(d <= 1e-6*deviation+1e-6*math.Abs(float64(wantMean[i]))) {
			t.Fatalf("%smean[%d] = %g, want %g", name, i, mean[i], wantMean[i])
		}
		if d := math.Abs(float64(variance[i] - v)); !(d <= 1e-6*(deviation*deviation+float64(wantMean[i])*float64(wantMean[i]))) {
			t.Fatalf("%svariance[%d] = %g, want %g", name, i, variance[i], v)
		}
	}
}

type checkFunc func(t *testing.T, what string, got []float32, want []float64, terms int)

// The two ways of a convolution, whichever an engine would choose.
var algorithms = []struct {
	name   string
	choose func(*kernel.Engine)
	check  checkFunc
}{
	{"direct", kernel.Direct, check},
	{"winograd", kernel.Winograd, checkLargest},
}

// checkLargest is check for sums of numbers larger than their result: errors
// are relative to the largest result, and a third of what the program allows.
func checkLargest(t *testing.T, what string, got []float32, want []float64, terms int) {
	t.Helper()
	largest := math.Sqrt(float64(terms)) // that many random terms
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - w); !(d <= 3e-5*largest) {
			t.Fatalf("%s[%d] = %g, want %g (off by %g, %g of the largest)", what, i, got[i], w, d, d/largest)
		}
	}
	checkGuard(t, what, got)
}

func TestConv(t *testing.T) {
	for _, tt := range []struct {
		name  string
		shape kernel.ConvShape
	}{
		{"one pixel", kernel.ConvShape{N: 1, H: 1, W: 1, In: 1, Out: 1, Kernel: 3, Stride: 1, Pad: 1}},
		{"one pixel, batch", kernel.ConvShape{N: 3, H: 1, W: 1, In: 5, Out: 7, Kernel: 3, Stride: 1, Pad: 1}},
		{"one row", kernel.ConvShape{N: 2, H: 1, W: 17, In: 3, Out: 16, Kernel: 3, Stride: 1, Pad: 1}},
		{"one column", kernel.ConvShape{N: 2, H: 13, W: 1, In: 16, Out: 3, Kernel: 3, Stride: 1, Pad: 1}},
		{"image to 32", kernel.ConvShape{N: 2, H: 12, W: 20, In: 3, Out: 32, Kernel: 3, Stride: 1, Pad: 1}},
		{"several panels", kernel.ConvShape{N: 2, H: 8, W: 8, In: 40, Out: 81, Kernel: 3, Stride: 1, Pad: 1}},
		{"several bands", kernel.ConvShape{N: 1, H: 40, W: 40, In: 96, Out: 8, Kernel: 3, Stride: 1, Pad: 1}},
		{"deep sums over channels", kernel.ConvShape{N: 1, H: 8, W: 9, In: 600, Out: 16, Kernel: 3, Stride: 1, Pad: 1}},
		{"deep sums over channels, input", kernel.ConvShape{N: 1, H: 9, W: 8, In: 16, Out: 600, Kernel: 3, Stride: 1, Pad: 1}},
		{"deep sums over pixels", kernel.ConvShape{N: 2, H: 96, W: 96, In: 8, Out: 8, Kernel: 3, Stride: 1, Pad: 1}},
		{"several blocks of tiles", kernel.ConvShape{N: 3, H: 39, W: 38, In: 16, Out: 24, Kernel: 3, Stride: 1, Pad: 1}},
		{"transformed weights that threads share", kernel.ConvShape{N: 1, H: 52, W: 52, In: 40, Out: 104, Kernel: 3, Stride: 1, Pad: 1}},
		{"several slices of channels and blocks of tiles", kernel.ConvShape{N: 1, H: 24, W: 28, In: 136, Out: 72, Kernel: 3, Stride: 1, Pad: 1}},
		{"large sums in several blocks of tiles", kernel.ConvShape{N: 2, H: 20, W: 28, In: 136, Out: 128, Kernel: 3, Stride: 1, Pad: 1}},
		{"results past the caches", kernel.ConvShape{N: 1, H: 64, W: 64, In: 8, Out: 256, Kernel: 3, Stride: 1, Pad: 1}},
		{"one group of tiles", kernel.ConvShape{N: 1, H: 8, W: 8, In: 64, Out: 96, Kernel: 3, Stride: 1, Pad: 1}},
		{"one tile", kernel.ConvShape{N: 1, H: 3, W: 4, In: 160, Out: 32, Kernel: 3, Stride: 1, Pad: 1}},
		{"three tiles", kernel.ConvShape{N: 3, H: 4, W: 3, In: 32, Out: 64, Kernel: 3, Stride: 1, Pad: 1}},
		{"two groups of tiles, the last one not full", kernel.ConvShape{N: 1, H: 7, W: 11, In: 96, Out: 160, Kernel: 3, Stride: 1, Pad: 1}},
		{"two groups of tiles, two images", kernel.ConvShape{N: 2, H: 8, W: 8, In: 32, Out: 32, Kernel: 3, Stride: 1, Pad: 1}},
		{"three groups of tiles", kernel.ConvShape{N: 3, H: 8, W: 5, In: 64, Out: 64, Kernel: 3, Stride: 1, Pad: 1}},
		{"head", kernel.ConvShape{N: 2, H: 16, W: 15, In: 32, Out: 4, Kernel: 1, Stride: 1}},
		{"head of one pixel", kernel.ConvShape{N: 1, H: 1, W: 1, In: 33, Out: 4, Kernel: 1, Stride: 1}},
		{"1x1 wide", kernel.ConvShape{N: 1, H: 20, W: 21, In: 7, Out: 100, Kernel: 1, Stride: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkConv(t, tt.shape, 1) // without bias
			checkConv(t, tt.shape, 2)
		})
	}
}

// Weights that are transformed on the fly, in plain Go: what calls the assembly for
// AVX-512 is tested everywhere.
func TestConvOnTheFly(t *testing.T) {
	for i, tt := range []struct {
		shape            kernel.ConvShape
		output, gradient bool // on the fly
	}{
		{kernel.ConvShape{N: 1, H: 3, W: 4, In: 64, Out: 32, Kernel: 3, Stride: 1, Pad: 1}, true, true},
		{kernel.ConvShape{N: 3, H: 4, W: 3, In: 32, Out: 48, Kernel: 3, Stride: 1, Pad: 1}, true, true},
		{kernel.ConvShape{N: 1, H: 8, W: 8, In: 48, Out: 32, Kernel: 3, Stride: 1, Pad: 1}, true, true},
		{kernel.ConvShape{N: 1, H: 8, W: 8, In: 144, Out: 16, Kernel: 3, Stride: 1, Pad: 1}, true, true},
		{kernel.ConvShape{N: 2, H: 8, W: 8, In: 32, Out: 32, Kernel: 3, Stride: 1, Pad: 1}, true, false},
		{kernel.ConvShape{N: 1, H: 7, W: 11, In: 32, Out: 80, Kernel: 3, Stride: 1, Pad: 1}, true, false},
		{kernel.ConvShape{N: 3, H: 8, W: 5, In: 64, Out: 64, Kernel: 3, Stride: 1, Pad: 1}, false, false},
		{kernel.ConvShape{N: 1, H: 8, W: 8, In: 64, Out: 40, Kernel: 3, Stride: 1, Pad: 1}, false, false},
	} {
		for _, bias := range []bool{false, true} {
			rng := rand.New(rand.NewPCG(uint64(i), 0))
			s := tt.shape
			x, dy := random(rng, s.N*s.H*s.W*s.In), random(rng, s.N*s.H*s.W*s.Out)
			w, b := random(rng, 9*s.In*s.Out), random(rng, s.Out)
			if !bias {
				b = nil
			}
			want := referenceConv(s, x, dy, w, b)
			for _, threads := range []int{1, 3} {
				e := kernel.PlainOnTheFly(threads)
				if output, gradient := kernel.OnTheFlyIn(e, s); output != tt.output || gradient != tt.gradient {
					t.Errorf("%+v: output on the fly %v, gradient %v, want %v, %v", s, output, gradient, tt.output, tt.gradient)
				}
				checkPasses(t, fmt.Sprintf("%+v, %d threads ", s, threads), e, s, checkLargest, x, dy, w, b, want)
			}
		}
	}
}

// A gradient is the same wherever it is in memory: whole cache lines are written
// in another way.
func TestConvGradWeightsUnaligned(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, s := range []kernel.ConvShape{
		{N: 1, H: 8, W: 8, In: 64, Out: 64, Kernel: 3, Stride: 1, Pad: 1},   // a group of tiles
		{N: 2, H: 16, W: 16, In: 64, Out: 64, Kernel: 3, Stride: 1, Pad: 1}, // slices of channels
		{N: 2, H: 32, W: 32, In: 32, Out: 32, Kernel: 3, Stride: 1, Pad: 1}, // many tiles
	} {
		x, dy := random(rng, s.N*s.H*s.W*s.In), random(rng, s.N*s.H*s.W*s.Out)
		size := 9 * s.In * s.Out
		for _, e := range engines(t) {
			aligned, shifted := result(size), result(size + 1)[1:]
			e.ConvGradWeights(s, aligned, whole(x, s.In), dy)
			e.ConvGradWeights(s, shifted, whole(x, s.In), dy)
			if !slices.Equal(aligned, shifted) {
				t.Errorf("%+v, %s/%d: not the same", s, e.Kernel(), e.Threads())
			}
			checkGuard(t, "dw", shifted)
		}
	}
}

// Strides and paddings: those of the nets, and all others.
func TestConvStrided(t *testing.T) {
	for i, s := range []kernel.ConvShape{
		{N: 2, H: 20, W: 26, In: 3, Out: 32, Kernel: 3, Stride: 2, Pad: 1},  // MobileNetV2's stem
		{N: 2, H: 20, W: 26, In: 3, Out: 32, Kernel: 3, Stride: 2, Pad: 0},  // TensorFlow's padding
		{N: 1, H: 18, W: 34, In: 3, Out: 64, Kernel: 7, Stride: 2, Pad: 3},  // ResNet's stem
		{N: 3, H: 8, W: 8, In: 64, Out: 128, Kernel: 3, Stride: 2, Pad: 1},  // its stages
		{N: 3, H: 8, W: 8, In: 64, Out: 128, Kernel: 1, Stride: 2},          // and their shortcuts
		{N: 1, H: 100, W: 60, In: 24, Out: 8, Kernel: 3, Stride: 2, Pad: 1}, // several bands
		{N: 1, H: 60, W: 100, In: 8, Out: 40, Kernel: 5, Stride: 2, Pad: 1},
		{N: 2, H: 40, W: 42, In: 130, Out: 5, Kernel: 1, Stride: 2},
		{N: 2, H: 2, W: 2, In: 160, Out: 128, Kernel: 3, Stride: 2, Pad: 1}, // panels for all threads
		{N: 1, H: 7, W: 9, In: 5, Out: 17, Kernel: 5, Stride: 1, Pad: 2},
		{N: 1, H: 9, W: 7, In: 5, Out: 17, Kernel: 7, Stride: 1, Pad: 3},
	} {
		checkConv(t, s, uint64(i))
	}
	i := 0
	for _, k := range []int{1, 3, 5, 7} {
		for stride := 1; stride <= 2; stride++ {
			for pad := range k {
				for _, size := range [][2]int{{1, 1}, {1, 4}, {3, 2}} { // the smallest images
					i++
					checkConv(t, kernel.ConvShape{
						N: 1 + i%3, H: size[0] * stride, W: size[1] * stride, In: 1 + i*7%19, Out: 1 + i*5%37,
						Kernel: k, Stride: stride, Pad: pad,
					}, uint64(i))
				}
			}
		}
	}
}

// Few output channels, for which the results are those of the direct algorithm to the bit.
func TestConvNarrow(t *testing.T) {
	for i, tt := range []struct {
		s    kernel.ConvShape
		sets []string // where it is chosen
	}{
		{kernel.ConvShape{N: 2, H: 9, W: 16, In: 16, Out: 4, Kernel: 3, Stride: 1, Pad: 1}, []string{"avx512", "avx2"}},
		{kernel.ConvShape{N: 1, H: 6, W: 150, In: 16, Out: 7, Kernel: 3, Stride: 1, Pad: 1}, []string{"avx512"}},
		{kernel.ConvShape{N: 1, H: 1, W: 12, In: 21, Out: 1, Kernel: 3, Stride: 1, Pad: 1}, []string{"avx512", "avx2", "generic"}},
		{kernel.ConvShape{N: 3, H: 40, W: 38, In: 8, Out: 2, Kernel: 5, Stride: 1, Pad: 2}, []string{"avx512", "avx2", "generic"}},
		{kernel.ConvShape{N: 1, H: 30, W: 70, In: 90, Out: 3, Kernel: 3, Stride: 1, Pad: 0}, []string{"avx512", "avx2"}}, // several bands
		{kernel.ConvShape{N: 2, H: 4, W: 10, In: 3, Out: 2, Kernel: 7, Stride: 2, Pad: 3}, []string{"avx512", "avx2", "generic"}},
		{kernel.ConvShape{N: 5, H: 1, W: 1, In: 16, Out: 4, Kernel: 3, Stride: 1, Pad: 1}, []string{"avx512", "avx2"}},
		{kernel.ConvShape{N: 1, H: 16, W: 16, In: 2, Out: 2, Kernel: 3, Stride: 1, Pad: 1}, []string{"avx512", "avx2", "generic"}}, // steps of B shorter than a panel
		{kernel.ConvShape{N: 2, H: 5, W: 7, In: 3, Out: 2, Kernel: 3, Stride: 1, Pad: 1}, []string{"avx512", "avx2", "generic"}},
		{kernel.ConvShape{N: 2, H: 5, W: 7, In: 1, Out: 2, Kernel: 3, Stride: 1, Pad: 1}, []string{"avx512", "avx2", "generic"}},
		{kernel.ConvShape{N: 5, H: 4, W: 4, In: 40, Out: 9, Kernel: 3, Stride: 1, Pad: 1}, nil},
	} {
		s := tt.s
		rng := rand.New(rand.NewPCG(uint64(i), 0))
		x, dy := random(rng, s.N*s.H*s.W*s.In), random(rng, outputs(s))
		w, bias := random(rng, s.Kernel*s.Kernel*s.In*s.Out), random(rng, s.Out)
		want := referenceConv(s, x, dy, w, bias)
		for _, e := range engines(t) {
			name := fmt.Sprintf("%+v %s/%d ", s, e.Kernel(), e.Threads())
			narrow := slices.Contains(tt.sets, e.Kernel())
			if output, gradient := kernel.NarrowIn(e, s); output != (narrow && s.Stride == 1) || gradient != narrow {
				t.Errorf("%soutput by channels %v, gradient %v", name, output, gradient)
			}
			checkPasses(t, name, e, s, check, x, dy, w, bias, want)

			run := func() (y, dw []float32) {
				y, dw = result(outputs(s)), result(len(w))
				e.Conv(s, y, whole(x, s.In), w, bias)
				e.ConvGradWeights(s, dw, whole(x, s.In), dy)
				return y, dw
			}
			y, dw := run()
			kernel.Direct(e)
			if directY, directDW := run(); !slices.Equal(y, directY) || !slices.Equal(dw, directDW) {
				t.Errorf("%sresults are not those of the direct algorithm", name)
			}
		}
	}
}

// Every channel count and width up to beyond the widest tile.
func TestConvTails(t *testing.T) {
	for i := range 33 {
		for _, k := range []int{1, 3} {
			checkConv(t, kernel.ConvShape{N: 1 + i%3, H: 1 + i%5, W: 1 + i%17, In: 1 + i*7%33, Out: 1 + i, Kernel: k, Stride: 1, Pad: k / 2}, uint64(i))
		}
	}
}

func FuzzConv(f *testing.F) {
	f.Add(uint8(0), uint8(4), uint8(16), uint8(32), uint8(31), uint8(1), uint8(0), uint8(1), uint64(1)) // 3x3
	f.Add(uint8(2), uint8(0), uint8(0), uint8(2), uint8(15), uint8(0), uint8(0), uint8(0), uint64(2))   // 1x1
	f.Add(uint8(1), uint8(3), uint8(8), uint8(7), uint8(33), uint8(2), uint8(1), uint8(1), uint64(3))   // 5x5 of stride 2
	f.Add(uint8(0), uint8(8), uint8(5), uint8(2), uint8(63), uint8(3), uint8(1), uint8(3), uint64(4))   // 7x7
	f.Add(uint8(1), uint8(1), uint8(3), uint8(20), uint8(16), uint8(0), uint8(1), uint8(0), uint64(5))  // 1x1
	f.Fuzz(func(t *testing.T, n, h, w, in, out, kernelSize, stride, pad uint8, seed uint64) {
		s := kernel.ConvShape{N: int(n)%3 + 1, In: int(in)%40 + 1, Out: int(out)%70 + 1, Kernel: int(kernelSize)%4*2 + 1, Stride: int(stride)%2 + 1}
		s.H, s.W, s.Pad = (int(h)%9+1)*s.Stride, (int(w)%40+1)*s.Stride, int(pad)%s.Kernel
		checkConv(t, s, seed)
	})
}

func checkUpConv(t *testing.T, s kernel.UpConvShape, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	pixels := s.N * s.H * s.W
	x, dy := random(rng, pixels*s.In), random(rng, 4*pixels*s.Out)
	w, bias := random(rng, s.In*4*s.Out), random(rng, s.Out)
	if seed%2 == 1 {
		bias = nil
	}
	checkUpConvOn(t, engines(t), s, check, x, dy, w, bias)
}

func checkUpConvOn(t *testing.T, engines []*kernel.Engine, s kernel.UpConvShape, check checkFunc, x, dy, w, bias []float32) {
	t.Helper()
	pixels := s.N * s.H * s.W
	y, dx, dw := make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(w))
	for n := range s.N {
		for h := range s.H {
			for p := range s.W {
				for i := range 2 {
					for j := range 2 {
						for o := range s.Out {
							at := ((n*2*s.H+2*h+i)*2*s.W+2*p+j)*s.Out + o
							if bias != nil {
								y[at] = float64(bias[o])
							}
							for c := range s.In {
								xi := ((n*s.H+h)*s.W+p)*s.In + c
								wi := ((c*2+i)*2+j)*s.Out + o
								y[at] += float64(x[xi]) * float64(w[wi])
								dx[xi] += float64(dy[at]) * float64(w[wi])
								dw[wi] += float64(dy[at]) * float64(x[xi])
							}
						}
					}
				}
			}
		}
	}
	for _, e := range engines {
		name := fmt.Sprintf("%+v %s/%d ", s, e.Kernel(), e.Threads())
		gotY, gotX, gotW := result(len(y)), result(len(dx)), result(len(dw))
		e.UpConv(s, gotY, x, w, bias)
		check(t, name+"y", gotY, y, s.In)
		e.UpConvGradInput(s, gotX, dy, w)
		check(t, name+"dx", gotX, dx, 4*s.Out)
		e.UpConvGradWeights(s, gotW, x, dy)
		check(t, name+"dw", gotW, dw, pixels)
	}
}

func TestUpConv(t *testing.T) {
	for i := range 33 {
		checkUpConv(t, kernel.UpConvShape{N: 1 + i%3, H: 1 + i%5, W: 1 + i*5%17, In: 1 + i*7%33, Out: 1 + i}, uint64(i))
	}
	checkUpConv(t, kernel.UpConvShape{N: 2, H: 16, W: 16, In: 64, Out: 32}, 0)
	checkUpConv(t, kernel.UpConvShape{N: 1, H: 31, W: 30, In: 20, Out: 65}, 0)
	checkUpConv(t, kernel.UpConvShape{N: 2, H: 40, W: 36, In: 48, Out: 20}, 1) // an image that is not small
}

func TestSumRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, shape := range [][2]int{{1, 1}, {2, 33}, {100, 4}, {131072, 3}} {
		m, c := shape[0], shape[1]
		dy := random(rng, m*c)
		want := make([]float64, c)
		for i, v := range dy {
			want[i%c] += float64(v)
		}
		for _, e := range engines(t) {
			db := result(c)
			e.SumRows(db, dy)
			check(t, fmt.Sprintf("%v %s/%d", shape, e.Kernel(), e.Threads()), db, want, 0)
		}
	}
}

// The same bits from run to run, also when the scratch has held other things.
func TestDeterministic(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	s := kernel.ConvShape{N: 2, H: 9, W: 11, In: 13, Out: 17, Kernel: 3, Stride: 1, Pad: 1}
	pixels := s.N * s.H * s.W
	x, dy, w := random(rng, pixels*s.In), random(rng, pixels*s.Out), random(rng, 9*s.In*s.Out)
	for _, e := range engines(t) {
		for _, algorithm := range algorithms {
			algorithm.choose(e)
			run := func() []float32 {
				y, dx, dw := result(len(dy)), result(len(x)), result(len(w))
				e.Conv(s, y, whole(x, s.In), w, nil)
				e.ConvGradInput(s, whole(dx, s.In), dy, w)
				e.ConvGradWeights(s, dw, whole(x, s.In), dy)
				return append(append(y, dx...), dw...)
			}
			first := run()
			big := kernel.ConvShape{N: 1, H: 20, W: 20, In: 30, Out: 30, Kernel: 3, Stride: 1, Pad: 1}
			v := random(rng, 12000)
			e.Conv(big, make([]float32, 12000), whole(v, 30), random(rng, 9*900), nil)
			e.ConvGradWeights(big, make([]float32, 9*900), whole(v, 30), v)
			for i, v := range run() {
				if math.Float32bits(v) != math.Float32bits(first[i]) {
					t.Fatalf("%s/%d %s: value %d is %g, was %g", e.Kernel(), e.Threads(), algorithm.name, i, v, first[i])
				}
			}
		}
	}
}

// A NaN reaches all results near it and, by Winograd's algorithm, those of the
// tiles that are near it; no others.
func TestConvNaN(t *testing.T) {
	const size, in, out = 9, 2, 27 // whole vectors and a rest
	s := kernel.ConvShape{N: 1, H: size, W: size, In: in, Out: out, Kernel: 3, Stride: 1, Pad: 1}
	x, w := make([]float32, size*size*in), make([]float32, 9*in*out)
	x[0] = float32(math.NaN())
	for _, e := range engines(t) {
		for a, algorithm := range algorithms {
			algorithm.choose(e)
			for _, norm := range []bool{false, true} {
				y := make([]float32, size*size*out)
				if norm {
					e.ConvNorm(s, y, whole(x, in), w, make([]float32, out), make([]float32, out), kernel.ReLU6)
				} else {
					e.Conv(s, y, whole(x, in), w, nil)
				}
				reach := []int{2, 4}[a]
				for i, v := range y {
					h, p := i/out/size, i/out%size
					if near := h < reach && p < reach; near != (v != v) {
						t.Fatalf("%s %s: y at pixel (%d, %d) is %g; a NaN is at (0, 0)", e.Kernel(), algorithm.name, h, p, v)
					}
				}
			}
		}
	}
}

// What the choice between the algorithms was measured for.
func TestAlgorithmChoice(t *testing.T) {
	for _, tt := range []struct {
		name  string
		shape kernel.ConvShape
		want  bool
	}{
		{"image to features", kernel.ConvShape{N: 8, H: 128, W: 128, In: 3, Out: 32, Kernel: 3, Stride: 1, Pad: 1}, false},
		{"features", kernel.ConvShape{N: 8, H: 128, W: 128, In: 32, Out: 32, Kernel: 3, Stride: 1, Pad: 1}, true},
		{"bottleneck of one image", kernel.ConvShape{N: 1, H: 8, W: 8, In: 512, Out: 512, Kernel: 3, Stride: 1, Pad: 1}, true},
		{"tile of one image", kernel.ConvShape{N: 1, H: 4, W: 4, In: 520, Out: 512, Kernel: 3, Stride: 1, Pad: 1}, false},
		{"mostly padding", kernel.ConvShape{N: 8, H: 2, W: 2, In: 64, Out: 64, Kernel: 3, Stride: 1, Pad: 1}, false},
		{"channels that fill no vector", kernel.ConvShape{N: 8, H: 64, W: 64, In: 20, Out: 20, Kernel: 3, Stride: 1, Pad: 1}, false},
		{"head", kernel.ConvShape{N: 8, H: 128, W: 128, In: 32, Out: 4, Kernel: 3, Stride: 1, Pad: 1}, false},
		{"1x1", kernel.ConvShape{N: 8, H: 128, W: 128, In: 32, Out: 32, Kernel: 1, Stride: 1}, false},
	} {
		for _, e := range engines(t) {
			if got := kernel.PrefersWinograd(e, tt.shape); got != tt.want {
				t.Errorf("%s, %s: Winograd %v, want %v", tt.name, e.Kernel(), got, tt.want)
			}
		}
	}
	for _, e := range engines(t) {
		tile := kernel.ConvShape{N: 1, H: 4, W: 4, In: 512, Out: 512, Kernel: 3, Stride: 1, Pad: 1}
		if got, want := kernel.PrefersWinograd(e, tile), e.Kernel() == "avx512"; got != want {
			t.Errorf("tile of one image, %s: Winograd %v, want %v", e.Kernel(), got, want)
		}
	}
}

func TestNoAllocationPerElement(t *testing.T) {
	e, err := kernel.NewEngine(1, "auto")
	if err != nil {
		t.Fatal(err)
	}
	s := kernel.ConvShape{N: 1, H: 16, W: 16, In: 16, Out: 16, Kernel: 3, Stride: 1, Pad: 1}
	x, y, w := make([]float32, 4096), make([]float32, 4096), make([]float32, 2304)
	got := testing.AllocsPerRun(5, func() {
		e.Conv(s, y, whole(x, s.In), w, nil)
		e.ConvGradInput(s, whole(x, s.In), y, w)
		e.ConvGradWeights(s, w, whole(x, s.In), y)
	})
	if got > 20 {
		t.Errorf("%g allocations a step, want a few closures only", got)
	}
}

func TestNewEngineErrors(t *testing.T) {
	if _, err := kernel.NewEngine(-1, "auto"); err == nil {
		t.Error("threads = -1 was taken")
	}
	if _, err := kernel.NewEngine(1, "sse"); err == nil {
		t.Error(`kernel "sse" was taken`)
	} else if want := `kernel: unknown kernel "sse", want auto, avx512, avx2, generic`; err.Error() != want {
		t.Errorf("error is %q, want %q", err, want)
	}
	e, err := kernel.NewEngine(0, "auto")
	if err != nil || e.Threads() < 1 {
		t.Errorf("threads = 0 gave %v, %v", e, err)
	}
}
