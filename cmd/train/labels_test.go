package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"testing"
)

// side of the masks here; the right quarter of each, four columns, is foreground.
const side = 16

// values are those of such a mask: background and foreground.
func values(background, foreground int) []int {
	all := make([]int, side*side)
	for p := range all {
		all[p] = background
		if p%side >= side-4 {
			all[p] = foreground
		}
	}
	return all
}

// grey8 is a mask as a PNG of 8-bit grey.
func grey8(values []int) []byte {
	img := image.NewGray(image.Rect(0, 0, side, side))
	for p, v := range values {
		img.Pix[p] = uint8(v)
	}
	return pngFile(img)
}

// grey16 is one of 16-bit grey.
func grey16(values []int) []byte {
	img := image.NewGray16(image.Rect(0, 0, side, side))
	for p, v := range values {
		img.SetGray16(p%side, p/side, color.Gray16{uint16(v)})
	}
	return pngFile(img)
}

// blackWhite is one with a palette of black and white, which is 1 bit per pixel.
func blackWhite(values []int) []byte {
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.Black, color.White})
	for p, v := range values {
		img.Pix[p] = uint8(v)
	}
	return pngFile(img)
}

// grey1 is one of 1-bit grey, which package image/png does not write: the same
// without its palette.
func grey1(values []int) []byte {
	file := blackWhite(values)
	const header, colourType, end = 12, 25, 29 // type of the first chunk, a field, its checksum
	file[colourType] = 0
	binary.BigEndian.PutUint32(file[end:], crc32.ChecksumIEEE(file[header:end]))
	palette := bytes.Index(file, []byte("PLTE")) - 4
	return slices.Delete(file, palette, palette+12+2*3)
}

// labelled lays a set of masks in files, each under a grey image.
func labelled(t *testing.T, dir string, masks ...[]byte) {
	t.Helper()
	files := map[string]any{}
	for i, mask := range masks {
		files[fmt.Sprintf("%s/images/m%d.png", dir, i)] = grey8(values(i, 200))
		files[fmt.Sprintf("%s/masks/m%d.png", dir, i)] = mask
	}
	lay(t, files)
}

// array lays a set of arrays; mask is repeated for each of n images.
func array(t *testing.T, dir, descr, shape string, n int, mask []byte) {
	t.Helper()
	lay(t, map[string]any{
		dir + "/images.npy": npy("|u1", fmt.Sprintf("(%d, %d, %d)", n, side, side), make([]byte, n*side*side)...),
		dir + "/masks.npy":  npy(descr, fmt.Sprintf("(%d, %d, %d%s)", n, side, side, shape), bytes.Repeat(mask, n)...),
	})
}

func asBytes(values []int) []byte {
	var b []byte
	for _, v := range values {
		b = append(b, uint8(v)) // two's complement
	}
	return b
}

func asFloats(values []int, scale float32) []byte {
	var all []float32
	for _, v := range values {
		all = append(all, float32(v)*scale)
	}
	return floats(all...)
}

// trimap has the labels 1, 2 and 3, and zero in place of the last.
func trimap(zero int) []int {
	v := values(1, 2)
	for p := range side {
		v[p] = zero
	}
	return v
}

// The shares of foreground and of the first row of a trimap.
const (
	foreground = "25.00%"
	row        = "6.25%"
)

