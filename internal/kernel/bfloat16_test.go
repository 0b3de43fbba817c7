package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// bfloat16Engines gives an engine with so many threads for each instruction set that
// has bfloat16 on this CPU: plain Go everywhere.
func bfloat16Engines(t testing.TB, threads int) []*kernel.Engine {
	t.Helper()
	var all []*kernel.Engine
	for _, name := range []string{"avx512", "generic"} {
		e, err := kernel.NewEngine(threads, name)
		if err == nil {
			err = e.SetPrecision("bfloat16")
		}
		switch {
		case err == nil:
			all = append(all, e)
		case name == "generic":
			t.Fatal(err)
		default:
			t.Logf("not tested here: %v", err)
		}
	}
	return all
}

func TestPrecision(t *testing.T) {
	e, err := kernel.NewEngine(1, "generic")
	if err != nil {
		t.Fatal(err)
	}
	for _, precision := range []string{"float32", "bfloat16", "float32"} {
		if err := e.SetPrecision(precision); err != nil || e.Precision() != precision || e.Kernel() != "generic" {
			t.Errorf("SetPrecision(%q) = %v: kernel %s, precision %s", precision, err, e.Kernel(), e.Precision())
		}
	}
	if err := e.SetPrecision("float16"); err == nil || err.Error() != `kernel: unknown precision "float16", want float32 or bfloat16` {
		t.Errorf("float16: %v", err)
	}
	if e, err := kernel.NewEngine(1, "avx2"); err == nil && e.SetPrecision("bfloat16") == nil {
		t.Error("avx2 has no bfloat16 kernels, but took the precision")
	}
}

// fillScratch leaves NaN in the memory that the engine will use again.
func fillScratch(e *kernel.Engine) {
	s := kernel.ConvShape{N: 1, H: 24, W: 34, In: 128, Out: 128, Kernel: 3, Stride: 1, Pad: 1}
	if e.Kernel() == "generic" {
		s.In, s.Out = 32, 32 // plain Go takes its time
	}
	up := kernel.UpConvShape{N: 1, H: s.H, W: s.W, In: s.In, Out: s.Out}
	x, w := result(4*s.H*s.W*s.In), result(9*s.In*s.Out)
	y := make([]float32, len(x))
	e.Conv(s, y, whole(x, s.In), w, nil)
	e.ConvGradInput(s, whole(y, s.In), x, w)
	e.ConvGradWeights(s, make([]float32, len(w)), whole(x, s.In), x)
	e.UpConv(up, y, x, w, nil)
	e.UpConvGradInput(up, y, x, w)
	e.UpConvGradWeights(up, make([]float32, len(w)), x, x)
}

// round gives the nearest bfloat16, the even one of two.
func round(x float32) float32 {
	bits := math.Float32bits(x)
	return math.Float32frombits((bits + 0x7fff + bits>>16&1) &^ 0xffff)
}

func rounded(rng *rand.Rand, n int) []float32 {
	v := random(rng, n)
	for i, x := range v {
		v[i] = round(x)
	}
	return v
}

// Of numbers that are bfloat16 already the results are those of float32.
func TestConvBFloat16(t *testing.T) {
	for i, s := range []kernel.ConvShape{
		{N: 1, H: 1, W: 1, In: 64, Out: 64, Kernel: 3, Stride: 1, Pad: 1},
		{N: 2, H: 1, W: 7, In: 64, Out: 128, Kernel: 3, Stride: 1, Pad: 1},
		{N: 3, H: 5, W: 3, In: 128, Out: 64, Kernel: 3, Stride: 1, Pad: 1},
		{N: 1, H: 4, W: 30, In: 64, Out: 64, Kernel: 3, Stride: 1, Pad: 1},
		{N: 1, H: 3, W: 31, In: 64, Out: 64, Kernel: 3, Stride: 1, Pad: 1},
		{N: 1, H: 67, W: 33, In: 64, Out: 32, Kernel: 3, Stride: 1, Pad: 1},
		{N: 20, H: 8, W: 8, In: 64, Out: 64, Kernel: 3, Stride: 1, Pad: 1},
		{N: 3, H: 7, W: 8, In: 192, Out: 64, Kernel: 3, Stride: 1, Pad: 1},   // whose gradient of weights is shared out by channels
		{N: 1, H: 40, W: 301, In: 64, Out: 32, Kernel: 3, Stride: 1, Pad: 1}, // ... and this one's is summed in two bands
		{N: 1, H: 9, W: 5, In: 32, Out: 96, Kernel: 3, Stride: 1, Pad: 1},    // whose image of two is float32
		{N: 1, H: 9, W: 5, In: 48, Out: 32, Kernel: 3, Stride: 1, Pad: 1},    // float32
		{N: 1, H: 8, W: 8, In: 32, Out: 16, Kernel: 3, Stride: 1, Pad: 1},    // float32
		{N: 1, H: 8, W: 8, In: 64, Out: 64, Kernel: 1, Stride: 1},            // float32
	} {
		checkConvBFloat16(t, s, uint64(i))
	}
}

