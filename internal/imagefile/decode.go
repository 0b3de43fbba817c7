package imagefile

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// Decoded is an image file in memory, turned upright. Where one grey or colour of a
// PNG stands for transparent, Image is opaque: the value says it.
type Decoded struct {
	Image       image.Image
	Header      Header
	transparent int // pixels that are not opaque in the file
}

// Header is what an image file says of itself before its pixels.
type Header struct {
	Format string // png, jpeg, bmp, gif, pnm, tiff, webp
	H, W   int    // upright
	Bytes  int64  // of the file

	orientation int  // EXIF, 1..8
	greyMax     int  // the largest grey value that the file can hold, 1..65535; the decoder stretches it to 255 or 65535
	unscaled    bool // values are integers whose range as a picture nothing tells
	lossy       bool // the compression changes values
	decode      func() (image.Image, error)
	settle      func(image.Image) image.Image // leaves out what says nothing: alpha by value, palettes of greys; may be nil
}

// decodeHeader reads the size of an image and checks it.
func decodeHeader(path string, maxPixels int64) (Header, error) {
	f, size, err := OpenRegular(path)
	if err != nil {
		return Header{}, err
	}
	defer f.Close()
	return ReadHeader(f, size, maxPixels)
}

func decode(path string, maxPixels int64) (Decoded, error) {
	f, size, err := OpenRegular(path)
	if err != nil {
		return Decoded{}, err
	}
	defer f.Close()
	return decodeFrom(f, size, maxPixels)
}

// decodeFrom decodes an image file of size bytes.
func decodeFrom(r io.ReaderAt, size, maxPixels int64) (d Decoded, err error) {
	h, err := ReadHeader(r, size, maxPixels)
	if err != nil {
		return Decoded{}, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("is damaged: %v", p)
		}
	}()
	img, err := h.decode()
	if err != nil {
		return Decoded{}, decodeError(err)
	}
	transparent := transparentPixels(img)
	if h.settle != nil {
		img = h.settle(img)
	}
	h.decode, h.settle = nil, nil // they keep the file
	img = upright(img, h.orientation)
	if b := img.Bounds(); b.Dx() != h.W || b.Dy() != h.H {
		return Decoded{}, fmt.Errorf("decodes to %dx%d pixels, its header says %dx%d", b.Dx(), b.Dy(), h.W, h.H)
	}
	return Decoded{img, h, transparent}, nil
}

// OpenRegular opens a file of size bytes, and refuses what would block or is no file:
// a pipe, a device, a folder. Its errors do not name the file.
func OpenRegular(path string) (f *os.File, size int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, bare(err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("is not a regular file")
	}
	f, err = os.Open(path)
	return f, info.Size(), bare(err)
}

// bare takes operation and path off an error of package os; the caller names the file.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// magics tell the format of a file by its first bytes; ? is any byte.
var magics = []struct {
	magic, format string
}{
	{"\x89PNG\r\n\x1a\n", "png"},
	{"\xff\xd8", "jpeg"},
	{"BM", "bmp"},
	{"GIF87a", "gif"},
	{"GIF89a", "gif"},
	{"II*\x00", "tiff"},
	{"MM\x00*", "tiff"},
	{"II+\x00", "tiff"},
	{"MM\x00+", "tiff"},
	{"RIFF????WEBP", "webp"},
	{"P1", "pnm"},
	{"P2", "pnm"},
	{"P3", "pnm"},
	{"P4", "pnm"},
	{"P5", "pnm"},
	{"P6", "pnm"},
}

// others are formats that are known but not read.
var others = []struct {
	at              int
	magic, name, as string
}{
	{0, "P7", "a PAM file", "pamtopnm FILE > NAME.ppm"},
	{0, "\x00\x00\x00\x0cjP  ", "a JPEG 2000 file", "magick FILE NAME.png"},
	{0, "\xff\x4f\xff\x51", "a JPEG 2000 file", "magick FILE NAME.png"},
	{0, "\x00\x00\x00\x0cJXL ", "a JPEG XL file", "magick FILE NAME.png"},
	{0, "\xff\x0a", "a JPEG XL file", "magick FILE NAME.png"},
	{4, "ftypheic", "a HEIC file", "magick FILE NAME.png"},
	{4, "ftypmif1", "a HEIC file", "magick FILE NAME.png"},
	{4, "ftypavif", "an AVIF file", "magick FILE NAME.png"},
	{0, "8BPS", "a Photoshop file", "magick FILE[0] NAME.png"},
	{128, "DICM", "a DICOM file", "dcmj2pnm +on2 FILE NAME.png"},
	{0, "\x93NUMPY", "a NumPy array; use data.source: npy, or save pictures, as by Pillow's Image.fromarray", ""},
	{0, "%PDF", "a PDF file", "pdftoppm -png FILE NAME"},
}