// What init makes of masks whose values are not 0, 1, 2, ...: each value is a class,
// or the message says which is void and how to make it one. What it writes trains.
func TestInitReadsLabels(t *testing.T) {
	binary, ids := values(0, 255), values(0, 1)
	ids[0], ids[1], ids[2] = 700, 700, 700
	for _, tc := range []struct {
		name   string
		make   func(t *testing.T)
		config []string // lines of the file
		says   []string // on stderr, with single spaces
		silent bool     // no note and no warning
	}{
		{"8-bit 0 and 255", func(t *testing.T) { labelled(t, "set", grey8(binary), grey8(binary), grey8(binary)) },
			[]string{"palette: [[0, 0, 0], [255, 255, 255]]"}, []string{"pixels of class_1 [255 255 255] 128 " + foreground}, true},
		{"1-bit grey", func(t *testing.T) { labelled(t, "set", grey1(values(0, 1)), grey1(values(0, 1)), grey1(values(0, 1))) },
			[]string{"palette: []", "mask_values: []"}, []string{"pixels of class_1 128 " + foreground}, true},
		{"1-bit and 8-bit", func(t *testing.T) { labelled(t, "set", grey8(binary), grey1(values(0, 1)), grey8(binary)) },
			[]string{"palette: [[0, 0, 0], [255, 255, 255]]"}, []string{"pixels of class_1 [255 255 255] 128 " + foreground,
				"note: masks are encoded differently and read by colour: the colour [255 255 255] is stored as 1 (in 1: m1.png) and as 255 (in 2: m0.png, m2.png)"}, false},
		{"1-bit palette and 16-bit", func(t *testing.T) {
			labelled(t, "set", blackWhite(values(0, 1)), grey16(values(0, 65535)), grey16(values(0, 65535)))
		},
			[]string{"palette: [[0, 0, 0], [255, 255, 255]]"}, []string{"pixels of class_1 [255 255 255] 128 " + foreground, "as 1 (in 1: m0.png) and as 65535 (in 2: m1.png, m2.png)"}, false},
		{"8-bit 0 and 1, 0 and 255", func(t *testing.T) {
			labelled(t, "set", grey8(binary), grey8(values(0, 1)), grey8(binary), grey8(values(0, 1)))
		}, []string{"palette: []", "mask_values: []"}, []string{
			"note: 255 is taken as void: 128 of 1024 pixels (12.5 %), in 2 of 4 masks (m0.png, m2.png); if it is a class, set data.mask_values: [0, 1, 255]",
			"masks hold nothing but class 0 (class_0) and void, the value 255 (data.ignore_index): m",
			"(a 1-bit file of 0 and 1 looks like an 8-bit one of 0 and 255)"}, false},
		{"16-bit ids", func(t *testing.T) { labelled(t, "set", grey16(ids), grey16(ids), grey16(ids)) },
			[]string{"classes: [class_0, class_1, class_700]", "mask_values: [0, 1, 700]"}, []string{"pixels of class_700 6 1.17%"}, true},
		{"labels from 1", func(t *testing.T) { labelled(t, "set", grey8(trimap(3)), grey8(trimap(3)), grey8(trimap(3))) },
			[]string{"classes: [class_1, class_2, class_3]", "mask_values: [1, 2, 3]"}, []string{"note: no mask holds 0", "pixels of class_3 32 " + row}, false},
		{"labels from 1, named from 0", func(t *testing.T) {
			labelled(t, "set", grey8(trimap(3)), grey8(trimap(3)), grey8(trimap(3)))
			write(t, "set/classes.txt", "nothing\npet\nground\nborder\n")
		}, []string{"classes: [pet, ground, border]", "mask_values: [1, 2, 3]"}, []string{"pixels of border 32 " + row}, false},
		{"0 is unlabelled by its name", func(t *testing.T) {
			labelled(t, "set", grey8(trimap(0)), grey8(trimap(0)), grey8(trimap(0)))
			write(t, "set/classes.txt", "Unlabelled\npet\nground\n")
		}, []string{"classes: [pet, ground]", "mask_values: [1, 2]", "ignore_index: 0"},
			[]string{"note: 0 (Unlabelled) is taken as void by its name: 48 of 768 pixels (6.2 %), in 3 of 3 masks", "void pixels 32 " + row}, false},
		{"array of 0 and 255", func(t *testing.T) { array(t, "set", "|u1", "", 3, asBytes(binary)) },
			[]string{"classes: [class_0, class_255]", "mask_values: [0, 255]"}, []string{"pixels of class_255 128 " + foreground}, true},
		{"array of floats 0 and 255", func(t *testing.T) { array(t, "set", "<f4", "", 3, asFloats(binary, 1)) },
			[]string{"mask_values: [0, 255]"}, []string{"pixels of class_255 128 " + foreground}, true},
		{"array with -1", func(t *testing.T) { array(t, "set", "|i1", "", 3, asBytes(append(trimap(-1)[:side*side-1], 0))) },
			[]string{"classes: [class_0, class_1, class_2]", "ignore_index: -1"},
			[]string{"note: -1 is taken as void: 48 of 768 pixels (6.2 %), in 3 of 3 masks (sample 0, sample 1, sample 2)", "void pixels 32 " + row}, false},
		{"one-hot without background", func(t *testing.T) {
			v := make([]byte, 0, 2*side*side)
			for _, x := range values(0, 1) {
				v = append(v, byte(x), 0)
			}
			v[1] = 1 // of the second class
			array(t, "set", "|u1", ", 2", 3, v)
		}, []string{"classes: [class_0, class_1]"}, []string{
			"note: vectors of zeros are void: 573 of 768 pixels (74.6 %)",
			"warning: train: 382 of 512 pixels (74.6 %) are void, a vector of zeros: they are not learnt, and mIoU leaves them out; is a background channel missing? np.concatenate(",
			"warning: val: 191 of 256 pixels (74.6 %) are void"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			tc.make(t)
			o := command(t, "init", "--data", "set", "--out", "c.yaml")
			if o.code != 0 {
				t.Fatalf("exit code %d\n%s", o.code, o.stderr)
			}
			stderr := strings.Join(strings.Fields(withoutCopies(o.stderr)), " ")
			for _, want := range tc.says {
				if !strings.Contains(stderr, want) {
					t.Errorf("init does not say %q:\n%s", want, o.stderr)
				}
			}
			if tc.silent && (strings.Contains(stderr, "note:") || strings.Contains(stderr, "warning:")) {
				t.Errorf("init warns:\n%s", o.stderr)
			}
			for _, want := range tc.config {
				if !strings.Contains(read(t, "c.yaml"), want) {
					t.Errorf("the file lacks %q:\n%s", want, read(t, "c.yaml"))
				}
			}
			must(t, "weights", "--config", "c.yaml")
		})
	}
}

