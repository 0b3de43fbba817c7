package imagefile_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// greys are grey values (h,w) out of 0..most.
type greys struct {
	h, w, most int
	values     []int
}

// rgb is [r, g, b] of each pixel.
func (g greys) rgb() [][3]uint8 {
	out := make([][3]uint8, len(g.values))
	for i, v := range g.values {
		out[i] = [3]uint8{uint8(v), uint8(v), uint8(v)}
	}
	return out
}

func (g greys) floats() []float64 {
	out := make([]float64, len(g.values))
	for i, v := range g.values {
		out[i] = float64(v)
	}
	return out
}

// repeated has each value n times.
func repeated(values []float64, n int) (out []float64) {
	for _, v := range values {
		out = append(out, slices.Repeat([]float64{v}, n)...)
	}
	return out
}

// ramp is a palette that shows index i as grey i.
func ramp(n int) (p color.Palette) {
	for i := range n {
		p = append(p, color.NRGBA{uint8(i), uint8(i), uint8(i), 255})
	}
	return p
}

// packed lays values of bits bits into rows of bytes.
func (g greys) packed(bits int) (out []byte) {
	for y := range g.h {
		row := make([]byte, (g.w*bits+7)/8)
		for x, v := range g.values[y*g.w:][:g.w] {
			row[x*bits/8] |= uint8(v << (8 - bits - x*bits%8))
		}
		out = append(out, row...)
	}
	return out
}

func pnmFile(kind, h, w, most int, pixels []byte) []byte {
	head := fmt.Sprintf("P%d\n# by hand\n%d %d\n", kind, w, h)
	if kind != 1 && kind != 4 {
		head += fmt.Sprintf("%d\n", most)
	}
	return append([]byte(head), pixels...)
}

