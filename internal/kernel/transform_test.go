package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Each transform of each instruction set against its plain loop, with strides
// that are all different, for every tail.
func TestTransform(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, set := range instructionSets() {
		if set.missing != "" {
			t.Logf("not tested here: %s needs %s", set.name, set.missing)
			continue
		}
		for kind, shape := range transforms {
			for cols := 1; cols <= 70; cols++ {
				side := func(n int) (v []float32, row, col int) {
					col = cols + 3
					row = n*col + 5
					v = make([]float32, (n-1)*(row+col)+cols)
					for i := range v {
						v[i] = float32(rng.NormFloat64())
					}
					return v, row, col
				}
				var a transform
				a.cols, a.floor = cols, -0.25
				a.src, a.srcRow, a.srcCol = side(shape.src)
				a.dst, a.dstRow, a.dstCol = side(shape.dst)
				b := a
				want := append([]float32(nil), a.dst...)
				b.dst = want
				got := a.dst
				set.transform(&a, kind)
				transformPlain(&b, kind)
				for i := range want {
					if d := math.Abs(float64(got[i] - want[i])); !(d <= 1e-4) {
						t.Fatalf("%s: transform %d, %d columns: dst[%d] = %g, want %g", set.name, kind, cols, i, got[i], want[i])
					}
				}
			}
		}
	}
}
