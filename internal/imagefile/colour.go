package imagefile

import (
	"image/color"
	"math"
)

// Colors is one colour for each class, for masks and overlays: those of a
// palette of [r, g, b] in 0..255, and for classes beyond it black and the colours of
// Okabe and Ito (2008), which the colour-blind can tell apart. From the ninth
// class on, hues follow by the golden angle.
func Colors(classes int, palette [][3]int) color.Palette {
	p := make(color.Palette, classes)
	for c := range p {
		switch {
		case c < len(palette):
			rgb := palette[c]
			p[c] = color.NRGBA{uint8(rgb[0]), uint8(rgb[1]), uint8(rgb[2]), 255}
		case c < len(okabeIto):
			p[c] = okabeIto[c]
		default:
			p[c] = goldenHue(c)
		}
	}
	return p
}

var okabeIto = [...]color.NRGBA{
	{0x00, 0x00, 0x00, 0xff}, // black
	{0xe6, 0x9f, 0x00, 0xff}, // orange
	{0x56, 0xb4, 0xe9, 0xff}, // sky blue
	{0xf0, 0xe4, 0x42, 0xff}, // yellow
	{0x00, 0x9e, 0x73, 0xff}, // bluish green
	{0xd5, 0x5e, 0x00, 0xff}, // vermilion
	{0x00, 0x72, 0xb2, 0xff}, // blue
	{0xcc, 0x79, 0xa7, 0xff}, // reddish purple
}

// goldenHue turns the hue by 137.5 degrees per class, with three levels of brightness in turn.
func goldenHue(c int) color.NRGBA {
	hue := math.Mod(float64(c)*0.6180339887, 1) * 6
	value := [3]float64{0.95, 0.75, 0.55}[c%3]
	channel := func(shift float64) uint8 {
		k := math.Mod(shift+hue, 6)
		return uint8(255*value*(1-0.8*max(0, min(k, 4-k, 1))) + 0.5)
	}
	return color.NRGBA{channel(5), channel(3), channel(1), 255}
}
