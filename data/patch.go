package data

import (
	"math/rand/v2"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// patch is a part of an image, of the size that the net sees, in a grid that
// covers the image. A row or column of the grid that would go beyond the edge is
// moved back within the image; the pixels that it then shares with the one before
// are Void in its mask, so that each counts once.
type patch struct {
	image int
	y, x  int // the first pixel that counts
}

// grid is all patches of the split, image by image.
func (s *Split) grid() []patch {
	var all []patch
	for i := range s.index {
		h, w := s.size(i)
		for y := 0; y < h; y += s.h {
			for x := 0; x < w; x += s.w {
				all = append(all, patch{i, y, x})
			}
		}
	}
	return all
}

// cut writes the patch of an image.
func (p patch) cut(out, image Sample) {
	y0, x0 := within(p.y, out.H, image.H), within(p.x, out.W, image.W)
	imagefile.Image{Pix: image.Image, H: image.H, W: image.W}.Part(out.Image, y0, x0, out.H, out.W)
	for i := range out.Mask {
		y, x := y0+i/out.W, x0+i%out.W
		if y < p.y || y >= image.H || x < p.x || x >= image.W {
			out.Mask[i] = Void
		} else {
			out.Mask[i] = image.Mask[y*image.W+x]
		}
	}
}

// padded is the sample, reflected at its edges up to a least size; what is added is Void.
func (s Sample) padded(h, w int) Sample {
	if s.H >= h && s.W >= w {
		return s
	}
	out := newSample(max(s.H, h), max(s.W, w))
	patch{}.cut(out, s)
	return out
}

func newSample(h, w int) Sample {
	return Sample{Image: make([]float32, h*w*3), Mask: make([]uint8, h*w), H: h, W: w}
}

// within is where a part of an axis of n pixels begins, moved back so that it
// lies within the axis, or has it in its middle.
func within(i, part, n int) int {
	if part > n {
		return (n - part) / 2
	}
	return min(i, n-part)
}

// rarePixel draws one of the classes in a mask, the most frequent one left out, each
// with the same probability, and then one of its pixels. ok is false if there is no
// second class.
func rarePixel(mask []uint8, r *rand.Rand) (pixel int, ok bool) {
	var counts [Void + 1]int
	for _, c := range mask {
		counts[c]++
	}
	counts[Void] = 0
	frequent := 0
	for c, n := range counts {
		if n > counts[frequent] {
			frequent = c
		}
	}
	counts[frequent] = 0
	var classes []uint8
	for c, n := range counts {
		if n > 0 {
			classes = append(classes, uint8(c))
		}
	}
	if classes == nil {
		return 0, false
	}
	class := classes[r.IntN(len(classes))]
	nth := r.IntN(counts[class])
	for i, c := range mask {
		if c != class {
			continue
		}
		if nth == 0 {
			return i, true
		}
		nth--
	}
	panic("unreachable: nth is less than the number of pixels")
}
