package imagefile_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// webP holds one pixel; no encoder is at hand. From Google's libwebp feature test.
var webP = map[string]string{
	"lossless": "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==",
	"lossy":    "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA",
}

// cmykJPEG is 8x8 pixels of cyan 0, magenta and yellow 127, black 0, stored
// inverted as Adobe does: red 255, green and blue 128. Made by hand: all
// coefficients but the first are 0, with Huffman tables of two codes and of one.
const cmykJPEG = "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwABAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB/8AAFAgACAAIBAERAAIRAAMRAAQRAP/EABUAAQEAAAAAAAAAAAAAAAAAAAAK/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAA4EAQACAAMABAAAPwC/gF/D/9k="

func decodeBase64(t testing.TB, s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The oracle is the value that was drawn: v/255 for bytes, v/65535 for 16 bit.
func TestReadImageKinds(t *testing.T) {
	opaque := filetest.RGB(1, 2, [3]uint8{10, 20, 30}, [3]uint8{200, 100, 50})
	want := []float32{10. / 255, 20. / 255, 30. / 255, 200. / 255, 100. / 255, 50. / 255}

	rgba := image.NewRGBA(opaque.Bounds())
	rgba64 := image.NewRGBA64(opaque.Bounds())
	paletted := image.NewPaletted(opaque.Bounds(), color.Palette{opaque.At(0, 0), opaque.At(1, 0)})
	for x := range 2 {
		rgba.Set(x, 0, opaque.At(x, 0))
		rgba64.Set(x, 0, opaque.At(x, 0))
		paletted.Set(x, 0, opaque.At(x, 0))
	}
	transparent := image.NewNRGBA(opaque.Bounds())
	transparent.SetNRGBA(0, 0, color.NRGBA{10, 20, 30, 7})
	transparent.SetNRGBA(1, 0, color.NRGBA{200, 100, 50, 200})
	grey16 := image.NewGray16(opaque.Bounds())
	grey16.SetGray16(0, 0, color.Gray16{0x1234})
	grey16.SetGray16(1, 0, color.Gray16{0xffff})
	greys := func(a, b float32) []float32 { return []float32{a, a, a, b, b, b} }

	tests := []struct {
		name string
		img  image.Image
		want []float32
		near float64
	}{
		{"rgb.png", rgba, want, 0},
		{"rgba.png", transparent, want, 0}, // alpha is dropped
		{"rgb16.png", rgba64, want, 0},
		{"paletted.png", paletted, want, 0},
		{"grey.png", filetest.Grey(1, 2, 3, 255), greys(3./255, 1), 0},
		{"grey16.png", grey16, greys(0x1234/65535., 1), 0},
		{"rgb.bmp", rgba, want, 0},
		{"grey.bmp", filetest.Grey(1, 2, 3, 255), greys(3./255, 1), 0},
		{"rgb.tiff", rgba, want, 0},
		{"grey.tif", filetest.Grey(1, 2, 3, 255), greys(3./255, 1), 0},
		{"grey16.TIFF", grey16, greys(0x1234/65535., 1), 0},
		{"grey.jpg", filetest.Grey(1, 2, 40, 41), greys(40./255, 41./255), 2. / 255}, // JPEG is lossy
		{"colour.jpeg", filetest.RGB(1, 2, [3]uint8{200, 100, 50}, [3]uint8{200, 100, 50}), []float32{200. / 255, 100. / 255, 50. / 255, 200. / 255, 100. / 255, 50. / 255}, 3. / 255},
	}
	t.Chdir(t.TempDir())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			filetest.Write(t, tt.name, filetest.Encode(t, strings.ToLower(tt.name), tt.img))
			m, err := imagefile.ImageFormat{MaxPixels: 100}.Read(tt.name)
			if err != nil {
				t.Fatal(err)
			}
			if m.H != 1 || m.W != 2 {
				t.Fatalf("is %dx%d, want 2x1", m.W, m.H)
			}
			for i, v := range m.Pix {
				if !(math.Abs(float64(v-tt.want[i])) <= tt.near) {
					t.Fatalf("got %v, want %v within %v", m.Pix, tt.want, tt.near)
				}
			}
		})
	}
	for kind, b := range webP {
		filetest.Write(t, kind+".webp", decodeBase64(t, b))
		if m, err := (imagefile.ImageFormat{MaxPixels: 100}).Read(kind + ".webp"); err != nil || len(m.Pix) != 3 {
			t.Errorf("%s.webp: %v, %v", kind, m, err)
		}
	}
	filetest.Write(t, "cmyk.jpg", decodeBase64(t, cmykJPEG))
	m, err := imagefile.ImageFormat{MaxPixels: 100}.Read("cmyk.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range m.Pix {
		if want := []float32{1, 128. / 255, 128. / 255}[i%3]; math.Abs(float64(v-want)) > 1./255 {
			t.Fatalf("cmyk.jpg: value %d is %v, want %v", i, v, want)
		}
	}
}

func TestReadImageRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	picture := filetest.RGB(16, 16)
	for _, name := range []string{"a.png", "a.jpg", "a.bmp", "a.tiff"} {
		b := filetest.Encode(t, name, picture)
		filetest.Write(t, "whole-"+name, b)
		for _, n := range []int{0, 3, 20, len(b) / 2, len(b) - 30} {
			filetest.Write(t, name, b[:n])
			_, err := imagefile.ImageFormat{MaxPixels: 1000}.Read(name)
			if err == nil || !strings.HasPrefix(err.Error(), "data: image "+name+": ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s cut to %d of %d bytes: error %v, want one line that names the file", name, n, len(b), err)
			}
		}
		want := "data: image whole-" + name + ": is 16x16 pixels, want at most data.max_pixels = 255"
		if _, err := (imagefile.ImageFormat{MaxPixels: 255}).Read("whole-" + name); filetest.Message(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if _, err := (imagefile.ImageFormat{MaxPixels: 256}).Read("whole-" + name); err != nil {
			t.Errorf("%s of just max_pixels: %v", name, err)
		}
	}
	filetest.Write(t, "empty.png", nil)
	filetest.Write(t, "text.png", []byte("no image at all"))
	if err := os.Mkdir("folder.png", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"empty.png":  "data: image empty.png: is empty",
		"text.png":   "data: image text.png: is not a PNG, JPEG, BMP, GIF, PNM, TIFF or WebP image",
		"folder.png": "data: image folder.png: is not a regular file",
		"none.png":   "data: image none.png: no such file or directory",
	} {
		if _, err := (imagefile.ImageFormat{MaxPixels: 100}).Read(name); filetest.Message(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// loadMask writes a pair of an image (h,w) and a mask, and reads the mask.
func loadMask(t *testing.T, h, w int, format imagefile.MaskFormat, name string, mask []byte) ([]uint8, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	filetest.Write(t, "images/007.png", filetest.Encode(t, ".png", filetest.RGB(h, w)))
	filetest.Write(t, "masks/"+name, mask)
	listing := imagefile.DefaultLayout().List(".")
	pairs, problems := listing.Pairs, listing.Problems
	if len(pairs) != 1 || len(problems) > 0 {
		t.Fatal(pairs, problems)
	}
	if _, _, err := pairs[0].Headers(format); err != nil {
		return nil, err
	}
	_, got, err := pairs[0].Read(imagefile.ImageFormat{MaxPixels: 1000}, format)
	return got.Pix, err
}

// palettedImage has colours that say nothing of its indices.
func palettedImage(h, w, colours int, indices ...uint8) *image.Paletted {
	p := make(color.Palette, colours)
	for i := range p {
		p[i] = color.NRGBA{uint8(255 - i), uint8(i), 7, 255}
	}
	img := image.NewPaletted(image.Rect(0, 0, w, h), p)
	copy(img.Pix, indices)
	return img
}

// Classes as drawn; 255 in memory is Void.
func TestMaskKinds(t *testing.T) {
	grey16 := image.NewGray16(image.Rect(0, 0, 3, 1))
	for x, v := range []uint16{0, 3, 255} {
		grey16.SetGray16(x, 0, color.Gray16{v})
	}
	red, green, blue, white := [3]uint8{255, 0, 0}, [3]uint8{0, 255, 0}, [3]uint8{0, 0, 255}, [3]uint8{255, 255, 255}
	colours := [][3]int{{0, 255, 0}, {255, 0, 0}, {0, 0, 255}, {0, 0, 0}, {255, 255, 255}}
	byColour := image.NewPaletted(image.Rect(0, 0, 3, 1), color.Palette{color.White, color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 255}})
	copy(byColour.Pix, []uint8{1, 0, 2})
	tests := []struct {
		name, file string
		mask       []byte
		ignore     int
		palette    [][3]int
		want       []uint8
	}{
		{"grey", "007.png", filetest.Encode(t, ".png", filetest.Grey(1, 3, 0, 3, 255)), 255, nil, []uint8{0, 3, imagefile.Void}},
		{"grey of another ignore_index", "007.png", filetest.Encode(t, ".png", filetest.Grey(1, 3, 0, 3, 9)), 9, nil, []uint8{0, 3, imagefile.Void}},
		{"grey 16 bit", "007.png", filetest.Encode(t, ".png", grey16), 255, nil, []uint8{0, 3, imagefile.Void}},
		{"grey bmp", "007.bmp", filetest.Encode(t, ".bmp", filetest.Grey(1, 3, 0, 3, 255)), 255, nil, []uint8{0, 3, imagefile.Void}},
		{"grey tiff", "007.tif", filetest.Encode(t, ".tif", filetest.Grey(1, 3, 0, 3, 255)), 255, nil, []uint8{0, 3, imagefile.Void}},
		{"paletted", "007.png", filetest.Encode(t, ".png", palettedImage(1, 3, 256, 2, 1, 255)), 255, nil, []uint8{2, 1, imagefile.Void}},
		{"paletted 2 bit", "007.png", filetest.Encode(t, ".png", palettedImage(1, 3, 4, 2, 1, 3)), 255, nil, []uint8{2, 1, 3}},
		{"rgb by palette", "007.png", filetest.Encode(t, ".png", filetest.RGB(1, 3, red, green, blue)), 255, colours, []uint8{1, 0, 2}},
		{"rgb with an ignored colour", "007.tiff", filetest.Encode(t, ".tiff", filetest.RGB(1, 3, red, white, blue)), 255, colours, []uint8{1, imagefile.Void, 2}},
		{"paletted by palette", "007.png", filetest.Encode(t, ".png", byColour), 255, colours, []uint8{1, imagefile.Void, 2}},
		{"grey by palette", "007.png", filetest.Encode(t, ".png", filetest.Grey(1, 3, 0, 255, 0)), 255, colours, []uint8{3, imagefile.Void, 3}},
		{"grey 1 bit", "007.png", greyPNG(t, 1, 3, 1, 0b10100000), 255, nil, []uint8{1, 0, 1}},
		{"grey 2 bit", "007.png", greyPNG(t, 1, 3, 2, 0b11_01_10_00), 255, nil, []uint8{3, 1, 2}},
		{"grey 4 bit", "007.png", greyPNG(t, 1, 3, 4, 0x3f, 0x20), 15, nil, []uint8{3, imagefile.Void, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := loadMask(t, 1, 3, imagefile.NewMaskFormat(4, tt.ignore, tt.palette, 100), tt.file, tt.mask)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestMaskRefused(t *testing.T) {
	const w = 20
	seven := filetest.Grey(16, w)
	seven.SetGray(12, 9, color.Gray{7})
	odd := filetest.RGB(16, w)
	for x := range 17 {
		odd.SetNRGBA(x+1, 3, color.NRGBA{1, 2, 3, 255})
	}
	clear := filetest.RGB(16, w)
	clear.SetNRGBA(5, 6, color.NRGBA{0, 0, 0, 0})
	black := [][3]int{{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {3, 3, 3}}
	tests := []struct {
		name, file string
		mask       []byte
		palette    [][3]int
		want       string
	}{
		{"class", "007.png", filetest.Encode(t, ".png", seven), nil, "data: mask masks/007.png: pixel (12, 9) has class 7, want 0..3 or ignore 255"},
		{"colour", "007.png", filetest.Encode(t, ".png", odd), black, "data: mask masks/007.png: pixel (1, 3) is [1, 2, 3], want a colour of data.palette; 17 such pixels"},
		{"transparent", "007.png", filetest.Encode(t, ".png", clear), black, "data: mask masks/007.png: pixel (5, 6) is [0, 0, 0] with alpha 0, want an opaque colour of data.palette; 1 such pixels; lay them on a colour first, as by: magick FILE -background black -flatten NAME.png"},
		{"no palette", "007.png", filetest.Encode(t, ".png", odd), nil, "data: mask masks/007.png: is in colour; want class indices (8-bit grey or paletted), or data.palette with the colour of each class"},
		{"jpeg", "007.jpg", filetest.Encode(t, ".jpg", seven), nil, "data: mask masks/007.jpg: uses lossy compression, which changes classes; want PNG, BMP, GIF, PNM, TIFF or lossless WebP"},
		{"jpeg named png", "007.png", filetest.Encode(t, ".jpg", seven), nil, "data: mask masks/007.png: uses lossy compression, which changes classes; want PNG, BMP, GIF, PNM, TIFF or lossless WebP"},
		{"size", "007.png", filetest.Encode(t, ".png", filetest.Grey(w, 16)), nil, "data: image images/007.png is 20x16 pixels, its mask masks/007.png is 16x20, want equal sizes"},
		{"no image", "007.png", []byte("class 7"), nil, "data: mask masks/007.png: is not a PNG, JPEG, BMP, GIF, PNM, TIFF or WebP image"},
		{"cut", "007.png", filetest.Encode(t, ".png", seven)[:50], nil, "data: mask masks/007.png: png: invalid format: not enough pixel data"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := loadMask(t, 16, w, imagefile.NewMaskFormat(4, 255, tt.palette, 1000), tt.file, tt.mask); filetest.Message(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	want := "data: mask masks/007.webp: uses lossy compression, which changes classes; want PNG, BMP, GIF, PNM, TIFF or lossless WebP"
	if _, err := loadMask(t, 1, 1, imagefile.NewMaskFormat(4, 255, nil, 100), "007.webp", decodeBase64(t, webP["lossy"])); filetest.Message(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestContents(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{
		"in/b.jpg", "in/a.PNG", "in/.c.png", "in/.DS_Store", "in/Thumbs.db", "in/.git/x.png", "in/d.txt", "in/e", "in/f.pdf", "in/g.xml",
		"in/sub/e.png", "in/sub/deep/f.gif", "in/sub/deep/notes", "in/masks/a.png", "empty/x/y",
	} {
		filetest.Write(t, name, nil)
	}
	if err := os.Symlink("..", "in/up"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("in/masks", "link"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		dir       string
		recursive bool
		skip      string
		images    []string
		leftOut   string
	}{
		{"in", false, "", []string{"in/a.PNG", "in/b.jpg"},
			"3 folders (in/masks, in/sub, in/up), 4 files that are no images by their names (in/d.txt, in/e, in/f.pdf and 1 more), 1 hidden image (in/.c.png)"},
		{"in", true, "in/masks", []string{"in/a.PNG", "in/b.jpg", "in/sub/deep/f.gif", "in/sub/e.png"},
			"2 folders (in/masks, in/up), 5 files that are no images by their names (in/d.txt, in/e, in/f.pdf and 2 more), 1 hidden image (in/.c.png)"},
		{"in/sub/deep", true, "none", []string{"in/sub/deep/f.gif"}, "1 file that is no image by its name (in/sub/deep/notes)"},
		{"in/masks", false, "", []string{"in/masks/a.png"}, ""},
		{"link", true, "", []string{"link/a.png"}, ""},
		{"empty", false, "", nil, "1 folder (empty/x)"},
	} {
		l, err := imagefile.List(tt.dir, tt.recursive, tt.skip)
		if err != nil || !slices.Equal(l.Images, tt.images) || l.LeftOut() != tt.leftOut {
			t.Errorf("%s: got %v without %q, %v, want %v without %q", tt.dir, l.Images, l.LeftOut(), err, tt.images, tt.leftOut)
		}
	}
	if _, err := imagefile.List("gone", false, ""); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("no folder: %v", err)
	}
}

func TestWriteMaskRoundTrip(t *testing.T) {
	palette := imagefile.Colors(3, nil)
	want := []uint8{2, 0, imagefile.Void, 1}
	t.Chdir(t.TempDir())
	if err := imagefile.WriteMask("007.png", want, 1, 4, palette); err != nil {
		t.Fatal(err)
	}
	if got, h, w, err := imagefile.NewMaskFormat(3, 255, nil, 100).Read("007.png"); err != nil || h != 1 || w != 4 || !slices.Equal(got, want) {
		t.Errorf("got %v, %dx%d, %v, want %v", got, w, h, err, want)
	}
	for name, tt := range map[string]struct {
		mask []uint8
		want string
	}{
		"class": {[]uint8{0, 0, 3, 0}, "data: mask x.png: pixel (2, 0) has class 3, want 0..2"},
		"size":  {[]uint8{0}, "data: mask x.png: has 1 pixels, want 4x1"},
	} {
		if err := imagefile.WriteMask("x.png", tt.mask, 1, 4, palette); filetest.Message(err) != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

// greyPNG is a PNG of rows of the given bits per pixel, which
// package image/png reads but cannot write.
func greyPNG(t testing.TB, h, w, bits int, rows ...byte) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, body []byte) {
		body = append([]byte(kind), body...)
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(body)-4)))
		b.Write(body)
		b.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(w))
	head = binary.BigEndian.AppendUint32(head, uint32(h))
	chunk("IHDR", append(head, byte(bits), 0, 0, 0, 0))
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	for y := range h {
		z.Write([]byte{0}) // no filter
		z.Write(rows[y*len(rows)/h:][:len(rows)/h])
	}
	z.Close()
	chunk("IDAT", packed.Bytes())
	chunk("IEND", nil)
	return b.Bytes()
}
