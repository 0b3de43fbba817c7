package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// stretches are lengths below, at and above those of vectors of all kinds.
func stretches() []int {
	lengths := []int{100, 127, 128, 1000, 16384}
	for n := range 70 {
		lengths = append(lengths, n)
	}
	return lengths
}

// float64s is v widened.
func float64s(v []float32) []float64 {
	wide := make([]float64, len(v))
	for i, x := range v {
		wide[i] = float64(x)
	}
	return wide
}

// Every instruction set does what the formula says, and to the bit the same.
func TestAdam(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	step := &kernel.AdamStep{Clip: 0.7, Decay: 0.01, Gain1: 0.1, Beta2: 0.999, Gain2: 0.001, Keep: 0.99, Rate: 0.02, Scale: 3, Epsilon: 1e-8}
	for _, n := range stretches() {
		p, m, v, grad := random(rng, n), random(rng, n), random(rng, n), random(rng, n)
		for i := range v {
			v[i] *= v[i]
		}
		wantP, wantM, wantV := float64s(p), float64s(m), float64s(v)
		for i, g := range float64s(grad) {
			g = 0.7*g + 0.01*wantP[i]
			wantM[i] += 0.1 * (g - wantM[i])
			wantV[i] = 0.999*wantV[i] + 0.001*g*g
			wantP[i] = 0.99*wantP[i] - 0.02*wantM[i]/(3*math.Sqrt(wantV[i])+1e-8)
		}
		var first [3][]float32
		for i, e := range engines(t) {
			name := fmt.Sprintf("%s, %d: ", e.Kernel(), n)
			got := [3][]float32{result(n), result(n), result(n)}
			copy(got[0], p)
			copy(got[1], m)
			copy(got[2], v)
			e.Adam(step, got[0], got[1], got[2], grad)
			check(t, name+"p", got[0], wantP, 0)
			check(t, name+"m", got[1], wantM, 0)
			check(t, name+"v", got[2], wantV, 0)
			if i == 0 {
				first = got
			}
			for k := range got {
				if !slices.Equal(got[k], first[k]) {
					t.Fatalf("%sresult %d differs from that of %s", name, k, engines(t)[0].Kernel())
				}
			}
		}
	}
}

func TestSGD(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, n := range stretches() {
		for _, momentum := range []float64{0, 0.9} {
			step := &kernel.SGDStep{Clip: 0.7, Decay: 0.01, Momentum: float32(momentum), Rate: 0.2}
			p, m, grad := random(rng, n), random(rng, n), random(rng, n)
			if momentum == 0 {
				m = nil
			}
			wantP, wantM := float64s(p), float64s(m)
			for i, g := range float64s(grad) {
				g = 0.7*g + 0.01*wantP[i]
				if m != nil {
					wantM[i] = momentum*wantM[i] + g
					g = wantM[i]
				}
				wantP[i] -= 0.2 * g
			}
			var firstP, firstM []float32
			for i, e := range engines(t) {
				name := fmt.Sprintf("%s, %d, momentum %g: ", e.Kernel(), n, momentum)
				gotP, gotM := result(n), result(len(m))
				copy(gotP, p)
				copy(gotM, m)
				if m == nil {
					e.SGD(step, gotP, grad)
				} else {
					e.Momentum(step, gotP, gotM, grad)
				}
				check(t, name+"p", gotP, wantP, 0)
				check(t, name+"m", gotM, wantM, 0)
				if i == 0 {
					firstP, firstM = gotP, gotM
				}
				if !slices.Equal(gotP, firstP) || !slices.Equal(gotM, firstM) {
					t.Fatalf("%sdiffers from %s", name, engines(t)[0].Kernel())
				}
			}
		}
	}
}

func TestSumSquares(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, n := range stretches() {
		x := random(rng, n)
		want := 0.0
		for _, v := range x {
			want += float64(v) * float64(v)
		}
		first := engines(t)[0].SumSquares(x)
		for _, e := range engines(t) {
			got := e.SumSquares(x)
			if math.Abs(got-want) > 1e-13*want {
				t.Errorf("%s, %d: %g, want %g", e.Kernel(), n, got, want)
			}
			if got != first {
				t.Errorf("%s, %d: %g, but %s has %g", e.Kernel(), n, got, engines(t)[0].Kernel(), first)
			}
		}
	}
	for _, e := range engines(t) {
		for at := range 67 { // in a vector or behind the last one
			x := make([]float32, 67)
			x[at] = math.MaxFloat32
			if got, want := e.SumSquares(x), math.MaxFloat32*math.MaxFloat32; got != want {
				t.Errorf("%s: the largest number at %d gives %g, want %g", e.Kernel(), at, got, want)
			}
			x[at] = nan()
			if got := e.SumSquares(x); got == got {
				t.Errorf("%s: NaN at %d gives %g", e.Kernel(), at, got)
			}
			x[at] = float32(math.Inf(-1))
			if got := e.SumSquares(x); !math.IsInf(got, 1) {
				t.Errorf("%s: -Inf at %d gives %g", e.Kernel(), at, got)
			}
		}
	}
}
