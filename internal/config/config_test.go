package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/loss/scheme"
)

// write makes a file in a folder of the test's own and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultIsValid(t *testing.T) {
	if err := config.Default().Validate(); err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, config.Default()) {
		t.Errorf("nothing given:\n%+v\nwant the defaults:\n%+v", got, config.Default())
	}
}

// Each row gives train.epochs in some origins; the one furthest right in
// default < file < environment < --set < flag must win.
func TestPrecedence(t *testing.T) {
	file := write(t, "train: {epochs: 2, batch_size: 3}\n")
	env := []string{"UNET_TRAIN_EPOCHS=4", "HOME=/nowhere", "UNET_OUT="}
	set := []string{"train.epochs=5", "train.epochs=6"}
	flags := []config.Flag{{Name: "epochs", Key: "train.epochs", Value: 7}}
	for _, tc := range []struct {
		name   string
		o      config.Options
		epochs int
	}{
		{"default", config.Options{}, 10},
		{"file", config.Options{File: file}, 2},
		{"environment", config.Options{File: file, Environ: env}, 4},
		{"last --set", config.Options{File: file, Environ: env, Set: set}, 6},
		{"flag", config.Options{File: file, Environ: env, Set: set, Flags: flags}, 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := config.Load(tc.o)
			if err != nil {
				t.Fatal(err)
			}
			if c.Train.Epochs != tc.epochs {
				t.Errorf("train.epochs = %d, want %d", c.Train.Epochs, tc.epochs)
			}
			if tc.o.File != "" && c.Train.BatchSize != 3 {
				t.Errorf("train.batch_size = %d, want the file's 3", c.Train.BatchSize)
			}
			if c.Out != "runs/unet" {
				t.Errorf("out = %q, want the default: an empty variable is not set", c.Out)
			}
		})
	}
}

