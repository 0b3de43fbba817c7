package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// tells checks that the lines of stderr have each of the texts, and none of the others.
func tells(t *testing.T, o outcome, code int, want, not []string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d", o.code, code)
	}
	for _, s := range want {
		if !strings.Contains(o.stderr, s) {
			t.Errorf("lacks %q", s)
		}
	}
	for _, s := range not {
		if strings.Contains(o.stderr, s) {
			t.Errorf("has %q", s)
		}
	}
	if t.Failed() {
		t.Logf("said\n%s%s", o.stderr, o.stdout)
	}
}

// finished is the epochs that metrics.csv has.
func finished(t *testing.T) int {
	t.Helper()
	return strings.Count(read(t, "run/metrics.csv"), "\n") - 1
}

// A run that stopped early says so whenever it is resumed, and goes on when it may.
func TestResumeAfterEarlyStop(t *testing.T) {
	inFolder(t)
	// Nothing is learnt, so that soon no validation is better; only batch norm's statistics move.
	flags := tiny("--set", "optimizer.lr=1e-30", "--set", "optimizer.weight_decay=0", "--set", "train.early_stop=2")
	o := command(t, append(flags, "--epochs", "60")...)
	n := finished(t)
	tells(t, o, 0, []string{fmt.Sprintf("stopped early after epoch %d: no better validation mIoU in 2 epochs", n)}, nil)
	if n >= 60 {
		t.Fatalf("%d epochs, want an early stop", n)
	}
	if got := must(t, "inspect", "run/checkpoints/last.safetensors"); !strings.Contains(got, "ended: early_stop\n") || !strings.Contains(got, fmt.Sprintf("position: after epoch %d\n", n)) ||
		!strings.Contains(got, fmt.Sprintf("after epoch %d\n", n-2)) {
		t.Errorf("inspect does not say that it stopped after epoch %d:\n%s", n, got[:1500])
	}
	before := read(t, "run/log.jsonl")
	for _, epochs := range []string{"60", "80"} {
		for _, quiet := range [][]string{nil, {"--quiet"}} {
			o = command(t, append(append(flags, "--resume", "auto", "--epochs", epochs), quiet...)...)
			tells(t, o, 0, []string{fmt.Sprintf("training stopped early after epoch %d (patience 2 used up)", n), "a larger train.early_stop, or 0, goes on"}, []string{"has all", "resuming at"})
			if !strings.Contains(o.stdout, fmt.Sprintf("after epoch %d: %s\n", n-2, best)) {
				t.Errorf("stdout has %q, want the best checkpoint, of epoch %d", o.stdout, n-2)
			}
		}
	}
	if finished(t) != n || read(t, "run/log.jsonl") != before {
		t.Error("resuming a run that has ended changed its records")
	}
	tells(t, command(t, append(flags, "--resume", "auto", "--epochs", fmt.Sprint(n))...), 0, []string{
		fmt.Sprintf("has all %d epochs, and patience 2 is used up; more --epochs and a larger train.early_stop, or 0, go on", n)}, nil)

	o = command(t, append(flags, "--resume", "auto", "--epochs", "60", "--set", "train.early_stop=3")...)
	tells(t, o, 0, []string{fmt.Sprintf("from epoch %d on: train.early_stop 2 -> 3", n+1), "stopped early after epoch", "no better validation mIoU in 3 epochs"}, []string{"nothing to train"})
	if got := finished(t); got <= n {
		t.Errorf("a larger patience does not go on: %d epochs, before %d", got, n)
	}
	n = finished(t)
	tells(t, command(t, append(flags, "--resume", "auto", "--epochs", fmt.Sprint(n+1), "--set", "train.early_stop=0")...), 0, nil, []string{"nothing to train", "stopped early"})
	if got := finished(t); got != n+1 {
		t.Errorf("without early stop: %d epochs, want %d", got, n+1)
	}
	tells(t, command(t, append(flags, "--resume", "auto", "--epochs", fmt.Sprint(n+1), "--set", "train.early_stop=0")...), 0,
		[]string{fmt.Sprintf("has all %d epochs; --epochs gives it more", n+1)}, []string{"patience"})
	tells(t, command(t, append(flags, "--resume", "auto", "--epochs", "1", "--set", "train.early_stop=0")...), 0,
		[]string{fmt.Sprintf("has %d epochs, train.epochs is 1; more --epochs go on", n+1)}, []string{"has all"})
}