// bitmap is a BMP file of 1 bit per pixel, from rows of whole bytes.
func bitmap(h, w int, rows []byte, palette ...color.Color) []byte {
	word := binary.LittleEndian.AppendUint32
	b := word([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00"), 14+40+8)
	b = word(word(word(b, 40), uint32(w)), uint32(h))
	b = append(b, 1, 0, 1, 0) // planes, bits
	b = append(b, make([]byte, 16)...)
	b = append(b, 2, 0, 0, 0, 0, 0, 0, 0) // colours
	for _, c := range palette {
		r, g, bl, _ := c.RGBA()
		b = append(b, uint8(bl>>8), uint8(g>>8), uint8(r>>8), 0)
	}
	n := len(rows) / h
	for y := h - 1; y >= 0; y-- {
		b = append(b, rows[y*n:][:n]...)
		b = append(b, make([]byte, (4-n%4)%4)...)
	}
	return b
}

func gifFile(t testing.TB, img *image.Paletted) []byte {
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{img}, Delay: []int{0}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withTransparency puts a tRNS chunk behind the header of a PNG.
func withTransparency(file []byte, data ...byte) []byte {
	data = append([]byte("tRNS"), data...)
	chunk := append(binary.BigEndian.AppendUint32(nil, uint32(len(data)-4)), data...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(data))
	return slices.Concat(file[:33], chunk, file[33:])
}

// container writes grey values into a kind of file.
type container struct {
	name string
	most int // the largest value it can hold
	file func(t testing.TB, g greys) []byte
}

// lowBits are the kinds that stretch values: their pictures have another range.
func lowBits() (all []container) {
	for _, bits := range []int{1, 2, 4} {
		most := 1<<bits - 1
		all = append(all,
			container{fmt.Sprintf("%d-bit.png", bits), most, func(t testing.TB, g greys) []byte { return greyPNG(t, g.h, g.w, bits, g.packed(bits)...) }},
			container{fmt.Sprintf("%d-bit.tif", bits), most, func(t testing.TB, g greys) []byte {
				return filetest.TIFF{H: g.h, W: g.w, Bits: bits, Photometric: 1, Values: g.floats()}.Bytes(t)
			}},
			container{fmt.Sprintf("%d-bit, white is zero.tif", bits), most, func(t testing.TB, g greys) []byte {
				v := g.floats()
				for i := range v {
					v[i] = float64(most) - v[i]
				}
				return filetest.TIFF{H: g.h, W: g.w, Bits: bits, Photometric: 0, Rows: 2, Values: v}.Bytes(t)
			}},
			container{fmt.Sprintf("%d-bit.pgm", bits), most, func(t testing.TB, g greys) []byte {
				return pnmFile(5, g.h, g.w, most, g.packed(8))
			}},
		)
	}
	black := func(g greys) greys { // in bitmaps 1 is black
		g.values = slices.Clone(g.values)
		for i := range g.values {
			g.values[i] = 1 - g.values[i]
		}
		return g
	}
	return append(all,
		container{"raw.pbm", 1, func(t testing.TB, g greys) []byte { return pnmFile(4, g.h, g.w, 1, black(g).packed(1)) }},
		container{"plain.pbm", 1, func(t testing.TB, g greys) []byte {
			return pnmFile(1, g.h, g.w, 1, []byte(strings.Trim(fmt.Sprint(black(g).values), "[]")))
		}},
		container{"black and white.gif", 1, func(t testing.TB, g greys) []byte {
			img := image.NewPaletted(image.Rect(0, 0, g.w, g.h), color.Palette{color.Black, color.White})
			copy(img.Pix, g.packed(8))
			return gifFile(t, img)
		}},
		container{"black and white.bmp", 1, func(t testing.TB, g greys) []byte {
			return bitmap(g.h, g.w, black(g).packed(1), color.White, color.Black)
		}},
		container{"thousandths.pgm", 1000, func(t testing.TB, g greys) []byte {
			var b []byte
			for _, v := range g.values {
				b = append(b, uint8(v>>8), uint8(v))
			}
			return pnmFile(5, g.h, g.w, 1000, b)
		}},
		container{"plain.pgm", 7, func(t testing.TB, g greys) []byte {
			return pnmFile(2, g.h, g.w, 7, []byte(strings.Trim(fmt.Sprint(g.values), "[]")))
		}},
		container{"12-bit.tif", 4095, func(t testing.TB, g greys) []byte {
			return filetest.TIFF{H: g.h, W: g.w, Bits: 12, Photometric: 1, Values: g.floats()}.Bytes(t)
		}},
	)
}

// bytesContainers hold values of 8 bits.
func bytesContainers() []container {
	paletted := func(p color.Palette) func(t testing.TB, g greys) *image.Paletted {
		return func(t testing.TB, g greys) *image.Paletted {
			img := image.NewPaletted(image.Rect(0, 0, g.w, g.h), p)
			copy(img.Pix, g.packed(8))
			return img
		}
	}
	transparent := ramp(256)
	transparent[1] = color.NRGBA{1, 1, 1, 0}
	transparent[2] = color.NRGBA{2, 2, 2, 100}
	tiff := func(f filetest.TIFF) func(t testing.TB, g greys) []byte {
		return func(t testing.TB, g greys) []byte {
			f := f
			f.H, f.W, f.Bits, f.Photometric, f.Values = g.h, g.w, 8, max(f.Photometric, 1), repeated(g.floats(), max(f.Samples, 1))
			return f.Bytes(t)
		}
	}
	all := []container{
		{"8-bit.png", 255, func(t testing.TB, g greys) []byte {
			return filetest.Encode(t, ".png", filetest.Grey(g.h, g.w, g.packed(8)...))
		}},
		{"palette.png", 255, func(t testing.TB, g greys) []byte { return filetest.Encode(t, ".png", paletted(ramp(256))(t, g)) }},
		{"palette of four.png", 3, func(t testing.TB, g greys) []byte { return filetest.Encode(t, ".png", paletted(ramp(4))(t, g)) }},
		{"transparent palette.png", 255, func(t testing.TB, g greys) []byte { return filetest.Encode(t, ".png", paletted(transparent)(t, g)) }},
		{"transparent grey.png", 255, func(t testing.TB, g greys) []byte {
			return withTransparency(filetest.Encode(t, ".png", filetest.Grey(g.h, g.w, g.packed(8)...)), 0, 1)
		}},
		{"transparent colour.png", 255, func(t testing.TB, g greys) []byte {
			return withTransparency(filetest.Encode(t, ".png", filetest.RGB(g.h, g.w, g.rgb()...)), 0, 1, 0, 1, 0, 1)
		}},
		{"rgb.png", 255, func(t testing.TB, g greys) []byte {
			return filetest.Encode(t, ".png", filetest.RGB(g.h, g.w, g.rgb()...))
		}},
		{"grey.bmp", 255, func(t testing.TB, g greys) []byte {
			return filetest.Encode(t, ".bmp", filetest.Grey(g.h, g.w, g.packed(8)...))
		}},
		{"palette of four.bmp", 3, func(t testing.TB, g greys) []byte { return filetest.Encode(t, ".bmp", paletted(ramp(4))(t, g)) }},
		{"rgb.bmp", 255, func(t testing.TB, g greys) []byte {
			return filetest.Encode(t, ".bmp", filetest.RGB(g.h, g.w, g.rgb()...))
		}},
		{"grey.gif", 255, func(t testing.TB, g greys) []byte { return gifFile(t, paletted(ramp(256))(t, g)) }},
		{"transparent.gif", 255, func(t testing.TB, g greys) []byte {
			p := ramp(256)
			p[1] = color.NRGBA{1, 1, 1, 0}
			b := gifFile(t, paletted(p)(t, g))
			// The encoder writes transparent colours as black: give them the colour that is stored.
			copy(b[bytes.Index(b, []byte{0, 0, 0, 0, 0, 0, 2, 2, 2})+3:], []byte{1, 1, 1})
			return b
		}},
		{"sorted by use.gif", 255, func(t testing.TB, g greys) []byte { // as Pillow does
			var used color.Palette
			img := image.NewPaletted(image.Rect(0, 0, g.w, g.h), nil)
			for i, v := range g.values {
				c := color.Color(color.NRGBA{uint8(v), uint8(v), uint8(v), 255})
				if !slices.Contains(used, c) {
					used = append(used, c)
				}
				img.Pix[i] = uint8(slices.Index(used, c))
			}
			img.Palette = used
			return gifFile(t, img)
		}},
		{"raw.pgm", 255, func(t testing.TB, g greys) []byte { return pnmFile(5, g.h, g.w, 255, g.packed(8)) }},
		{"plain.pnm", 255, func(t testing.TB, g greys) []byte {
			return pnmFile(2, g.h, g.w, 255, []byte(strings.Trim(fmt.Sprint(g.values), "[]")))
		}},
		{"raw.ppm", 255, func(t testing.TB, g greys) []byte {
			return pnmFile(6, g.h, g.w, 255, slices.Concat(slicesOf(g.rgb())...))
		}},
		{"lossless.webp", 255, func(t testing.TB, g greys) []byte {
			var p [][4]uint8
			for _, c := range g.rgb() {
				p = append(p, [4]uint8{c[0], c[1], c[2], 255})
			}
			return filetest.WebP(g.h, g.w, p, nil)
		}},
		{"one strip.tif", 255, tiff(filetest.TIFF{})},
		{"strips.tif", 255, tiff(filetest.TIFF{Rows: 2})},
		{"tiles.tif", 255, tiff(filetest.TIFF{Tile: 4})},
		{"one large tile.tif", 255, tiff(filetest.TIFF{Tile: 32})},
		{"lzw.tif", 255, tiff(filetest.TIFF{Compression: 5, Rows: 3})},
		{"lzw with differences.tif", 255, tiff(filetest.TIFF{Compression: 5, Predictor: 2})},
		{"deflate.tif", 255, tiff(filetest.TIFF{Compression: 8, Tile: 4, Predictor: 2})},
		{"packbits.tif", 255, tiff(filetest.TIFF{Compression: 32773, Rows: 2})},
		{"big endian.tif", 255, tiff(filetest.TIFF{BigEndian: true, Rows: 1})},
		{"big.tif", 255, tiff(filetest.TIFF{Big: true, Rows: 1})},
		{"big, big endian, tiles.tif", 255, tiff(filetest.TIFF{Big: true, BigEndian: true, Tile: 4, Compression: 8})},
		{"rgb.tif", 255, tiff(filetest.TIFF{Samples: 3, Photometric: 2})},
		{"rgb in planes.tif", 255, tiff(filetest.TIFF{Samples: 3, Photometric: 2, Planes: true, Rows: 2})},
		{"three bands.tif", 255, tiff(filetest.TIFF{Samples: 3, Planes: true, Tile: 4, Compression: 5, Predictor: 2})},
		{"reversed bits.tif", 255, tiff(filetest.TIFF{Reversed: true, Compression: 5})},
		{"with a smaller copy.tif", 255, tiff(filetest.TIFF{Pages: 2, Subfile: 1})},
		{"palette.tif", 255, func(t testing.TB, g greys) []byte {
			p := make([][3]uint8, 256)
			for i := range p {
				p[i] = [3]uint8{uint8(i), uint8(i), uint8(i)}
			}
			return filetest.TIFF{H: g.h, W: g.w, Bits: 8, Photometric: 3, Palette: p, Values: g.floats()}.Bytes(t)
		}},
	}
	return all
}

// wideContainers hold values of 16 bits. Those of the same range are the same picture.
func wideContainers() []container {
	tiff := func(f filetest.TIFF) func(t testing.TB, g greys) []byte {
		return func(t testing.TB, g greys) []byte {
			f := f
			f.H, f.W, f.Bits, f.Photometric, f.Values = g.h, g.w, max(f.Bits, 16), max(f.Photometric, 1), repeated(g.floats(), max(f.Samples, 1))
			return f.Bytes(t)
		}
	}
	return []container{
		{"16-bit.png", 65535, func(t testing.TB, g greys) []byte { return filetest.Encode(t, ".png", grey16(g)) }},
		{"transparent 16-bit.png", 65535, func(t testing.TB, g greys) []byte {
			return withTransparency(filetest.Encode(t, ".png", grey16(g)), 0, 1)
		}},
		{"16-bit rgb.png", 65535, func(t testing.TB, g greys) []byte {
			img := image.NewNRGBA64(image.Rect(0, 0, g.w, g.h))
			for i, v := range g.values {
				img.SetNRGBA64(i%g.w, i/g.w, color.NRGBA64{uint16(v), uint16(v), uint16(v), 0xffff})
			}
			return filetest.Encode(t, ".png", img)
		}},
		{"16-bit.pgm", 65535, func(t testing.TB, g greys) []byte {
			var b []byte
			for _, v := range g.values {
				b = append(b, uint8(v>>8), uint8(v))
			}
			return pnmFile(5, g.h, g.w, 65535, b)
		}},
		{"16-bit.tif", 65535, tiff(filetest.TIFF{Rows: 2})},
		{"16-bit, big endian, lzw.tif", 65535, tiff(filetest.TIFF{BigEndian: true, Compression: 5, Predictor: 2})},
		{"16-bit, deflate, tiles.tif", 65535, tiff(filetest.TIFF{Compression: 8, Tile: 4, Predictor: 2})},
		{"16-bit rgb in planes.tif", 65535, tiff(filetest.TIFF{Samples: 3, Photometric: 2, Planes: true, Big: true})},
	}
}

// maskContainers hold class indices that are no picture.
func maskContainers() (all []container) {
	for _, f := range []filetest.TIFF{
		{Bits: 16, Format: 2}, {Bits: 32}, {Bits: 32, Format: 2}, {Bits: 32, Format: 2, Compression: 8, Predictor: 2, Tile: 4},
		{Bits: 64, Format: 2, Big: true}, {Bits: 32, Format: 3}, {Bits: 32, Format: 3, Compression: 5, Predictor: 3}, {Bits: 64, Format: 3, BigEndian: true},
	} {
		name := fmt.Sprintf("%d bits of kind %d, compression %d.tif", f.Bits, f.Format, f.Compression)
		all = append(all, container{name, 32767, func(t testing.TB, g greys) []byte {
			f := f
			f.H, f.W, f.Photometric, f.Values = g.h, g.w, 1, g.floats()
			return f.Bytes(t)
		}})
	}
	return all
}

func slicesOf(rgb [][3]uint8) (all [][]uint8) {
	for _, c := range rgb {
		all = append(all, slices.Clone(c[:]))
	}
	return all
}

// npyFolder writes greys as arrays of one sample.
func npyFolder(t testing.TB, g greys, images, masks string) {
	shape := fmt.Sprintf("(1, %d, %d)", g.h, g.w)
	v := g.floats()
	if images[1] == 'f' {
		for i := range v {
			v[i] = float64(float32(v[i]) / float32(g.most))
		}
	}
	filetest.Write(t, "images.npy", filetest.NPY(t, 1, images, shape, v...))
	filetest.Write(t, "masks.npy", filetest.NPY(t, 1, masks, shape, g.floats()...))
}

var maskContents = []struct {
	name    string
	classes int
	greys
}{
	{"binary", 2, greys{3, 5, 1, []int{0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1}}},
	{"four classes", 4, greys{3, 5, 3, []int{0, 0, 1, 1, 3, 0, 1, 2, 0, 0, 2, 0, 3, 1, 1}}},
	{"void", 4, greys{5, 3, 255, []int{0, 255, 1, 1, 3, 0, 1, 2, 255, 255, 2, 0, 3, 1, 1}}},
	{"ids of 16 bits", 2, greys{3, 5, 700, []int{0, 1, 700, 1, 0, 0, 1, 700, 0, 0, 0, 0, 700, 1, 1}}},
}

// The same mask has the same classes, or the same complaint, in whatever file it is.
func TestMaskContainers(t *testing.T) {
	t.Chdir(t.TempDir())
	all := slices.Concat(lowBits(), bytesContainers(), wideContainers(), maskContainers())
	for _, content := range maskContents {
		format := imagefile.NewMaskFormat(content.classes, 255, nil, 1000)
		var want []uint8
		problem := ""
		for i, v := range content.values {
			want = append(want, uint8(v))
			if v >= content.classes && v != 255 && problem == "" {
				problem = fmt.Sprintf("pixel (%d, %d) has class %d, want 0..%d or ignore 255", i%content.w, i/content.w, v, content.classes-1)
			}
		}
		read := 0
		for _, c := range all {
			if content.most > c.most {
				continue
			}
			read++
			t.Run(content.name+"/"+c.name, func(t *testing.T) {
				filetest.Write(t, c.name, c.file(t, content.greys))
				got, h, w, err := format.Read(c.name)
				if problem != "" {
					if message := filetest.Message(err); message != "data: mask "+c.name+": "+problem {
						t.Errorf("got  %s\nwant %s", message, problem)
					}
				} else if err != nil || h != content.h || w != content.w || !slices.Equal(got, want) {
					t.Errorf("got %v (%dx%d), %v, want %v", got, w, h, err, want)
				}
				if d, err := imagefile.DecodeMask(c.name, 1000); err != nil || d.Stored() == nil {
					t.Errorf("%v, stored values %v", err, d.Stored() != nil)
				} else {
					for i, v := range content.values {
						if got := d.Stored()(i%content.w, i/content.w); got != v {
							t.Fatalf("pixel %d is stored as %d, want %d", i, got, v)
						}
					}
				}
			})
		}
		if read < 15 {
			t.Errorf("%s: only %d kinds of files", content.name, read)
		}
		for _, descr := range []string{"|u1", "<u2", ">i4", "<i8", "<f4"} {
			if content.most > 255 && descr == "|u1" {
				continue
			}
			npyFolder(t, content.greys, "|u1", descr)
			a, err := imagefile.DefaultLayout().OpenArrays(".", imagefile.ImageFormat{MaxPixels: 1 << 14}, format)
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.Mask(0)
			if problem != "" {
				if !strings.HasSuffix(filetest.Message(err), problem) {
					t.Errorf("%s of %s: got %v, want %s", content.name, descr, err, problem)
				}
			} else if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s of %s: got %v, %v, want %v", content.name, descr, got, err, want)
			}
		}
	}
}

// The same picture has the same values in whatever file it is. The oracle is v/most.
func TestImageContainers(t *testing.T) {
	t.Chdir(t.TempDir())
	fine := greys{3, 5, 255, []int{0, 7, 100, 101, 255, 254, 1, 2, 3, 128, 127, 9, 30, 31, 32}}
	coarse := greys{3, 5, 3, maskContents[1].values}
	wideValues := greys{3, 5, 65535, []int{0, 1, 2, 700, 65535, 65534, 4095, 4096, 255, 256, 257, 9, 30, 31, 32}}
	for _, content := range []struct {
		greys
		containers []container
		npy        string
	}{
		{fine, bytesContainers(), "|u1"},
		{wideValues, wideContainers(), "<u2"},
		{coarse, lowBits(), ""},
	} {
		g := content.greys
		for _, c := range content.containers {
			most := g.most
			if content.npy == "" {
				if most = c.most; most < g.most {
					continue
				}
			} else if c.most < g.most {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				filetest.Write(t, c.name, c.file(t, g))
				m, err := imagefile.ImageFormat{MaxPixels: 1000}.Read(c.name)
				if err != nil {
					t.Fatal(err)
				}
				checkGreys(t, m, g, most)
			})
		}
		if content.npy == "" {
			continue
		}
		for _, descr := range []string{content.npy, "<f4"} {
			npyFolder(t, g, descr, "<u2")
			a, err := imagefile.DefaultLayout().OpenArrays(".", imagefile.ImageFormat{MaxPixels: 1 << 14}, imagefile.NewMaskFormat(200, 255, nil, 1000))
			if err != nil {
				t.Fatal(err)
			}
			filetest.Write(t, "masks.npy", filetest.NPY(t, 1, "<u2", "(1, 3, 5)", make([]float64, 15)...))
			m, _, err := a.Read(0)
			if err != nil {
				t.Fatal(err)
			}
			checkGreys(t, m, g, g.most)
		}
	}
	for _, f := range []filetest.TIFF{{Bits: 32}, {Bits: 64}, {Bits: 32, Compression: 8, Predictor: 3}, {Bits: 32, Samples: 3, Planes: true, Predictor: 3, Tile: 4, Compression: 5}} {
		f.H, f.W, f.Format, f.Photometric = 3, 5, 3, 1
		f.Values = repeated(fine.floats(), max(f.Samples, 1))
		for i := range f.Values {
			f.Values[i] = float64(float32(f.Values[i]) / 255)
		}
		filetest.Write(t, "float.tif", f.Bytes(t))
		m, err := imagefile.ImageFormat{MaxPixels: 1000}.Read("float.tif")
		if err != nil {
			t.Fatal(err)
		}
		checkGreys(t, m, fine, 255)
	}
}

func checkGreys(t *testing.T, m imagefile.Image, g greys, most int) {
	t.Helper()
	if m.H != g.h || m.W != g.w {
		t.Fatalf("is %dx%d, want %dx%d", m.W, m.H, g.w, g.h)
	}
	for i, v := range m.Pix {
		want := float32(g.values[i/3]) / float32(most)
		if d := v - want; d < -1e-5 || d > 1e-5 || (most == 255 || most == 65535) && d != 0 {
			t.Fatalf("value %d is %v, want %v", i, v, want)
		}
	}
}

// The colours of a picture are those that are stored, whatever its alpha.
func TestColourContainers(t *testing.T) {
	t.Chdir(t.TempDir())
	rgb := [][3]uint8{{255, 0, 0}, {10, 200, 30}, {0, 0, 0}, {255, 255, 255}, {7, 8, 9}, {200, 100, 50}}
	alphas := []uint8{255, 0, 128, 0, 1, 255}
	const h, w = 2, 3
	with := func(alpha bool) (img *image.NRGBA, palette color.Palette, rgba [][4]uint8, values []float64) {
		img = image.NewNRGBA(image.Rect(0, 0, w, h))
		for i, c := range rgb {
			a := uint8(255)
			if alpha {
				a = alphas[i]
			}
			n := color.NRGBA{c[0], c[1], c[2], a}
			img.SetNRGBA(i%w, i/w, n)
			palette = append(palette, n)
			rgba = append(rgba, [4]uint8{c[0], c[1], c[2], a})
			values = append(values, float64(c[0]), float64(c[1]), float64(c[2]), float64(a))
		}
		return img, palette, rgba, values
	}
	opaque, palette, _, values := with(false)
	clear, clearPalette, rgba, clearValues := with(true)
	indices := func(p color.Palette) *image.Paletted {
		img := image.NewPaletted(opaque.Rect, p)
		copy(img.Pix, []uint8{0, 1, 2, 3, 4, 5})
		return img
	}
	var three []float64
	for i, v := range values {
		if i%4 < 3 {
			three = append(three, v)
		}
	}
	for name, file := range map[string][]byte{
		"rgb.png":                   filetest.Encode(t, ".png", opaque),
		"rgba.png":                  filetest.Encode(t, ".png", clear),
		"palette.png":               filetest.Encode(t, ".png", indices(palette)),
		"transparent palette.png":   filetest.Encode(t, ".png", indices(clearPalette)),
		"rgb.bmp":                   filetest.Encode(t, ".bmp", opaque),
		"palette.bmp":               filetest.Encode(t, ".bmp", indices(palette)),
		"palette.gif":               gifFile(t, indices(palette)),
		"rgb.ppm":                   pnmFile(6, h, w, 255, slices.Concat(slicesOf(rgb)...)),
		"plain.ppm":                 pnmFile(3, h, w, 255, []byte(strings.NewReplacer("[", "", "]", "").Replace(fmt.Sprint(rgb)))),
		"rgba.webp":                 filetest.WebP(h, w, rgba, nil),
		"rgb.tif":                   filetest.TIFF{H: h, W: w, Bits: 8, Samples: 3, Photometric: 2, Values: three}.Bytes(t),
		"rgb in planes.tif":         filetest.TIFF{H: h, W: w, Bits: 8, Samples: 3, Photometric: 2, Values: three, Planes: true, Rows: 1}.Bytes(t),
		"rgba.tif":                  filetest.TIFF{H: h, W: w, Bits: 8, Samples: 4, Photometric: 2, Values: clearValues, Extra: []int{2}}.Bytes(t),
		"rgba in tiles, planes.tif": filetest.TIFF{H: h, W: w, Bits: 8, Samples: 4, Photometric: 2, Values: clearValues, Extra: []int{2}, Planes: true, Tile: 2, Compression: 5}.Bytes(t),
		"palette of bytes.tif":      filetest.TIFF{H: h, W: w, Bits: 8, Photometric: 3, Palette: rgb, BytePalette: true, Values: []float64{0, 1, 2, 3, 4, 5}}.Bytes(t),
		"palette.tif":               filetest.TIFF{H: h, W: w, Bits: 4, Photometric: 3, Palette: rgb, Values: []float64{0, 1, 2, 3, 4, 5}}.Bytes(t),
	} {
		t.Run(name, func(t *testing.T) {
			filetest.Write(t, name, file)
			m, err := imagefile.ImageFormat{MaxPixels: 1000}.Read(name)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range m.Pix {
				if want := float32(rgb[i/3][i%3]) / 255; v != want {
					t.Fatalf("value %d is %v, want %v", i, v, want)
				}
			}
			share := 0.
			if strings.Contains(name, "rgba") || strings.Contains(name, "transparent") {
				share = 4. / 6
			}
			if m.Transparent != share {
				t.Errorf("%v of the pixels are transparent, want %v", m.Transparent, share)
			}
			var colours [][3]int
			for _, c := range rgb {
				colours = append(colours, [3]int{int(c[0]), int(c[1]), int(c[2])})
			}
			mask, _, _, err := imagefile.NewMaskFormat(6, 255, colours, 1000).Read(name)
			if strings.Contains(name, "rgba") || strings.Contains(name, "transparent") {
				if !strings.Contains(filetest.Message(err), "pixel (1, 0) is [10, 200, 30] with alpha 0, want an opaque colour of data.palette; 4 such pixels") {
					t.Errorf("mask of transparent colours: %v", err)
				}
			} else if err != nil || !slices.Equal(mask, []uint8{0, 1, 2, 3, 4, 5}) {
				t.Errorf("mask %v, %v", mask, err)
			}
		})
	}
}

// What is not read is called what it is, with the way out.
func TestRefusedContainers(t *testing.T) {
	t.Chdir(t.TempDir())
	plain := filetest.TIFF{H: 2, W: 2, Bits: 8, Photometric: 1, Values: []float64{0, 1, 2, 3}}
	change := func(f func(*filetest.TIFF)) []byte {
		p := plain
		f(&p)
		return p.Bytes(t)
	}
	bands := func(n int, extra ...int) func(*filetest.TIFF) {
		return func(f *filetest.TIFF) {
			f.Samples, f.Values, f.Extra = n, make([]float64, 4*n), extra
			if n == 4 {
				f.Photometric = 2
			}
		}
	}
	frame := image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.Black, color.White})
	var animated bytes.Buffer
	if err := gif.EncodeAll(&animated, &gif.GIF{Image: []*image.Paletted{frame, frame, frame}, Delay: []int{1, 1, 1}}); err != nil {
		t.Fatal(err)
	}
	part := gifFile(t, frame)
	part[6] = 3 // the screen is wider
	apng := filetest.Encode(t, ".png", filetest.Grey(2, 2))
	apng = slices.Concat(apng[:33], []byte("\x00\x00\x00\x08acTL\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00"), apng[33:])
	webp := filetest.WebP(2, 2, make([][4]uint8, 4), []byte("x"))
	webp = append(webp, "ANMF\x00\x00\x00\x00ANMF\x00\x00\x00\x00"...)
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"pages.tif":       {change(func(f *filetest.TIFF) { f.Pages = 4 }), "holds 4 pages, want one picture per file"},
		"big pages.tif":   {change(func(f *filetest.TIFF) { f.Pages, f.Big = 3, true }), "holds 3 pages"},
		"imagej.tif":      {change(func(f *filetest.TIFF) { f.Description = "ImageJ=1.53t\nimages=12\nslices=12\n" }), "holds 12 pages"},
		"animated.gif":    {animated.Bytes(), "holds 3 frames (it is an animated GIF)"},
		"part.gif":        {part, "has a picture of 2x2 pixels on a screen of 3x2, want it to cover all"},
		"animated.png":    {apng, "holds 5 frames (it is an animated PNG)"},
		"animated.webp":   {webp, "holds 2 frames (it is an animated WebP)"},
		"five bands.tif":  {change(bands(5, 0, 0, 0, 0)), "has 5 bands, want 1 (grey) or 3 (red, green, blue), and perhaps alpha; choose bands, as by: gdal_translate -b 1 -b 2 -b 3"},
		"nir.tif":         {change(bands(4, 0)), "has 4 bands"},
		"nir, no tag.tif": {change(bands(4)), "has 4 bands"},
		"two bands.tif":   {change(bands(2, 0)), "has 2 bands"},
		"jpeg.tif":        {change(func(f *filetest.TIFF) { f.Compression = 7 }), "is a TIFF with JPEG compression, want none, LZW, deflate, PackBits or CCITT; convert it, as by: magick FILE NAME.png"},
		"zstd.tif":        {change(func(f *filetest.TIFF) { f.Compression = 50000 }), "Zstandard compression"},
		"cmyk.tif":        {change(func(f *filetest.TIFF) { bands(4)(f); f.Photometric = 5 }), "colours are CMYK"},
		"complex.tif":     {change(func(f *filetest.TIFF) { f.Format = 6 }), "complex numbers"},
		"signed.tif":      {change(func(f *filetest.TIFF) { f.Format, f.Bits = 2, 16 }), "holds signed integers or integers of 32 bits, whose range as a picture is not known, want data.normalize: percentile"},
		"floats.tif":      {change(func(f *filetest.TIFF) { f.Format, f.Bits = 3, 32 }), "holds floats, and pixel (0, 1) is 2, want 0..1, or data.normalize: percentile"},
		"pam.ppm":         {[]byte("P7\nWIDTH 1\n"), "is a PAM file, which is not read; convert it, as by: pamtopnm"},
		"dicom.png":       {append(make([]byte, 128), "DICM"...), "is a DICOM file"},
		"jp2.png":         {[]byte("\x00\x00\x00\x0cjP  \r\n\x87\n"), "is a JPEG 2000 file"},
		"rle.bmp":         {slices.Concat([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x04\x00\x00\x28\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x08\x00\x01"), make([]byte, 40)), "is a BMP of a rare kind"},
		"cut.pgm":         {pnmFile(5, 2, 2, 255, []byte{1, 2, 3}), "is truncated"},
		"beyond.pgm":      {pnmFile(5, 2, 2, 100, []byte{1, 2, 3, 101}), "pixel (1, 1) is 101, want at most 100"},
	} {
		t.Run(name, func(t *testing.T) {
			filetest.Write(t, name, tt.file)
			_, err := imagefile.ImageFormat{MaxPixels: 1000}.Read(name)
			if message := filetest.Message(err); !strings.HasPrefix(message, "data: image "+name+": "+tt.want) && !strings.Contains(message, tt.want) || strings.Contains(message, "\n") {
				t.Errorf("got  %s\nwant %s", message, tt.want)
			}
		})
	}
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"negative.tif": {change(func(f *filetest.TIFF) { f.Format, f.Bits, f.Values = 2, 32, []float64{0, -1, 0, 0} }), "pixel (1, 0) has class -1, want 0..3 or ignore 255"},
		"large.tif":    {change(func(f *filetest.TIFF) { f.Bits, f.Values = 32, []float64{0, 0, 70000, 0} }), "pixel (0, 1) has class 70000, want 0..3 or ignore 255"},
		"half.tif":     {change(func(f *filetest.TIFF) { f.Format, f.Bits, f.Values = 3, 32, []float64{0, 0.5, 1, 0} }), "pixel (1, 0) is 0.5, want the whole number of a class"},
		"jpeg.tif":     {change(func(f *filetest.TIFF) { f.Compression = 7 }), "is a TIFF with JPEG compression"},
	} {
		filetest.Write(t, name, tt.file)
		if _, _, _, err := imagefile.NewMaskFormat(4, 255, nil, 1000).Read(name); filetest.Message(err) != "data: mask "+name+": "+tt.want && !strings.Contains(filetest.Message(err), tt.want) {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}

// A small file that claims to be a large picture is refused before memory is asked for.
func TestTIFFBounded(t *testing.T) {
	t.Chdir(t.TempDir())
	b := filetest.TIFF{H: 1, W: 1, Bits: 8, Photometric: 1, Compression: 8, Values: []float64{7}}.Bytes(t)
	for _, tag := range []string{"\x00\x01\x04\x00", "\x01\x01\x04\x00", "\x16\x01\x04\x00"} { // width, height, rows of a strip
		at := bytes.Index(b, []byte(tag))
		binary.LittleEndian.PutUint32(b[at+8:], 9000)
	}
	filetest.Write(t, "a.tif", b)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := imagefile.ImageFormat{MaxPixels: 100_000_000}.Read("a.tif")
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; err == nil || !strings.Contains(err.Error(), "is truncated") || grown > 1<<22 {
		t.Errorf("error %v after %d bytes", err, grown)
	}
}

// Colours that alpha has been multiplied into are divided by it.
func TestPremultipliedTIFF(t *testing.T) {
	t.Chdir(t.TempDir())
	filetest.Write(t, "a.tif", filetest.TIFF{H: 1, W: 2, Bits: 8, Samples: 4, Photometric: 2, Extra: []int{1}, Values: []float64{50, 100, 0, 100, 7, 8, 9, 255}}.Bytes(t))
	m, err := imagefile.ImageFormat{MaxPixels: 100}.Read("a.tif")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.5, 1, 0, 7. / 255, 8. / 255, 9. / 255} {
		if math.Abs(float64(m.Pix[i])-want) > 1e-4 {
			t.Errorf("value %d is %v, want %v", i, m.Pix[i], want)
		}
	}
}

// A negative value can be that of void, as in arrays.
func TestNegativeVoid(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, f := range []filetest.TIFF{{Bits: 16, Format: 2}, {Bits: 32, Format: 2}, {Bits: 32, Format: 3}} {
		f.H, f.W, f.Photometric, f.Values = 1, 3, 1, []float64{1, -1, 0}
		filetest.Write(t, "a.tif", f.Bytes(t))
		got, _, _, err := imagefile.NewMaskFormat(2, -1, nil, 100).Read("a.tif")
		if err != nil || !slices.Equal(got, []uint8{1, imagefile.Void, 0}) {
			t.Errorf("%d bits of kind %d: got %v, %v", f.Bits, f.Format, got, err)
		}
		_, _, _, err = imagefile.NewMaskFormat(2, 255, [][3]int{{0, 0, 0}, {255, 255, 255}}, 100).Read("a.tif")
		if want := "data: mask a.tif: holds numbers that are no colours, want no data.palette"; filetest.Message(err) != want {
			t.Errorf("by colour: got %v, want %s", err, want)
		}
	}
}

// By a palette of 8 bits, ids of 16 are not merged: each bit counts.
func TestWideMaskByPalette(t *testing.T) {
	t.Chdir(t.TempDir())
	g := maskContents[3].greys // 0, 1, 700
	filetest.Write(t, "a.png", filetest.Encode(t, ".png", grey16(g)))
	_, _, _, err := imagefile.NewMaskFormat(2, 255, [][3]int{{0, 0, 0}, {2, 2, 2}}, 100).Read("a.png")
	if want := "data: mask a.png: pixel (1, 0) is [1, 1, 1] in 16 bits, of which data.palette has 8, want a colour of data.palette; 8 such pixels"; filetest.Message(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
