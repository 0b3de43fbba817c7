package main

import (
	"encoding/csv"
	"image"
	"image/color"
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// evaluate --per-image has what the pictures of evaluate --pictures show, an image's
// patches together, in the order of the split.
func TestPerImage(t *testing.T) {
	inFolder(t)
	folderOf(t, "set", image.Pt(16, 16), image.Pt(50, 37), image.Pt(9, 40), image.Pt(1, 1))
	const net = "\nthreads: 1\nmodel: {base_channels: 2, depth: 1}\noptimizer: {lr: 0.02}\ntrain: {epochs: 1, batch_size: 3}\nreport: {pictures: false}\n"
	write(t, "patches.yaml", "out: patches\ndata: {source: folder, train: set, val: set, size: [16, 16], patches: 6, classes: [black, white]}"+net)
	write(t, "resized.yaml", "out: resized\ndata: {source: folder, train: set, val: set, size: [16, 16], classes: [black, white]}"+net)
	must(t, "--config", "patches.yaml", "--quiet")
	must(t, "--config", "resized.yaml", "--quiet")
	must(t, tiny("--quiet")...)
	patch := regexp.MustCompile(`-y\d+-x\d+$`)
	for _, tc := range []struct {
		name, run string
		flags     []string
		want      []string // images
		pixels    []int
	}{
		{"built-in", "run", nil, []string{"val-000000", "val-000001", "val-000002"}, []int{256, 256, 256}},
		{"resized", "resized", nil, []string{"0", "1", "2", "3"}, []int{256, 256, 256, 256}},
		{"patches", "patches", nil, []string{"0", "1", "2", "3"}, []int{256, 50 * 37, 9 * 40, 1}},
		{"tiles", "resized", []string{"--tile"}, []string{"0", "1", "2", "3"}, []int{256, 50 * 37, 9 * 40, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := "of " + tc.name
			file := dir + "/scores/images.csv"
			args := append([]string{"evaluate", "--checkpoint", tc.run + "/checkpoints/last.safetensors", "--json"}, tc.flags...)
			var whole struct {
				Classes []struct{ Name string }
			}
			decode(t, must(t, append(args, "--per-image", file, "--pictures", dir+"/pictures")...), &whole)
			rows, err := csv.NewReader(strings.NewReader(read(t, file))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			header := "name,pixels,miou"
			for _, c := range whole.Classes {
				header += ",iou_" + c.Name
			}
			for _, c := range whole.Classes {
				header += ",dice_" + c.Name
			}
			if got := strings.Join(rows[0], ","); got != header {
				t.Errorf("header %s, want %s", got, header)
			}
			if len(rows) != 1+len(tc.want) {
				t.Fatalf("%d rows, want a header and %d images", len(rows), len(tc.want))
			}
			type counts struct{ truth, predicted, both map[color.Color]int }
			shown := map[string]counts{} // by image
			pictures, _ := filepath.Glob(dir + "/pictures/*.png")
			for _, path := range pictures {
				name := patch.ReplaceAllString(strings.TrimSuffix(filepath.Base(path), ".png"), "")
				if _, ok := shown[name]; !ok {
					shown[name] = counts{map[color.Color]int{}, map[color.Color]int{}, map[color.Color]int{}}
				}
				img := picture(t, path)
				w := (img.Bounds().Dx() - 8) / 3 // three pictures, two gaps
				for i := range w * img.Bounds().Dy() {
					truth, predicted := img.At(w+4+i%w, i/w), img.At(2*(w+4)+i%w, i/w)
					if truth == (color.RGBA{128, 128, 128, 255}) {
						continue
					}
					shown[name].truth[truth]++
					shown[name].predicted[predicted]++
					if truth == predicted {
						shown[name].both[truth]++
					}
				}
			}
			var palette []color.Color // colours of the classes
			for _, c := range imagefile.Colors(len(whole.Classes), nil) {
				palette = append(palette, color.RGBAModel.Convert(c))
			}
			before := contents(t, dir)
			if o := command(t, append(args, "--pictures", dir+"/pictures")...); o.code != 2 || !strings.Contains(o.stderr, "--force") {
				t.Errorf("pictures that exist: exit code %d\n%s", o.code, o.stderr)
			}
			if paths := changed(before, contents(t, dir)); len(paths) > 0 {
				t.Errorf("%v changed", paths)
			}
			for i, row := range rows[1:] {
				if row[0] != tc.want[i] || row[1] != strconv.Itoa(tc.pixels[i]) {
					t.Errorf("row %d is %v, want image %s of %d pixels", i, row, tc.want[i], tc.pixels[i])
				}
				n, sum, defined := shown[row[0]], 0.0, 0.0
				for c, colour := range palette {
					both, either := float64(n.both[colour]), float64(n.truth[colour]+n.predicted[colour])
					iou, dice := both/(either-both), 2*both/either // NaN where it is not there
					if !math.IsNaN(iou) {
						sum, defined = sum+iou, defined+1
					}
					cell(t, row[0], row[3+c], iou)
					cell(t, row[0], row[3+len(palette)+c], dice)
				}
				cell(t, row[0], row[2], sum/defined)
			}
		})
	}
}

// cell compares a cell with a figure to six digits; an undefined one is empty.
func cell(t *testing.T, image, got string, want float64) {
	t.Helper()
	if math.IsNaN(want) {
		if got != "" {
			t.Errorf("image %s: %q, want an empty cell", image, got)
		}
		return
	}
	if x, err := strconv.ParseFloat(got, 64); err != nil || math.Abs(x-want) > 1e-6 {
		t.Errorf("image %s: %q, want %v", image, got, want)
	}
}
