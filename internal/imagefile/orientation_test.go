package imagefile_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// withOrientation puts an EXIF segment with one tag behind the start of a JPEG.
func withOrientation(jpeg []byte, order binary.AppendByteOrder, magic string, orientation uint16) []byte {
	b := []byte("Exif\x00\x00" + magic)
	b = order.AppendUint32(b, 8) // the directory follows the header
	b = order.AppendUint16(b, 2) // entries
	for _, entry := range [][2]uint16{{0x010f, 0}, {0x0112, orientation}} {
		b = order.AppendUint16(b, entry[0])
		b = order.AppendUint16(b, 3) // 16 bit
		b = order.AppendUint32(b, 1)
		b = order.AppendUint16(b, entry[1])
		b = order.AppendUint16(b, 0)
	}
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(b)+2))
	out := append([]byte{}, jpeg[:2]...)
	out = append(out, segment...)
	out = append(out, b...)
	return append(out, jpeg[2:]...)
}

// The stored image is 16 wide and 8 high with a white 8x8 block at the left. Where
// the block is seen follows from the meaning of the eight orientations (TIFF 6.0,
// tag 274: the sides of the picture that the first row and column stand for). A
// second, grey block in its upper half tells mirrored from turned.
func TestEXIFOrientation(t *testing.T) {
	stored := filetest.RGB(8, 16)
	for y := range 8 {
		for x := range 8 {
			v := uint8(255)
			if y >= 4 {
				v = 128
			}
			o := stored.PixOffset(x, y)
			stored.Pix[o], stored.Pix[o+1], stored.Pix[o+2] = v, v, v
		}
	}
	jpeg := filetest.Encode(t, ".jpg", stored)
	type spot struct{ x, y int }
	tests := []struct {
		orientation uint16
		h, w        int
		white, grey spot // the middle of the blocks
	}{
		{1, 8, 16, spot{3, 1}, spot{3, 6}},
		{2, 8, 16, spot{12, 1}, spot{12, 6}}, // first column right
		{3, 8, 16, spot{12, 6}, spot{12, 1}}, // first row bottom, column right
		{4, 8, 16, spot{3, 6}, spot{3, 1}},   // first row bottom
		{5, 16, 8, spot{1, 3}, spot{6, 3}},   // first row left, column top
		{6, 16, 8, spot{6, 3}, spot{1, 3}},   // first row right, column top
		{7, 16, 8, spot{6, 12}, spot{1, 12}}, // first row right, column bottom
		{8, 16, 8, spot{1, 12}, spot{6, 12}}, // first row left, column bottom
		{0, 8, 16, spot{3, 1}, spot{3, 6}},   // unknown values mean upright
		{9, 8, 16, spot{3, 1}, spot{3, 6}},
	}
	t.Chdir(t.TempDir())
	for _, tt := range tests {
		for _, order := range []struct {
			binary.AppendByteOrder
			magic string
		}{{binary.LittleEndian, "II*\x00"}, {binary.BigEndian, "MM\x00*"}} {
			t.Run(fmt.Sprint(tt.orientation, order.AppendByteOrder), func(t *testing.T) {
				filetest.Write(t, "a.jpg", withOrientation(jpeg, order, order.magic, tt.orientation))
				m, err := imagefile.ImageFormat{MaxPixels: 1000}.Read("a.jpg")
				if err != nil {
					t.Fatal(err)
				}
				if m.H != tt.h || m.W != tt.w {
					t.Fatalf("is %dx%d, want %dx%d", m.W, m.H, tt.w, tt.h)
				}
				for _, p := range []struct {
					spot
					want float32
				}{{tt.white, 1}, {tt.grey, 128. / 255}} {
					if got := m.Pix[(p.y*m.W+p.x)*3]; got < p.want-0.1 || got > p.want+0.1 {
						t.Errorf("pixel (%d, %d) is %v, want %v", p.x, p.y, got, p.want)
					}
				}
			})
		}
	}
}

