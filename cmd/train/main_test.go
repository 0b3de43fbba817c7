package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/bench"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

// outcome is what a command line did.
type outcome struct {
	code           int
	stdout, stderr string
}

// command runs the program as main does, with no environment.
func command(t *testing.T, args ...string) outcome {
	t.Helper()
	return commandContext(t.Context(), args...)
}

func commandContext(ctx context.Context, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := execute(ctx, args, &program{name: "train", stdout: report.Printable(&stdout), stderr: report.Printable(&stderr)})
	return outcome{code, stdout.String(), stderr.String()}
}

// must runs a command that has to succeed and returns its results.
func must(t *testing.T, args ...string) string {
	t.Helper()
	o := command(t, args...)
	if o.code != 0 {
		t.Fatalf("train %s: exit code %d\n%s", strings.Join(args, " "), o.code, o.stderr)
	}
	return o.stdout
}

// tiny are the flags of a run that takes a moment.
func tiny(flags ...string) []string {
	return append([]string{"--config", "tiny.yaml"}, flags...)
}

// inFolder makes the test run in a folder of its own with tiny.yaml in it.
func inFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "tiny.yaml", `
out: run
threads: 1
data: {size: [16, 16], synthetic: {train: 6, val: 3}}
model: {base_channels: 2, depth: 1}
train: {epochs: 2, batch_size: 4}
report: {pictures: false}
`)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const best = "run/checkpoints/best.safetensors"

