package data_test

import (
	"encoding/base64"
	"image"
	"image/color"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
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
	opaque := rgb(1, 2, [3]uint8{10, 20, 30}, [3]uint8{200, 100, 50})
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
		{"grey.png", grey(1, 2, 3, 255), greys(3./255, 1), 0},
		{"grey16.png", grey16, greys(0x1234/65535., 1), 0},
		{"rgb.bmp", rgba, want, 0},
		{"grey.bmp", grey(1, 2, 3, 255), greys(3./255, 1), 0},
		{"rgb.tiff", rgba, want, 0},
		{"grey.tif", grey(1, 2, 3, 255), greys(3./255, 1), 0},
		{"grey16.TIFF", grey16, greys(0x1234/65535., 1), 0},
		{"grey.jpg", grey(1, 2, 40, 41), greys(40./255, 41./255), 2. / 255}, // JPEG is lossy
		{"colour.jpeg", rgb(1, 2, [3]uint8{200, 100, 50}, [3]uint8{200, 100, 50}), []float32{200. / 255, 100. / 255, 50. / 255, 200. / 255, 100. / 255, 50. / 255}, 3. / 255},
	}
	t.Chdir(t.TempDir())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write(t, tt.name, encode(t, strings.ToLower(tt.name), tt.img))
			m, err := data.ReadImage(tt.name, 100)
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
		write(t, kind+".webp", decodeBase64(t, b))
		if m, err := data.ReadImage(kind+".webp", 100); err != nil || len(m.Pix) != 3 {
			t.Errorf("%s.webp: %v, %v", kind, m, err)
		}
	}
	write(t, "cmyk.jpg", decodeBase64(t, cmykJPEG))
	m, err := data.ReadImage("cmyk.jpg", 100)
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
	picture := rgb(16, 16)
	for _, name := range []string{"a.png", "a.jpg", "a.bmp", "a.tiff"} {
		b := encode(t, name, picture)
		write(t, "whole-"+name, b)
		for _, n := range []int{0, 3, 20, len(b) / 2, len(b) - 30} {
			write(t, name, b[:n])
			_, err := data.ReadImage(name, 1000)
			if err == nil || !strings.HasPrefix(err.Error(), "data: image "+name+": ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s cut to %d of %d bytes: error %v, want one line that names the file", name, n, len(b), err)
			}
		}
		want := "data: image whole-" + name + ": is 16x16 pixels, want at most data.max_pixels = 255"
		if _, err := data.ReadImage("whole-"+name, 255); message(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if _, err := data.ReadImage("whole-"+name, 256); err != nil {
			t.Errorf("%s of just max_pixels: %v", name, err)
		}
	}
	write(t, "empty.png", nil)
	write(t, "text.png", []byte("no image at all"))
	if err := os.Mkdir("folder.png", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"empty.png":  "data: image empty.png: is empty",
		"text.png":   "data: image text.png: is not a PNG, JPEG, BMP, TIFF or WebP image",
		"folder.png": "data: image folder.png: is not a regular file",
		"none.png":   "data: image none.png: no such file or directory",
	} {
		if _, err := data.ReadImage(name, 100); message(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// loadMask opens a data set of one pair twice over (train and val) and loads its mask.
func loadMask(t *testing.T, c data.Config, name string, mask []byte) ([]uint8, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "images/007.png", encode(t, ".png", rgb(c.Size[0], c.Size[1])))
	write(t, "masks/"+name, mask)
	s, err := data.Open(c, 1, "train")
	if err != nil {
		return nil, err
	}
	smp, err := s.Load(0)
	return smp.Mask, err
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
		{"grey", "007.png", encode(t, ".png", grey(1, 3, 0, 3, 255)), 255, nil, []uint8{0, 3, data.Void}},
		{"grey of another ignore_index", "007.png", encode(t, ".png", grey(1, 3, 0, 3, 9)), 9, nil, []uint8{0, 3, data.Void}},
		{"grey 16 bit", "007.png", encode(t, ".png", grey16), 255, nil, []uint8{0, 3, data.Void}},
		{"grey bmp", "007.bmp", encode(t, ".bmp", grey(1, 3, 0, 3, 255)), 255, nil, []uint8{0, 3, data.Void}},
		{"grey tiff", "007.tif", encode(t, ".tif", grey(1, 3, 0, 3, 255)), 255, nil, []uint8{0, 3, data.Void}},
		{"paletted", "007.png", encode(t, ".png", palettedImage(1, 3, 256, 2, 1, 255)), 255, nil, []uint8{2, 1, data.Void}},
		{"paletted 2 bit", "007.png", encode(t, ".png", palettedImage(1, 3, 4, 2, 1, 3)), 255, nil, []uint8{2, 1, 3}},
		{"rgb by palette", "007.png", encode(t, ".png", rgb(1, 3, red, green, blue)), 255, colours, []uint8{1, 0, 2}},
		{"rgb with an ignored colour", "007.tiff", encode(t, ".tiff", rgb(1, 3, red, white, blue)), 255, colours, []uint8{1, data.Void, 2}},
		{"paletted by palette", "007.png", encode(t, ".png", byColour), 255, colours, []uint8{1, data.Void, 2}},
		{"grey by palette", "007.png", encode(t, ".png", grey(1, 3, 0, 255, 0)), 255, colours, []uint8{3, data.Void, 3}},
		{"grey 1 bit", "007.png", greyPNG(t, 1, 3, 1, 0b10100000), 255, nil, []uint8{1, 0, 1}},
		{"grey 2 bit", "007.png", greyPNG(t, 1, 3, 2, 0b11_01_10_00), 255, nil, []uint8{3, 1, 2}},
		{"grey 4 bit", "007.png", greyPNG(t, 1, 3, 4, 0x3f, 0x20), 15, nil, []uint8{3, data.Void, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := folderConfig(1, 3)
			c.IgnoreIndex, c.Palette = tt.ignore, tt.palette
			got, err := loadMask(t, c, tt.file, tt.mask)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestMaskRefused(t *testing.T) {
	const w = 20
	seven := grey(16, w)
	seven.SetGray(12, 9, color.Gray{7})
	odd := rgb(16, w)
	for x := range 17 {
		odd.SetNRGBA(x+1, 3, color.NRGBA{1, 2, 3, 255})
	}
	clear := rgb(16, w)
	clear.SetNRGBA(5, 6, color.NRGBA{0, 0, 0, 0})
	black := [][3]int{{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {3, 3, 3}}
	tests := []struct {
		name, file string
		mask       []byte
		palette    [][3]int
		want       string
	}{
		{"class", "007.png", encode(t, ".png", seven), nil, "data: mask masks/007.png: pixel (12, 9) has class 7, want 0..3 or ignore 255"},
		{"colour", "007.png", encode(t, ".png", odd), black, "data: mask masks/007.png: pixel (1, 3) is [1, 2, 3], want a colour of data.palette; 17 such pixels"},
		{"transparent", "007.png", encode(t, ".png", clear), black, "data: mask masks/007.png: pixel (5, 6) is [0, 0, 0] with alpha 0, want an opaque colour of data.palette; 1 such pixels"},
		{"no palette", "007.png", encode(t, ".png", rgb(16, w)), nil, "data: mask masks/007.png: is in colour; want class indices (8-bit grey or paletted), or data.palette with the colour of each class"},
		{"jpeg", "007.jpg", encode(t, ".jpg", seven), nil, "data: mask masks/007.jpg: is compressed with loss, which changes classes; want PNG, BMP, TIFF or lossless WebP"},
		{"jpeg named png", "007.png", encode(t, ".jpg", seven), nil, "data: mask masks/007.png: is compressed with loss, which changes classes; want PNG, BMP, TIFF or lossless WebP"},
		{"size", "007.png", encode(t, ".png", grey(w, 16)), nil, "data: image images/007.png is 20x16 pixels, its mask masks/007.png is 16x20, want equal sizes"},
		{"no image", "007.png", []byte("class 7"), nil, "data: mask masks/007.png: is not a PNG, JPEG, BMP, TIFF or WebP image"},
		{"cut", "007.png", encode(t, ".png", seven)[:50], nil, "data: mask masks/007.png: png: invalid format: not enough pixel data"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := folderConfig(16, w)
			c.Palette = tt.palette
			if _, err := loadMask(t, c, tt.file, tt.mask); message(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	c := folderConfig(1, 1)
	want := "data: mask masks/007.webp: is compressed with loss, which changes classes; want PNG, BMP, TIFF or lossless WebP"
	if _, err := loadMask(t, c, "007.webp", decodeBase64(t, webP["lossy"])); message(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestOpenListsAllProblems(t *testing.T) {
	t.Chdir(t.TempDir())
	image, mask := encode(t, ".png", rgb(2, 2)), encode(t, ".png", grey(2, 2))
	for _, name := range []string{"a.png", "b.png", "c.PNG", "c.png", "e.png", "f.png"} {
		write(t, "images/"+name, image)
	}
	for _, name := range []string{"a.png", "c.png", "d.png", "e.png", "g.png"} {
		write(t, "masks/"+name, mask)
	}
	write(t, "masks/e.png", encode(t, ".png", grey(2, 3)))
	write(t, "masks/notes.txt", nil)
	write(t, "images/sub/x.png", image)
	write(t, "images/.hidden", nil)
	write(t, "images/a.png", image[:20])
	want := `data: image images/b.png has no mask masks/b.*
data: image images/f.png has no mask masks/f.*
data: images/c.PNG and images/c.png have one stem, want one file
data: images/sub is a folder, want image files only
data: mask masks/d.png has no image images/d.*
data: mask masks/g.png has no image images/g.*
data: masks/notes.txt is not an image, want .png .jpg .jpeg .bmp .tif .tiff .webp
data: image images/a.png: is truncated: unexpected EOF
data: image images/e.png is 2x2 pixels, its mask masks/e.png is 3x2, want equal sizes`
	if _, err := data.Open(folderConfig(2, 2), 1, "train"); message(err) != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "file", nil)
	write(t, "empty/images/.keep", nil)
	write(t, "empty/masks/.keep", nil)
	write(t, "halves/images/.keep", nil)
	write(t, "one/images/a.png", encode(t, ".png", rgb(2, 2)))
	write(t, "one/masks/a.png", encode(t, ".png", grey(2, 2)))
	tests := []struct{ name, train, val, split, want string }{
		{"missing", "nowhere", "", "train", `data.train = "nowhere": no such file or directory`},
		{"missing, for val", "nowhere", "", "val", `data.train = "nowhere": no such file or directory`},
		{"missing val", "one", "nowhere", "val", `data.val = "nowhere": no such file or directory`},
		{"file", "file", "", "train", `data.train = "file" is a file, want a folder`},
		{"no test", "one", "one", "test", `data: there is no test split: set data.test to its folder`},
		{"strange split", "one", "one", "dev", `data: split "dev", want train, val or test`},
		{"no images", "empty", "empty", "train", `data: empty/images has no image (.png .jpg .jpeg .bmp .tif .tiff .webp)`},
		{"no masks folder", "halves", "", "train", `data: open halves/masks: no such file or directory`},
		{"too few to divide", "one", "", "train", `data: one: has 1 image, too few to split off validation images: set data.val, or add images`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := folderConfig(2, 2)
			c.Train, c.Val = tt.train, tt.val
			if _, err := data.Open(c, 1, tt.split); message(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestImageFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"in/b.jpg", "in/a.png", "in/.c.png", "in/d.txt", "in/sub/e.png", "two/a.jpg", "two/a.png", "none/x"} {
		write(t, name, nil)
	}
	got, err := data.ImageFiles("in")
	if want := []string{"in/a.png", "in/b.jpg"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	got, err = data.ImageFiles("in/b.jpg")
	if want := []string{"in/b.jpg"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for path, want := range map[string]string{
		"two":  "data: two/a.jpg and two/a.png have one stem, want names that differ before the extension",
		"none": "data: none has no image (.png .jpg .jpeg .bmp .tif .tiff .webp)",
		"gone": "data: stat gone: no such file or directory",
	} {
		if _, err := data.ImageFiles(path); message(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestWriteMaskRoundTrip(t *testing.T) {
	c := folderConfig(1, 4)
	c.Classes = c.Classes[:3]
	want := []uint8{2, 0, data.Void, 1}
	t.Chdir(t.TempDir())
	write(t, "images/007.png", encode(t, ".png", rgb(1, 4)))
	write(t, "masks/.keep", nil)
	if err := data.WriteMask("masks/007.png", want, 1, 4, data.Colors(c)); err != nil {
		t.Fatal(err)
	}
	s, err := data.Open(c, 1, "train")
	if err != nil {
		t.Fatal(err)
	}
	if smp, err := s.Load(0); err != nil || !slices.Equal(smp.Mask, want) {
		t.Errorf("got %v, %v, want %v", smp.Mask, err, want)
	}
	for name, tt := range map[string]struct {
		mask []uint8
		want string
	}{
		"class": {[]uint8{0, 0, 3, 0}, "data: mask x.png: pixel (2, 0) has class 3, want 0..2"},
		"size":  {[]uint8{0}, "data: mask x.png: has 1 pixels, want 4x1"},
	} {
		if err := data.WriteMask("x.png", tt.mask, 1, 4, data.Colors(c)); message(err) != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}
