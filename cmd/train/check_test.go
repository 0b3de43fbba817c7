package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// What a file of a data set may be besides bytes.
type (
	removed    struct{}
	folder     struct{}
	pipe       struct{}
	link       string // to
	unreadable []byte
)

// lay makes the files of a data set, in order of their paths.
func lay(t *testing.T, files map[string]any) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch f := files[path].(type) {
		case []byte:
			err = os.WriteFile(path, f, 0o644)
		case removed:
			err = os.RemoveAll(path)
		case folder:
			err = os.Mkdir(path, 0o755)
		case pipe:
			err = syscall.Mkfifo(path, 0o644)
		case link:
			err = os.Symlink(string(f), path)
		case unreadable:
			err = errors.Join(os.WriteFile(path, f, 0), os.Chmod(path, 0))
		default:
			t.Fatalf("%s is a %T", path, f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// asNobody lets a test that root runs meet files that it may not read.
func asNobody(t *testing.T) {
	t.Helper()
	root, nobody := os.Geteuid(), 65534
	if root != 0 {
		return
	}
	if err := syscall.Setreuid(-1, nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setreuid(-1, root); err != nil {
			t.Fatal(err)
		}
	})
}

func pngFile(img image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // in memory, of a valid image
	}
	return b.Bytes()
}

func jpegFile(img image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// sized is a PNG whose header says that it has w x h pixels.
func sized(file []byte, w, h uint32) []byte {
	file = bytes.Clone(file)
	const header, end = 12, 29 // type and fields of the first chunk
	binary.BigEndian.PutUint32(file[header+4:], w)
	binary.BigEndian.PutUint32(file[header+8:], h)
	binary.BigEndian.PutUint32(file[end:], crc32.ChecksumIEEE(file[header:end]))
	return file
}

// sizedJPEG does the same to a JPEG.
func sizedJPEG(file []byte, w, h uint16) []byte {
	file = bytes.Clone(file)
	frame := bytes.Index(file, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(file[frame+5:], h)
	binary.BigEndian.PutUint16(file[frame+7:], w)
	return file
}

// turned is a JPEG with the EXIF tag of a camera held upright: it is seen after a
// clockwise quarter turn.
func turned(file []byte) []byte {
	const exif = "\xff\xe1\x00\x22Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
	return slices.Concat(file[:2], []byte(exif), file[2:])
}

// cmykJPEG has 8x8 pixels; see the test of imagefile.Read.
const cmykJPEG = "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwABAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB/8AAFAgACAAIBAERAAIRAAMRAAQRAP/EABUAAQEAAAAAAAAAAAAAAAAAAAAK/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAA4EAQACAAMABAAAPwC/gF/D/9k="

// npy is an npy file; values are its bytes.
func npy(descr, shape string, values ...byte) []byte {
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", descr, shape)
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(dict)))
	return append(append(b, dict...), values...)
}

