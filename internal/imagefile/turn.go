package imagefile

import (
	"image"
	"image/color"
)

// upright undoes an EXIF orientation, 1..8. Orientations above 4 swap height and width.
func upright(img image.Image, orientation int) image.Image {
	if orientation <= 1 || orientation > 8 {
		return img
	}
	from := img.Bounds()
	h, w := from.Dy(), from.Dx()
	if orientation > 4 {
		h, w = w, h
	}
	r := image.Rect(0, 0, w, h)
	turned := func(out image.Image, dst, src []uint8, stride, unit int) image.Image {
		turn(dst, src, stride, unit, from.Dy(), from.Dx(), orientation)
		return out
	}
	switch img := img.(type) {
	case *image.Gray:
		out := image.NewGray(r)
		return turned(out, out.Pix, img.Pix, img.Stride, 1)
	case *image.Gray16:
		out := image.NewGray16(r)
		return turned(out, out.Pix, img.Pix, img.Stride, 2)
	case *image.Paletted:
		out := image.NewPaletted(r, img.Palette)
		return turned(out, out.Pix, img.Pix, img.Stride, 1)
	case *image.NRGBA:
		out := image.NewNRGBA(r)
		return turned(out, out.Pix, img.Pix, img.Stride, 4)
	case *image.RGBA:
		out := image.NewRGBA(r)
		return turned(out, out.Pix, img.Pix, img.Stride, 4)
	case *image.NRGBA64:
		out := image.NewNRGBA64(r)
		return turned(out, out.Pix, img.Pix, img.Stride, 8)
	case *image.RGBA64:
		out := image.NewRGBA64(r)
		return turned(out, out.Pix, img.Pix, img.Stride, 8)
	case *floats:
		out := &floats{Pix: make([]float32, len(img.Pix)), bands: img.bands, H: h, W: w}
		turn(out.Pix, img.Pix, img.W*img.bands, img.bands, from.Dy(), from.Dx(), orientation)
		return out
	case *image.YCbCr:
		return upright(rgbOf(img, func(int, int) uint8 { return 255 }), orientation)
	case *image.NYCbCrA:
		return upright(rgbOf(&img.YCbCr, func(x, y int) uint8 { return img.A[img.AOffset(from.Min.X+x, from.Min.Y+y)] }), orientation)
	}
	out := image.NewNRGBA64(from.Sub(from.Min)) // CMYK
	at := colours(img)
	for y := range from.Dy() {
		for x := range from.Dx() {
			out.SetNRGBA64(x, y, at(x, y))
		}
	}
	return upright(out, orientation)
}

// rgbOf keeps the colours of an image that is lossily compressed.
func rgbOf(img *image.YCbCr, alpha func(x, y int) uint8) *image.NRGBA {
	b := img.Rect
	out := image.NewNRGBA(b.Sub(b.Min))
	for y := range b.Dy() {
		for x := range b.Dx() {
			c := img.YCbCrAt(b.Min.X+x, b.Min.Y+y)
			r, g, bl := color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
			out.SetNRGBA(x, y, color.NRGBA{r, g, bl, alpha(x, y)})
		}
	}
	return out
}

// turn writes the pixels of a stored image (h,w), unit values each, upright to dst.
func turn[T uint8 | float32](dst, src []T, stride, unit, h, w, orientation int) {
	outH, outW := h, w
	if orientation > 4 {
		outH, outW = w, h
	}
	for y := range outH {
		for x := range outW {
			sx, sy := x, y // in the stored image
			switch orientation {
			case 2: // mirrored
				sx = w - 1 - x
			case 3: // turned by 180 degrees
				sx, sy = w-1-x, h-1-y
			case 4: // upside down
				sy = h - 1 - y
			case 5: // transposed
				sx, sy = y, x
			case 6: // upright after a clockwise quarter turn
				sx, sy = y, h-1-x
			case 7: // transposed along the other diagonal
				sx, sy = w-1-y, h-1-x
			case 8: // upright after an anticlockwise quarter turn
				sx, sy = w-1-y, x
			}
			copy(dst[(y*outW+x)*unit:][:unit], src[sy*stride+sx*unit:][:unit])
		}
	}
}
