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

// labels is the values as whole numbers, which they have to be.
func (m *floats) labels() (*image.Gray16, error) {
	if m.bands != 1 {
		return nil, fmt.Errorf("holds numbers in %d bands, want class indices in one", m.bands)
	}
	out := image.NewGray16(m.Bounds())
	for i, v := range m.Pix {
		n := uint16(max(min(v, math.MaxUint16), 0))
		if float32(n) != v {
			return nil, fmt.Errorf("pixel (%d, %d) is %v, want a whole number in 0..65535", i%m.W, i/m.W, v)
		}
		out.Pix[2*i], out.Pix[2*i+1] = uint8(n>>8), uint8(n)
	}
	return out, nil
}
