package data_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
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
			got := data.Resize(x, h, w, c, outH, outW)
			for i, want := range resizeReference(x, h, w, c, outH, outW) {
				if math.Abs(float64(got[i])-want) > 1e-5 {
					t.Fatalf("%dx%d to %dx%d: value %d is %v, want %v", w, h, outW, outH, i, got[i], want)
				}
			}
		}
	}
	x := []float32{1, 2, 3, 4}
	if got := data.Resize(x, 2, 2, 1, 2, 2); !slices.Equal(got, x) {
		t.Errorf("at equal size %v, want %v", got, x)
	}
}

// By hand: output pixel o shows the input pixel that holds its centre.
func TestMasksResizeByNearest(t *testing.T) {
	for _, tt := range []struct {
		outH, outW int
		want       []uint8
	}{
		{2, 4, []uint8{0, 1, 2, 3, 3, 2, 1, data.Void}},
		{1, 2, []uint8{2, data.Void}},                                                   // centres (1, 1) and (3, 1)
		{4, 4, []uint8{0, 1, 2, 3, 0, 1, 2, 3, 3, 2, 1, data.Void, 3, 2, 1, data.Void}}, // each row twice
		{2, 6, []uint8{0, 1, 1, 2, 3, 3, 3, 2, 2, 1, data.Void, data.Void}},             // centres 1/3, 1, 5/3, 7/3, 3, 11/3
		{2, 3, []uint8{0, 2, 3, 3, 1, data.Void}},                                       // centres 2/3, 2, 10/3
		{1, 1, []uint8{1}}, {3, 1, []uint8{2, 1, 1}},
	} {
		c := folderConfig(2, 4)
		c.Size = [2]int{2, 4}
		t.Run("", func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, "images/a.png", encode(t, ".png", rgb(2, 4)))
			write(t, "masks/a.png", encode(t, ".png", grey(2, 4, 0, 1, 2, 3, 3, 2, 1, 255)))
			c.Size = [2]int{tt.outH, tt.outW}
			s, err := data.Open(c, 1, "train")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Load(0); err != nil || !slices.Equal(got.Mask, tt.want) {
				t.Errorf("to %dx%d: got %v, %v, want %v", tt.outW, tt.outH, got.Mask, err, tt.want)
			}
		})
	}
}
