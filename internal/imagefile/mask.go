package imagefile

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
)

// MaskFormat is how class indices stand in mask files.
type MaskFormat struct {
	classes   int
	ignore    int                // value of ignored pixels
	values    map[int]uint8      // class by the value that stands for it; nil: a class is its own value
	colours   map[[3]uint8]uint8 // class or Void by colour; nil: masks hold indices
	maxPixels int64
}

// NewMaskFormat is the format of masks of a number of classes, in which ignore is
// the value of pixels without one. Without a palette masks hold indices;
// else they are read by colour: [r, g, b] in 0..255 of each class, and perhaps one
// more, of pixels without a class. Larger masks than maxPixels are refused.
func NewMaskFormat(classes, ignore int, palette [][3]int, maxPixels int64) MaskFormat {
	f := MaskFormat{classes: classes, ignore: ignore, maxPixels: maxPixels}
	if len(palette) == 0 {
		return f
	}
	f.colours = map[[3]uint8]uint8{}
	for c, rgb := range palette {
		if c == f.classes {
			c = Void
		}
		f.colours[[3]uint8{uint8(rgb[0]), uint8(rgb[1]), uint8(rgb[2])}] = uint8(c)
	}
	return f
}

// WithValues is the format in which values[c] stands for class c, instead of c; the
// value of ignored pixels may be any other. No values leave it as it is.
func (f MaskFormat) WithValues(values []int) MaskFormat {
	f.values = nil
	if len(values) > 0 {
		f.values = map[int]uint8{}
	}
	for c, v := range values {
		f.values[v] = uint8(c)
	}
	return f
}

// class of a value in a file; ok reports whether it is a class or ignored.
func (f MaskFormat) class(v int) (c uint8, ok bool) {
	if c, ok := f.values[v]; ok {
		return c, true
	}
	switch {
	case f.values == nil && v >= 0 && v < f.classes:
		return uint8(v), true
	case v == f.ignore:
		return Void, true
	}
	return 0, false
}

// strange is the error of a value that is neither a class nor ignored.
func (f MaskFormat) strange(v any) error {
	if f.values == nil {
		hint := ""
		if fmt.Sprint(v) == fmt.Sprint(f.classes) {
			hint = fmt.Sprintf(", or data.mask_values: %s if classes are counted from 1", Values(1, f.classes))
		}
		return fmt.Errorf("has class %v, want 0..%d or ignore %d%s", v, f.classes-1, f.ignore, hint)
	}
	const most = 8
	want := slices.Sorted(maps.Keys(f.values))
	more := ""
	if len(want) > most {
		want, more = want[:most], fmt.Sprintf(" and %d more", len(want)-most)
	}
	if _, ok := f.values[f.ignore]; !ok {
		more += fmt.Sprintf(", or ignore %d", f.ignore)
	}
	return fmt.Errorf("has value %v, want one of data.mask_values, %v%s", v, want, more)
}