func TestValues(t *testing.T) {
	c, err := config.Load(config.Options{
		File: write(t, `
seed: 18446744073709551615
data:
  size: [64, 96]
  classes: [a, "2", off]
  source: folder
  train: &dir some/dir
  val: *dir
  test:
  palette: [[0, 0, 0], [255, 0, 0], [0, 255, 0]]
  cache: off
loss:
  class_weights: [0.5, 1, 2]
optimizer: {epsilon: 1e-8, lr: 1}
schedule:
`),
		Environ: []string{"UNET_DATA_AUGMENT_SCALE=[0.5, 2]", "UNET_MODEL={depth: 3}"},
		Set:     []string{"data.test=", "data.augment.rotate=10", "checkpoint={keep: 5}"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Seed = 1<<64 - 1
	want.Data.Source = "folder"
	want.Data.Size = [2]int{64, 96}
	want.Data.Classes = []string{"a", "2", "off"}
	want.Data.Train, want.Data.Val = "some/dir", "some/dir"
	want.Data.Palette = [][3]int{{0, 0, 0}, {255, 0, 0}, {0, 255, 0}}
	want.Data.Cache = "off"
	want.Data.Augment.Scale = [2]float64{0.5, 2}
	want.Data.Augment.Rotate = 10
	want.Loss.ClassWeights = scheme.ClassWeights{Values: []float64{0.5, 1, 2}}
	want.Optimizer.LR = 1
	want.Model.Depth = 3
	want.Checkpoint.Keep = 5
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v\nwant\n%+v", c, want)
	}
	back, err := config.Parse("back", c.YAML())
	if err != nil {
		t.Fatalf("the resolved YAML does not load: %v\n%s", err, c.YAML())
	}
	if !reflect.DeepEqual(back, c) {
		t.Errorf("the resolved YAML loads to\n%+v\nwant\n%+v", back, c)
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name string
		file string
		env  []string
		set  []string
		want []string // lines; FILE stands for the file's path
	}{
		{name: "unknown key", file: "train:\n  epoch: 3\n",
			want: []string{"FILE:2: unknown key train.epoch, did you mean train.epochs?"}},
		{name: "unknown section", file: "optimiser: {lr: 0.1}\n",
			want: []string{"FILE:1: unknown key optimiser, did you mean optimizer?"}},
		{name: "right key, wrong section", file: "batch_size: 4\n",
			want: []string{"FILE:1: unknown key batch_size, did you mean train.batch_size?"}},
		{name: "no key is near", file: "zzzzzzzzzz: 4\n",
			want: []string{"FILE:1: unknown key zzzzzzzzzz"}},
		{name: "upper case", file: "Seed: 4\n",
			want: []string{"FILE:1: unknown key Seed, did you mean seed?"}},
		{name: "doubled key", file: "seed: 1\nout: x\nseed: 2\n",
			want: []string{"FILE:3: seed is given twice, first at FILE:1"}},
		{name: "doubled section", file: "train: {epochs: 1}\ntrain: {epochs: 2}\n",
			want: []string{"FILE:2: train is given twice, first at FILE:1"}},
		{name: "text for an integer", file: "train: {epochs: ten}\n",
			want: []string{`FILE:1: train.epochs = "ten", want an integer`}},
		{name: "fraction for an integer", file: "train: {epochs: 2.5}\n",
			want: []string{`FILE:1: train.epochs = 2.5, want an integer`}},
		{name: "nothing for an integer", file: "train:\n  epochs:\n",
			want: []string{`FILE:2: train.epochs = nothing, want an integer`}},
		{name: "too large an integer", file: "threads: 99999999999999999999\n",
			want: []string{`FILE:1: threads = 99999999999999999999, want an integer`}},
		{name: "negative seed", file: "seed: -1\n",
			want: []string{`FILE:1: seed = -1, want an integer >= 0`}},
		{name: "text for a number", file: "optimizer: {lr: fast}\n",
			want: []string{`FILE:1: optimizer.lr = "fast", want a number`}},
		{name: "text for true or false", file: "loss: {allow_absent_classes: 1}\n",
			want: []string{`FILE:1: loss.allow_absent_classes = 1, want true or false`}},
		{name: "list too long", file: "data: {size: [1, 2, 3]}\n",
			want: []string{`FILE:1: data.size = [1, 2, 3], want a list of 2 integers`}},
		{name: "list of lists", file: "data: {palette: [[1, 2]]}\n",
			want: []string{`FILE:1: data.palette = [[...]], want a list of lists of 3 integers`}},
		{name: "list for text", file: "out: [a]\n",
			want: []string{`FILE:1: out = ["a"], want text`}},
		{name: "value for a section", file: "train: 3\n",
			want: []string{"FILE:1: train = 3, want a section with the keys accumulate, batch_size, early_stop, ema, epochs"}},
		{name: "section for a value", file: "seed: {a: 1}\n",
			want: []string{"FILE:1: seed = a mapping, want an integer >= 0"}},
		{name: "list for the whole", file: "- 1\n",
			want: []string{"FILE:1: [1], want a mapping of keys such as train: {epochs: 10}"}},
		{name: "not YAML", file: "a: [\n",
			want: []string{"FILE: yaml: line 1: did not find expected node content"}},
		{name: "two documents", file: "seed: 1\n---\nseed: 2\n",
			want: []string{"FILE: more than one YAML document, want one"}},
		{name: "key with a dot", file: "train.epochs: 1\n",
			want: []string{"FILE:1: key train.epochs with a dot, want it nested: train: epochs"}},
		{name: "class weights", file: "loss: {class_weights: [1, x]}\n",
			want: []string{`FILE:1: loss.class_weights = [1, "x"], want one of dataset, balanced, median_frequency, enet, effective_number, none, per_batch, or a list of numbers`}},
		{name: "unknown scheme", file: "loss: {class_weights: datasets}\n",
			want: []string{`FILE:1: loss.class_weights = "datasets", want one of dataset, balanced, median_frequency, enet, effective_number, none, per_batch`}},
		{name: "too few class weights", set: []string{"loss.class_weights=[1, 2]"},
			want: []string{`--set loss.class_weights=[1, 2]: loss.class_weights has 2 numbers, want 4, one per class of data.classes`}},
		{name: "out of range in the file", file: "train:\n  epochs: 3\n  batch_size: 0\n",
			want: []string{"FILE:3: train.batch_size = 0, want >= 1"}},
		{name: "out of range in the environment", env: []string{"UNET_TRAIN_BATCH_SIZE=0"},
			want: []string{"UNET_TRAIN_BATCH_SIZE: train.batch_size = 0, want >= 1"}},
		{name: "out of range in --set", set: []string{"train.batch_size=0"},
			want: []string{"--set train.batch_size=0: train.batch_size = 0, want >= 1"}},
		{name: "wrong type in the environment", env: []string{"UNET_TRAIN_BATCH_SIZE=many"},
			want: []string{`UNET_TRAIN_BATCH_SIZE: train.batch_size = "many", want an integer`}},
		{name: "unknown variable", env: []string{"UNET_TRAIN_EPOCH=1"},
			want: []string{"UNET_TRAIN_EPOCH: no key has this environment variable, did you mean UNET_TRAIN_EPOCHS?"}},
		{name: "unknown key in --set", set: []string{"train.epoch=1"},
			want: []string{"--set train.epoch=1: unknown key train.epoch, did you mean train.epochs?"}},
		{name: "--set without a value", set: []string{"train.epochs"},
			want: []string{"--set train.epochs: want key=value"}},
		{name: "--set without a key", set: []string{"=1"},
			want: []string{"--set =1: unknown key "}},
		{name: "size against depth", set: []string{"data.size=[100, 128]"},
			want: []string{"--set data.size=[100, 128]: data.size = [100, 128], want multiples of 16 (2^model.depth), such as [96, 128]"}},
		{name: "kernel", set: []string{"kernel=sse"},
			want: []string{`--set kernel=sse: kernel = "sse", want auto, avx512, avx2 or generic`}},
		{name: "precision as kernel", set: []string{"kernel=bfloat16"},
			want: []string{`--set kernel=bfloat16: kernel = "bfloat16", want auto, avx512, avx2 or generic; bfloat16 has a key of its own: precision: bfloat16`}},
		{name: "precision", set: []string{"precision=float16"},
			want: []string{`--set precision=float16: precision = "float16", want float32 or bfloat16`}},
		{name: "all at once", file: "seed: x\ntrain: {epochs: 0, batch: 1}\n", env: []string{"UNET_THREADS=-1"},
			want: []string{
				`FILE:1: seed = "x", want an integer >= 0`,
				"FILE:2: unknown key train.batch, did you mean train.batch_size?",
				"UNET_THREADS: threads = -1, want 0 (all cores) to 1024",
				"FILE:2: train.epochs = 0, want >= 1",
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := config.Options{Environ: tc.env, Set: tc.set}
			if tc.file != "" {
				o.File = write(t, tc.file)
			}
			_, err := config.Load(o)
			var got []string
			for _, err := range config.Problems(err) {
				message := err.Error()
				if o.File != "" {
					message = strings.ReplaceAll(message, o.File, "FILE")
				}
				got = append(got, message)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tc.want, "\n  "))
			}
		})
	}
}

