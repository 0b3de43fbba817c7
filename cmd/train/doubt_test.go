package main

import (
	"image"
	"image/color"
	"strings"
	"testing"
)

// coloured is a mask with a class (0, 1 or 2) at each pixel, paletted by the colours
// or in true colours.
func coloured(colours []color.NRGBA, rgb bool) []byte {
	p := make(color.Palette, len(colours))
	for i, c := range colours {
		p[i] = c
	}
	img := image.NewPaletted(image.Rect(0, 0, side, side), p)
	trueColour := image.NewNRGBA(img.Rect)
	for i := range img.Pix {
		img.Pix[i] = uint8(i / side * 3 / side)
		if i%side == 0 && len(colours) > 3 { // specks
			img.Pix[i] = 3
		}
		trueColour.Set(i%side, i/side, p[img.Pix[i]])
	}
	if rgb {
		return pngFile(trueColour)
	}
	return pngFile(img)
}

// What can be read, but hardly as it was meant, is told with the files and the way
// out: images in two splits, palettes that differ, colours that are no classes, weights
// of images that were read otherwise.
func TestDoubtIsTold(t *testing.T) {
	black, red, green := color.NRGBA{A: 255}, color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}
	one, other := []color.NRGBA{black, red, green}, []color.NRGBA{black, green, red}
	const (
		check  = "check --config c.yaml"
		weighs = "weights --config c.yaml"
		train  = "--config c.yaml"
	)
	copies := "warning: val: 2 of 2 different images are in the training set, too: m0, m1: mIoU tells little of images that the net has not seen; take the copies out of one of them, or set data.val empty to split off data.val_fraction\n"
	palettes := "masks have different palettes and are read by their indices: class 1 (b) is [0 255 0] in 1 (m1) and [255 0 0] in 1 (m0); if the colour says the class, set data.palette to the colour of each class\n"
	two := func(first, second []color.NRGBA, rgb bool) func(t *testing.T) {
		return func(t *testing.T) { labelled(t, "set", coloured(first, rgb), coloured(second, rgb)) }
	}
	both := func(train, val []color.NRGBA) func(t *testing.T) {
		return func(t *testing.T) {
			labelled(t, "set", coloured(train, false))
			labelled(t, "other", coloured(val, false))
			write(t, "other/images/m0.png", string(grey8(values(7, 100))))
		}
	}
	for _, tc := range []struct {
		name string
		make func(t *testing.T)
		set  string
		runs []string
		want string // in stderr; "" for no warning or note
	}{
		{"measured on the training set", two(one, one, false), "data.val=set", []string{check, train}, copies},
		{"a copy by another name", func(t *testing.T) {
			labelled(t, "set", coloured(one, false), coloured(one, false))
			labelled(t, "other", coloured(one, false))
			write(t, "other/images/m0.png", read(t, "set/images/m1.png"))
		}, "data.val=other", []string{check, train}, "warning: val: 1 of 1 different images are in the training set, too: m0 = m1: mIoU"},
		{"tested on the training set", func(t *testing.T) {
			both(one, one)(t)
			labelled(t, "test", coloured(one, false))
		}, "data.test=test", []string{check}, "warning: test: 1 of 1 different images are in the training set, too: m0: mIoU tells little of images that the net has not seen; take the copies out of one of them\n"},
		{"other images", both(one, one), "data.val=other", []string{check, weighs, train}, ""},
		{"palettes of a split", two(one, other, false), "data.val=set", []string{check, weighs, train}, "warning: train: " + palettes},
		{"palettes of two splits", both(one, other), "data.val=other", []string{check, train}, "warning: train and val: masks have different palettes"},
		{"palettes, read by colour", both(one, other), "data.palette=[[0, 0, 0], [255, 0, 0], [0, 255, 0]]", []string{check, weighs, train}, ""},
		{"nearly a colour", two(one, []color.NRGBA{black, red, {0, 254, 0, 255}}, true), "", []string{"init --data set"},
			"note: the colour [0 255 0] (80 of 512 pixels, in masks m0.png) is a class of its own, but differs little from [0 254 0]: if they are one class, save it in one colour\n"},
		{"a blend in specks", two(one, []color.NRGBA{black, red, green, {127, 0, 0, 255}}, true), "", []string{"init --data set"},
			"note: the colour [127 0 0] (16 of 512 pixels, in masks m1.png) is a class of its own, but lies in specks and between [0 0 0] and [255 0 0]: if it is a smoothed edge, scale masks by nearest neighbour and save them as PNG\n"},
		{"colours far apart", two([]color.NRGBA{black, red, green, {0, 0, 127, 255}}, []color.NRGBA{black, red, green, {0, 0, 127, 255}}, true), "", []string{"init --data set"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			tc.make(t)
			write(t, "c.yaml", "data: {source: folder, train: set, val: other, size: [16, 16], classes: [a, b, c]}\nmodel: {depth: 1, base_channels: 2}\ntrain: {epochs: 1}\nthreads: 1\nreport: {pictures: false}\nout: run\n")
			for _, run := range tc.runs {
				args := strings.Fields(run)
				if tc.set != "" {
					args = append(args, "--set", tc.set)
				}
				o := command(t, args...)
				if o.code != 0 || !strings.Contains(o.stderr, tc.want) {
					t.Errorf("%s: exit code %d\n%swant %s", run, o.code, o.stderr, tc.want)
				}
				if tc.want == "" && (strings.Contains(o.stderr, "warning:") || strings.Contains(o.stderr, "note:")) {
					t.Errorf("%s: warns\n%s", run, o.stderr)
				}
			}
		})
	}
}