// One run from training to a mask, with what each command says and writes.
func TestFromTrainingToMasks(t *testing.T) {
	inFolder(t)
	table := must(t, tiny()...)
	for _, want := range []string{"triangle", "mIoU", best} {
		if !strings.Contains(table, want) {
			t.Errorf("the results lack %q:\n%s", want, table)
		}
	}
	for _, name := range []string{"config.yaml", "metrics.csv", "log.jsonl", "tensorboard/events.out.tfevents.000001", "checkpoints/last.safetensors", "checkpoints/best.safetensors", "checkpoints/step-00000004.safetensors"} {
		if _, err := os.Stat(filepath.Join("run", name)); err != nil {
			t.Error(err)
		}
	}
	if lines := strings.Count(read(t, "run/metrics.csv"), "\n"); lines != 3 {
		t.Errorf("metrics.csv has %d lines, want a header and 2 epochs", lines)
	}
	if _, err := config.Parse("config.yaml", []byte(read(t, "run/config.yaml"))); err != nil {
		t.Errorf("the resolved configuration does not load: %v", err)
	}

	t.Run("evaluate", func(t *testing.T) {
		var r struct {
			Checkpoint, Split string
			Images, Pixels    int
			Loss, MIoU        float64
			Classes           []struct{ Name string }
			Confusion         [][]int
		}
		decode(t, must(t, "evaluate", "--checkpoint", best, "--json"), &r)
		pixels := 0
		for _, row := range r.Confusion {
			for _, n := range row {
				pixels += n
			}
		}
		if r.Checkpoint != best || r.Split != "val" || r.Images != 3 || r.Pixels != 3*16*16 || pixels != r.Pixels || len(r.Classes) != 4 || !(r.Loss > 0) {
			t.Errorf("got %+v", r)
		}
		if got := must(t, "evaluate", "--checkpoint", best); !strings.Contains(got, "triangle") {
			t.Errorf("no table: %s", got)
		}
	})

	must(t, "synth", "--out", "shapes", "--count", "2")
	t.Run("evaluate other data", func(t *testing.T) {
		var r struct{ Images int }
		decode(t, must(t, "evaluate", "--checkpoint", best, "--data", "shapes", "--json"), &r)
		if r.Images != 2 {
			t.Errorf("%d images, want the 2 of --data", r.Images)
		}
	})

	t.Run("predict", func(t *testing.T) {
		must(t, "predict", "--checkpoint", best, "--input", "shapes/images", "--out", "masks", "--overlay", "--probabilities")
		palette := data.Colors(data.DefaultConfig())
		for _, name := range []string{"train-000000", "train-000001"} {
			f, err := os.Open("masks/" + name + ".png")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			mask, err := png.Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			// Its own size, not the net's 16x16.
			if b := mask.Bounds(); b.Dx() != 128 || b.Dy() != 128 {
				t.Errorf("mask is %v, want 128x128", b)
			}
			if p, ok := mask.ColorModel().(color.Palette); !ok || len(p) != len(palette) {
				t.Errorf("mask has colours %v, want the %d of the classes", mask.ColorModel(), len(palette))
			}
			if _, err := os.Stat("masks/" + name + ".overlay.png"); err != nil {
				t.Error(err)
			}
			if size := len(read(t, "masks/"+name+".npy")); size != 128+16*16*4*4 {
				t.Errorf("probabilities have %d bytes, want a header of 128 and 16x16x4 float32", size)
			}
		}
	})

	t.Run("inspect", func(t *testing.T) {
		got := must(t, "inspect", best)
		for _, want := range []string{"format: unet-gorgonia/1", "base_channels: 2", "head.weight", "optimizer.exp_avg.head.weight"} {
			if !strings.Contains(got, want) {
				t.Errorf("lacks %q:\n%s", want, got)
			}
		}
	})

	t.Run("export", func(t *testing.T) {
		must(t, "export", "--checkpoint", best, "--out", "net.safetensors")
		if got := must(t, "inspect", "net.safetensors"); strings.Contains(got, "exp_avg") || !strings.Contains(got, "running_mean") {
			t.Errorf("want weights and running statistics only:\n%s", got)
		}
		a := must(t, "evaluate", "--checkpoint", best, "--json")
		b := must(t, "evaluate", "--checkpoint", "net.safetensors", "--json")
		if a != strings.ReplaceAll(b, "net.safetensors", best) {
			t.Errorf("the exported net evaluates to\n%s\nwant\n%s", b, a)
		}
	})

	t.Run("resume", func(t *testing.T) {
		o := command(t, tiny("--resume", "auto", "--epochs", "3")...)
		if o.code != 0 || !strings.Contains(o.stderr, "changed since the checkpoint, from epoch 3 on: train.epochs 2 -> 3") {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
		if lines := strings.Count(read(t, "run/metrics.csv"), "\n"); lines != 4 {
			t.Errorf("metrics.csv has %d lines, want a header and 3 epochs", lines)
		}
		if o := command(t, tiny("--resume", "auto", "--epochs", "3")...); o.code != 0 || !strings.Contains(o.stderr, "nothing to train") {
			t.Errorf("a finished run: exit code %d\n%s", o.code, o.stderr)
		}
	})

	for _, tc := range []struct {
		name string
		code int
		args []string
		want []string // lines of stderr
	}{
		{"run folder in use", 2, tiny(), []string{
			"train: run/checkpoints holds checkpoints already: go on with --resume auto, or choose another folder with --out"}},
		{"other net", 2, tiny("--quiet", "--resume", best, "--set", "model.base_channels=3", "--set", "optimizer.name=sgd"), []string{
			"train: run/checkpoints/best.safetensors does not fit the configuration: model.base_channels 2 -> 3",
			"train: run/checkpoints/best.safetensors does not fit the configuration: optimizer.name adamw -> sgd"}},
		{"exported net", 2, tiny("--quiet", "--resume", "net.safetensors"), []string{
			"train: net.safetensors was exported without the optimizer's state: resume from a checkpoint of the run folder, or start anew with model.init=net.safetensors"}},
		{"no such checkpoint", 1, tiny("--resume", "none"), []string{
			"train: checkpoint: stat none: no such file or directory"}},
		{"mask over image", 2, []string{"predict", "--checkpoint", best, "--input", "shapes/images/train-000000.png", "--out", "shapes/images"}, []string{
			"train: --out: shapes/images/train-000000.png belongs to the input or the data set and is never replaced"}},
		{"export over itself", 2, []string{"export", "--checkpoint", best, "--out", best}, []string{
			"train: --out: run/checkpoints/best.safetensors belongs to the input or the data set and is never replaced"}},
		{"split without data", 1, []string{"evaluate", "--checkpoint", best, "--split", "test", "--data", "nowhere"}, []string{
			`train: data.test = "nowhere": no such file or directory: looked at ` + absolute(t, "nowhere")}},
		{"no input", 1, []string{"predict", "--checkpoint", best, "--input", "nowhere", "--out", "masks"}, []string{
			"train: data: stat nowhere: no such file or directory"}},
	} {
		t.Run(tc.name, func(t *testing.T) { check(t, command(t, tc.args...), tc.code, tc.want) })
	}

	t.Run("a bad image among good ones", func(t *testing.T) {
		write(t, "shapes/images/bad.png", "no image")
		o := command(t, "predict", "--checkpoint", best, "--input", "shapes/images", "--out", "more")
		check(t, o, 1, []string{"train: data: image shapes/images/bad.png: is not a PNG, JPEG, BMP, GIF, PNM, TIFF or WebP image"})
		if !strings.HasPrefix(o.stdout, "2 of 3 masks") {
			t.Errorf("got %q, want the other two to be done", o.stdout)
		}
	})
}

// A run that is interrupted saves where it stands, and goes on from there.
func TestInterrupted(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  []string
	}{
		{"images", []string{"--set", "train.batch_size=2"}},
		{"patches", []string{"--set", "data={patches: 2, rare_patches: 0.5, augment: {turn_90: 0.5, crop: 0.3, elastic: 1, noise: 0.1}}"}},
		{"averages over updates of two batches", []string{"--set", "train={batch_size: 1, accumulate: 2, ema: 0.9}"}},
		{"bfloat16", bfloat16("--set", "train.batch_size=2", "--set", "threads=2")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inFolder(t)
			ctx, cancel := context.WithCancel(t.Context())
			p, stderr := onTerminal("1/3  loss", cancel) // the bar after the first step
			if code := execute(ctx, tiny(tc.set...), p); code != 130 {
				t.Fatalf("exit code %d, want 130\n%s", code, stderr.String())
			}
			if want := "train: interrupted: saved to run/checkpoints, --resume auto goes on from there\n"; !strings.HasSuffix(stderr.String(), want) {
				t.Errorf("got %q, want it to end with %q", stderr.String(), want)
			}
			o := command(t, tiny(append(tc.set, "--resume", "auto")...)...)
			if o.code != 0 || !strings.Contains(o.stderr, "resuming at step 1, epoch 1 of 2") {
				t.Errorf("exit code %d\n%s", o.code, o.stderr)
			}
			must(t, tiny(append(tc.set, "--out", "straight")...)...)
			must(t, "export", "--checkpoint", "straight/checkpoints/last.safetensors", "--out", "a")
			must(t, "export", "--checkpoint", "run/checkpoints/last.safetensors", "--out", "b")
			tensors := func(path string) string { _, after, _ := strings.Cut(must(t, "inspect", path), "\n\n"); return after }
			if tensors("a") != tensors("b") {
				t.Errorf("the interrupted run ended with\n%s\nwant\n%s", tensors("b"), tensors("a"))
			}
		})
	}
}