// A photo that is upright only by its EXIF tag goes with an upright mask.
func TestUprightPairs(t *testing.T) {
	t.Chdir(t.TempDir())
	filetest.Write(t, "images/a.jpg", withOrientation(filetest.Encode(t, ".jpg", filetest.RGB(8, 16)), binary.LittleEndian, "II*\x00", 6))
	filetest.Write(t, "masks/a.png", filetest.Encode(t, ".png", filetest.Grey(16, 8)))
	format := imagefile.NewMaskFormat(4, 255, nil, 1000)
	listing := imagefile.DefaultLayout().List(".")
	pairs, problems := listing.Pairs, listing.Problems
	if len(pairs) != 1 || len(problems) > 0 {
		t.Fatal(pairs, problems)
	}
	if _, _, err := pairs[0].Headers(format); err != nil {
		t.Error(err)
	}
	if _, _, err := pairs[0].Read(imagefile.ImageFormat{MaxPixels: 1000}, format); err != nil {
		t.Error(err)
	}
	filetest.Write(t, "masks/a.png", filetest.Encode(t, ".png", filetest.Grey(8, 16)))
	want := "data: image images/a.jpg is 8x16 pixels, its mask masks/a.png is 16x8, want equal sizes"
	if _, _, err := pairs[0].Headers(format); filetest.Message(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, _, err := pairs[0].Read(imagefile.ImageFormat{MaxPixels: 1000}, format); filetest.Message(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// exifData is EXIF data of one tag.
func exifData(orientation uint16) []byte {
	b := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00")
	return append(binary.LittleEndian.AppendUint16(b, orientation), 0, 0, 0, 0, 0, 0)
}

// The orientation holds in every container that has one, for images and masks.
func TestOrientationContainers(t *testing.T) {
	t.Chdir(t.TempDir())
	want := map[int][]uint8{ // rows of the upright picture, by hand
		1: {0, 1, 2, 3, 4, 5},
		2: {2, 1, 0, 5, 4, 3},
		3: {5, 4, 3, 2, 1, 0},
		4: {3, 4, 5, 0, 1, 2},
		5: {0, 3, 1, 4, 2, 5},
		6: {3, 0, 4, 1, 5, 2},
		7: {5, 2, 4, 1, 3, 0},
		8: {2, 5, 1, 4, 0, 3},
	}
	const h, w = 2, 3
	values := []uint8{0, 1, 2, 3, 4, 5}
	var numbers []float64
	var pixels [][4]uint8
	for _, v := range values {
		numbers = append(numbers, float64(v))
		pixels = append(pixels, [4]uint8{v, v, v, 255})
	}
	withChunk := func(png []byte, orientation int, atEnd bool) []byte {
		data := append([]byte("eXIf"), exifData(uint16(orientation))...)
		chunk := binary.BigEndian.AppendUint32(nil, uint32(len(data)-4))
		chunk = append(chunk, data...)
		chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(data))
		at := 33 // behind the header
		if atEnd {
			at = len(png) - 12
		}
		return slices.Concat(png[:at], chunk, png[at:])
	}
	grey16 := image.NewGray16(image.Rect(0, 0, w, h))
	for i, v := range values {
		grey16.SetGray16(i%w, i/w, color.Gray16{uint16(v)})
	}
	tiff := func(f filetest.TIFF) func(o int) []byte {
		f.H, f.W, f.Photometric, f.Values = h, w, max(f.Photometric, 1), repeated(numbers, max(f.Samples, 1))
		return func(o int) []byte {
			f.Orientation = o
			return f.Bytes(t)
		}
	}
	for name, file := range map[string]func(orientation int) []byte{
		"grey.png": func(o int) []byte {
			return withChunk(filetest.Encode(t, ".png", filetest.Grey(h, w, values...)), o, false)
		},
		"tag at end.png": func(o int) []byte {
			return withChunk(filetest.Encode(t, ".png", filetest.Grey(h, w, values...)), o, true)
		},
		"16-bit.png": func(o int) []byte { return withChunk(filetest.Encode(t, ".png", grey16), o, false) },
		"palette.png": func(o int) []byte {
			return withChunk(filetest.Encode(t, ".png", palettedImage(h, w, 6, values...)), o, false)
		},
		"rgba.webp": func(o int) []byte { return filetest.WebP(h, w, pixels, exifData(uint16(o))) },
		"as in JPEG.webp": func(o int) []byte {
			return filetest.WebP(h, w, pixels, append([]byte("Exif\x00\x00"), exifData(uint16(o))...))
		},
		"grey.tif":       tiff(filetest.TIFF{Bits: 8}),
		"16-bit.tif":     tiff(filetest.TIFF{Bits: 16, Big: true}),
		"float.tif":      tiff(filetest.TIFF{Bits: 32, Format: 3}),
		"rgb.tif":        tiff(filetest.TIFF{Bits: 8, Samples: 3, Photometric: 2, Planes: true}),
		"rgb 16-bit.tif": tiff(filetest.TIFF{Bits: 16, Samples: 3, Photometric: 2}),
	} {
		for o := 1; o <= 8; o++ {
			t.Run(fmt.Sprint(name, o), func(t *testing.T) {
				filetest.Write(t, name, file(o))
				outH, outW := h, w
				if o > 4 {
					outH, outW = w, h
				}
				mask, gotH, gotW, err := imagefile.NewMaskFormat(6, 255, nil, 100).Read(name)
				if err != nil || gotH != outH || gotW != outW || !slices.Equal(mask, want[o]) {
					t.Errorf("mask %v (%dx%d), %v, want %v", mask, gotW, gotH, err, want[o])
				}
				m, err := imagefile.ImageFormat{MaxPixels: 100}.Read(name)
				if name == "float.tif" {
					return // its values are no picture's
				}
				if err != nil || m.H != outH || m.W != outW {
					t.Fatalf("image of %dx%d, %v", m.W, m.H, err)
				}
				for i, v := range want[o] {
					switch {
					case name == "palette.png": // red falls with the index
						v = 255 - v
					case strings.Contains(name, "16-bit"):
						m.Pix[3*i] *= 257
					}
					if d := m.Pix[3*i]*255 - float32(v); d < -1e-3 || d > 1e-3 {
						t.Fatalf("image %v, want it in the order %v", m.Pix, want[o])
					}
				}
			})
		}
	}
}
