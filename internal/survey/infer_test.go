package survey_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
)

// bands is an image (8,12) of grey values, three rows and more each.
func bands(values ...uint8) *image.Gray {
	img := filetest.Grey(8, 12)
	for i := range img.Pix {
		img.Pix[i] = values[i/12*len(values)/8]
	}
	return img
}

// colourBands is an image (8,12) of colours, two rows and more each.
func colourBands(colours ...[3]uint8) *image.NRGBA {
	var all [][3]uint8
	for i := range 8 * 12 {
		all = append(all, colours[i/12*len(colours)/8])
	}
	return filetest.RGB(8, 12, all...)
}

// paletted gives the grey values of an image the colours of a palette.
func paletted(img *image.Gray, colours ...color.Color) *image.Paletted {
	return &image.Paletted{Pix: img.Pix, Stride: img.Stride, Rect: img.Rect, Palette: colours}
}

// smooth is an image (8,12) of black and white with a soft edge between them.
func smooth() *image.Gray {
	return filetest.Grey(8, 12, slices.Repeat([]uint8{0, 0, 0, 0, 0, 64, 128, 192, 255, 255, 255, 255}, 8)...)
}

func TestInfer(t *testing.T) {
	red, green, blue := color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}, color.NRGBA{0, 0, 255, 255}
	for _, tc := range []struct {
		name    string
		masks   []image.Image
		classes int
		palette [][3]int
		kind    string
		err     string // after "data: "
	}{
		{name: "grey indices", masks: []image.Image{bands(0, 1), bands(2)}, classes: 3, kind: "class indices 0..2"},
		{name: "with void", masks: []image.Image{bands(0, 1, 255)}, classes: 2, kind: "class indices 0..1, and void"},
		{name: "a class is absent", masks: []image.Image{bands(0, 1, 3)}, classes: 4, kind: "class indices 0..3"},
		{name: "paletted", masks: []image.Image{paletted(bands(0, 1), red, green), paletted(bands(1, 2), red, green, blue)}, classes: 3, kind: "class indices 0..2"},
		{name: "transparent palette", masks: []image.Image{paletted(bands(0, 1), color.NRGBA{}, green)}, classes: 2, kind: "class indices 0..1"},
		{name: "grey and paletted", masks: []image.Image{bands(0, 1), paletted(bands(0, 1), red, green)}, classes: 2, kind: "class indices 0..1"},
		{name: "16 bits", masks: []image.Image{grey16(8, 12, 0, 1)}, classes: 2, kind: "class indices 0..1"},

		{name: "black and white", masks: []image.Image{bands(0, 255)}, classes: 2, palette: [][3]int{{0, 0, 0}, {255, 255, 255}}, kind: "2 colours"},
		{name: "three greys", masks: []image.Image{bands(0, 128, 255)}, classes: 3, palette: [][3]int{{0, 0, 0}, {128, 128, 128}, {255, 255, 255}}, kind: "3 colours"},
		{name: "colours", masks: []image.Image{colourBands([3]uint8{255, 0, 0}, [3]uint8{0, 0, 9}), colourBands([3]uint8{0, 9, 0})},
			classes: 3, palette: [][3]int{{0, 0, 9}, {0, 9, 0}, {255, 0, 0}}, kind: "3 colours"},
		{name: "a palette each", masks: []image.Image{paletted(bands(0, 1), red, green), paletted(bands(0, 1), green, red)},
			classes: 2, palette: [][3]int{{0, 255, 0}, {255, 0, 0}}, kind: "2 colours"},

		{name: "smooth edges", masks: []image.Image{smooth(), smooth()},
			err: "the masks in set have 5 colours, 3 of them in specks of a pixel or two: they look smoothed or lossily compressed, want one colour per class with hard edges (scale by nearest neighbour, save as PNG); the most frequent: [0 0 0] 41.67 %, [255 255 255] 33.33 %, [64 64 64] 8.33 %, [128 128 128] 8.33 %, [192 192 192] 8.33 %"},
		{name: "one class", masks: []image.Image{bands(0), bands(0)}, err: "the masks in set have only one value, [0 0 0]: want at least two classes"},
		{name: "half transparent", masks: []image.Image{&image.NRGBA{Pix: []uint8{9, 8, 7, 128}, Stride: 4, Rect: image.Rect(0, 0, 1, 1)}},
			err: "mask set/masks/0.png: pixel (0, 0) is [9, 8, 7] with alpha 128, want opaque colours; lay them on one first, as by: magick FILE -background black -flatten NAME.png"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			sizes := map[[2]int]int{}
			for i, mask := range tc.masks {
				name := string(rune('0'+i)) + ".png"
				filetest.Write(t, filepath.Join("set/masks", name), filetest.Encode(t, name, mask))
				b := mask.Bounds()
				filetest.Write(t, filepath.Join("set/images", name), filetest.Encode(t, name, filetest.RGB(b.Dy(), b.Dx())))
				sizes[[2]int{b.Dy(), b.Dx()}]++
			}
			r, err := survey.Infer(t.Context(), "set", 2, nil)
			if tc.err != "" {
				if filetest.Message(err) != "data: "+tc.err {
					t.Errorf("got  %v\nwant data: %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.Source != "folder" || r.Train != "set" || r.Val != "" || len(r.Classes) != tc.classes || r.Classes[1] != "class_1" ||
				!reflect.DeepEqual(r.Palette, tc.palette) || r.Masks != tc.kind || !reflect.DeepEqual(r.Sizes, sizes) {
				t.Errorf("got %+v", r)
			}
			// It is read as it was understood.
			r.Val = r.Train
			c, err := survey.Check(t.Context(), with(r.Config, 1, 1), "train", nil)
			if err != nil || len(c.Faults) > 0 || c.Images != len(tc.masks) {
				t.Errorf("%d images, faults %v, %v", c.Images, c.Faults, err)
			}
		})
	}
}

// grey16 is an image (h,w) of 16 bits per pixel: its left half is a, the right half b.
func grey16(h, w int, a, b uint16) *image.Gray16 {
	img := image.NewGray16(image.Rect(0, 0, w, h))
	for i := range h * w {
		img.SetGray16(i%w, i/w, color.Gray16{[]uint16{a, b}[i%w*2/w]})
	}
	return img
}

func TestInferArrays(t *testing.T) {
	images := filetest.NPY(t, 1, "|u1", "(2, 1, 2, 3)", make([]float64, 12)...)
	for _, tc := range []struct {
		name    string
		masks   []byte
		classes int
		kind    string
		err     string
	}{
		{"indices", filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 1, 2, 255), 3, "class indices 0..2, and void", ""},
		{"one-hot", filetest.NPY(t, 1, "|u1", "(2, 1, 2, 3)", 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0), 3, "one-hot vectors", ""},
		{"one-hot with void", filetest.NPY(t, 1, "|u1", "(2, 1, 2, 2)", 1, 0, 0, 1, 0, 0, 0, 1), 2, "one-hot vectors, and void", ""},
		{"black and white", filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 255, 255, 0), 2, "values 0, 255", ""},
		{"not one-hot", filetest.NPY(t, 1, "|u1", "(2, 1, 2, 2)", 1, 0, 0, 1, 1, 1, 0, 1), 0, "",
			"data: masks.npy: sample 1: pixel (0, 0) has a one-hot vector with sum 2, want 1, or 0 for void"},
		{"other number", filetest.NPY(t, 1, "|u1", "(1, 1, 2)", 0, 1), 0, "",
			"data: images.npy has shape [2 1 2 3] and masks.npy [1 1 2], want equal N, H and W"},
		{"damaged", []byte("no array"), 0, "", "data: masks.npy: is not an npy file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			filetest.Write(t, "images.npy", images)
			filetest.Write(t, "masks.npy", tc.masks)
			r, err := survey.Infer(t.Context(), ".", 0, nil)
			if filetest.Message(err) != tc.err {
				t.Fatalf("got  %v\nwant %s", err, tc.err)
			}
			if err == nil && (r.Source != "npy" || len(r.Classes) != tc.classes || r.Masks != tc.kind) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestInferSplits(t *testing.T) {
	t.Chdir(t.TempDir())
	mask, picture := filetest.Encode(t, "x.png", bands(0, 1)), filetest.Encode(t, "x.png", filetest.RGB(8, 12))
	pair := func(dir string) {
		filetest.Write(t, dir+"/images/x.png", picture)
		filetest.Write(t, dir+"/masks/x.png", mask)
	}
	pair("two/train")
	pair("two/valid")
	pair("three/train")
	pair("three/val")
	pair("three/test")
	pair("mixed/train")
	filetest.Write(t, "mixed/val/images.npy", nil)
	filetest.Write(t, "mixed/val/masks.npy", nil)
	filetest.Write(t, "other/Images/x.png", picture)
	filetest.Write(t, "other/notes.txt", nil)
	filetest.Write(t, "empty/images/.keep", nil)
	filetest.Write(t, "empty/masks/.keep", nil)
	for _, tc := range []struct{ dir, train, val, test, err string }{
		{"two", "two/train", "two/valid", "", ""},
		{"three", "three/train", "three/val", "three/test", ""},
		{"mixed", "", "", "", "data: mixed has the folders train/images and train/masks, and the arrays val/images and val/masks: want one kind of file and one pair of names for all splits"},
		{"other", "", "", "", "data: other has neither images/ and masks/, nor images.npy and masks.npy, nor train/ with either, nor others of the usual names; it has Images/, notes.txt: rename or move them to images/ and masks/, or set data.images and data.masks"},
		{"nowhere", "", "", "", "data: nowhere: no such file or directory"},
		{"empty", "", "", "", "data: empty/images has no images (.png .jpg .jpeg .bmp .gif .tif .tiff .webp .pbm .pgm .ppm .pnm)"},
	} {
		t.Run(tc.dir, func(t *testing.T) {
			r, err := survey.Infer(t.Context(), tc.dir, 0, nil)
			if filetest.Message(err) != tc.err || r.Train != tc.train || r.Val != tc.val || r.Test != tc.test {
				t.Errorf("got %+v\n%v\nwant %s", r, err, tc.err)
			}
		})
	}
}

func TestInferNames(t *testing.T) {
	unnamed := []string{"class_0", "class_1"}
	var many []string
	for i := range 256 {
		many = append(many, fmt.Sprint(i))
	}
	for _, tc := range []struct {
		name, file, text string
		mask             image.Image
		want             []string
		notes            []string
	}{
		{"names", "classes.txt", "sky\n\n# ground\n road  way \r\n", bands(0, 1), []string{"sky", "road  way"}, nil},
		{"sparse indices", "classes.txt", "a\nb\nc\nd\ne\nf", bands(0, 5), []string{"a", "b", "c", "d", "e", "f"}, nil},
		{"labels", "labels.txt", "a\nb\nc", bands(0, 1), []string{"a", "b", "c"}, nil},
		{"too few", "labels.txt", "a", bands(0, 1), unnamed, []string{"labels.txt is not used: it names 1 of the 2 classes in the masks"}},
		{"colours", "labels.txt", "a\nb", bands(0, 255), unnamed, []string{"labels.txt is not used: it does not say which colour each name belongs to"}},
		{"byte order mark", "labels.txt", "\ufeffa\nb", bands(0, 1), []string{"a", "b"}, nil},
		{"twice", "labels.txt", "a\na", bands(0, 1), unnamed, []string{`labels.txt is not used: "a" is there twice`}},
		{"not UTF-8", "labels.txt", "stra\xdfe\nb", bands(0, 1), unnamed, []string{`labels.txt is not used: "stra\xdfe" is not UTF-8`}},
		{"too many", "labels.txt", strings.Join(many, "\n"), bands(0, 1), unnamed, []string{"labels.txt is not used: it has more than 255 lines"}},
		{"a long line", "labels.txt", strings.Repeat("x", 1<<20), bands(0, 1), unnamed, []string{"labels.txt is not used: bufio.Scanner: token too long"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			filetest.Write(t, "images/x.png", filetest.Encode(t, "x.png", filetest.RGB(8, 12)))
			filetest.Write(t, "masks/x.png", filetest.Encode(t, "x.png", tc.mask))
			filetest.Write(t, tc.file, []byte(tc.text))
			r, err := survey.Infer(t.Context(), ".", 0, nil)
			if err != nil || !slices.Equal(r.Classes, tc.want) || !slices.Equal(r.Notes, tc.notes) {
				t.Errorf("got %q, notes %q, %v", r.Classes, r.Notes, err)
			}
		})
	}
}

// Every faulty file is named, and the end of the context ends the pass.
func TestInferFaults(t *testing.T) {
	t.Chdir(t.TempDir())
	good, picture := filetest.Encode(t, "x.png", bands(0, 1)), filetest.Encode(t, "x.png", filetest.RGB(8, 12))
	for _, name := range []string{"a", "b", "c", "d"} {
		filetest.Write(t, "images/"+name+".png", picture)
		filetest.Write(t, "masks/"+name+".png", good)
	}
	filetest.Write(t, "images/alone.png", picture)
	filetest.Write(t, "masks/a.png", []byte("no image"))
	filetest.Write(t, "masks/b.png", filetest.Encode(t, "b.jpg", bands(0, 1)))
	filetest.Write(t, "masks/c.png", filetest.Encode(t, "c.png", filetest.Grey(4, 4)))
	filetest.Write(t, "images/d.png", picture[:20])
	_, err := survey.Infer(t.Context(), ".", 2, nil)
	want := `data: image images/alone.png has no mask masks/alone.*
data: mask masks/a.png: is not a PNG, JPEG, BMP, GIF, PNM, TIFF or WebP image
data: mask masks/b.png: uses lossy compression, which changes classes; want PNG, BMP, GIF, PNM, TIFF or lossless WebP
data: image images/c.png is 12x8 pixels, its mask masks/c.png is 4x4, want equal sizes
data: image images/d.png: is truncated: unexpected EOF`
	if filetest.Message(err) != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := survey.Infer(ctx, ".", 2, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

// Masks of 32-bit integers hold numbers, as arrays do.
func TestInferNumbers(t *testing.T) {
	t.Chdir(t.TempDir())
	f := filetest.TIFF{H: 8, W: 12, Bits: 32, Format: 2, Photometric: 1}
	for p := range 8 * 12 {
		f.Values = append(f.Values, float64(p%12/4))
	}
	filetest.Write(t, "images/x.png", filetest.Encode(t, ".png", filetest.RGB(8, 12)))
	filetest.Write(t, "masks/x.tif", f.Bytes(t))
	r, err := survey.Infer(t.Context(), ".", 0, nil)
	if err != nil || r.Masks != "class indices 0..2" || len(r.Classes) != 3 || r.Palette != nil {
		t.Errorf("got %q, %d classes, palette %v, %v", r.Masks, len(r.Classes), r.Palette, err)
	}
}