// bfloat16 are flags for a net that rounds the operands of most of its convolutions.
func bfloat16(flags ...string) []string {
	return append([]string{"--set", "kernel=" + bfloat16Kernel(), "--set", "precision=bfloat16", "--set", "model.base_channels=32"}, flags...)
}

// bfloat16Kernel is the fastest one on this CPU that has bfloat16.
func bfloat16Kernel() string {
	if e, err := kernel.NewEngine(1, "avx512"); err == nil && e.SetPrecision("bfloat16") == nil {
		return "avx512"
	}
	return "generic"
}

// Training in bfloat16 gives other weights than in float32, but hardly another loss.
func TestBFloat16(t *testing.T) {
	inFolder(t)
	must(t, tiny(bfloat16()...)...)
	must(t, tiny(bfloat16("--set", "precision=float32", "--out", "float32")...)...)
	if d := difference(load(t, "run", "last"), load(t, "float32", "last")); !strings.HasPrefix(d, "other ") {
		t.Errorf("%q, want other weights", d)
	}
	losses := func(run string) (v []float64) { // of training and validation
		for line := range strings.Lines(metrics(t, run)) {
			for _, cell := range strings.Split(line, ",")[3:5] {
				if x, err := strconv.ParseFloat(cell, 64); err == nil {
					v = append(v, x)
				}
			}
		}
		return v
	}
	got, want := losses("run"), losses("float32")
	if len(got) != 4 || len(want) != 4 {
		t.Fatalf("losses %v and %v, want 4 each", got, want)
	}
	for i, w := range want {
		if math.Abs(got[i]-w) > 0.02*w {
			t.Errorf("losses of the epochs %v, want those of float32, %v", got, want)
			break
		}
	}
}