// A path that the program prints is that of a file with what it says is in it.
func TestBestCheckpointIsWhereItIsSaid(t *testing.T) {
	inFolder(t)
	still := tiny("--set", "optimizer.lr=1e-30", "--set", "optimizer.weight_decay=0", "--set", "model.norm=none", "--set", "checkpoint.keep=9") // epoch 1 stays the best
	must(t, still...)
	last := "run/checkpoints/last.safetensors"
	for _, tc := range []struct {
		name    string
		prepare func()
		args    []string
		want    string
	}{
		{"in the folder", func() {}, []string{"--resume", "auto", "--epochs", "3"}, ": run/checkpoints/best.safetensors\n"},
		{"in that which it was resumed from", func() {}, []string{"--resume", last, "--epochs", "4", "--out", "other"}, ": run/checkpoints/best.safetensors\n"},
		{"moved with its folder", func() { move(t, "run", "moved") }, []string{"--resume", "auto", "--epochs", "4", "--out", "moved"}, ": moved/checkpoints/best.safetensors\n"},
		{"resumed from a file that was copied", func() { move(t, "moved/checkpoints/last.safetensors", "alone.safetensors") },
			[]string{"--resume", "alone.safetensors", "--epochs", "5", "--out", "another"}, ": its checkpoint is not in another\n"},
		{"of another run", func() {
			must(t, still...)
			must(t, tiny("--out", "else")...)
			move(t, "else/checkpoints/best.safetensors", "run/checkpoints/best.safetensors")
		}, []string{"--resume", "auto", "--epochs", "3"}, ": its checkpoint is not in run\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.prepare()
			if got := must(t, append(slices.Clip(still), tc.args...)...); !strings.Contains(got, "best mIoU ") || !strings.HasSuffix(got, " after epoch 1"+tc.want) {
				t.Errorf("got\n%swant it to end with %q", got, tc.want)
			}
		})
	}
}

