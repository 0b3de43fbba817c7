package imagefile_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// threeClasses is how the masks of these tests hold classes.
var threeClasses = imagefile.NewMaskFormat(3, 255, nil, 100)

// sample is an image and its mask.
type sample struct {
	Image []float32
	Mask  []uint8
}

// loadNPY reads two samples.
func loadNPY(t *testing.T, images, masks []byte) (a, b sample, err error) {
	t.Helper()
	t.Chdir(t.TempDir())
	filetest.Write(t, "images.npy", images)
	filetest.Write(t, "masks.npy", masks)
	s, err := imagefile.DefaultLayout().OpenArrays(".", imagefile.ImageFormat{MaxPixels: 1 << 14}, threeClasses)
	if err != nil {
		return a, b, err
	}
	for i, to := range []*sample{&a, &b} {
		image, mask, err := s.Read(i)
		if err != nil {
			return a, b, err
		}
		*to = sample{image.Pix, mask}
	}
	return a, b, nil
}

var (
	indexMasks = []float64{0, 1, 2, 255}
	oneHot     = []float64{1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0} // the same
)

func TestNPYImages(t *testing.T) {
	masks := filetest.NPY(t, 1, "|u1", "(2, 1, 2)", indexMasks...)
	bytes := []float64{0, 51, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	scaled := make([]float32, len(bytes))
	for i, v := range bytes {
		scaled[i] = float32(v) / 255
	}
	floats := []float64{0, 0.5, 1, 0.25, 0, 1, 0x1p-24, 0.5, 0.25, 1, 0, 0.5}
	same := make([]float32, len(floats))
	for i, v := range floats {
		same[i] = float32(v)
	}
	greys := []float32{0, 0, 0, .5, .5, .5, 1, 1, 1, .25, .25, .25}
	tests := []struct {
		descr, shape string
		version      byte
		values       []float64
		want         []float32
	}{
		{"|u1", "(2, 1, 2, 3)", 1, bytes, scaled},
		{"|u1", "(2, 1, 2, 3)", 2, bytes, scaled},
		{"|u1", "(2, 1, 2, 3)", 3, bytes, scaled},
		{"<f2", "(2, 1, 2, 3)", 1, floats, same},
		{">f2", "(2, 1, 2, 3)", 1, floats, same},
		{"<f4", "(2, 1, 2, 3)", 1, floats, same},
		{">f4", "(2, 1, 2, 3)", 1, floats, same},
		{"<f8", "(2, 1, 2, 3)", 1, floats, same},
		{">f8", "(2, 1, 2, 3)", 1, floats, same},
		{"<f4", "(2, 1, 2, 1)", 1, floats[:4], greys},
		{"<f4", "(2, 1, 2)", 1, floats[:4], greys},
		{"<f4", "(2L, 1L, 2L)", 1, floats[:4], greys},
	}
	for _, tt := range tests {
		t.Run(tt.descr+tt.shape, func(t *testing.T) {
			a, b, err := loadNPY(t, filetest.NPY(t, tt.version, tt.descr, tt.shape, tt.values...), masks)
			if got := append(slices.Clone(a.Image), b.Image...); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestNPYMasks(t *testing.T) {
	images := filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 0, 0, 0)
	want := []uint8{0, 1, 2, imagefile.Void}
	for _, shape := range []string{"(2, 1, 2)", "(2, 1, 2, 1)", "(2, 1, 2, 3)"} {
		for _, descr := range []string{"|b1", "|u1", "|i1", "<u2", ">u2", "<i2", ">i2", "<u4", ">u4", "<i4", ">i4", "<u8", ">u8", "<i8", ">i8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"} {
			values := oneHot
			if shape != "(2, 1, 2, 3)" {
				if strings.Contains("b1 i1 f2", descr[1:]) {
					continue // cannot hold 255, or the test's encoder cannot
				}
				values = indexMasks
			}
			t.Run(descr+shape, func(t *testing.T) {
				a, b, err := loadNPY(t, images, filetest.NPY(t, 1, descr, shape, values...))
				if got := append(slices.Clone(a.Mask), b.Mask...); err != nil || !slices.Equal(got, want) {
					t.Errorf("got %v, %v, want %v", got, err, want)
				}
			})
		}
	}
}

func TestNPYRefused(t *testing.T) {
	images := filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 0, 0, 0)
	masks := filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 0, 0, 0)
	mask := func(descr, shape string, v ...float64) []byte { return filetest.NPY(t, 1, descr, shape, v...) }
	dict := func(s string) []byte { return filetest.NPYDict(t, 1, s, "|u1", 0, 0, 0, 0) }
	tests := []struct {
		name          string
		images, masks []byte
		want          string
	}{
		{"bytes as floats", mask("<f4", "(2, 1, 2)", 0, 0, 1, 131), masks, "data: images.npy: sample 1: pixel (1, 0), channel 0 is 131, want 0..1, or data.normalize: percentile"},
		{"NaN", mask("<f8", "(2, 1, 2)", 0, math.NaN(), 1, 1), masks, "data: images.npy: sample 0: pixel (1, 0), channel 0 is NaN, want 0..1, or data.normalize: percentile"},
		{"integers", mask("<i4", "(2, 1, 2)", 0, 0, 0, 0), masks, "data: images.npy: holds i4, want uint8 (u1), uint16 (u2) or floats in 0..1, or data.normalize: percentile"},
		{"channels first", mask("|u1", "(1, 3, 1, 2)", 0, 0, 0, 0, 0, 0), masks, "data: images.npy: has shape [1 3 1 2], want (N,H,W,3), or (N,H,W) for grey"},
		{"no image", mask("|u1", "(0, 1, 2)"), masks, "data: images.npy: has shape [0 1 2], want at least one image of at least 1x1"},
		{"other number", images, mask("|u1", "(1, 1, 2)", 0, 0), "data: images.npy has shape [2 1 2] and masks.npy [1 1 2], want equal N, H and W"},
		{"other classes", images, mask("|u1", "(2, 1, 2, 4)", make([]float64, 16)...), "data: masks.npy: has shape [2 1 2 4], want one-hot (N,H,W,3) or class indices (N,H,W)"},
		{"class", images, mask("|u1", "(2, 1, 2)", 0, 0, 0, 3), "data: masks.npy: sample 1: pixel (1, 0) has class 3, want 0..2 or ignore 255, or data.mask_values: [1, 2, 3] if classes are counted from 1"},
		{"negative class", images, mask("|i1", "(2, 1, 2)", 0, -1, 0, 3), "data: masks.npy: sample 0: pixel (1, 0) has class -1, want 0..2 or ignore 255"},
		{"half a class", images, mask("<f4", "(2, 1, 2)", 0.5, 0, 0, 0), "data: masks.npy: sample 0: pixel (0, 0) has class 0.5, want 0..2 or ignore 255"},
		{"two ones", images, mask("|u1", "(2, 1, 2, 3)", 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0), "data: masks.npy: sample 1: pixel (1, 0) has a one-hot vector with sum 2, want 1, or 0 for void"},
		{"probabilities", images, mask("<f4", "(2, 1, 2, 3)", 1, 0, 0, 0, 0.5, 0.5, 0, 0, 1, 1, 1, 0), "data: masks.npy: sample 0: pixel (1, 0) has 0.5 in its one-hot vector at 1, want 0 or 1"},
		{"both bad", []byte("PK"), images[:20], "data: images.npy: is not an npy file\ndata: masks.npy: is truncated in its header"},
		{"short", images[:len(images)-1], masks, fmt.Sprintf("data: images.npy: has %d bytes, want %d for shape [2 1 2] of u1", len(images)-1, len(images))},
		{"long", append(slices.Clone(images), 0), masks, fmt.Sprintf("data: images.npy: has %d bytes, want %d for shape [2 1 2] of u1", len(images)+1, len(images))},
		{"version", append([]byte("\x93NUMPY\x04\x00"), images[8:]...), masks, "data: images.npy: is npy version 4, want 1, 2 or 3"},
		{"objects", mask("|O", "(2, 1, 2)"), masks, `data: images.npy: has data type "|O", want bool, an integer or a float of 2, 4 or 8 bytes`},
		{"records", dict("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}"), masks, `data: images.npy: has a malformed npy header: want one data type at "[('a', '<f4')], 'for"`},
		{"Fortran", dict("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 1, 2), }"), masks, "data: images.npy: is in Fortran order, want C order: save numpy.ascontiguousarray(a)"},
		{"overflow", mask("<f8", "(4294967296, 4294967296, 4294967296)"), masks, "data: images.npy: has shape [4294967296 4294967296 4294967296], more than a file can hold"},
		{"axis beyond int", mask("<f8", "(99999999999999999999, 1, 2)"), masks, `data: images.npy: has a malformed npy header: want a tuple of axes at "99999999999999999999"`},
		{"negative axis", mask("<f8", "(-2, 1, 2)"), masks, `data: images.npy: has a malformed npy header: want a tuple of axes at "-2, 1, 2), }\n"`},
		{"key twice", dict("{'descr': '|u1', 'descr': '|u1', 'shape': (2, 1, 2), }"), masks, `data: images.npy: has a header with "descr" twice`},
		{"key missing", dict("{'descr': '|u1', 'shape': (2, 1, 2), }"), masks, `data: images.npy: has a header without fortran_order`},
		{"key unknown", dict("{'descr': '|u1', 'x': (2, 1, 2), }"), masks, `data: images.npy: has a header with key "x", want descr, fortran_order and shape`},
		{"more after it", dict("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2), } + x"), masks, `data: images.npy: has a malformed npy header: want the end at " + x"`},
		{"not a dictionary", dict("['descr']"), masks, `data: images.npy: has a malformed npy header: want { at "['descr']"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := loadNPY(t, tt.images, tt.masks); filetest.Message(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestNPYLargeHeaderRefused(t *testing.T) {
	b := binary.LittleEndian.AppendUint32([]byte("\x93NUMPY\x02\x00"), 1<<31)
	want := "data: images.npy: has a header of 2147483648 bytes, want at most 65536"
	if _, _, err := loadNPY(t, b, filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 0, 0, 0)); filetest.Message(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A file that shrinks after it was opened.
func TestNPYCutLater(t *testing.T) {
	t.Chdir(t.TempDir())
	images := filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 0, 0, 0)
	filetest.Write(t, "images.npy", images)
	filetest.Write(t, "masks.npy", images)
	s, err := imagefile.DefaultLayout().OpenArrays(".", imagefile.ImageFormat{MaxPixels: 1 << 14}, threeClasses)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate("images.npy", int64(len(images)-1)); err != nil {
		t.Fatal(err)
	}
	want := "data: images.npy: sample 1: unexpected EOF"
	if _, _, err := s.Read(1); filetest.Message(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestNPYMaxPixels(t *testing.T) {
	t.Chdir(t.TempDir())
	filetest.Write(t, "images.npy", filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 0, 0, 0))
	filetest.Write(t, "masks.npy", filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 0, 0, 0))
	want := "data: images.npy: has images of 2x1 pixels, want at most data.max_pixels = 1"
	if _, err := imagefile.DefaultLayout().OpenArrays(".", imagefile.ImageFormat{MaxPixels: 1}, imagefile.NewMaskFormat(3, 255, nil, 1)); filetest.Message(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// The bytes as numpy.save writes them for float32 [[1, 2, 3], [4, 5, 6]], except
// that some versions of NumPy pad the header more.
func TestWriteNPY(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	if err := imagefile.WriteNPY(path, []int{2, 3}, []float32{1, 2, 3, 4, 5, 6}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head := "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
	want := head + strings.Repeat(" ", 127-len(head)) + "\n" +
		"\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40\x00\x00\xa0\x40\x00\x00\xc0\x40"
	if string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if err := imagefile.StreamNPY(path, []int{2, 3}, func(write func([]float32) error) error {
		for _, part := range [][]float32{{1}, {2, 3, 4}, {}, {5, 6}} {
			if err := write(part); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); string(got) != want || err != nil {
		t.Errorf("in pieces: got %q, %v\nwant %q", got, err, want)
	}
	if err := imagefile.WriteNPY(path, []int{2, 3}, make([]float32, 5)); filetest.Message(err) != "data: write "+path+": shape [2 3] of 5 values, want 6" {
		t.Error(err)
	}
}