func matches(b []byte, magic string) bool {
	if len(b) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != b[i] {
			return false
		}
	}
	return true
}

// formatOf tells the format of a file.
func formatOf(r io.ReaderAt, size int64) (string, error) {
	b := make([]byte, min(size, 256))
	if _, err := r.ReadAt(b, 0); err != nil && err != io.EOF {
		return "", bare(err)
	}
	if len(b) == 0 {
		return "", errors.New("is empty")
	}
	for _, m := range magics {
		if matches(b, m.magic) {
			return m.format, nil
		}
	}
	for _, m := range others {
		if len(b) >= m.at && matches(b[m.at:], m.magic) {
			if m.as == "" {
				return "", fmt.Errorf("is %s", m.name)
			}
			return "", fmt.Errorf("is %s, which is not read; convert it, as by: %s", m.name, m.as)
		}
	}
	return "", errUnknown
}

var errUnknown = errors.New("is not a PNG, JPEG, BMP, GIF, PNM, TIFF or WebP image")

// ReadHeader reads what an image file of size bytes says of itself, and decodes
// nothing. An image of more than maxPixels pixels is an error.
func ReadHeader(r io.ReaderAt, size, maxPixels int64) (h Header, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("is damaged: %v", p)
		}
	}()
	format, err := formatOf(r, size)
	if err != nil {
		return h, err
	}
	h = Header{Format: format, Bytes: size, orientation: 1, greyMax: 255}
	stream := func() io.Reader { return bufio.NewReader(io.NewSectionReader(r, 0, size)) }
	var model color.Model
	of := func(config func(io.Reader) (image.Config, error), pixels func(io.Reader) (image.Image, error)) error {
		c, err := config(stream())
		if err != nil {
			return decodeError(err)
		}
		h.H, h.W, model = c.Height, c.Width, c.ColorModel
		h.decode = func() (image.Image, error) { return pixels(stream()) }
		return checkSize(h.H, h.W, maxPixels)
	}
	switch format {
	case "png":
		var p pngChunks
		if err = of(png.DecodeConfig, png.Decode); err == nil {
			p, err = readPNGChunks(r, size)
			h.orientation, h.greyMax, h.settle = p.orientation, p.greyMax(), p.settle
		}
	case "jpeg":
		h.lossy = true
		err = of(jpeg.DecodeConfig, jpeg.Decode)
		h.orientation = jpegOrientation(stream())
	case "bmp":
		err = of(bmp.DecodeConfig, bmp.Decode)
		h.settle = withoutGreyPalette
		if palette, ok := model.(color.Palette); ok {
			h.greyMax, _ = greyPalette(opaque(palette))
		}
		if errors.Is(err, bmp.ErrUnsupported) {
			err = errors.New("is a BMP of a rare kind (compressed, or of 16 bits per pixel), want 1, 2, 4, 8, 24 or 32 bits per pixel, uncompressed; convert it, as by: magick FILE NAME.png")
		}
	case "gif":
		var g gifHeader
		if err = of(gif.DecodeConfig, func(r io.Reader) (image.Image, error) { return g.decode(r) }); err == nil {
			g, err = readGIF(stream())
			h.greyMax, h.settle = g.greyMax(), withoutGreyPalette
		}
	case "webp":
		var w webpChunks
		if w, err = readWebPChunks(r, size); err == nil {
			err = of(webp.DecodeConfig, webp.Decode)
			h.orientation, h.lossy = w.orientation, w.lossy
		}
	case "pnm":
		var p pnm
		if p, err = readPNM(stream()); err == nil {
			h.H, h.W, h.greyMax = p.h, p.w, p.most
			h.decode = func() (image.Image, error) { return p.decode(stream()) }
			err = checkSize(h.H, h.W, maxPixels)
		}
	case "tiff":
		var p tiffPicture
		if p, err = readTIFF(r, size, maxPixels); err == nil {
			h.H, h.W, h.orientation = p.h, p.w, p.orientation()
			h.greyMax, h.unscaled, h.lossy = p.greyMax(), p.unscaled(), p.lossy()
			h.decode = p.decode
			err = p.check()
		}
	}
	if err != nil {
		return Header{}, err
	}
	if h.orientation > 4 {
		h.H, h.W = h.W, h.H
	}
	return h, nil
}

