package imagefile

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"strconv"

	"golang.org/x/image/ccitt"
	"golang.org/x/image/tiff/lzw"

	"github.com/unet-gorgonia/unet-gorgonia/internal/float16"
)

// tiffPicture is one picture of a TIFF file: how its samples are laid out.
type tiffPicture struct {
	tiffDirectory
	h, w           int
	bits           int // of a sample
	samples        int // of a pixel, with those beyond the colours
	format         int // of a sample: tiffUint, tiffInt, tiffFloat
	photometric    int
	compression    int
	predictor      int
	planes         bool // each sample in a plane of its own
	alpha          int  // alphaNone, alphaPremultiplied, alphaStraight
	reversed       bool // bits within bytes
	blockH, blockW int  // of a strip or tile
	tiled          bool
}

const (
	tiffUint  = 1
	tiffInt   = 2
	tiffFloat = 3
)

const (
	whiteIsZero = 0
	blackIsZero = 1
	tiffRGB     = 2
	tiffPalette = 3
)

const (
	alphaNone = iota
	alphaPremultiplied
	alphaStraight
)

// readTIFF reads the directories of a file, and refuses one of several pictures.
// Smaller copies of a picture and transparency masks do not count as pictures.
func readTIFF(r io.ReaderAt, size, maxPixels int64) (tiffPicture, error) {
	f, err := openTIFF(r, size)
	if err != nil {
		return tiffPicture{}, err
	}
	var d tiffDirectory
	pictures, entries := 0, 0
	seen := map[int64]bool{}
	for at := f.first; at != 0; {
		page, next, err := f.directory(at)
		if err != nil {
			if pictures == 0 {
				return tiffPicture{}, err
			}
			return tiffPicture{}, fmt.Errorf("has a damaged directory behind picture %d: %w", pictures, err)
		}
		const reduced, transparency = 1, 4
		kind, err := page.one(tagSubfile, 0)
		if err != nil {
			return tiffPicture{}, err
		}
		if kind&(reduced|transparency) == 0 || pictures == 0 && next == 0 {
			if pictures == 0 {
				d = page
			}
			pictures++
		}
		seen[at] = true
		if entries += len(page.entries); entries > mostTIFFTags || seen[next] {
			return tiffPicture{}, errors.New("is damaged: its list of pictures has no end")
		}
		at = next
	}
	if pictures == 0 {
		return tiffPicture{}, errors.New("has no picture")
	}
	p := tiffPicture{tiffDirectory: d}
	if err := p.layout(maxPixels); err != nil {
		return tiffPicture{}, err
	}
	if pictures == 1 {
		pictures = max(imageJPages(d.text(tagDescription)), 1)
	}
	if pictures > 1 {
		return tiffPicture{}, severalPictures(pictures, "pages")
	}
	return p, nil
}

// severalPictures refuses a file that does not hold just one picture.
func severalPictures(n int, what string) error {
	return fmt.Errorf("holds %d %s, want one picture per file: split it, images and masks alike, as by: magick FILE NAME_%%03d.png", n, what)
}

var imageJ = regexp.MustCompile(`^ImageJ=[^\x00]*\nimages=([0-9]+)\n`)

