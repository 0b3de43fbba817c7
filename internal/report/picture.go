package report

import (
	"image"
	"image/color"
	"image/draw"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Picture is img as an 8-bit image. One with values beyond 0..1, which has been
// normalized to mean 0, is stretched from its least value to its largest.
func Picture(img imagefile.Image) *image.RGBA {
	lo, hi := float32(0), float32(1)
	const rounding = 0.01
	if len(img.Pix) > 0 && (slices.Min(img.Pix) < -rounding || slices.Max(img.Pix) > 1+rounding) {
		lo, hi = slices.Min(img.Pix), slices.Max(img.Pix)
	}
	out := image.NewRGBA(image.Rect(0, 0, img.W, img.H))
	for i := range img.H * img.W {
		for c, v := range img.Pix[i*3:][:3] {
			out.Pix[i*4+c] = uint8(min(max((v-lo)/(hi-lo), 0), 1)*255 + 0.5)
		}
		out.Pix[i*4+3] = 255
	}
	return out
}

// MaskPicture is a mask (h,w) in the colours of its classes; void is grey.
func MaskPicture(mask []uint8, h, w int, palette color.Palette) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for i, class := range mask {
		out.Set(i%w, i/w, classColor(palette, class))
	}
	return out
}

func classColor(palette color.Palette, class uint8) color.Color {
	if int(class) >= len(palette) {
		return color.Gray{128}
	}
	return palette[class]
}

// Overlay lays a mask (H,W) half transparent over its image, void in grey. Class
// 0, commonly the background, leaves the image as it is.
func Overlay(img imagefile.Image, mask []uint8, palette color.Palette) *image.RGBA {
	out := Picture(img)
	for i, class := range mask {
		if class == 0 {
			continue
		}
		r, g, b, _ := classColor(palette, class).RGBA()
		for c, v := range []uint32{r, g, b} {
			out.Pix[i*4+c] = uint8((uint32(out.Pix[i*4+c]) + v>>8 + 1) / 2)
		}
	}
	return out
}

// SideBySide puts pictures of one height next to each other, with a white gap.
func SideBySide(pictures ...image.Image) *image.RGBA {
	const gap = 4
	width, height := -gap, 0
	for _, p := range pictures {
		width += p.Bounds().Dx() + gap
		height = max(height, p.Bounds().Dy())
	}
	out := image.NewRGBA(image.Rect(0, 0, max(width, 0), height))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src)
	x := 0
	for _, p := range pictures {
		at := image.Rect(x, 0, x+p.Bounds().Dx(), p.Bounds().Dy())
		draw.Draw(out, at, p, p.Bounds().Min, draw.Src)
		x += p.Bounds().Dx() + gap
	}
	return out
}