// Values writes n values from first on as a list of data.mask_values, a long one in short.
func Values(first, n int) string {
	if n > 4 {
		return fmt.Sprintf("[%d, %d, ..., %d]", first, first+1, first+n-1)
	}
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(first + i)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// Read decodes a mask file: (h,w) class indices. Without a palette the file is
// grey or paletted and its stored values are the classes. With one, masks of
// every kind, paletted ones too, are read by the colours that a viewer shows.
func (f MaskFormat) Read(path string) (mask []uint8, h, w int, err error) {
	m, err := f.read(path)
	return m.Pix, m.h, m.w, err
}

// Mask is a decoded mask.
type Mask struct {
	Pix   []uint8            // (h,w) class indices and Void
	Shown map[uint8][3]uint8 // of a palette that was not read: the colour of each class that occurs
	h, w  int
}

func (f MaskFormat) read(path string) (m Mask, err error) {
	file, err := decode(path, f.maxPixels)
	if err == nil {
		m.Pix, err = f.convert(file)
	}
	if err != nil {
		return Mask{}, fmt.Errorf("data: mask %s: %w", path, err)
	}
	m.h, m.w = file.Header.H, file.Header.W
	if img, ok := file.Image.(*image.Paletted); ok && f.colours == nil {
		m.Shown = map[uint8][3]uint8{}
		for i, c := range m.Pix {
			if _, ok := m.Shown[c]; !ok && c != Void {
				r, g, b, _ := img.Palette[img.Pix[i/m.w*img.Stride+i%m.w]].RGBA()
				m.Shown[c] = [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}
			}
		}
	}
	return m, nil
}

// convert turns a decoded mask file into (H,W) class indices.
func (f MaskFormat) convert(d Decoded) ([]uint8, error) {
	d, err := d.labels()
	if err != nil {
		return nil, err
	}
	if f.colours == nil {
		return f.fromIndices(d)
	}
	if _, ok := d.Image.(*floats); ok {
		return nil, errors.New("holds numbers that are no colours, want no data.palette")
	}
	return f.fromColours(d)
}

// header reads the header of a mask file.
func (f MaskFormat) header(path string) (Header, error) {
	h, err := decodeHeader(path, f.maxPixels)
	if err == nil && h.lossy {
		err = errLossy
	}
	if err != nil {
		return h, fmt.Errorf("data: mask %s: %w", path, err)
	}
	return h, nil
}

// DecodeMask decodes a mask file of which it is not known what its values mean.
func DecodeMask(path string, maxPixels int64) (Decoded, error) {
	d, err := decode(path, maxPixels)
	if err == nil {
		d, err = d.labels()
	}
	if err != nil {
		return Decoded{}, fmt.Errorf("data: mask %s: %w", path, err)
	}
	return d, nil
}

func (f MaskFormat) fromIndices(d Decoded) ([]uint8, error) {
	at := d.Stored()
	if at == nil {
		return nil, errors.New("is in colour; want class indices (8-bit grey or paletted), or data.palette with the colour of each class")
	}
	b := d.Image.Bounds()
	h, w := b.Dy(), b.Dx()
	mask := make([]uint8, h*w)
	for y := range h {
		for x := range w {
			c, ok := f.class(at(x, y))
			if !ok {
				return nil, fmt.Errorf("pixel (%d, %d) %w", x, y, f.strange(at(x, y)))
			}
			mask[y*w+x] = c
		}
	}
	return mask, nil
}

func (f MaskFormat) fromColours(d Decoded) ([]uint8, error) {
	h, w, at := d.Header.H, d.Header.W, d.Colour()
	mask := make([]uint8, h*w)
	var strange struct {
		x, y, pixels int
		colour       color.NRGBA64
	}
	for y := range h {
		for x := range w {
			c := at(x, y)
			class, ok := f.colours[[3]uint8{uint8(c.R >> 8), uint8(c.G >> 8), uint8(c.B >> 8)}]
			if !ok || c.A != 0xffff || !isBytes(c) {
				if strange.pixels == 0 {
					strange.x, strange.y, strange.colour = x, y, c
				}
				strange.pixels++
			}
			mask[y*w+x] = class
		}
	}
	if strange.pixels > 0 {
		c := strange.colour
		what := fmt.Sprintf("[%d, %d, %d]", c.R>>8, c.G>>8, c.B>>8)
		if !isBytes(c) {
			what = fmt.Sprintf("[%d, %d, %d] in 16 bits, of which data.palette has 8", c.R, c.G, c.B)
		}
		if c.A != 0xffff {
			return nil, fmt.Errorf("pixel (%d, %d) is %s with alpha %d, want an opaque colour of data.palette; %d such pixels; lay them on a colour first, as by: magick FILE -background black -flatten NAME.png", strange.x, strange.y, what, c.A>>8, strange.pixels)
		}
		return nil, fmt.Errorf("pixel (%d, %d) is %s, want a colour of data.palette; %d such pixels", strange.x, strange.y, what, strange.pixels)
	}
	return mask, nil
}

// isBytes reports whether 8 bits per sample say a colour: no bit of 16 would be lost.
func isBytes(c color.NRGBA64) bool {
	return c.R%0x101 == 0 && c.G%0x101 == 0 && c.B%0x101 == 0
}

// WriteMask writes class indices (h,w) as an 8-bit paletted PNG, class c in
// colour palette[c]. Void pixels become index 255, white. A class without a
// colour is an error.
func WriteMask(path string, mask []uint8, h, w int, palette color.Palette) error {
	if len(mask) != h*w {
		return fmt.Errorf("data: mask %s: has %d pixels, want %dx%d", path, len(mask), w, h)
	}
	for i, c := range mask {
		if c == Void && len(palette) <= Void {
			palette = WithVoid(palette)
		} else if int(c) >= len(palette) {
			return fmt.Errorf("data: mask %s: pixel (%d, %d) has class %d, want 0..%d", path, i%w, i/w, c, len(palette)-1)
		}
	}
	return WritePNG(path, &image.Paletted{Pix: mask, Stride: w, Rect: image.Rect(0, 0, w, h), Palette: palette})
}

// WithVoid is the palette of all 256 indices: void is white, indices that have no
// colour are black.
func WithVoid(palette color.Palette) color.Palette {
	full := make(color.Palette, Void+1)
	for i := range full {
		full[i] = color.NRGBA{A: 255}
	}
	copy(full, palette)
	full[Void] = color.NRGBA{255, 255, 255, 255}
	return full
}

// WritePNG replaces the file at path by an image in PNG, or makes it.
func WritePNG(path string, img image.Image) error {
	if err := durable.Write(path, func(w io.Writer) error { return png.Encode(w, img) }); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}