// onTerminal is the program on a terminal of 80 columns. What is to be done is
// done when the text is about to be shown.
func onTerminal(text string, do func()) (p *program, shown *bytes.Buffer) {
	shown = &bytes.Buffer{}
	terminal := report.NewTerminal(writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte(text)) {
			do()
		}
		return shown.Write(b)
	}), func() int { return 80 })
	return &program{name: "train", stdout: &bytes.Buffer{}, stderr: terminal, terminal: terminal}, shown
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Mistakes end in one clear line each, and in the right exit code.
func TestMistakes(t *testing.T) {
	inFolder(t)
	write(t, "bad.yaml", "trian: {epochs: 2}\ntrain: {batch_size: 0}\n")
	write(t, "empty/images/.keep", "")
	write(t, "empty/masks/.keep", "")
	for _, tc := range []struct {
		name string
		code int
		args []string
		want []string // lines of stderr
	}{
		{"nothing", 2, nil, []string{"train: --config FILE is missing: configuration FILE, as given or in configs/"}},
		{"unknown command", 2, []string{"evalute"}, []string{`train: unknown command "evalute", did you mean evaluate?`}},
		{"unknown argument", 2, []string{"bench", "x"}, []string{`train: train bench: unknown argument "x"`}},
		{"misspelt command with a flag of the right one", 2, []string{"evalute", "--checkpoint", "x"}, []string{`train: unknown command "evalute", did you mean evaluate?`}},
		{"misspelt command after a flag", 2, []string{"--quiet", "evalute", "--checkpoint", "x"}, []string{`train: unknown command "evalute", did you mean evaluate?`}},
		{"unknown flag of no command", 2, []string{"--checkpoint", "x"}, []string{"train: unknown flag: --checkpoint; see train --help"}},
		{"unknown flag", 2, []string{"bench", "--x"}, []string{"train: unknown flag: --x; see train bench --help"}},
		{"flag of the wrong type", 2, tiny("--epochs", "many"), []string{
			`train: invalid argument "many" for "--epochs" flag: strconv.ParseInt: parsing "many": invalid syntax; see train --help`}},
		{"flag out of range", 2, tiny("--epochs", "-1"), []string{"train: --epochs: train.epochs = -1, want >= 1"}},
		{"home in the run folder", 2, tiny("--out", "~/run"), []string{`train: --out: out = "~/run", want a path without ~, which stands for the home folder only where a shell has replaced it; ./~/run for a folder of that name`}},
		{"empty run folder", 2, tiny("--out", ""), []string{"train: --out DIR is missing: run folder DIR, overrides the key out"}},
		{"empty checkpoint", 2, tiny("--resume", ""), []string{"train: --resume FILE is missing: go on from a checkpoint FILE; auto: from the last one in the run folder"}},
		{"empty data set", 2, []string{"evaluate", "--checkpoint", "x", "--data", ""}, []string{"train: --data DIR is missing: DIR to take the split from, with images/ and masks/ or images.npy and masks.npy, or the names of the training data"}},
		{"home folder", 2, []string{"synth", "--out", "~/x"}, []string{"train: --out ~/x: want a path without ~, which stands for the home folder only where a shell has replaced it; ./~/x for a folder of that name"}},
		{"no such file", 2, []string{"--config", "no"}, []string{"train: config no: no such file; looked at no, configs/no, configs/no.yaml"}},
		{"bad file", 2, []string{"--config", "bad.yaml"}, []string{
			"train: bad.yaml:1: unknown key trian, did you mean train?",
			"train: bad.yaml:2: train.batch_size = 0, want >= 1"}},
		{"bad --set", 2, tiny("--set", "train.epoch=1"), []string{"train: --set train.epoch=1: unknown key train.epoch, did you mean train.epochs?"}},
		{"no data", 1, tiny("--set", "data={source: folder, train: nowhere}"), []string{`train: data.train = "nowhere": no such file or directory: looked at ` + absolute(t, "nowhere")}},
		{"weights without config", 2, []string{"weights"}, []string{"train: --config FILE is missing: configuration FILE, as given or in configs/"}},
		{"predict without flags", 2, []string{"predict"}, []string{
			"train: --checkpoint FILE is missing: checkpoint FILE or pattern; the probabilities of several are averaged",
			"train: --input FILE is missing: image FILE, pattern or folder of images; may be repeated",
			"train: --out DIR is missing: DIR for the masks"}},
		{"unknown split", 2, []string{"evaluate", "--checkpoint", "x", "--split", "y"}, []string{"train: --split y: want val, train or test"}},
		{"no checkpoint", 1, []string{"evaluate", "--checkpoint", "x"}, []string{"train: checkpoint: stat x: no such file or directory"}},
		{"unknown format", 2, []string{"export", "--checkpoint", "x", "--out", "y", "--format", "h5"}, []string{"train: --format h5: want safetensors, pytorch or onnx"}},
		{"module without .py", 2, []string{"export", "--checkpoint", "x", "--out", "unet", "--format", "pytorch"}, []string{"train: --out unet: want a name that ends with .py for --format pytorch"}},
		{"inspect nothing", 2, []string{"inspect"}, []string{"train: train inspect: 0 arguments, want one file of weights"}},
		{"no images", 2, []string{"synth", "--out", "x", "--count", "0"}, []string{"train: --count 0: want >= 1"}},
		{"no steps", 2, []string{"bench", "--steps", "0"}, []string{"train: --steps 0: want >= 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := command(t, tc.args...)
			check(t, o, tc.code, tc.want)
			if o.stdout != "" {
				t.Errorf("stdout has %q", o.stdout)
			}
		})
	}
	if _, err := os.Stat("run"); err == nil {
		t.Error("a mistake made the run folder")
	}
	t.Run("not a checkpoint", func(t *testing.T) {
		o := command(t, "inspect", "tiny.yaml")
		if o.code != 1 || !strings.HasPrefix(o.stderr, "train: checkpoint: tiny.yaml: ") || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
	})
}