func checkSize(h, w int, maxPixels int64) error {
	if h < 1 || w < 1 {
		return fmt.Errorf("is %dx%d pixels, want at least 1x1", w, h)
	}
	if TooLarge(h, w, maxPixels) {
		return fmt.Errorf("is %dx%d pixels, want at most data.max_pixels = %d", w, h, maxPixels)
	}
	return nil
}

func decodeError(err error) error {
	switch {
	case err == nil:
		return nil
	case strings.HasPrefix(err.Error(), "is truncated"):
		return err
	case errors.Is(err, image.ErrFormat):
		return errUnknown
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("is truncated: %w", err)
	}
	return bare(err)
}

// labels is the file as a mask. Lossy compression and numbers that are not whole are refused.
func (d Decoded) labels() (Decoded, error) {
	if d.Header.lossy {
		return d, errLossy
	}
	switch img := d.Image.(type) {
	case *image.YCbCr, *image.NYCbCrA:
		return d, errLossy
	case *floats:
		return d, img.checkLabels()
	}
	return d, nil
}

var errLossy = errors.New("uses lossy compression, which changes classes; want PNG, BMP, GIF, PNM, TIFF or lossless WebP")

// Stored reads the pixels of a grey or paletted image as they stand in the file,
// x and y from 0. Colours of which each is a grey, and opaque, are the grey's
// value. It is nil for other images.
func (d Decoded) Stored() func(x, y int) int {
	most := d.Header.greyMax // the decoder has stretched 0..most to all values: 1 bit to 0 and 255
	switch img := d.Image.(type) {
	case *image.Paletted:
		return func(x, y int) int { return int(img.Pix[y*img.Stride+x]) }
	case *image.Gray:
		return func(x, y int) int { return (int(img.Pix[y*img.Stride+x])*most + 127) / 255 }
	case *floats:
		return func(x, y int) int { return int(img.Pix[y*img.W+x]) }
	case *image.Gray16:
		return func(x, y int) int {
			return (int(img.Gray16At(img.Rect.Min.X+x, img.Rect.Min.Y+y).Y)*most + 32767) / 65535
		}
	}
	at := d.Colour()
	for y := range d.Header.H {
		for x := range d.Header.W {
			if c := at(x, y); c.R != c.G || c.G != c.B || c.A != 0xffff {
				return nil
			}
		}
	}
	return func(x, y int) int { return (int(at(x, y).R)*most + 32767) / 65535 }
}

// Numbers are the pixels (H,W) of a mask of numbers that are no picture: floats,
// signed integers or integers of 32 bits. It is nil for other masks.
func (d Decoded) Numbers() []float64 {
	m, ok := d.Image.(*floats)
	if !ok {
		return nil
	}
	numbers := make([]float64, len(m.Pix))
	for i, v := range m.Pix {
		numbers[i] = float64(v)
	}
	return numbers
}

// transparentPixels counts the pixels that are not opaque.
func transparentPixels(img image.Image) (n int) {
	alpha := func(pix []uint8, unit, size int) { // of a pixel, of its alpha at the end
		for i := unit - size; i < len(pix); i += unit {
			if pix[i] != 0xff || pix[i+size-1] != 0xff {
				n++
			}
		}
	}
	switch img := img.(type) {
	case *image.NRGBA:
		alpha(img.Pix, 4, 1)
	case *image.RGBA:
		alpha(img.Pix, 4, 1)
	case *image.NRGBA64:
		alpha(img.Pix, 8, 2)
	case *image.RGBA64:
		alpha(img.Pix, 8, 2)
	case *image.NYCbCrA:
		for y := range img.Rect.Dy() {
			for _, a := range img.A[y*img.AStride:][:img.Rect.Dx()] {
				if a != 0xff {
					n++
				}
			}
		}
	case *image.Paletted:
		at := colours(img)
		for y := range img.Rect.Dy() {
			for x := range img.Rect.Dx() {
				if at(x, y).A != 0xffff {
					n++
				}
			}
		}
	}
	return n
}

// Colour reads the colours of the pixels as they are stored, x and y from 0: alpha
// does not darken them, and samples of 8 bits are times 257.
func (d Decoded) Colour() func(x, y int) color.NRGBA64 { return colours(d.Image) }