func checkConvBFloat16(t *testing.T, s kernel.ConvShape, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	pixels := s.N * s.H * s.W
	x, dy, w := rounded(rng, pixels*s.In), rounded(rng, pixels*s.Out), rounded(rng, s.Kernel*s.Kernel*s.In*s.Out)
	bias := random(rng, s.Out) // which is not rounded
	if seed%2 == 1 {
		bias = nil
	}
	want := referenceConv(s, x, dy, w, bias)
	for _, threads := range []int{1, 3} {
		for _, e := range bfloat16Engines(t, threads) {
			if leftOut(e, s) {
				continue
			}
			fillScratch(e)
			checkPasses(t, fmt.Sprintf("%+v %s/%d ", s, e.Kernel(), threads), e, s, checkLargest, x, dy, w, bias, want)
		}
	}
}

func FuzzConvBFloat16(f *testing.F) {
	f.Add(uint8(0), uint8(0), uint8(0), uint8(1), uint8(0), uint64(1))
	f.Add(uint8(2), uint8(8), uint8(39), uint8(3), uint8(2), uint64(2))
	f.Fuzz(func(t *testing.T, n, h, w, in, out uint8, seed uint64) {
		checkConvBFloat16(t, kernel.ConvShape{N: int(n)%3 + 1, H: int(h)%19 + 1, W: int(w)%70 + 1, In: (int(in)%5 + 1) * 32, Out: (int(out)%3 + 1) * 32, Kernel: 3, Stride: 1, Pad: 1}, seed)
	})
}

func TestUpConvBFloat16(t *testing.T) {
	engines := append(bfloat16Engines(t, 1), bfloat16Engines(t, 3)...)
	for _, e := range engines {
		fillScratch(e)
	}
	for i, s := range []kernel.UpConvShape{
		{N: 1, H: 1, W: 1, In: 32, Out: 16},
		{N: 3, H: 5, W: 2, In: 64, Out: 32},
		{N: 1, H: 3, W: 33, In: 32, Out: 48}, // whose gradient of weights is float32
		{N: 2, H: 7, W: 34, In: 96, Out: 32},
		{N: 1, H: 64, W: 40, In: 64, Out: 64}, // two bands of the gradient
		{N: 2, H: 2, W: 4, In: 128, Out: 64},  // whose gradient of weights is shared out by channels
		{N: 1, H: 4, W: 4, In: 48, Out: 32},   // float32
		{N: 1, H: 4, W: 4, In: 32, Out: 8},    // float32
	} {
		rng := rand.New(rand.NewPCG(uint64(i), 0))
		pixels := s.N * s.H * s.W
		x, dy, w, bias := rounded(rng, pixels*s.In), rounded(rng, 4*pixels*s.Out), rounded(rng, s.In*4*s.Out), random(rng, s.Out)
		if i%2 == 1 {
			bias = nil
		}
		checkUpConvOn(t, engines, s, checkLargest, x, dy, w, bias)
	}
}

// Operands are rounded to the nearest bfloat16, and NaN and infinity stay what they are.
func TestBFloat16Rounding(t *testing.T) {
	for _, e := range bfloat16Engines(t, 1) {
		t.Run(e.Kernel(), func(t *testing.T) { testBFloat16Rounding(t, e) })
	}
}

func testBFloat16Rounding(t *testing.T, e *kernel.Engine) {
	s := kernel.ConvShape{N: 1, H: 1, W: 1, In: 32, Out: 32, Kernel: 3, Stride: 1, Pad: 1}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, v := range []float32{0, 1, -1, 1.0039062, 1.00390625, 1.01171875, 1.0117188, -3.1415927, 1e-20, 3e38, inf, -inf, nan} {
		for _, ofImage := range []bool{true, false} {
			x, w, y := make([]float32, s.In), make([]float32, 9*s.In*s.Out), result(s.Out)
			const channel, out = 5, 19
			centre := (4*s.In+channel)*s.Out + out
			x[channel], w[centre] = 1, 1
			if ofImage {
				x[channel] = v
			} else {
				w[centre] = v
			}
			e.Conv(s, y, whole(x, s.In), w, nil)
			want := round(v)
			if v != v {
				want = v
			}
			if y[out] != want && want == want || want != want && y[out] == y[out] {
				t.Errorf("of %g (in the image: %v) comes %g, want %g", v, ofImage, y[out], want)
			}
		}
	}
}
