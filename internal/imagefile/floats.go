package imagefile

import (
	"fmt"
	"image"
	"image/color"
	"math"
)

// floats is a picture whose samples are floats, or integers of no known range. Those
// beyond 2^24 are rounded, far outside what a mask may hold.
type floats struct {
	Pix         []float32 // (H,W,bands)
	bands, H, W int       // bands is 1 or 3
}

func (m *floats) ColorModel() color.Model { return color.NRGBA64Model }
func (m *floats) Bounds() image.Rectangle { return image.Rect(0, 0, m.W, m.H) }
func (m *floats) At(x, y int) color.Color { return m.RGBA64At(x, y) }

// RGBA64At clips values to 0..1.
func (m *floats) RGBA64At(x, y int) color.RGBA64 {
	var c [3]uint16
	for i := range c {
		v := m.Pix[(y*m.W+x)*m.bands+i%m.bands]
		c[i] = uint16(max(min(v, 1), 0)*math.MaxUint16 + 0.5)
	}
	return color.RGBA64{c[0], c[1], c[2], 0xffff}
}

// picture is the values as they are.
func (m *floats) picture() Image {
	out := Image{Pix: make([]float32, m.H*m.W*3), H: m.H, W: m.W}
	for i := range out.Pix {
		out.Pix[i] = m.Pix[i/3*m.bands+i%3%m.bands]
	}
	return out
}

// checkLabels refuses values that are not whole, or so large that they have been rounded.
func (m *floats) checkLabels() error {
	if m.bands != 1 {
		return fmt.Errorf("holds numbers in %d bands, want class indices in one", m.bands)
	}
	const most = 1 << 24
	for i, v := range m.Pix {
		if float64(v) != math.Trunc(float64(v)) || v < -most || v > most {
			return fmt.Errorf("pixel (%d, %d) is %v, want the whole number of a class", i%m.W, i/m.W, v)
		}
	}
	return nil
}
