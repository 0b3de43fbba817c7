package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"image"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
)

// inShapes makes the test run in a folder with tiny.yaml for set/, of n images.
func inShapes(t *testing.T, n int) {
	t.Helper()
	inFolder(t)
	must(t, "synth", "--out", "set", "--count", strconv.Itoa(n))
	text := strings.Replace(read(t, "tiny.yaml"), "synthetic: {train: 6, val: 3}", "source: folder, train: set", 1)
	write(t, "tiny.yaml", text+"loss: {allow_absent_classes: true}\n")
}

// table reads a CSV file: its rows by their first cell, and their cells by the header.
func table(t *testing.T, path string) map[string]map[string]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(read(t, path))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]map[string]string{}
	for _, row := range rows[1:] {
		byName[row[0]] = map[string]string{}
		for i, cell := range row {
			byName[row[0]][rows[0][i]] = cell
		}
	}
	return byName
}

// number reads a cell; an empty one is NaN.
func number(t *testing.T, cell string) float64 {
	t.Helper()
	if cell == "" {
		return math.NaN()
	}
	x, err := strconv.ParseFloat(cell, 64)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// near reports whether two figures agree in six digits, or are both undefined.
func near(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-5*math.Abs(b)
}

// Each image is predicted by the net that has not seen it, as predict does, and scored
// by its mask at its own size. All figures are found again from the files.
func TestCrossval(t *testing.T) {
	inShapes(t, 8)
	must(t, tiny("--epochs", "1")...) // its run folder is left alone
	shown := must(t, "crossval", "--config", "tiny.yaml", "--folds", "3", "--set", "optimizer.lr=0.02")
	var r struct {
		Images int
		Folds  []struct {
			Checkpoint  string
			Epochs      int
			TrainImages int `json:"train_images"`
			ValImages   int `json:"val_images"`
		}
		MIoU    struct{ Mean, Std, All metric.Number }
		Classes []struct {
			Name string
			IoU  struct{ Mean, Std, All metric.Number }
		}
	}
	decode(t, read(t, "run-crossval/crossval.json"), &r)
	scores := table(t, "run-crossval/images.csv")
	if r.Images != 8 || len(r.Folds) != 3 || len(scores) != 8 {
		t.Fatalf("%d images, %d folds, %d scores, want 8, 3 and 8", r.Images, len(r.Folds), len(scores))
	}
	count := func(counts *[4][4]float64, name string) {
		truth, predicted := indices(t, "set/masks/"+name+".png"), indices(t, "run-crossval/predictions/"+name+".png")
		if len(truth.Pix) != len(predicted.Pix) {
			t.Fatalf("%s: prediction of %v, want %v", name, predicted.Rect, truth.Rect)
		}
		for i, c := range truth.Pix {
			counts[c][predicted.Pix[i]]++
		}
	}
	iou := func(counts [4][4]float64) (v []float64, mean float64) {
		n := 0.0
		for c := range counts {
			union := -counts[c][c]
			for k := range counts {
				union += counts[c][k] + counts[k][c]
			}
			v = append(v, counts[c][c]/union)
			if union > 0 {
				mean += counts[c][c] / union
				n++
			}
		}
		return v, mean / n
	}
	var all [4][4]float64
	figures := make([][]float64, 5) // IoU of the classes and mIoU, by fold
	seen := 0
	for fold, f := range r.Folds {
		if f.Epochs != 2 || f.TrainImages+f.ValImages != 8 {
			t.Errorf("fold %d: %+v", fold, f)
		}
		var counts [4][4]float64
		must(t, "predict", "--checkpoint", "run-crossval/"+f.Checkpoint, "--input", "set/images", "--out", fmt.Sprint("by", fold))
		must(t, "evaluate", "--checkpoint", "run-crossval/"+f.Checkpoint, "--per-image", fmt.Sprint("val", fold))
		val := table(t, fmt.Sprint("val", fold))
		for name, score := range scores {
			if score["fold"] != strconv.Itoa(fold) {
				continue
			}
			seen++
			if _, ok := val[name]; !ok {
				t.Errorf("%s is not in the validation set of fold %d", name, fold)
			}
			if read(t, "run-crossval/predictions/"+name+".png") != read(t, fmt.Sprintf("by%d/%s.png", fold, name)) {
				t.Errorf("%s: the prediction is not that of fold %d", name, fold)
			}
			var own [4][4]float64
			for _, to := range []*[4][4]float64{&own, &counts, &all} {
				count(to, name)
			}
			classes, mean := iou(own)
			if !near(number(t, score["miou"]), mean) || !near(number(t, score["iou_disc"]), classes[1]) || score["pixels"] != "16384" {
				t.Errorf("%s scores %v, want mIoU %g, disc %g", name, score, mean, classes[1])
			}
		}
		classes, mean := iou(counts)
		for i, x := range append(classes, mean) {
			figures[i] = append(figures[i], x)
		}
	}
	if seen != 8 {
		t.Errorf("%d images are in a fold, want each once", seen)
	}
	classes, miou := iou(all)
	csv := table(t, "run-crossval/crossval.csv")
	for i, x := range append(classes, miou) {
		name, got := "mIoU", r.MIoU
		if i < 4 {
			name, got = r.Classes[i].Name, r.Classes[i].IoU
		}
		have := slices.DeleteFunc(slices.Clone(figures[i]), math.IsNaN) // a fold may have no pixel of a rare class
		var mean, square float64
		for _, f := range have {
			mean += f / float64(len(have))
		}
		for _, f := range have {
			square += (f - mean) * (f - mean) / float64(len(have)-1)
		}
		std := math.Sqrt(square)
		if !near(float64(got.Mean), mean) || !near(float64(got.Std), std) || !near(float64(got.All), x) {
			t.Errorf("%s: %+v, want mean %g, std %g, all %g", name, got, mean, std, x)
		}
		if row := csv[name]; !near(number(t, row["mean"]), mean) || !near(number(t, row["std"]), std) || !near(number(t, row["all"]), x) || !near(number(t, row["fold2"]), figures[i][2]) {
			t.Errorf("crossval.csv has %v", row)
		}
		line := fmt.Sprintf("%-10s", name)
		for _, f := range append([]float64{mean, std, x}, figures[i]...) {
			if cell := fmt.Sprintf("  %.4f", f); math.IsNaN(f) {
				line += "       –"
			} else {
				line += cell
			}
		}
		if !strings.Contains(shown, line) {
			t.Errorf("the table lacks %q:\n%s", line, shown)
		}
	}
	if !(miou > 0) {
		t.Error("the nets have learnt nothing, so this test shows little")
	}
}

// Every kind of data can be cross-validated: each image is predicted at its own size.
func TestCrossvalSources(t *testing.T) {
	inFolder(t)
	folderOf(t, "set", image.Pt(16, 16), image.Pt(50, 37), image.Pt(9, 40), image.Pt(20, 20))
	for _, dir := range []string{"images", "masks"} {
		for i := range 2 { // in a sub-folder
			from := fmt.Sprintf("set/%s/%d.png", dir, i)
			write(t, fmt.Sprintf("set/%s/sub/%d.png", dir, i), read(t, from))
			succeed(t, os.Remove(from))
		}
	}
	arrays(t, "arrays", 4, 20)
	folder := map[string]image.Point{"sub/0": image.Pt(16, 16), "sub/1": image.Pt(50, 37), "2": image.Pt(9, 40), "3": image.Pt(20, 20)}
	for _, tc := range []struct {
		name, data string
		want       map[string]image.Point
	}{
		{"synthetic", "{size: [16, 16], synthetic: {train: 3}}", map[string]image.Point{"train-000000": image.Pt(16, 16), "train-000001": image.Pt(16, 16), "train-000002": image.Pt(16, 16)}},
		{"folder", "{size: [16, 16], source: folder, train: set, classes: [black, white]}", folder},
		{"patches", "{size: [16, 16], source: folder, train: set, classes: [black, white], patches: 2}", folder},
		{"npy", "{size: [8, 8], source: npy, train: arrays, val: arrays, classes: [black, white]}", map[string]image.Point{"000000": image.Pt(8, 8), "000001": image.Pt(8, 8), "000002": image.Pt(8, 8), "000003": image.Pt(8, 8)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			write(t, tc.name+".yaml", "out: of-"+tc.name+"\ndata: "+tc.data+"\nthreads: 1\nmodel: {base_channels: 2, depth: 1}\nloss: {allow_absent_classes: true}\ntrain: {epochs: 1, batch_size: 2}\nreport: {pictures: false}\n")
			o := command(t, "crossval", "--config", tc.name+".yaml", "--folds", "2")
			if note := "data.val = arrays takes no part: the folds divide data.train\n"; o.code != 0 || strings.Contains(o.stderr, note) != (tc.name == "npy") {
				t.Fatalf("exit code %d\n%s", o.code, o.stderr)
			}
			scores := table(t, "of-"+tc.name+"-crossval/images.csv")
			if len(scores) != len(tc.want) {
				t.Errorf("%d images have a score, want %d", len(scores), len(tc.want))
			}
			for name, size := range tc.want {
				if mask := indices(t, "of-"+tc.name+"-crossval/predictions/"+name+".png"); mask.Rect.Size() != size || scores[name]["pixels"] != fmt.Sprint(size.X*size.Y) {
					t.Errorf("%s: a mask of %v, scores %v, want %v", name, mask.Rect.Size(), scores[name], size)
				}
			}
		})
	}
}

// A cross-validation that is stopped at every epoch, or killed, and goes on ends with
// the same bits as one that never was; and what has ended stays as it is.
func TestCrossvalGoesOn(t *testing.T) {
	inShapes(t, 6)
	args := func(out string) []string {
		return []string{"crossval", "--config", "tiny.yaml", "--folds", "2", "--out", out}
	}
	stopped := 0
	for ; stopped < 10; stopped++ {
		ctx, cancel := context.WithCancel(t.Context())
		o := when(ctx, map[string]func(){"epoch ": cancel}, args("run")...)
		cancel()
		if o.code == 0 {
			break
		}
		if o.code != 130 {
			t.Fatalf("exit code %d\n%s", o.code, o.stderr)
		}
		if stopped == 0 && !strings.HasSuffix(o.stderr, "train: interrupted in fold0 (1 of 2): the same command goes on from there\n") {
			t.Errorf("got %s", o.stderr)
		}
	}
	if stopped < 3 {
		t.Errorf("stopped %d times, so this test shows little", stopped)
	}
	must(t, args("straight")...)
	killed := start(t, nil, args("killed")...)
	killed.awaitLine(t, "epoch 1/2")
	killed.kill()
	must(t, args("killed")...)
	same := func(run string) {
		t.Helper()
		for _, fold := range []string{"fold0", "fold1"} {
			equalRuns(t, run+"/"+fold, "straight/"+fold)
		}
		for _, path := range []string{"crossval.json", "crossval.csv", "images.csv"} {
			if got, want := read(t, run+"/"+path), read(t, "straight/"+path); got != want {
				t.Errorf("%s/%s is\n%s\nwant\n%s", run, path, got, want)
			}
		}
		got, want := contents(t, run+"/predictions"), contents(t, "straight/predictions")
		for path, text := range want {
			if got[strings.Replace(path, "straight", run, 1)] != text {
				t.Errorf("%s differs", path)
			}
		}
		if len(got) != 7 || len(want) != 7 { // with the folder
			t.Errorf("%d and %d predictions, want 6 and the folder", len(got), len(want))
		}
	}
	same("run")
	same("killed")
	before := contents(t, "run")
	for _, path := range []string{"run/.images.csv1", "run/predictions/.train-000000.png22"} { // of a kill
		write(t, path, "half")
	}
	must(t, args("run")...)
	if paths := changed(before, contents(t, "run")); len(paths) > 0 {
		t.Errorf("run again, %v changed", paths)
	}
	move(t, "run", "moved")
	must(t, args("moved")...)
	same("moved")
}

// Cross-validations that cannot be, or would not be one, are refused before a net is
// trained, and change nothing.
func TestCrossvalMistakes(t *testing.T) {
	inShapes(t, 4)
	crossval := func(flags ...string) []string {
		return append([]string{"crossval", "--config", "tiny.yaml", "--folds", "2", "--set", "train.epochs=1"}, flags...)
	}
	must(t, tiny("--epochs", "1", "--out", "alone")...)
	write(t, "theirs/images.csv", "precious")
	must(t, crossval("--out", "done")...)
	for _, tc := range []struct {
		name string
		code int
		args []string
		want []string
	}{
		{"one fold", 2, crossval("--folds", "1"), []string{"train: --folds 1: want >= 2"}},
		{"too many folds", 1, crossval("--folds", "5"), []string{"train: data: set: has 4 images, want at least data.folds = 5"}},
		{"no pattern", 2, crossval("--group", "("), []string{"train: --group: data.group = \"(\", want a regular expression such as ^([^_]*)_: error parsing regexp: missing closing ): `(`"}},
		{"names without a group", 1, crossval("--group", "patient"), []string{`train: data: set: data.group = "patient" does not match train-000000, train-000001, train-000002 and 1 more`}},
		{"folder of a run", 2, crossval("--out", "alone"), []string{"train: out: alone holds checkpoints already, of something else: choose another folder with --out"}},
		{"folder with other files", 2, crossval("--out", "theirs"), []string{"train: out: theirs holds images.csv already, of something else: choose another folder with --out"}},
		{"other keys", 2, crossval("--out", "done", "--set", "optimizer.lr=0.1"), []string{
			"train: done/fold0 was begun with another configuration: optimizer.lr 0.001 -> 0.1",
			"train: choose another folder with --out to start anew"}},
		{"other folds", 2, crossval("--out", "done", "--folds", "3"), []string{
			"train: done/fold0 was begun with another configuration: data.folds 2 -> 3",
			"train: choose another folder with --out to start anew"}},
		{"among the data", 2, crossval("--out", "set/images"), []string{"train: out: set/images/crossval.lock would be read as part of the data set: choose another folder"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := contents(t, ".")
			check(t, command(t, tc.args...), tc.code, tc.want)
			if paths := changed(before, contents(t, ".")); len(paths) > 0 {
				t.Errorf("%v changed", paths)
			}
		})
	}
	t.Run("more images", func(t *testing.T) {
		for _, sub := range []string{"images", "masks"} {
			write(t, "set/"+sub+"/z.png", read(t, "set/"+sub+"/train-000000.png"))
		}
		o := command(t, crossval("--out", "done")...)
		if o.code != 2 || !strings.HasPrefix(o.stderr, "train: done/fold0 was begun with other images, by name or file size\n") {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
	})
	// What would end the training of a later fold ends the first.
	flat := func(dir string, value uint8, from, to int) {
		for i := from; i < to; i++ {
			write(t, fmt.Sprintf("%s/masks/%d.png", dir, i), string(filetest.Encode(t, "x.png", filetest.Grey(16, 16, bytes.Repeat([]byte{value}, 256)...))))
		}
	}
	square := image.Pt(16, 16)
	folderOf(t, "rare", square, square, square, square)
	flat("rare", 0, 1, 4)
	folderOf(t, "void", square, square, square, square)
	flat("void", 255, 0, 4)
	flat("void", 0, 0, 1)
	for dir, want := range map[string]string{
		"rare": "trains on the others: loss: the training set has no pixel of class 1 (b): ",
		"void": ": data: val: none of its 2 images has a labelled pixel: ",
	} {
		t.Run(dir, func(t *testing.T) {
			o := command(t, crossval("--out", "new", "--set", "data.train="+dir, "--set", "data.classes=[a, b]", "--set", fmt.Sprintf("loss.allow_absent_classes=%v", dir == "void"))...)
			if o.code != 1 || !strings.Contains(o.stderr, want) || !strings.HasPrefix(o.stderr, "train: fold") {
				t.Errorf("exit code %d, want 1 and %q\n%s", o.code, want, o.stderr)
			}
			if _, err := os.Stat("new"); err == nil {
				t.Error("the run folder was made")
			}
		})
	}
}
