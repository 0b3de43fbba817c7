package data

import (
	"math"
	"testing"
)

// Catmull-Rom splines go through their points and follow parabolas exactly.
func TestSpline(t *testing.T) {
	var points [5][2]float64 // at -1, 0, 1, 2 and 3 half sides
	for i := range points {
		k := float64(i - 1)
		points[i] = [2]float64{k, k * k}
	}
	for _, n := range []int{1, 2, 5, 128} {
		for i := range n {
			at := 2 * float64(i) / float64(max(n-1, 1))
			if x, y := splineAt(i, n).of(points); math.Abs(x-at) > 1e-12 || math.Abs(y-at*at) > 1e-12 {
				t.Errorf("pixel %d of %d: (%v, %v), want (%v, %v)", i, n, x, y, at, at*at)
			}
		}
	}
}
