package simd

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Each transform of each instruction set against its plain loop, with strides
// that are all different, for every tail.
func TestTransform(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, set := range InstructionSets() {
		if set.Missing != "" {
			t.Logf("not tested here: %s needs %s", set.Name, set.Missing)
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
				if TransformKind(kind) == OutputMomentsTransform && (!set.OutputMoments || cols%MaxVector != 0) {
					continue
				}
				var a Transform
				a.Moments = make([]float64, 2*cols)
				a.Scale, a.Shift = make([]float32, cols), make([]float32, cols)
				for i := range cols {
					a.Scale[i], a.Shift[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
				}
				a.Clamp = Clamp{-1, 2}
				a.Channels, a.Tiles = cols, count
				a.Src, a.SrcRow, a.SrcCol, a.SrcTile = side(shape.src)
				a.Dst, a.DstRow, a.DstCol, a.DstTile = side(shape.dst)
				b := a
				want := append([]float32(nil), a.Dst...)
				b.Dst = want
				got := a.Dst
				set.Transform(&a, TransformKind(kind))
				transformPlain(&b, TransformKind(kind))
				for i := range want {
					if d := math.Abs(float64(got[i] - want[i])); !(d <= 1e-4) {
						t.Fatalf("%s: transform %d, %d columns: dst[%d] = %g, want %g", set.Name, kind, cols, i, got[i], want[i])
					}
				}
				if TransformKind(kind) != OutputMomentsTransform {
					continue
				}
				for c := range cols {
					var sum, squares float64
					for i := range count * shape.dst * shape.dst {
						square, row, col := i/shape.dst/shape.dst, i/shape.dst%shape.dst, i%shape.dst
						v := float64(want[square*a.DstTile+row*a.DstRow+col*a.DstCol+c])
						sum += v
						squares += v * v
					}
					at := c + c/MaxVector*MaxVector
					if gotSum, gotSquare := a.Moments[at], a.Moments[at+MaxVector]; math.Abs(gotSum-sum) > 1e-4 || math.Abs(gotSquare-squares) > 1e-6*squares {
						t.Fatalf("%s: %d columns: moments of column %d are %g and %g, want %g and %g", set.Name, cols, c, gotSum, gotSquare, sum, squares)
					}
				}
			}
		}
	}
}