// imageJPages is the number of pictures behind the only directory of a file of
// ImageJ, which leaves out directories of stacks beyond 4 GB; else 0.
func imageJPages(description string) int {
	m := imageJ.FindStringSubmatch(description)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// layout reads the tags that say where the samples are.
func (p *tiffPicture) layout(maxPixels int64) error {
	var errs []error
	one := func(tag uint16, otherwise int) int {
		v, err := p.one(tag, otherwise)
		errs = append(errs, err)
		return v
	}
	same := func(tag uint16, otherwise int, what string) int { // for all samples
		v, err := p.uints(tag)
		if err == nil && len(v) > 0 && slices.Min(v) != slices.Max(v) {
			err = fmt.Errorf("has samples of different %s, %v, want one; %s", what, v[:min(len(v), 8)], convertTIFF)
		}
		errs = append(errs, err)
		if len(v) == 0 {
			return otherwise
		}
		return int(min(v[0], math.MaxInt32))
	}
	p.w, p.h = one(tagWidth, 0), one(tagHeight, 0)
	p.compression = one(tagCompression, 1)
	p.photometric = one(tagPhotometric, -1)
	p.bits = same(tagBits, 1, "bits")
	p.format = same(tagSampleFormat, tiffUint, "formats")
	p.samples = one(tagSamples, 1)
	p.predictor = one(tagPredictor, 1)
	p.planes = one(tagPlanar, 1) == 2 && p.samples > 1
	p.reversed = one(tagFillOrder, 1) == 2
	_, p.tiled = p.entries[tagTileWidth]
	if p.tiled {
		p.blockW, p.blockH = one(tagTileWidth, 0), one(tagTileHeight, 0)
	} else {
		p.blockW, p.blockH = p.w, min(one(tagRowsPerStrip, math.MaxInt32), p.h)
	}
	if depth := one(tagImageDepth, 1); depth > 1 {
		errs = append(errs, severalPictures(depth, "slices of a volume"))
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if err := checkSize(p.h, p.w, maxPixels); err != nil {
		return err
	}
	const largestTile = 1 << 24 // pixels; tiles may be larger than the picture
	if p.blockW < 1 || p.blockH < 1 || p.tiled && (p.blockW > 1<<16 || TooLarge(p.blockH, p.blockW, largestTile)) {
		return fmt.Errorf("is damaged: its tiles or strips are of %dx%d pixels", p.blockW, p.blockH)
	}
	return nil
}

const convertTIFF = "convert it, as by: magick FILE NAME.png"

// tiffCompressions that are not read, by their numbers.
var tiffCompressions = map[int]string{
	2: "CCITT RLE", 6: "old JPEG", 7: "JPEG", 9: "JBIG", 10: "JBIG", 32809: "ThunderScan", 34661: "JBIG",
	34676: "SGI LogLuv", 34677: "SGI LogLuv", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000",
	34887: "LERC", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}

// tiffColours that are not read, by their numbers.
var tiffColours = map[int]string{4: "a transparency mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "raw sensor data", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw data"}

// lossy reports whether the compression changes values.
func (p *tiffPicture) lossy() bool {
	switch p.compression {
	case 6, 7, 33003, 33005, 34712, 50001, 50002, 52546, 34676, 34677:
		return true
	}
	return false
}

// check refuses, in words, what is not read.
func (p *tiffPicture) check() error {
	switch p.compression {
	case 0, 1, 3, 4, 5, 8, 32773, 32946:
	default:
		name := tiffCompressions[p.compression]
		if name == "" {
			name = fmt.Sprintf("kind %d", p.compression)
		}
		return fmt.Errorf("is a TIFF with %s compression, want none, LZW, deflate, PackBits or CCITT; %s", name, convertTIFF)
	}
	switch p.format {
	case tiffUint, tiffInt, tiffFloat:
	case 4:
		return fmt.Errorf("is a TIFF with samples of an undefined format, want integers or floats; %s", convertTIFF)
	case 5, 6:
		return errors.New("is a TIFF of complex numbers, want integers or floats")
	default:
		return fmt.Errorf("is a TIFF with samples of format %d, want 1..3", p.format)
	}
	colours := 1
	switch p.photometric {
	case whiteIsZero, tiffPalette:
	case blackIsZero:
		if p.samples == 3 {
			colours = 3
		}
	case tiffRGB:
		colours = 3
	default:
		if p.photometric < 0 {
			return fmt.Errorf("is a TIFF that does not say what its colours are (tag %d), want grey, RGB or a palette", tagPhotometric)
		}
		name := tiffColours[p.photometric]
		if name == "" {
			name = fmt.Sprintf("of colour model %d", p.photometric)
		}
		return fmt.Errorf("is a TIFF whose colours are %s, want grey, RGB or a palette; convert it, as by: magick FILE -colorspace sRGB NAME.png", name)
	}
	extra, err := p.uints(tagExtraSamples)
	if err != nil {
		return err
	}
	if p.samples == colours+1 && len(extra) == 1 && (extra[0] == 1 || extra[0] == 2) {
		p.alpha = int(extra[0])
	} else if p.samples != colours {
		return fmt.Errorf("has %d bands, want 1 (grey) or 3 (red, green, blue), and perhaps alpha; choose bands, as by: gdal_translate -b 1 -b 2 -b 3 FILE NAME.tif", p.samples)
	}
	whole := p.bits == 8 || p.bits == 16 || p.bits == 32 || p.bits == 64
	ok := whole || p.bits >= 1 && p.bits <= 16
	switch {
	case p.format == tiffFloat:
		ok = whole && p.bits > 8
	case p.format == tiffInt:
		ok = whole
	}
	if p.photometric == tiffPalette {
		ok = p.bits >= 1 && p.bits <= 8 && p.format == tiffUint && p.alpha == alphaNone
	}
	if !ok {
		return fmt.Errorf("is a TIFF of %d-bit %s, want 1 to 16 bits or floats; %s", p.bits, map[int]string{tiffUint: "integers", tiffInt: "signed integers", tiffFloat: "floats"}[p.format], convertTIFF)
	}
	switch p.predictor {
	case 1:
	case 2:
		if !whole || p.format == tiffFloat {
			return fmt.Errorf("is a TIFF with differences of %d-bit samples, which is not read; %s", p.bits, convertTIFF)
		}
	case 3:
		if p.format != tiffFloat {
			return errors.New("is damaged: differences of floats, but the samples are integers")
		}
	default:
		return fmt.Errorf("is a TIFF with predictor %d, want 1..3; %s", p.predictor, convertTIFF)
	}
	return nil
}

// unscaled reports whether the samples are integers whose range as a picture
// nothing tells: signed ones and those of 32 bits.
func (p *tiffPicture) unscaled() bool {
	return p.format == tiffInt || p.format == tiffUint && p.bits > 16
}

// greyMax is the largest value of a grey sample.
func (p *tiffPicture) greyMax() int { return 1<<min(p.bits, 16) - 1 }

// colours is the number of samples of a pixel without alpha.
func (p *tiffPicture) colours() int {
	if p.alpha != alphaNone {
		return p.samples - 1
	}
	return p.samples
}

// decode reads the pixels.
func (p *tiffPicture) decode() (image.Image, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	offsetTag, countTag := uint16(tagStripOffsets), uint16(tagStripCounts)
	if p.tiled {
		offsetTag, countTag = tagTileOffsets, tagTileCounts
	}
	offsets, err := p.uints(offsetTag)
	if err != nil {
		return nil, err
	}
	counts, err := p.uints(countTag)
	if err != nil {
		return nil, err
	}
	planes, each := 1, p.samples
	if p.planes {
		planes, each = p.samples, 1
	}
	across, down := (p.w+p.blockW-1)/p.blockW, (p.h+p.blockH-1)/p.blockH
	blocks := planes * across * down
	if counts == nil && blocks == 1 && p.compression <= 1 && len(offsets) == 1 && offsets[0] <= uint64(p.file.size) { // old files leave it out
		counts = []uint64{uint64(p.file.size) - offsets[0]}
	}
	if len(offsets) < blocks || len(counts) < blocks {
		return nil, fmt.Errorf("is damaged: %d offsets and %d lengths for its %d strips or tiles", len(offsets), len(counts), blocks)
	}
	// What the file cannot hold is an error before memory is asked for it. LZW, which
	// says most with a byte, says less than 4096; CCITT may say rows of 1 bit with none.
	const mostOfByte = 4096
	size := float64(p.h) * float64(p.w) * float64(p.samples) * float64(p.bits) / 8
	if p.compression != 3 && p.compression != 4 && size > mostOfByte*float64(p.file.size) {
		return nil, fmt.Errorf("is truncated: %d bytes for %.3g bytes of pixels", p.file.size, size)
	}
	img, put, err := p.canvas()
	if err != nil {
		return nil, err
	}
	var row []uint64
	for b := range blocks {
		plane, y0, x0 := b/(across*down), b/across%down*p.blockH, b%across*p.blockW
		rows := p.blockH
		if !p.tiled {
			rows = min(rows, p.h-y0)
		}
		rowBytes := (p.blockW*each*p.bits + 7) / 8
		if offsets[b] > math.MaxInt64 {
			return nil, fmt.Errorf("is truncated: %w", io.ErrUnexpectedEOF)
		}
		data, err := p.block(int64(offsets[b]), counts[b], rows, rowBytes)
		if err != nil {
			return nil, err
		}
		if row == nil { // not before there are data for it
			row = make([]uint64, p.blockW*each)
		}
		for k := range min(rows, p.h-y0) {
			p.unpack(row, data[k*rowBytes:][:rowBytes], each)
			for x := range min(p.blockW, p.w-x0) {
				for s := range each {
					if err := put(y0+k, x0+x, plane+s, row[x*each+s]); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return img, nil
}

// block reads a strip or tile and undoes its compression.
func (p *tiffPicture) block(at int64, n uint64, rows, rowBytes int) ([]byte, error) {
	raw, err := p.file.read(at, min(n, uint64(p.file.size)))
	if err != nil {
		return nil, err
	}
	if p.reversed {
		for i, b := range raw {
			raw[i] = bits.Reverse8(b)
		}
	}
	want := int64(rows) * int64(rowBytes)
	var r io.Reader
	switch p.compression {
	case 0, 1:
		r = bytes.NewReader(raw)
	case 3, 4:
		kind := ccitt.Group3
		if p.compression == 4 {
			kind = ccitt.Group4
		}
		if p.bits != 1 || p.samples != 1 {
			return nil, fmt.Errorf("is damaged: CCITT compression of %d samples of %d bits", p.samples, p.bits)
		}
		r = ccitt.NewReader(bytes.NewReader(raw), ccitt.MSB, kind, p.blockW, rows, &ccitt.Options{Invert: p.photometric == whiteIsZero})
	case 5:
		l := lzw.NewReader(bytes.NewReader(raw), lzw.MSB, 8)
		defer l.Close()
		r = l
	case 8, 32946:
		z, err := zlib.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, decodeError(err)
		}
		defer z.Close()
		r = z
	case 32773:
		r = &packBits{raw: raw}
	}
	data, err := io.ReadAll(io.LimitReader(r, want)) // grows with what is there, not with what is said
	if err != nil {
		return nil, decodeError(err)
	}
	if int64(len(data)) < want {
		return nil, fmt.Errorf("is truncated: a strip or tile of %d bytes, want %d", len(data), want)
	}
	return data, nil
}

// canvas is an empty image for the picture, and a function that writes sample s of
// the pixel (x, y). Unsigned integers become 8 or 16 bits, all else floats.
func (p *tiffPicture) canvas() (img image.Image, put func(y, x, s int, v uint64) error, err error) {
	colours, w := p.colours(), p.w
	r := image.Rect(0, 0, p.w, p.h)
	top := uint64(p.greyMax())
	invert := p.photometric == whiteIsZero
	channels := 1 // of the image
	if p.samples > 1 {
		channels = 4
	}
	// each calls f for the channels that sample s fills: grey with alpha has three equal colours.
	each := func(y, x, s int, f func(i int)) {
		i := (y*w + x) * channels
		switch {
		case s >= colours:
			f(i + 3)
		case colours == 1 && channels == 4:
			f(i)
			f(i + 1)
			f(i + 2)
		default:
			f(i + s)
		}
	}
	if p.format == tiffFloat || p.unscaled() {
		out := &floats{Pix: make([]float32, p.h*p.w*colours), bands: colours, H: p.h, W: p.w}
		return out, func(y, x, s int, v uint64) error {
			if s < colours {
				out.Pix[(y*w+x)*colours+s] = p.number(v)
			}
			return nil
		}, nil
	}
	if p.photometric == tiffPalette {
		palette, err := p.palette()
		if err != nil {
			return nil, nil, err
		}
		out := image.NewPaletted(r, palette)
		return out, func(y, x, _ int, v uint64) error {
			if v >= uint64(len(palette)) {
				return fmt.Errorf("is damaged: pixel (%d, %d) is colour %d of a palette of %d", x, y, v, len(palette))
			}
			out.Pix[y*w+x] = uint8(v)
			return nil
		}, nil
	}
	wide := p.bits > 8
	img, pix := blank(r, channels == 4, p.alpha == alphaPremultiplied, wide)
	if channels == 4 && p.alpha == alphaNone {
		unit := 4
		if wide {
			unit = 8
		}
		for i := 0; i < len(pix); i += unit {
			for k := unit * 3 / 4; k < unit; k++ {
				pix[i+k] = 0xff
			}
		}
	}
	return img, func(y, x, s int, v uint64) error {
		if invert && s < colours {
			v = top - v
		}
		if wide {
			v = (v*math.MaxUint16 + top/2) / top
			each(y, x, s, func(i int) { pix[2*i], pix[2*i+1] = uint8(v>>8), uint8(v) })
		} else {
			v = (v*math.MaxUint8 + top/2) / top
			each(y, x, s, func(i int) { pix[i] = uint8(v) })
		}
		return nil
	}, nil
}

// number is a sample that is a float, or an integer of no known range.
func (p *tiffPicture) number(v uint64) float32 {
	shift := 64 - p.bits
	switch {
	case p.format == tiffInt:
		return float32(int64(v<<shift) >> shift)
	case p.format == tiffUint:
		return float32(v)
	case p.bits == 16:
		return float32(float16.Binary16(uint16(v)))
	case p.bits == 32:
		return math.Float32frombits(uint32(v))
	}
	return float32(math.Float64frombits(v))
}

// palette is the colours of a palette, in 16 bits by the standard. Where all are
// less than 256 the writer took them for bytes.
func (p *tiffPicture) palette() (color.Palette, error) {
	v, err := p.uints(tagColourMap)
	if err != nil {
		return nil, err
	}
	n := 1 << p.bits
	if len(v) != 3*n {
		return nil, fmt.Errorf("is damaged: a palette of %d values, want %d", len(v), 3*n)
	}
	shift := 8
	if slices.Max(v) < 256 {
		shift = 0
	}
	palette := make(color.Palette, n)
	for i := range palette {
		palette[i] = color.NRGBA{uint8(v[i] >> shift), uint8(v[n+i] >> shift), uint8(v[2*n+i] >> shift), 255}
	}
	return palette, nil
}

// unpack reads the samples of a row of a strip or tile, each samples per pixel.
func (p *tiffPicture) unpack(row []uint64, b []byte, each int) {
	order := p.file.order
	if p.predictor == 3 { // differences of bytes, the highest bytes of all samples first
		for i := each; i < len(b); i++ {
			b[i] += b[i-each]
		}
		plain := make([]byte, len(b))
		size := p.bits / 8
		for i := range row {
			for k := range size {
				plain[i*size+k] = b[k*len(row)+i]
			}
		}
		b, order = plain, binary.BigEndian
	}
	switch p.bits {
	case 8:
		for i := range row {
			row[i] = uint64(b[i])
		}
	case 16:
		for i := range row {
			row[i] = uint64(order.Uint16(b[2*i:]))
		}
	case 32:
		for i := range row {
			row[i] = uint64(order.Uint32(b[4*i:]))
		}
	case 64:
		for i := range row {
			row[i] = order.Uint64(b[8*i:])
		}
	default:
		var have uint // bits in word
		var word uint64
		for i := range row {
			for have < uint(p.bits) {
				word, b, have = word<<8|uint64(b[0]), b[1:], have+8
			}
			have -= uint(p.bits)
			row[i] = word >> have & (1<<p.bits - 1)
		}
	}
	if p.predictor == 2 {
		mask := uint64(math.MaxUint64) >> (64 - p.bits)
		for i := each; i < len(row); i++ {
			row[i] = (row[i] + row[i-each]) & mask
		}
	}
}

// packBits undoes the run lengths of Macintosh PackBits (TIFF 6.0, section 9).
type packBits struct {
	raw     []byte
	literal int // bytes to copy
	repeat  int // times value
	value   byte
}

func (p *packBits) Read(b []byte) (int, error) {
	for i := range b {
		for p.literal == 0 && p.repeat == 0 {
			if len(p.raw) < 2 {
				return i, io.EOF
			}
			switch n := int8(p.raw[0]); {
			case n >= 0:
				p.literal, p.raw = int(n)+1, p.raw[1:]
			case n == -128:
				p.raw = p.raw[1:]
			default:
				p.repeat, p.value, p.raw = 1-int(n), p.raw[1], p.raw[2:]
			}
		}
		if p.repeat > 0 {
			b[i] = p.value
			p.repeat--
			continue
		}
		if len(p.raw) == 0 {
			return i, io.EOF
		}
		b[i], p.raw = p.raw[0], p.raw[1:]
		p.literal--
	}
	return len(b), nil
}
