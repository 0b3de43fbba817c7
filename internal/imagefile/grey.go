package imagefile

import (
	"image"
	"image/color"
)

// GIF and BMP have no grey pictures: every palette of greys stands for one. What
// its indices are is up to the writer, which may leave unused greys out.

// greyPalette reports whether a palette of n colours has greys alone, and how many
// steps from black to white their values are on: n-1 for an even ramp of all of them,
// up or down, such as that of 1 bit, else 255.
func greyPalette(palette [][3]uint8) (most int, ok bool) {
	n := len(palette)
	up := n > 1 && 255%(n-1) == 0
	down := up
	for i, c := range palette {
		if c[0] != c[1] || c[1] != c[2] {
			return 255, false
		}
		up = up && int(c[0]) == i*255/(n-1)
		down = down && int(c[0]) == (n-1-i)*255/(n-1)
	}
	if up || down {
		return n - 1, true
	}
	return 255, n > 0
}

// withoutGreyPalette is the grey picture that a palette of greys stands for; others stay as they are.
func withoutGreyPalette(img image.Image) image.Image {
	p, ok := img.(*image.Paletted)
	if !ok {
		return img
	}
	palette := opaque(p.Palette)
	if _, ok := greyPalette(palette); !ok {
		return p
	}
	out := image.NewGray(image.Rect(0, 0, p.Rect.Dx(), p.Rect.Dy()))
	for y := range out.Rect.Dy() {
		for x, i := range p.Pix[y*p.Stride:][:out.Stride] {
			out.Pix[y*out.Stride+x] = palette[i][0]
		}
	}
	return out
}

// opaque are the colours of a palette without alpha.
func opaque(p color.Palette) [][3]uint8 {
	colours := make([][3]uint8, len(p))
	for i, c := range p {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		colours[i] = [3]uint8{n.R, n.G, n.B}
	}
	return colours
}
