package imagefile

import (
	"fmt"
	"image"
	"image/color"
	"path/filepath"
	"slices"
	"strings"
)

// Image is a decoded picture.
type Image struct {
	Pix  []float32 // (H,W,3) red, green, blue in 0..1; with ZScore in units of the standard deviation
	H, W int

	Transparent float64 // share of the pixels that are not opaque in the file; their colour is in Pix as it is stored
}

// Part writes to dst (h,w,3) the part of the image whose first pixel is (x, y).
// Beyond its edges the image is continued by its reflection at the edge pixels.
func (m Image) Part(dst []float32, y, x, h, w int) {
	from, to := min(max(-x, 0), w), max(min(m.W-x, w), 0) // columns of dst that the image has
	for row := range h {
		line := m.Pix[reflect(y+row, m.H)*m.W*3:][:m.W*3]
		out := dst[row*w*3:][:w*3]
		if from < to {
			copy(out[from*3:to*3], line[(x+from)*3:])
		}
		for column := range w {
			if column < from || column >= to {
				copy(out[column*3:][:3], line[reflect(x+column, m.W)*3:])
			}
		}
	}
}

// reflect brings position i of an axis continued by reflection into 0..n-1.
func reflect(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	i = ((i % period) + period) % period
	return min(i, period-i)
}

// TooLarge reports whether h*w > limit, without overflow. h and w are positive.
func TooLarge(h, w int, limit int64) bool { return int64(h) > limit/int64(w) }

// extensions of the image files that are read, in lower case.
var extensions = []string{".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pbm", ".pgm", ".ppm", ".pnm"}

// Extensions are those of the image files that are read, in lower case, with the dot.
func Extensions() []string { return slices.Clone(extensions) }

// IsImageName reports whether a file's extension is that of an image that [ImageFormat.Read] reads.
func IsImageName(path string) bool {
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(path)))
}

// ImageFormat is how image files become what the net sees. Images of more than
// MaxPixels pixels are refused before they are decoded.
type ImageFormat struct {
	MaxPixels int64
	Normalize Normalization
}

// Read decodes an image file. Grey becomes three equal channels; an alpha channel
// is dropped, and the colour stays as it is stored; the image is turned upright by
// the orientation that the file says, and normalized. A file of several pictures is
// refused.
func (f ImageFormat) Read(path string) (Image, error) {
	var m Image
	d, err := decode(path, f.MaxPixels)
	if err == nil {
		m, err = f.picture(d)
	}
	if err != nil {
		return Image{}, Fault{Err: fmt.Errorf("data: image %s: %w", path, err), Names: []string{path}}
	}
	return m, nil
}

func (f ImageFormat) picture(d Decoded) (Image, error) {
	if d.Header.unscaled && !f.Normalize.anyRange() {
		return Image{}, fmt.Errorf("holds signed integers or integers of 32 bits, whose range as a picture is not known, want data.normalize: %s, or 8 or 16 bits without sign; convert it, as by: gdal_translate -scale -ot UInt16 FILE NAME.tif", Percentile)
	}
	var m Image
	if floats, ok := d.Image.(*floats); ok {
		m = floats.picture()
		for i, x := range m.Pix {
			if !f.Normalize.takes(x) {
				p := i / 3
				return Image{}, fmt.Errorf("holds floats, and pixel (%d, %d) is %v, want %s", p%m.W, p/m.W, x, f.Normalize.wants())
			}
		}
	} else {
		m = FromImage(d.Image)
	}
	m.Transparent = float64(d.transparent) / float64(m.H*m.W)
	return f.Normalize.Apply(m), nil
}