func TestFindFile(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"configs", "both"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"here.yaml", "configs/there.yaml", "configs/both.yaml", "configs/here.yaml"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct{ name, want string }{
		{"here.yaml", "here.yaml"},
		{"there", "configs/there.yaml"},
		{"there.yaml", "configs/there.yaml"},
		{"both", "configs/both.yaml"}, // the folder of that name is no file
	} {
		if got, err := config.FindFile(tc.name); err != nil || got != filepath.FromSlash(tc.want) {
			t.Errorf("FindFile(%s) = %s, %v, want %s", tc.name, got, err, tc.want)
		}
	}
	_, err := config.Load(config.Options{File: "nowhere"})
	if want := "config nowhere: no such file; looked at nowhere, configs/nowhere, configs/nowhere.yaml"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCompare(t *testing.T) {
	old := config.Default()
	resumed := config.Default()
	resumed.Train.Epochs = 20
	resumed.Loss.ClassWeights = scheme.ClassWeights{Values: []float64{1, 2, 3, 4}}
	resumed.Model.Depth = 3
	resumed.Data.Classes = []string{"a", "b", "c", "d"}
	refused, changed := config.Compare(old, resumed)
	list := func(all []config.Difference) string {
		var lines []string
		for _, d := range all {
			lines = append(lines, d.String())
		}
		return strings.Join(lines, "\n")
	}
	if got, want := list(refused), "data.classes [background, disc, square, triangle] -> [a, b, c, d]\nmodel.depth 4 -> 3"; got != want {
		t.Errorf("refused\n%s\nwant\n%s", got, want)
	}
	if got, want := list(changed), "loss.class_weights dataset -> [1, 2, 3, 4]\ntrain.epochs 10 -> 20"; got != want {
		t.Errorf("changed\n%s\nwant\n%s", got, want)
	}
	if refused, changed := config.Compare(old, old); refused != nil || changed != nil {
		t.Errorf("a configuration differs from itself: %v %v", refused, changed)
	}
}

// Whatever bytes a checkpoint or a file holds, Parse returns an error or a
// configuration that its own YAML gives back.
func FuzzParse(f *testing.F) {
	f.Add(config.Default().YAML())
	for _, s := range []string{
		"", "~", "- 1", "a: [", "seed: 1\nseed: 2", "train: {epochs: 2.5}", "x: &x [*x]", "<<: {seed: 1}",
		"data: &d {size: [64, 64]}\nmodel: *d", "data: {classes: [a, ~]}", "seed: !!binary aGk=", "? [a]\n: b",
		"out: \"\\0\"", "out: |\n  two\n  lines\n", "loss: {class_weights: {a: 1}}", "optimizer: {lr: .nan}",
		"data.size: [64, 64]", "? ''\n: 1", "---\nseed: 1\n---\nseed: 2", "data: {palette: [[0, 0, 0], [1, 1, 1], [2, 2, 2], [3, 3, 3]]}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		c, err := config.Parse("fuzz", doc)
		if err != nil {
			return
		}
		back, err := config.Parse("back", c.YAML())
		if err != nil {
			t.Fatalf("%v\n%s", err, c.YAML())
		}
		if !reflect.DeepEqual(back, c) {
			t.Fatalf("%+v\nbecame\n%+v", c, back)
		}
	})
}

// Checkpoints from before precision had a key of its own say kernel: bfloat16.
func TestStoredPrecision(t *testing.T) {
	c, err := config.Parse("old", []byte("kernel: bfloat16\n"))
	if err != nil || c.Kernel != "auto" || c.Precision != "bfloat16" {
		t.Errorf("kernel %q, precision %q, error %v; want auto, bfloat16 and none", c.Kernel, c.Precision, err)
	}
}
