package simd

import (
	"math/rand/v2"
	"testing"
)

// A panel holds its columns whichever way they lie in memory, then zeros, for
// all tails.
func TestPackPanel(t *testing.T) {
	const guard = 16
	rng := rand.New(rand.NewPCG(1, 0))
	for _, set := range InstructionSets() {
		if set.Missing != "" {
			t.Logf("not tested here: %s needs %s", set.Name, set.Missing)
			continue
		}
		for cols := 1; cols <= 32; cols++ {
			for _, count := range []int{1, 7, 8, 9, 16, 40} {
				width := cols + cols%5
				for _, transposed := range []bool{false, true} {
					rowStride, colStride := cols+3, 1
					if transposed {
						rowStride, colStride = 1, count+3
					}
					src := make([]float32, (count-1)*rowStride+(cols-1)*colStride+1)
					for i := range src {
						src[i] = rng.Float32()
					}
					dst := make([]float32, count*width+guard)
					for i := range dst {
						dst[i] = -1
					}
					set.PackPanel(dst, width, cols, count, src, rowStride, colStride)
					for i, v := range dst {
						want := float32(-1)
						if k, n := i/width, i%width; k < count && n < cols {
							want = src[k*rowStride+n*colStride]
						} else if k < count {
							want = 0
						}
						if v != want {
							t.Fatalf("%s: %d columns of %d rows, transposed %v: dst[%d] = %g, want %g", set.Name, cols, count, transposed, i, v, want)
						}
					}
				}
			}
		}
	}
}