// FromImage scales colours to 0..1 as they are stored, and drops alpha.
func FromImage(img image.Image) Image {
	b := img.Bounds()
	out := Image{H: b.Dy(), W: b.Dx()}
	out.Pix = make([]float32, out.H*out.W*3)
	switch img := img.(type) {
	case *image.RGBA:
		if img.Opaque() {
			bytesToRGB(out, img.Pix, img.Stride, 4)
			return out
		}
	case *image.NRGBA:
		bytesToRGB(out, img.Pix, img.Stride, 4)
		return out
	case *image.Gray:
		for y := range out.H {
			for x, v := range img.Pix[y*img.Stride:][:out.W] {
				f := float32(v) / 255
				p := out.Pix[(y*out.W+x)*3:][:3]
				p[0], p[1], p[2] = f, f, f
			}
		}
		return out
	case *image.YCbCr:
		fromYCbCr(out, img)
		return out
	case *image.NYCbCrA:
		fromYCbCr(out, &img.YCbCr)
		return out
	}
	at := colours(img)
	for y := range out.H {
		for x := range out.W {
			c := at(x, y)
			p := out.Pix[(y*out.W+x)*3:][:3]
			p[0], p[1], p[2] = float32(c.R)/65535, float32(c.G)/65535, float32(c.B)/65535
		}
	}
	return out
}

func fromYCbCr(out Image, img *image.YCbCr) {
	b := img.Rect
	for y := range out.H {
		for x := range out.W {
			yi, ci := img.YOffset(b.Min.X+x, b.Min.Y+y), img.COffset(b.Min.X+x, b.Min.Y+y)
			r, g, bl := color.YCbCrToRGB(img.Y[yi], img.Cb[ci], img.Cr[ci])
			p := out.Pix[(y*out.W+x)*3:][:3]
			p[0], p[1], p[2] = float32(r)/255, float32(g)/255, float32(bl)/255
		}
	}
}

func bytesToRGB(out Image, pix []uint8, stride, channels int) {
	for y := range out.H {
		row := pix[y*stride:]
		for x := range out.W {
			c := row[x*channels:][:3]
			p := out.Pix[(y*out.W+x)*3:][:3]
			p[0], p[1], p[2] = float32(c[0])/255, float32(c[1])/255, float32(c[2])/255
		}
	}
}

// colours reads the colours of an image as they are stored, x and y from 0: alpha
// does not darken them, and 16-bit samples keep all of their bits.
func colours(img image.Image) func(x, y int) color.NRGBA64 {
	b := img.Bounds()
	wide := func(v uint8) uint16 { return uint16(v) * 0x101 }
	stored := func(c color.NRGBA) color.NRGBA64 {
		return color.NRGBA64{wide(c.R), wide(c.G), wide(c.B), wide(c.A)}
	}
	switch img := img.(type) {
	case *image.NRGBA:
		return func(x, y int) color.NRGBA64 { return stored(img.NRGBAAt(b.Min.X+x, b.Min.Y+y)) }
	case *image.NRGBA64:
		return func(x, y int) color.NRGBA64 { return img.NRGBA64At(b.Min.X+x, b.Min.Y+y) }
	case *image.Paletted:
		palette := make([]color.NRGBA64, len(img.Palette))
		for i, c := range img.Palette {
			if c, ok := c.(color.NRGBA); ok {
				palette[i] = stored(c)
				continue
			}
			palette[i] = color.NRGBA64Model.Convert(c).(color.NRGBA64)
		}
		return func(x, y int) color.NRGBA64 { return palette[img.ColorIndexAt(b.Min.X+x, b.Min.Y+y)] }
	}
	return func(x, y int) color.NRGBA64 {
		return color.NRGBA64Model.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA64)
	}
}

// blank is an empty picture, grey or in colours with alpha, of 8 or, if wide, 16
// bits per sample, and its samples.
func blank(r image.Rectangle, colour, premultiplied, wide bool) (image.Image, []uint8) {
	switch {
	case !colour && !wide:
		img := image.NewGray(r)
		return img, img.Pix
	case !colour:
		img := image.NewGray16(r)
		return img, img.Pix
	case premultiplied && !wide:
		img := image.NewRGBA(r)
		return img, img.Pix
	case premultiplied:
		img := image.NewRGBA64(r)
		return img, img.Pix
	case !wide:
		img := image.NewNRGBA(r)
		return img, img.Pix
	}
	img := image.NewNRGBA64(r)
	return img, img.Pix
}
