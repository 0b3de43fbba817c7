package imagefile_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// resizeReference is the definition, pixel by pixel in float64: an axis that
// shrinks integrates the piecewise constant image over the output pixel, one that
// grows interpolates linearly at its centre.
func resizeReference(x []float32, h, w, c, outH, outW int) []float64 {
	weight := func(o, i, in, out int) float64 {
		size := float64(in) / float64(out)
		if out < in {
			lo, hi := float64(o)*size, float64(o+1)*size
			return max(0, min(hi, float64(i+1))-max(lo, float64(i))) / size
		}
		pos := min(max((float64(o)+0.5)*size-0.5, 0), float64(in-1))
		return max(0, 1-math.Abs(pos-float64(i)))
	}
	y := make([]float64, outH*outW*c)
	for oy := range outH {
		for ox := range outW {
			for k := range c {
				for iy := range h {
					for ix := range w {
						y[(oy*outW+ox)*c+k] += weight(oy, iy, h, outH) * weight(ox, ix, w, outW) * float64(x[(iy*w+ix)*c+k])
					}
				}
			}
		}
	}
	return y
}

func TestResize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sizes := []int{1, 2, 3, 5, 8, 13}
	for _, h := range sizes {
		for _, outH := range sizes {
			w, outW, c := outH+1, h+2, 1+h%4
			x := make([]float32, h*w*c)
			for i := range x {
				x[i] = r.Float32()
			}
			got := imagefile.Resize(x, h, w, c, outH, outW)
			for i, want := range resizeReference(x, h, w, c, outH, outW) {
				if math.Abs(float64(got[i])-want) > 1e-5 {
					t.Fatalf("%dx%d to %dx%d: value %d is %v, want %v", w, h, outW, outH, i, got[i], want)
				}
			}
		}
	}
	x := []float32{1, 2, 3, 4}
	if got := imagefile.Resize(x, 2, 2, 1, 2, 2); !slices.Equal(got, x) {
		t.Errorf("at equal size %v, want %v", got, x)
	}
}
