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
				count := 1 + cols%3
				side := func(n int) (v []float32, row, col, next int) {
					col = cols + 3
					row = n*col + 5
					next = n*row + 7
					v = make([]float32, (count-1)*next+(n-1)*(row+col)+cols)
					for i := range v {
						v[i] = float32(rng.NormFloat64())
					}
					return v, row, col, next
				}
				if kind == resultMomentsTransform && (!set.countsMoments || cols%maxLanes != 0) {
					continue
				}
				var a transform
				a.moments = make([]float64, 2*cols)
				a.scale, a.shift = make([]float32, cols), make([]float32, cols)
				for i := range cols {
					a.scale[i], a.shift[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
				}
				a.cols, a.count = cols, count
				a.src, a.srcRow, a.srcCol, a.srcNext = side(shape.src)
				a.dst, a.dstRow, a.dstCol, a.dstNext = side(shape.dst)
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
				if kind != resultMomentsTransform {
					continue
				}
				for c := range cols {
					var sum, squares float64
					for i := range count * shape.dst * shape.dst {
						square, row, col := i/shape.dst/shape.dst, i/shape.dst%shape.dst, i%shape.dst
						v := float64(want[square*a.dstNext+row*a.dstRow+col*a.dstCol+c])
						sum += v
						squares += v * v
					}
					at := c + c/maxLanes*maxLanes
					if gotSum, gotSquare := a.moments[at], a.moments[at+maxLanes]; math.Abs(gotSum-sum) > 1e-4 || math.Abs(gotSquare-squares) > 1e-6*squares {
						t.Fatalf("%s: %d columns: moments of column %d are %g and %g, want %g and %g", set.name, cols, c, gotSum, gotSquare, sum, squares)
					}
				}
			}
		}
	}
}