func floats(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// Each way in which a data set can be strange or broken: what `check` says of it
// and its exit code, 0 where it is no fault. Each training set that it finds
// fault with is one that training refuses, shown by `weights`, which reads it
// in the same way.
func TestCheckTable(t *testing.T) {
	// The good set: 8x8 images a, b and c; each column pair of a mask is one of the
	// four classes, by index and by the colour of an index.
	rect := image.Rect(0, 0, 8, 8)
	colours := color.Palette{color.NRGBA{0, 0, 0, 255}, color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}, color.NRGBA{0, 0, 255, 255}}
	const palette = "data.palette=[[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]"
	draw := func(p color.Palette, rect image.Rectangle) *image.Paletted {
		img := image.NewPaletted(rect, p)
		for i := range img.Pix {
			img.Pix[i] = uint8(i % 8 / 2)
		}
		return img
	}
	mask := draw(colours, rect)
	long := slices.Concat(colours, color.Palette{color.White, color.NRGBA{9, 9, 9, 255}}, make(color.Palette, 250))
	for i := range long {
		if long[i] == nil {
			long[i] = color.NRGBA{7, 7, uint8(i), 255}
		}
	}
	rgb := image.NewNRGBA(rect)
	for i := range rgb.Pix {
		rgb.Pix[i] = uint8(i*7) | 3
		if i%4 == 3 {
			rgb.Pix[i] = 255
		}
	}
	antialiased := image.NewNRGBA(rect) // blends two classes in column 2, one pixel excepted
	for y := range 8 {
		for x := range 8 {
			antialiased.Set(x, y, mask.At(x, y))
		}
		antialiased.SetNRGBA(2, y, color.NRGBA{128, 0, 0, 255})
	}
	antialiased.SetNRGBA(2, 7, color.NRGBA{255, 0, 0, 255})
	const transparent = ": 1 of 3 images have transparent pixels (up to 100 % of an image), of which the net sees the stored colour: b; to lay them on white first: magick FILE -background white -flatten NAME.png"
	clear := []string{"warning: train" + transparent, "warning: val" + transparent}
	outside := draw(long, rect)
	outside.SetColorIndex(5, 6, 77)
	clean := func(c uint8) []byte { // all one class
		img := image.NewPaletted(rect, colours)
		for i := range img.Pix {
			img.Pix[i] = c
		}
		return pngFile(img)
	}
	good := map[string]any{}
	for _, name := range []string{"a", "b", "c"} {
		good["set/images/"+name+".png"] = pngFile(rgb)
		good["set/masks/"+name+".png"] = pngFile(mask)
	}
	const b, m = "set/images/b.png", "set/masks/b.png"
	cmyk, err := base64.StdEncoding.DecodeString(cmykJPEG)
	if err != nil {
		t.Fatal(err)
	}
	// b with another image of which the name tells the format
	as := func(name string, file []byte) map[string]any {
		return map[string]any{b: removed{}, "set/images/" + name: file}
	}
	arrays := func(images, masks []byte) map[string]any {
		return map[string]any{"set/images.npy": images, "set/masks.npy": masks}
	}
	// two images of 1x2 pixels with the classes 0, 1, 2, 3
	images := npy("|u1", "(2, 1, 2, 3)", make([]byte, 12)...)
	indices := npy("|u1", "(2, 1, 2)", 0, 1, 2, 3)
	onehot := func(row0 ...float32) []byte {
		return npy("<f4", "(2, 1, 2, 4)", floats(append(row0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)...)...)
	}
	asNPY := []string{"data.source=npy"}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))

	for _, tc := range []struct {
		name  string
		files map[string]any // beside the good set, or instead of its files
		set   []string       // configuration
		code  int
		want  []string // faults and warnings
	}{
		{"good", nil, nil, 0, nil},

		// images
		{"cut in its pixels", map[string]any{b: pngFile(rgb)[:100]}, nil, 1, []string{
			"data: image set/images/b.png: is truncated: unexpected EOF"}},
		{"cut in its header", map[string]any{b: pngFile(rgb)[:20]}, nil, 1, []string{
			"data: image set/images/b.png: is truncated: unexpected EOF"}},
		{"JPEG cut in its pixels", as("b.jpg", jpegFile(rgb)[:620]), nil, 1, []string{
			"data: image set/images/b.jpg: invalid JPEG format: short Huffman data"}},
		{"JPEG cut in its header", as("b.jpg", jpegFile(rgb)[:300]), nil, 1, []string{
			"data: image set/images/b.jpg: is truncated: unexpected EOF"}},
		{"empty file", map[string]any{b: []byte{}}, nil, 1, []string{
			"data: image set/images/b.png: is empty"}},
		{"no image", map[string]any{b: []byte("a text")}, nil, 1, []string{
			"data: image set/images/b.png: is not a PNG, JPEG, BMP, GIF, PNM, TIFF or WebP image"}},
		{"huge header", map[string]any{b: sized(pngFile(rgb), 60000, 60000)}, nil, 1, []string{
			"data: image set/images/b.png: is 60000x60000 pixels, want at most data.max_pixels = 100000000"}},
		{"huge JPEG header", as("b.jpg", sizedJPEG(jpegFile(rgb), 60000, 60000)), nil, 1, []string{
			"data: image set/images/b.jpg: is 60000x60000 pixels, want at most data.max_pixels = 100000000"}},
		{"huge mask header", map[string]any{m: sized(pngFile(mask), 60000, 60000)}, nil, 1, []string{
			"data: mask set/masks/b.png: is 60000x60000 pixels, want at most data.max_pixels = 100000000"}},
		{"16 bit", map[string]any{b: pngFile(image.NewRGBA64(rect))}, nil, 0, clear},
		{"16 bit grey", map[string]any{b: pngFile(image.NewGray16(rect))}, nil, 0, nil},
		{"grey", map[string]any{b: pngFile(image.NewGray(rect))}, nil, 0, nil},
		{"RGBA", map[string]any{b: pngFile(image.NewRGBA(rect))}, nil, 0, clear},
		{"CMYK", as("b.jpg", cmyk), nil, 0, nil},
		{"turned by EXIF, mask upright", map[string]any{
			b: removed{}, "set/images/b.jpg": turned(jpegFile(image.NewGray(image.Rect(0, 0, 8, 12)))),
			m: pngFile(draw(colours, image.Rect(0, 0, 12, 8)))}, nil, 0, nil},
		{"turned by EXIF, mask not upright", map[string]any{
			b: removed{}, "set/images/b.jpg": turned(jpegFile(image.NewGray(image.Rect(0, 0, 8, 12)))),
			m: pngFile(draw(colours, image.Rect(0, 0, 8, 12)))}, nil, 1, []string{
			"data: image set/images/b.jpg is 12x8 pixels, its mask set/masks/b.png is 8x12, want equal sizes"}},

		// masks
		{"palette with extra entries", map[string]any{m: pngFile(draw(long, rect))}, nil, 0, nil},
		{"palette with extra entries, by colour", map[string]any{m: pngFile(draw(long, rect))}, []string{palette}, 0, nil},
		{"antialiased", map[string]any{m: pngFile(antialiased)}, []string{palette}, 1, []string{
			"data: mask set/masks/b.png: pixel (2, 0) is [128, 0, 0], want a colour of data.palette; 7 such pixels"}},
		{"RGB without data.palette", map[string]any{m: pngFile(antialiased)}, nil, 1, []string{
			"data: mask set/masks/b.png: is in colour; want class indices (8-bit grey or paletted), or data.palette with the colour of each class"}},
		{"JPEG mask", map[string]any{m: removed{}, "set/masks/b.jpg": jpegFile(mask)}, []string{palette}, 1, []string{
			"data: mask set/masks/b.jpg: uses lossy compression, which changes classes; want PNG, BMP, GIF, PNM, TIFF or lossless WebP"}},
		{"grey JPEG mask that is called PNG", map[string]any{m: jpegFile(image.NewGray(rect))}, nil, 1, []string{
			"data: mask set/masks/b.png: uses lossy compression, which changes classes; want PNG, BMP, GIF, PNM, TIFF or lossless WebP"}},
		{"sizes differ", map[string]any{m: pngFile(draw(colours, image.Rect(0, 0, 16, 8)))}, nil, 1, []string{
			"data: image set/images/b.png is 8x8 pixels, its mask set/masks/b.png is 16x8, want equal sizes"}},
		{"class out of range", map[string]any{m: pngFile(outside)}, nil, 1, []string{
			"data: mask set/masks/b.png: pixel (5, 6) has class 77, want 0..3 or ignore 255"}},
		{"damaged image and damaged mask", map[string]any{b: pngFile(rgb)[:100], m: pngFile(outside)}, nil, 1, []string{
			"data: image set/images/b.png: is truncated: unexpected EOF",
			"data: mask set/masks/b.png: pixel (5, 6) has class 77, want 0..3 or ignore 255"}},

		// folders
		{"partners missing and doubled, and a bad file", map[string]any{
			"set/masks/a.png": removed{}, "set/masks/d.png": clean(0), "set/images/c.bmp": pngFile(rgb), "set/images/e.png": pngFile(rgb),
			"set/masks/notes.txt": []byte{}, m: pngFile(outside)}, nil, 1, []string{
			"data: image set/images/a.png has no mask set/masks/a.*",
			"data: image set/images/e.png has no mask set/masks/e.*",
			"data: mask set/masks/d.png has no image set/images/d.*",
			"data: set/images/c.bmp and set/images/c.png differ only in the extension, want one file",
			"data: set/masks/notes.txt is not an image, want .png .jpg .jpeg .bmp .gif .tif .tiff .webp .pbm .pgm .ppm .pnm",
			"data: mask set/masks/b.png: pixel (5, 6) has class 77, want 0..3 or ignore 255"}},
		{"empty folders", map[string]any{"set/images": removed{}, "set/masks": removed{}, "set/images/.keep": []byte{}, "set/masks/.keep": []byte{}}, nil, 1, []string{
			"data: set/images has no images (.png .jpg .jpeg .bmp .gif .tif .tiff .webp .pbm .pgm .ppm .pnm)"}},
		{"no masks folder", map[string]any{"set/masks": removed{}}, nil, 1, []string{
			"data: open set/masks: no such file or directory"}},
		{"unreadable image and mask", map[string]any{"set/images/a.png": unreadable(pngFile(rgb)), m: unreadable(pngFile(mask))}, nil, 1, []string{
			"data: image set/images/a.png: permission denied",
			"data: mask set/masks/b.png: permission denied"}},
		{"folder, pipe and dangling link", map[string]any{"set/images/a.png": removed{}, "set/images/a.png/x": []byte{}, b: removed{}, "set/images/b.bmp": pipe{},
			"set/images/c.png": removed{}, "set/images/c.tif": link("nowhere")}, nil, 1, []string{
			"data: mask set/masks/a.png has no image set/images/a.*",
			"data: set/images/a.png/x is not an image, want .png .jpg .jpeg .bmp .gif .tif .tiff .webp .pbm .pgm .ppm .pnm",
			"data: image set/images/b.bmp: is not a regular file",
			"data: image set/images/c.tif: no such file or directory"}},
		{"link to itself", map[string]any{b: removed{}, "set/images/b.webp": link("b.webp")}, nil, 1, []string{
			"data: image set/images/b.webp: too many levels of symbolic links"}},
		{"link to the folder above", map[string]any{"set/masks/up": link(".."), "set/masks/up.png": link("..")}, nil, 1, []string{
			"data: mask set/masks/up.png has no image set/images/up.*",
			"data: set/masks/up is not an image, want .png .jpg .jpeg .bmp .gif .tif .tiff .webp .pbm .pgm .ppm .pnm"}},
		{"folder that is a link to itself", map[string]any{"set/loop": link("loop")}, []string{"data.train=set/loop"}, 1, []string{
			`data.train = "set/loop": too many levels of symbolic links`}},

		// npy
		{"npy", arrays(images, indices), asNPY, 0, nil},
		{"npy one-hot", arrays(images, onehot(1, 0, 0, 0)), asNPY, 0, nil},
		{"no npy", arrays([]byte("PK\x03\x04"), indices[:20]), asNPY, 1, []string{
			"data: set/images.npy: is not an npy file",
			"data: set/masks.npy: is truncated in its header"}},
		{"npy header of 4 GB", arrays([]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{"), indices), asNPY, 1, []string{
			"data: set/images.npy: has a header of 4294967295 bytes, want at most 65536"}},
		{"npy shape overflows", arrays(npy("<f8", "(4294967296, 4294967296, 4294967296)"), indices), asNPY, 1, []string{
			"data: set/images.npy: has shape [4294967296 4294967296 4294967296], more than a file can hold"}},
		{"npy of objects", arrays(npy("|O", "(2, 1, 2, 3)"), indices), asNPY, 1, []string{
			`data: set/images.npy: has data type "|O", want bool, an integer or a float of 2, 4 or 8 bytes`}},
		{"npy cut", arrays(images[:len(images)-1], indices), asNPY, 1, []string{
			fmt.Sprintf("data: set/images.npy: has %d bytes, want %d for shape [2 1 2 3] of u1", len(images)-1, len(images))}},
		{"npy shape is no tuple", arrays(images, npy("|u1", "(4)")), asNPY, 1, []string{
			"data: set/masks.npy: has a malformed npy header: want a tuple of axes at \", }\\n\""}},
		{"npy of wrong shapes", arrays(npy("|u1", "(2, 3, 1, 2)", make([]byte, 12)...), npy("|u1", "(4,)", 0, 1, 2, 3)), asNPY, 1, []string{
			"data: set/images.npy: has shape [2 3 1 2], want (N,H,W,3), or (N,H,W) for grey",
			"data: set/masks.npy: has shape [4], want one-hot (N,H,W,4) or class indices (N,H,W)"}},
		{"npy of other numbers", arrays(images, npy("|u1", "(1, 1, 2)", 0, 1)), asNPY, 1, []string{
			"data: set/images.npy has shape [2 1 2 3] and set/masks.npy [1 1 2], want equal N, H and W"}},
		{"one-hot sums to 2", arrays(images, onehot(1, 0, 1, 0)), asNPY, 1, []string{
			"data: set/masks.npy: sample 0: pixel (0, 0) has a one-hot vector with sum 2, want 1, or 0 for void",
			absent("train", 0, 1), absent("val", 0, 1)}},
		{"one-hot of halves", arrays(images, onehot(0.5, 0.5, 0, 0)), asNPY, 1, []string{
			"data: set/masks.npy: sample 0: pixel (0, 0) has 0.5 in its one-hot vector at 0, want 0 or 1",
			absent("train", 0, 1), absent("val", 0, 1)}},
		{"one-hot of NaN", arrays(images, onehot(nan, 0, 0, 0)), asNPY, 1, []string{
			"data: set/masks.npy: sample 0: pixel (0, 0) has NaN in its one-hot vector at 0, want 0 or 1",
			absent("train", 0, 1), absent("val", 0, 1)}},
		{"images of NaN and infinity", arrays(npy("<f4", "(2, 1, 2)", floats(0, nan, inf, 1)...), indices), asNPY, 1, []string{
			"data: set/images.npy: sample 0: pixel (1, 0), channel 0 is NaN, want 0..1, or data.normalize: percentile",
			"data: set/images.npy: sample 1: pixel (0, 0), channel 0 is +Inf, want 0..1, or data.normalize: percentile"}},
		{"npy class out of range", arrays(images, npy("|u1", "(2, 1, 2)", 0, 1, 4, 3)), asNPY, 1, []string{
			"data: set/masks.npy: sample 1: pixel (0, 0) has class 4, want 0..3 or ignore 255, or data.mask_values: [1, 2, 3, 4] if classes are counted from 1",
			absent("train", 2, 3), absent("val", 2, 3)}},

		// classes
		{"class absent", nil, []string{"data.classes=[a, b, c, d, e]"}, 1, []string{
			"loss: the training set has no pixel of class 4 (e): correct data.classes or the masks, or set loss.allow_absent_classes: true to do without",
			"warning: val: no pixel of class 4 (e)"}},
		{"class absent, allowed", nil, []string{"data.classes=[a, b, c, d, e]", "loss.allow_absent_classes=true"}, 0, []string{
			"warning: train: no pixel of class 4 (e)",
			"warning: val: no pixel of class 4 (e)"}},

		// other splits and the configuration
		{"test split", map[string]any{"test/images/x.png": pngFile(rgb), "test/masks/x.png": pngFile(outside)}, []string{"data.test=test"}, 1, []string{
			"data: mask test/masks/x.png: pixel (5, 6) has class 77, want 0..3 or ignore 255"}},
		{"val absent and broken", map[string]any{"v/images/x.png": pngFile(rgb), "v/masks/x.png": clean(0), "v/masks/y.png": clean(0)}, []string{"data.val=v"}, 1, []string{
			"data: mask v/masks/y.png has no image v/images/y.*",
			absent("val", 1, 2, 3)}},
		{"divided by val_fraction", map[string]any{m: pngFile(outside), "set/images/d.png": pngFile(rgb)}, []string{"data.val=", "data.val_fraction=0.4"}, 1, []string{
			"data: image set/images/d.png has no mask set/masks/d.*",
			"data: mask set/masks/b.png: pixel (5, 6) has class 77, want 0..3 or ignore 255"}},
		{"stretched", map[string]any{"set/images/d.png": pngFile(image.NewGray(image.Rect(0, 0, 80, 8))), "set/masks/d.png": pngFile(draw(colours, image.Rect(0, 0, 80, 8)))}, nil, 0, []string{
			"warning: train: images that resizing to data.size, 8x8, stretches: 1, such as one of 80x8 pixels",
			"warning: val: images that resizing to data.size, 8x8, stretches: 1, such as one of 80x8 pixels"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, "c.yaml", "data: {source: folder, train: set, val: set, size: [8, 8], classes: [a, b, c, d]}\nmodel: {depth: 1}\n")
			lay(t, good)
			lay(t, tc.files)
			for _, f := range tc.files {
				if _, ok := f.(unreadable); ok {
					asNobody(t)
				}
			}
			args := []string{"--config", "c.yaml"}
			for _, s := range tc.set {
				args = append(args, "--set", s)
			}
			o := command(t, append([]string{"check"}, args...)...)
			o.stderr = withoutCopies(o.stderr)
			want := slices.Clone(tc.want)
			faults := len(slices.DeleteFunc(slices.Clone(want), func(line string) bool { return strings.HasPrefix(line, "warning: ") }))
			switch {
			case faults == 1:
				want = append(want, "train: 1 fault in the data set")
			case faults > 1:
				want = append(want, fmt.Sprintf("train: %d faults in the data set", faults))
			}
			if got := strings.Split(strings.TrimSuffix(o.stderr, "\n"), "\n"); o.code != tc.code || strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("exit code %d\n%s\nwant %d\n%s", o.code, strings.Join(got, "\n"), tc.code, strings.Join(want, "\n"))
			}
			if !strings.Contains(o.stdout, "images without fault") {
				t.Errorf("no summary: %s", o.stdout)
			}
			if strings.Contains(tc.name, "val ") || strings.Contains(tc.name, "test ") { // weights reads the training set only
				return
			}
			if o := command(t, append([]string{"weights"}, args...)...); o.code != tc.code {
				t.Errorf("check ends in %d, weights in %d\n%s", tc.code, o.code, o.stderr)
			}
		})
	}
}