// Masks of indices that were scaled with interpolation have classes between others at
// every edge. A single class that is an outline is none of them.
func TestBlendedMasksAreTold(t *testing.T) {
	ramp := func(edge ...int) []byte { // 0, then the edge, then the last of it, along rows and columns
		mask := make([]int, side*side)
		for p := range mask {
			i := min(p/side, p%side) - side/2
			mask[p] = edge[min(max(i, 0), len(edge)-1)]
		}
		return grey8(mask)
	}
	warning := "warning: train: class 1 (b), class 2 (c), class 4 (e) lie in lines of a pixel or two between lower and higher classes, as in masks that were scaled with interpolation: scale masks by nearest neighbour\n"
	for _, tc := range []struct {
		name    string
		mask    []byte
		classes string
		want    string
	}{
		{"blended", ramp(0, 1, 2, 4, 5), "[a, b, c, d, e, f]", warning},
		{"from a higher to a lower class", ramp(5, 4, 4, 2, 1, 0), "[a, b, c, d, e, f]", warning},
		{"an outline", ramp(0, 1, 2), "[a, b, c]", ""},
		{"broad classes", ramp(0, 1, 1, 1, 2, 2, 2, 3), "[a, b, c, d]", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			labelled(t, "set", tc.mask, tc.mask, tc.mask)
			write(t, "c.yaml", "data: {source: folder, train: set, size: [16, 16], classes: "+tc.classes+"}\nloss: {allow_absent_classes: true}\nmodel: {depth: 1, base_channels: 2}\ntrain: {epochs: 1}\nthreads: 1\nreport: {pictures: false}\nout: run\n")
			for _, run := range []string{"check --config c.yaml", "weights --config c.yaml", "--config c.yaml"} {
				o := command(t, strings.Fields(run)...)
				if o.code != 0 || !strings.Contains(o.stderr, tc.want) || tc.want == "" && strings.Contains(o.stderr, "interpolation") {
					t.Errorf("%s: exit code %d\n%swant %s", run, o.code, o.stderr, tc.want)
				}
			}
		})
	}
}

// evaluate tells of images that the net was trained on, and a run of weights whose
// images were read otherwise.
func TestDoubtAfterTraining(t *testing.T) {
	t.Chdir(t.TempDir())
	labelled(t, "set", grey8(values(0, 1)), grey8(values(0, 1)))
	write(t, "c.yaml", "data: {source: folder, train: set, size: [16, 16], classes: [a, b]}\nmodel: {depth: 1, base_channels: 2}\ntrain: {epochs: 1}\nthreads: 1\nreport: {pictures: false}\nout: run\n")
	must(t, "--config", "c.yaml")
	o := command(t, "evaluate", "--checkpoint", best, "--data", "set/../set")
	if want := "warning: --data set/../set is the folder that the net was trained on: the figures tell little of images that it has not seen; without --data only those that were split off are measured\n"; o.code != 0 || o.stderr != want {
		t.Errorf("exit code %d\n%swant\n%s", o.code, o.stderr, want)
	}
	if want := best + ", 2 images of set/../set, loss "; !strings.HasPrefix(o.stdout, want) {
		t.Errorf("%swant %s", o.stdout, want)
	}
	if o := command(t, "evaluate", "--checkpoint", best); o.code != 0 || o.stderr != "" || !strings.HasPrefix(o.stdout, best+", 1 images of val, loss ") {
		t.Errorf("exit code %d\n%s%s", o.code, o.stderr, o.stdout)
	}
	o = command(t, "--config", "c.yaml", "--out", "again", "--set", "model.init="+best, "--set", "data.classes=[b, a]")
	if want := `its classes are ["a" "b"], those of this run ["b" "a"]: the head takes them over in this order` + "\n"; o.code != 0 || !strings.Contains(o.stderr, want) {
		t.Errorf("exit code %d\n%swant %s", o.code, o.stderr, want)
	}
}