// Started by the configuration of a run folder that was moved, training says where the checkpoints are.
func TestResumeOfMovedFolder(t *testing.T) {
	inFolder(t)
	must(t, tiny()...)
	move(t, "run", "moved")
	flags := []string{"--config", "moved/config.yaml", "--resume", "auto", "--epochs", "3"}
	tells(t, command(t, flags...), 0, []string{"run/checkpoints holds no checkpoint to resume from: starting anew", "but moved/checkpoints, beside the configuration, does: if its run folder was moved, --out moved goes on from it"}, nil)
	o := command(t, append(flags, "--out", "moved")...)
	tells(t, o, 0, []string{"resuming from moved/checkpoints/last.safetensors"}, []string{"starting anew"})
	if !strings.HasSuffix(o.stdout, ": moved/checkpoints/best.safetensors\n") {
		t.Errorf("stdout has %q, want the best checkpoint where it is", o.stdout)
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// arrays makes a folder of n images of 8x8 pixels and masks whose first pixels, that
// many of the 64 of each, or the last ones, if it is negative, are of class 1, the
// others of class 0.
func arrays(t *testing.T, dir string, n, ones int) {
	t.Helper()
	images, masks := make([]float64, n*8*8*3), make([]float64, n*8*8)
	for i := range masks {
		images[3*i] = float64(i % 251)
		if i%64 < ones || i%64 >= 64+ones {
			masks[i] = 1
		}
	}
	filetest.Write(t, dir+"/images.npy", filetest.NPY(t, 1, "|u1", fmt.Sprintf("(%d, 8, 8, 3)", n), images...))
	filetest.Write(t, dir+"/masks.npy", filetest.NPY(t, 1, "|u1", fmt.Sprintf("(%d, 8, 8)", n), masks...))
}

// A resumed run tells what is no longer as it was, on the terminal, in the log and
// on the page.
func TestResumeTellsWhatChanged(t *testing.T) {
	const last = "run/checkpoints/last.safetensors"
	for _, tc := range []struct {
		name      string
		change    func(t *testing.T)
		flags     []string
		want, not []string
	}{
		{"nothing", func(*testing.T) {}, nil, nil, []string{"is not the one", "set, class"}},
		{"labels, in files of the same size", func(t *testing.T) { arrays(t, "train", 4, 2) }, nil, []string{
			"the training set is not the one that " + last + " was trained on: its labels differ\n",
			"changed since the checkpoint, from epoch 2 on: training set, class a: 240 -> 248 pixels, 93.75% -> 96.88% of the labelled ones, weight 1.067 -> 1.032\n",
			"changed since the checkpoint, from epoch 2 on: training set, class b: 16 -> 8 pixels, 6.25% -> 3.12% of the labelled ones, weight 16 -> 32\n",
		}, []string{"the validation set is not"}},
		{"labels in other places", func(t *testing.T) { arrays(t, "train", 4, -4) }, nil, []string{
			"the training set is not the one that " + last + " was trained on: its labels differ: as many pixels of each class, in other places\n"}, []string{"set, class", "the validation set"}},
		{"one more image", func(t *testing.T) { arrays(t, "train", 5, 4) }, nil, []string{
			"the training set is not the one that " + last + " was trained on: its images are others",
			"training set, class b: 16 -> 20 pixels, 6.25% -> 6.25% of the labelled ones\n", // the weight is the same
		}, []string{"the validation set is not"}},
		{"labels to validate on", func(t *testing.T) { arrays(t, "val", 3, 2) }, nil, []string{
			"the validation set is not the one that " + last + " was measured on: its labels differ; mIoU from now on does not compare with that before, of which the best is ",
			"changed since the checkpoint, from epoch 2 on: validation set, class b: 12 -> 6 pixels, 6.25% -> 3.12% of the labelled ones\n",
		}, []string{"the training set is not"}},
		{"images to validate on", func(t *testing.T) { arrays(t, "val", 2, 4) }, nil, []string{
			"the validation set is not the one that " + last + " was measured on: its images are others"}, []string{"the training set is not"}},
		{"the configuration", func(*testing.T) {}, []string{"--set", "optimizer.lr=0.01"}, []string{
			"changed since the checkpoint, from epoch 2 on: optimizer.lr 0.001 -> 0.01\n"}, []string{"is not the one"}},
		{"labels, after an older program", func(t *testing.T) {
			forget(t, last, "epoch_loss_images", "ended", "val_class_counts", "val_fingerprint", "label_digest", "val_label_digest")
			arrays(t, "train", 4, 2)
			arrays(t, "val", 2, 2)
		}, nil, []string{"was trained on: its labels differ", "class b: 16 -> 8 pixels"}, []string{"validation set"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			arrays(t, "train", 4, 4)
			arrays(t, "val", 3, 4)
			write(t, "c.yaml", `
out: run
threads: 1
data: {source: npy, train: train, val: val, size: [8, 8], classes: [a, b]}
model: {base_channels: 2, depth: 1}
train: {epochs: 1, batch_size: 2}
`)
			must(t, "--config", "c.yaml", "--quiet")
			tc.change(t)
			o := command(t, append([]string{"--config", "c.yaml", "--resume", "auto", "--epochs", "2"}, tc.flags...)...)
			tells(t, o, 0, append(tc.want, "changed since the checkpoint, from epoch 2 on: train.epochs 1 -> 2\n"), tc.not)

			var changes []string
			for line := range strings.Lines(read(t, "run/log.jsonl")) {
				var l struct{ Data struct{ Changes []string } }
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				changes = append(changes, l.Data.Changes...)
			}
			page := read(t, "run/report.html")
			const mark = "changed since the checkpoint, from epoch 2 on: "
			for line := range strings.Lines(o.stderr) {
				what, ok := strings.CutPrefix(strings.TrimSpace(line), mark)
				if !ok {
					continue
				}
				if !slices.Contains(changes, what) {
					t.Errorf("the log's changes %q lack %q", changes, what)
				}
				if !strings.Contains(page, "<li>"+strings.ReplaceAll(what, ">", "&gt;")+"</li>") {
					t.Errorf("the page lacks %q", what)
				}
			}
			if !strings.Contains(page, "in epoch 2, after step 2") {
				t.Error("the page does not say where the run was resumed")
			}
		})
	}
}

// forget removes keys from the metadata of a checkpoint, as if its program had not known them.
func forget(t *testing.T, path string, keys ...string) {
	t.Helper()
	c, err := checkpoint.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(c.Meta, func(key, _ string) bool { return slices.Contains(keys, key) })
	if err := checkpoint.Write(path, c); err != nil {
		t.Fatal(err)
	}
}

// Where no pixel has a label nothing is measured, in whatever form the masks are.
func TestNothingToMeasure(t *testing.T) {
	const void = data.Void
	images := filetest.NPY(t, 1, "|u1", "(2, 4, 4, 3)", make([]float64, 2*4*4*3)...)
	same := func(value float64, n int) []float64 { return slices.Repeat([]float64{value}, n) }
	one := func(value uint8) []byte { return pngFile(filetest.Grey(4, 4, bytes.Repeat([]byte{value}, 16)...)) }
	for _, tc := range []struct {
		name, source string
		val          map[string]any
	}{
		{"indices", "folder", map[string]any{"val/images/x.png": one(9), "val/images/y.png": one(9), "val/masks/x.png": one(void), "val/masks/y.png": one(void)}},
		{"array of indices", "npy", map[string]any{"val/images.npy": images, "val/masks.npy": filetest.NPY(t, 1, "|u1", "(2, 4, 4)", same(void, 2*4*4)...)}},
		{"one-hot array", "npy", map[string]any{"val/images.npy": images, "val/masks.npy": filetest.NPY(t, 1, "|u1", "(2, 4, 4, 2)", same(0, 2*4*4*2)...)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			lay(t, tc.val)
			labels := []uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}
			lay(t, map[string]any{"train/images/a.png": one(7), "train/masks/a.png": pngFile(filetest.Grey(4, 4, labels...)), "train/images/b.png": one(8), "train/masks/b.png": pngFile(filetest.Grey(4, 4, labels...))})
			if tc.source == "npy" {
				lay(t, map[string]any{"train/images.npy": images, "train/masks.npy": filetest.NPY(t, 1, "|u1", "(2, 4, 4)", append(same(0, 16), same(1, 16)...)...)})
			}
			write(t, "c.yaml", "out: run\nthreads: 1\ndata: {source: "+tc.source+`, train: train, val: val, size: [4, 4], classes: [a, b]}
model: {base_channels: 2, depth: 1}
train: {epochs: 2, batch_size: 2, early_stop: 1}
report: {pictures: false}
`)
			told := []string{"data: val: none of its 2 images has a labelled pixel", "set data.val to images with labels, or set data.val empty and data.val_fraction"}
			o := command(t, "--config", "c.yaml")
			tells(t, o, 1, told, []string{"epoch", "NaN", "best"})
			if names, _ := filepath.Glob("run/*"); slices.Contains(names, "run/metrics.csv") || slices.Contains(names, "run/checkpoints") {
				t.Errorf("training began: %v", names)
			}
			o = command(t, "check", "--config", "c.yaml")
			tells(t, o, 1, told, nil)
			if !strings.Contains(o.stdout, " 0       –\n") {
				t.Errorf("check shows a share of no labelled pixels:\n%s", o.stdout)
			}

			write(t, "c.yaml", strings.Replace(read(t, "c.yaml"), "val: val", "val: train", 1))
			must(t, "--config", "c.yaml", "--quiet")
			tells(t, command(t, "evaluate", "--checkpoint", best, "--split", "test", "--data", "val"), 1,
				[]string{"data: test: none of its 2 images has a labelled pixel", "set data.test to images with labels; --split and --data choose others"}, nil)
		})
	}
}

// The message says which batch is too small.
func TestLastBatchTooSmallToNormalise(t *testing.T) {
	inFolder(t)
	o := command(t, tiny("--set", "model.depth=4", "--set", "data.synthetic.train=5")...)
	tells(t, o, 1, []string{"the last batch of an epoch has 1 image (5 in batches of train.batch_size = 4): model: batch norm encoder.4.bn1 has one value per channel"}, []string{"epoch 1/2"})
	if _, err := os.Stat("run/metrics.csv"); err == nil {
		t.Error("training began")
	}
}