// withoutCopies is stderr without the warning of images that are in two splits: most
// sets of these tests are measured on themselves.
func withoutCopies(stderr string) string {
	var kept strings.Builder
	for line := range strings.Lines(stderr) {
		if !strings.Contains(line, "different images are in the training set, too") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// absent is the warning of classes that may be in the samples with faults.
func absent(split string, classes ...int) string {
	var names []string
	for _, c := range classes {
		names = append(names, fmt.Sprintf("class %d (%c)", c, 'a'+c))
	}
	return fmt.Sprintf("warning: %s: no pixel of %s in the images without fault", split, strings.Join(names, ", "))
}

// What is fine: images, sizes, and the pixels that `weights` counts too.
func TestCheckSummary(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, "synth", "--out", "set", "--count", "3")
	write(t, "c.yaml", "data: {source: folder, train: set, val: set, size: [64, 64]}")
	var counted classCounts
	decode(t, must(t, "weights", "--config", "c.yaml", "--json"), &counted)
	fields := strings.Fields("train val images without fault 3 3 sizes (width x height) 1 1 smallest 128x128 128x128 largest 128x128 128x128")
	for _, c := range counted.Classes {
		n, share := fmt.Sprint(c.Count), fmt.Sprintf("%.2f%%", 100*c.Frequency)
		fields = append(fields, "pixels", "of", c.Name, n, share, n, share)
	}
	want := strings.Join(fields, " ") + " void pixels 0 0.00% 0 0.00% pixels are counted at data.size, 64x64"
	if got := strings.Join(strings.Fields(must(t, "check", "--config", "c.yaml")), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Equal faults of many files are one line; --limit 0 shows each.
func TestCheckLimit(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, "synth", "--out", "set", "--count", "1")
	for i := range 130 {
		write(t, fmt.Sprintf("set/images/x%03d.png", i), "")
	}
	write(t, "set/masks/notes.txt", "")
	write(t, "c.yaml", "data: {source: folder, train: set, val: set}")
	const alike = "data: image set/images/x000.png has no mask set/masks/x000.* (and 129 more like it: set/images/x001.png, set/images/x002.png, set/images/x003.png, ...)"
	for _, tc := range []struct {
		flags []string
		first string
		lines int // of stderr
		last  string
	}{
		{nil, alike, 3, "train: 131 faults in the data set: check --limit 0 shows each"},
		{[]string{"--limit", "1"}, alike, 2, "train: 131 faults in the data set: check --limit 0 shows each"},
		{[]string{"--limit", "0"}, "data: image set/images/x000.png has no mask set/masks/x000.*", 132, "train: 131 faults in the data set"},
		{[]string{"--limit", "-1"}, "train: --limit -1: want >= 0", 1, "train: --limit -1: want >= 0"},
	} {
		o := command(t, append([]string{"check", "--config", "c.yaml"}, tc.flags...)...)
		lines := strings.Split(strings.TrimSuffix(withoutCopies(o.stderr), "\n"), "\n")
		if len(lines) != tc.lines || lines[0] != tc.first || lines[len(lines)-1] != tc.last {
			t.Errorf("%v: %d lines, from %q to %q, want %d, from %q to %q", tc.flags, len(lines), lines[0], lines[len(lines)-1], tc.lines, tc.first, tc.last)
		}
	}
	// Training says the same of the folder, and so does init.
	for _, args := range [][]string{{"--config", "c.yaml"}, {"init", "--data", "set"}} {
		if o := command(t, args...); o.code != 1 || !strings.Contains(o.stderr, "train: "+alike+"\n") {
			t.Errorf("%v: exit code %d\n%s", args, o.code, o.stderr)
		}
	}
}

// On a terminal progress goes to stderr, and Ctrl-C ends the pass.
func TestCheckStops(t *testing.T) {
	inFolder(t)
	ctx, cancel := context.WithCancel(t.Context())
	p, stderr := onTerminal("checking train", cancel)
	var stdout bytes.Buffer
	p.stdout = &stdout
	if code := execute(ctx, append([]string{"check"}, tiny("--set", "data.synthetic.train=1000")...), p); code != exitInterrupted || stdout.Len() > 0 {
		t.Errorf("exit code %d, stdout %q\n%s", code, stdout.String(), stderr.String())
	}
	if want := "train: data: checking train: context canceled\n"; !strings.HasSuffix(stderr.String(), want) {
		t.Errorf("got %q, want it to end with %q", stderr.String(), want)
	}
}