// Masks that init cannot make sense of.
func TestInitRefusesLabels(t *testing.T) {
	many := make([]int, side*side)
	for p := range many {
		many[p] = p * 100
	}
	for _, tc := range []struct {
		name string
		make func(t *testing.T)
		want string
	}{
		{"scaled floats", func(t *testing.T) { array(t, "set", "<f4", "", 3, asFloats(values(0, 1), 0.5)) },
			"data: set/masks.npy: sample 0: pixel (12, 0) is 0.5, want the number of a class; if these are probabilities, save (masks > 0.5)"},
		{"instances", func(t *testing.T) {
			var b []byte
			for _, v := range many {
				b = binary.LittleEndian.AppendUint16(b, uint16(v))
			}
			array(t, "set", "<u2", "", 3, b)
		}, "data: the masks in set have 256 "},
		{"one value", func(t *testing.T) { array(t, "set", "|u1", "", 3, asBytes(values(255, 255))) },
			"data: the masks in set have only one value, 255: want at least two classes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			tc.make(t)
			if o := command(t, "init", "--data", "set"); o.code != 1 || o.stdout != "" || !strings.Contains(o.stderr, tc.want) {
				t.Errorf("exit code %d\n%swant %s", o.code, o.stderr, tc.want)
			}
		})
	}
}

