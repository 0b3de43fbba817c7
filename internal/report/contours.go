package report

import (
	"image"
	"image/color"

	"golang.org/x/image/draw"
	"gonum.org/v1/plot/vg"
	plotdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Contours draws the outlines of a mask (H,W) on its image: the pixels of each class
// but 0, commonly the background, that are next to another class. Large images have
// wider ones. A strip under the image names the classes that it has.
func Contours(img imagefile.Image, mask []uint8, classes []string, palette color.Palette) *image.RGBA {
	const pixels = 600 // of an image whose outlines are one pixel wide
	width := 1 + max(img.H, img.W)/pixels
	drawn := Picture(img)
	var found [256]bool
	for i, class := range mask {
		if class == 0 {
			continue
		}
		found[class] = true
		if edge(mask, img.H, img.W, i/img.W, i%img.W, width) {
			drawn.Set(i%img.W, i/img.W, classColor(palette, class))
		}
	}
	key := &panel{}
	for c, name := range classes {
		if found[c] {
			key.key = append(key.key, line{name: short(name, 24), colour: palette[c]})
		}
	}
	if len(key.key) == 0 {
		return drawn
	}
	strip := key.strip(max(img.W, 160), float64(width))
	out := image.NewRGBA(image.Rect(0, 0, strip.Bounds().Dx(), img.H+strip.Bounds().Dy()))
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(out, drawn.Rect, drawn, image.Point{}, draw.Src)
	draw.Draw(out, strip.Bounds().Add(image.Pt(0, img.H)), strip, image.Point{}, draw.Src)
	return out
}

// edge reports whether a pixel is less than width pixels from one of another class.
func edge(mask []uint8, h, w, y, x, width int) bool {
	class := mask[y*w+x]
	for dy := max(-width, -y); dy <= min(width, h-1-y); dy++ {
		across := width - max(dy, -dy)
		for dx := max(-across, -x); dx <= min(across, w-1-x); dx++ {
			if mask[(y+dy)*w+x+dx] != class {
				return true
			}
		}
	}
	return false
}

// strip is a panel's key alone, of a width in pixels, with that many of them per point.
func (p *panel) strip(width int, scale float64) image.Image {
	points := vg.Length(float64(width) / scale)
	height := p.drawKey(plotdraw.Crop(plotdraw.NewCanvas(&recorder.Canvas{}, points, 0), margin, -margin, 0, 0)) + margin
	canvas := vgimg.NewWith(vgimg.UseWH(points, height), vgimg.UseDPI(int(72*scale)))
	p.drawKey(plotdraw.Crop(plotdraw.New(canvas), margin, -margin, 0, -margin/2))
	return canvas.Image()
}
