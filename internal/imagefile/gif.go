package imagefile

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
)

// gifHeader is what a GIF file says that package image/gif does not.
type gifHeader struct {
	h, w    int        // of the screen, all of which the picture has to cover
	colours [][3]uint8 // of the only picture: alpha has taken none away
}

func (g gifHeader) greyMax() int {
	most, _ := greyPalette(g.colours)
	return most
}

// readGIF reads the blocks of a file and refuses an animation.
func readGIF(r io.Reader) (g gifHeader, err error) {
	in := gifReader{r: r}
	head := in.bytes(13) // GIF89a, width, height, flags, background, aspect
	g.w, g.h = int(head[6])|int(head[7])<<8, int(head[8])|int(head[9])<<8
	global := in.colours(head[10])
	pictures := 0
	for in.err == nil {
		switch kind := in.bytes(1)[0]; {
		case in.err != nil:
		case kind == 0x21: // extension
			in.bytes(1)
			in.skipBlocks()
		case kind == 0x2c: // picture: left, top, width, height, flags
			flags := in.bytes(9)[8]
			colours := in.colours(flags)
			if colours == nil {
				colours = global
			}
			in.bytes(1) // bits of a code
			in.skipBlocks()
			if in.err == nil || pictures == 0 {
				pictures++
			}
			if g.colours == nil {
				g.colours = colours
			}
		default: // 0x3b ends the file; others are for the decoder to report
			in.err = io.EOF
		}
	}
	if in.err != io.EOF && !errors.Is(in.err, io.ErrUnexpectedEOF) {
		return g, bare(in.err)
	}
	if pictures > 1 {
		return g, severalPictures(pictures, "frames (it is an animated GIF)")
	}
	return g, nil
}

// gifReader reads until the first error, and zeros from there on.
type gifReader struct {
	r   io.Reader
	err error
}

func (in *gifReader) bytes(n int) []byte {
	b := make([]byte, n)
	if in.err == nil {
		_, in.err = io.ReadFull(in.r, b)
	}
	return b
}

// colours reads the colour table that the flags tell of.
func (in *gifReader) colours(flags byte) (table [][3]uint8) {
	if flags&0x80 == 0 {
		return nil
	}
	b := in.bytes(3 << (flags&7 + 1))
	for i := 0; i < len(b); i += 3 {
		table = append(table, [3]uint8(b[i:]))
	}
	return table
}

func (in *gifReader) skipBlocks() {
	for {
		n := in.bytes(1)[0]
		if n == 0 {
			return
		}
		in.bytes(int(n))
	}
}

// decode gives transparent colours their colour back.
func (g gifHeader) decode(r io.Reader) (image.Image, error) {
	img, err := gif.Decode(r)
	if err != nil {
		return nil, err
	}
	p, ok := img.(*image.Paletted)
	if !ok {
		return nil, fmt.Errorf("decodes to %T", img)
	}
	if p.Rect != image.Rect(0, 0, g.w, g.h) {
		return nil, fmt.Errorf("has a picture of %dx%d pixels on a screen of %dx%d, want it to cover all; convert it, as by: magick FILE -coalesce NAME.png", p.Rect.Dx(), p.Rect.Dy(), g.w, g.h)
	}
	palette := make(color.Palette, len(p.Palette))
	for i, c := range p.Palette {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		if i < len(g.colours) {
			n.R, n.G, n.B = g.colours[i][0], g.colours[i][1], g.colours[i][2]
		}
		palette[i] = n
	}
	p.Palette = palette
	return p, nil
}