// Void that may be a class is told by check, by weights and before training, each
// with numbers and the way out; what leaves one class only is refused by all.
func TestVoidIsTold(t *testing.T) {
	const void = "128 of 512 pixels (25.0 %) are void, the value 255 (data.ignore_index); if they are fg, set data.mask_values: [0, 255]"
	only := "loss: the training set has no pixel of class 1 (fg): correct data.classes or the masks, or set loss.allow_absent_classes: true to do without; " + void
	grey := func(masks ...[]int) func(t *testing.T) {
		return func(t *testing.T) {
			var files [][]byte
			for _, m := range masks {
				files = append(files, grey8(m))
			}
			labelled(t, "set", files...)
		}
	}
	binary := grey(values(0, 255), values(0, 255))
	half := values(0, 1)
	for p := range side * side / 2 {
		half[p] = 255
	}
	for _, tc := range []struct {
		name    string
		make    func(t *testing.T)
		set     []string
		refused bool
		want    string // the last line of stderr, or a warning before training
	}{
		{"0 and 255", binary, nil, true, only},
		{"weights by hand", binary, []string{"loss.class_weights=[1, 5]"}, true, only},
		{"absent classes allowed", binary, []string{"loss.allow_absent_classes=true"}, true,
			"data: only class 0 (bg) has pixels in the training set, which leaves nothing to learn; " + void},
		{"the way out", binary, []string{"data.mask_values=[0, 255]"}, false, ""},
		{"array", func(t *testing.T) { array(t, "set", "|u1", "", 2, asBytes(values(0, 255))) }, []string{"data.source=npy"}, true, only},
		{"array, the way out", func(t *testing.T) { array(t, "set", "|u1", "", 2, asBytes(values(0, 255))) }, []string{"data.source=npy", "data.mask_values=[0, 255]"}, false, ""},
		{"two encodings", grey(values(0, 255), values(0, 1), values(0, 255)), nil, false,
			"warning: train: 2 of 3 masks hold nothing but class 0 (bg) and void, the value 255 (data.ignore_index): m0, m2; with other classes and no void: 1. If they are encoded differently, save all alike"},
		{"1-bit and 8-bit", func(t *testing.T) {
			labelled(t, "set", grey1(values(0, 1)), grey8(values(0, 255)), grey1(values(0, 1)), grey8(values(0, 255)))
		}, nil, false,
			"warning: train: 2 of 4 masks hold nothing but class 0 (bg) and void, the value 255 (data.ignore_index): m1, m3; with other classes and no void: 2. If they are encoded differently, save all alike; or, if all are black and white in a viewer (a 1-bit file of 0 and 1 looks like an 8-bit one of 0 and 255), set data.palette: [[0, 0, 0], [255, 255, 255]]"},
		{"1-bit and 8-bit, the way out", func(t *testing.T) {
			labelled(t, "set", grey1(values(0, 1)), grey8(values(0, 255)))
		}, []string{"data.palette=[[0, 0, 0], [255, 255, 255]]"}, false, ""},
		{"values of 8 bits, a file of 1", func(t *testing.T) { labelled(t, "set", grey1(values(0, 1)), grey8(values(0, 255))) }, []string{"data.mask_values=[0, 255]"}, true,
			"data: mask set/masks/m0.png: pixel (12, 0) has value 1, want one of data.mask_values, [0 255]\n"},
		{"values of one-hot arrays", func(t *testing.T) { array(t, "set", "|u1", ", 2", 1, bytes.Repeat([]byte{0, 1}, side*side)) }, []string{"data.source=npy", "data.mask_values=[0, 255]"}, true,
			"data: set/masks.npy: is one-hot, want no data.mask_values, which give the values of class indices\n"},
		{"mostly void", grey(half), nil, false,
			"warning: train: 128 of 256 pixels (50.0 %) are void, the value 255 (data.ignore_index): they are not learnt, and mIoU leaves them out; if they are a class, set data.mask_values to the value of each class"},
		{"labels from 1", grey(trimap(3)), []string{"data.classes=[a, b, c, d]"}, true,
			"loss: the training set has no pixel of class 0 (a): correct data.classes or the masks, or set loss.allow_absent_classes: true to do without; no mask holds 0: if 0 is no class, take a out of data.classes and set data.mask_values: [1, 2, 3]"},
		{"labels from 1, much of them void", grey(func() []int { v := trimap(255); copy(v, half[:side*side/2]); return v }()), []string{"data.classes=[a, b, c]", "loss.allow_absent_classes=true"}, false,
			"warning: train: no pixel of class 0 (a); no mask holds 0: if 0 is no class, take a out of data.classes and set data.mask_values: [1, 2]\nwarning: train: 128 of 256 pixels (50.0 %) are void,"},
		{"labels from 1, as many names", grey(trimap(3)), []string{"data.classes=[b, c, d]"}, true,
			"data: mask set/masks/m0.png: pixel (0, 0) has class 3, want 0..2 or ignore 255, or data.mask_values: [1, 2, 3] if classes are counted from 1"},
		{"labels from 1, the way out", grey(trimap(3)), []string{"data.classes=[b, c, d]", "data.mask_values=[1, 2, 3]"}, false, ""},
		{"a class called unlabelled", grey(trimap(0)), []string{"data.classes=[unlabelled, b, c]"}, false,
			"warning: train: class 0 (unlabelled) has 6.2 % of the labelled pixels and is learnt like any class; if it is void, take it out of data.classes and set data.ignore_index: 0 and data.mask_values: [1, 2]"},
		{"0 is void", grey(trimap(0)), []string{"data.classes=[b, c]", "data.mask_values=[1, 2]", "data.ignore_index=0"}, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			tc.make(t)
			write(t, "c.yaml", "data: {source: folder, train: set, val: set, size: [16, 16], classes: [bg, fg]}\nmodel: {depth: 1, base_channels: 2}\ntrain: {epochs: 1}\nthreads: 1\nreport: {pictures: false}\nout: run\n")
			args := []string{"--config", "c.yaml"}
			for _, s := range tc.set {
				args = append(args, "--set", s)
			}
			for _, name := range []string{"check", "weights", ""} {
				o := command(t, append(strings.Fields(name), args...)...)
				if code := map[bool]int{true: 1}[tc.refused]; o.code != code || !strings.Contains(o.stderr, tc.want) {
					t.Errorf("%q: exit code %d, want %d\n%swant %s", name, o.code, code, o.stderr, tc.want)
				}
				if tc.want == "" && strings.Contains(withoutCopies(o.stderr), "warning") {
					t.Errorf("%q warns:\n%s", name, o.stderr)
				}
			}
		})
	}
}

