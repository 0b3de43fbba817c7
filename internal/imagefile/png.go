package imagefile

import (
	"encoding/binary"
	"errors"
	"image"
	"io"
)

// pngChunks is what the chunks of a PNG file say that package image/png does not.
type pngChunks struct {
	depth, colour int  // bits per sample; 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA
	transparent   bool // one grey or colour is transparent, or colours of the palette
	orientation   int
}

// readPNGChunks refuses an animation (APNG) of several pictures.
func readPNGChunks(r io.ReaderAt, size int64) (pngChunks, error) {
	const mostChunks = 1 << 20
	p := pngChunks{orientation: 1}
	at := int64(8)
	for range mostChunks {
		var b [18]byte // length 4, type 4, the first of the data
		n, err := r.ReadAt(b[:], at)
		if n < 8 {
			return p, nil // the decoder reports what is missing
		}
		if err != nil && err != io.EOF {
			return p, bare(err)
		}
		length := int64(binary.BigEndian.Uint32(b[:]))
		switch string(b[4:8]) {
		case "IHDR":
			p.depth, p.colour = int(b[16]), int(b[17])
		case "tRNS":
			p.transparent = true
		case "acTL":
			if frames := binary.BigEndian.Uint32(b[8:]); frames > 1 {
				return p, severalPictures(int(frames), "frames (it is an animated PNG)")
			}
		case "eXIf":
			p.orientation = orientation(io.NewSectionReader(r, at+8, length), min(length, size-at-8))
		case "IEND":
			return p, nil
		}
		at += 12 + length
	}
	return p, errors.New("has more than a million chunks")
}

func (p pngChunks) greyMax() int { return 1<<max(p.depth, 1) - 1 }

// settle leaves alpha out that one transparent value stands for: the value says it.
func (p pngChunks) settle(img image.Image) image.Image {
	if !p.transparent {
		return img
	}
	const grey = 0
	switch img := img.(type) {
	case *image.NRGBA:
		if p.colour == grey {
			out := image.NewGray(img.Rect)
			for i := range out.Pix {
				out.Pix[i] = img.Pix[4*i]
			}
			return out
		}
		for i := 3; i < len(img.Pix); i += 4 {
			img.Pix[i] = 0xff
		}
	case *image.NRGBA64:
		if p.colour == grey {
			out := image.NewGray16(img.Rect)
			for i := range len(out.Pix) / 2 {
				copy(out.Pix[2*i:][:2], img.Pix[8*i:])
			}
			return out
		}
		for i := 6; i < len(img.Pix); i += 8 {
			img.Pix[i], img.Pix[i+1] = 0xff, 0xff
		}
	}
	return img
}