func check(t *testing.T, o outcome, code int, lines []string) {
	t.Helper()
	if want := strings.Join(lines, "\n") + "\n"; o.code != code || o.stderr != want {
		t.Errorf("exit code %d\n%swant %d\n%s", o.code, o.stderr, code, want)
	}
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// Two 2x2 masks with 5 pixels of class a, 1 of b and 2 void; weights by hand: total / count.
func TestWeights(t *testing.T) {
	t.Chdir(t.TempDir())
	palette := color.Palette{color.Black, color.White}
	write(t, "set/masks/.keep", "")
	for name, mask := range map[string][]uint8{"x": {0, 0, 0, 0}, "y": {0, 1, data.Void, data.Void}} {
		if err := imagefile.WriteMask("set/masks/"+name+".png", mask, 2, 2, palette); err != nil {
			t.Fatal(err)
		}
		write(t, "set/images/"+name+".png", read(t, "set/masks/"+name+".png"))
	}
	write(t, "two.yaml", `
data: {source: folder, train: set, val: set, size: [2, 2], classes: [a, b]}
model: {base_channels: 1, depth: 1}
`)
	var got classCounts
	decode(t, must(t, "weights", "--config", "two.yaml", "--json"), &got)
	want := classCounts{Images: 2, Pixels: 6, IgnoredPixels: 2, Scheme: "dataset", Classes: []classCount{
		{"a", 5, 5.0 / 6, 6.0 / 5}, {"b", 1, 1.0 / 6, 6},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := must(t, "weights", "--config", "two.yaml"); !strings.Contains(got, "2 images, 6 labelled pixels, 2 ignored") {
		t.Errorf("got %s", got)
	}
	check(t, command(t, "weights", "--config", "two.yaml", "--set", "data.classes=[a, b, c]"), 1, []string{
		"train: loss: the training set has no pixel of class 2 (c): correct data.classes or the masks, or set loss.allow_absent_classes: true to do without; 2 of 8 pixels (25.0 %) are void, the value 255 (data.ignore_index); if they are c, set data.mask_values: [0, 1, 255]"})
}

func TestBench(t *testing.T) {
	t.Chdir(t.TempDir())
	args := []string{"bench", "--steps", "2", "--json"}
	for _, s := range []string{"data.size=[16, 16]", "model={base_channels: 2, depth: 1}", "train.batch_size=2", "threads=1", "kernel=generic"} {
		args = append(args, "--set", s)
	}
	var m bench.Result
	decode(t, must(t, args...), &m)
	if m.Kernel != "generic" || m.Threads != 1 || m.Encoder != "unet" || *m.BaseChannels != 2 || *m.Depth != 1 || m.BatchSize != 2 || m.CPU == "" {
		t.Errorf("got %+v", m)
	}
	// conv 3*2*9 + 2*2*9, 2*4*9 + 4*4*9, 4*2*9 + 2*2*9; batch norm 2*(2*2 + 2*4 + 2*2); up 4*2*4 + 2; head 2*4 + 4
	if want := 54 + 36 + 72 + 144 + 72 + 36 + 32 + 34 + 12; m.Parameters != want {
		t.Errorf("%d parameters, want %d", m.Parameters, want)
	}
	if !(m.StepMS > 0 && m.TrainPerSecond > 0 && m.InferPerSecond > 0 && m.PeakRSS > 0) {
		t.Errorf("got %+v", m)
	}
	if math.Abs(m.TrainPerSecond-2*1000/m.StepMS) > 1e-6*m.TrainPerSecond {
		t.Errorf("%v images/s do not fit %v ms a step of 2", m.TrainPerSecond, m.StepMS)
	}
}

// The configurations that come with the program are valid, and unet.yaml holds every key.
func TestConfigurations(t *testing.T) {
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		if _, err := config.Load(config.Options{File: file}); err != nil {
			t.Error(err)
		}
	}
	keys := func(yaml string) (keys []string) {
		for line := range strings.Lines(yaml) {
			if key, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.HasPrefix(key, "#") {
				keys = append(keys, key)
			}
		}
		return keys
	}
	if got, want := keys(read(t, "../../configs/unet.yaml")), keys(string(config.Default().YAML())); !reflect.DeepEqual(got, want) {
		t.Errorf("unet.yaml has the keys\n%v\nwant\n%v", got, want)
	}
}