// A net trained on labels from 1 predicts class indices from 0, and evaluate tells of
// void in a set that it did not see.
func TestLabelsBeyondTraining(t *testing.T) {
	t.Chdir(t.TempDir())
	labelled(t, "set", grey8(trimap(3)), grey8(trimap(3)))
	labelled(t, "other", grey8(values(1, 0)))
	write(t, "c.yaml", "data: {source: folder, train: set, val: set, size: [16, 16], classes: [a, b, c], mask_values: [1, 2, 3], ignore_index: 0}\nmodel: {depth: 1, base_channels: 2}\ntrain: {epochs: 1}\nthreads: 1\nreport: {pictures: false}\nout: run\n")
	must(t, "--config", "c.yaml")
	must(t, "predict", "--checkpoint", best, "--input", "set/images", "--out", "masks")
	img, err := png.Decode(strings.NewReader(read(t, "masks/m0.png")))
	if err != nil {
		t.Fatal(err)
	}
	if most := slices.Max(img.(*image.Paletted).Pix); most > 2 {
		t.Errorf("class %d is predicted, want 0..2", most)
	}
	must(t, "--config", "c.yaml", "--out", "patches", "--set", "data.patches=1", "--set", "data.size=[8, 8]")
	if o := command(t, "evaluate", "--checkpoint", "patches/checkpoints/best.safetensors", "--data", "other"); o.code != 0 {
		t.Errorf("in patches: exit code %d\n%s", o.code, o.stderr)
	}
	for _, tile := range []string{"--tile=false", "--tile"} {
		o := command(t, "evaluate", "--checkpoint", best, "--data", "other", tile)
		want := "warning: val: no pixel of class 1 (b), class 2 (c), so mIoU measures class 0 (a) alone, and 0 for each other class that is predicted; 64 of 256 pixels (25.0 %) are void, the value 0 (data.ignore_index); if they are a class, set data.mask_values to the value of each class and another data.ignore_index\n"
		if o.code != 0 || o.stderr != want {
			t.Errorf("exit code %d\n%swant %s", o.code, o.stderr, want)
		}
		if o := command(t, "evaluate", "--checkpoint", best, tile); o.code != 0 || o.stderr != "" {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
	}
}
