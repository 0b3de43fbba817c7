package report

import (
	"image/color"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Display is a palette of masks for the eye: where a class after the first is black,
// white or grey, as with masks of 0 and 255, it gets a colour that stands out from
// images, and that no other class has.
func Display(palette color.Palette) color.Palette {
	out := slices.Clone(palette)
	spare := imagefile.Colors(3*len(palette)+8, nil)[1:]
	for c := 1; c < len(out); c++ {
		if !grey(palette[c]) {
			continue
		}
		for i, s := range spare {
			if !slices.ContainsFunc(out, func(other color.Color) bool { return near(s, other) }) {
				out[c] = s
				spare = spare[i+1:]
				break
			}
		}
	}
	return out
}

// grey reports whether a colour has next to no hue.
func grey(c color.Color) bool {
	const least = 40 // between the channels, of 255
	r, g, b, _ := c.RGBA()
	return max(r, g, b)-min(r, g, b) < least<<8
}

// near reports whether two colours are hard to tell apart.
func near(a, b color.Color) bool {
	const least = 60 // in the sum over the channels, of 255 each
	ra, ga, ba, _ := a.RGBA()
	rb, gb, bb, _ := b.RGBA()
	apart := func(x, y uint32) uint32 { return max(x, y) - min(x, y) }
	return apart(ra, rb)+apart(ga, gb)+apart(ba, bb) < least<<8
}
