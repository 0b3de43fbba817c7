package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// The same files under the names that data sets have: init finds them and says
// what it took, and they are the same data.
func TestInitFindsLayouts(t *testing.T) {
	for _, tc := range []struct {
		name string
		move func(kind, name string) string // kind is image or mask, name train-000000
		want func(c *data.Config)
		says string // on stderr
	}{
		{"suffix of masks", func(kind, name string) string {
			return map[string]string{"image": "images/" + name, "mask": "masks/" + name + "_mask"}[kind]
		}, func(c *data.Config) { c.MaskSuffix = "_mask" }, "note: masks end in _mask (data.mask_suffix)\n"},
		{"both suffixes, in folders of cities", func(kind, name string) string {
			return map[string]string{"image": "images/a/" + name + "_leftImg8bit", "mask": "masks/a/" + name + "_gtFine_labelIds"}[kind]
		}, func(c *data.Config) { c.ImageSuffix, c.MaskSuffix = "_leftImg8bit", "_gtFine_labelIds" },
			"note: images end in _leftImg8bit (data.image_suffix), masks end in _gtFine_labelIds (data.mask_suffix)\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			must(t, "synth", "--out", "plain", "--count", "3")
			files, err := filepath.Glob("plain/*/*.png")
			if err != nil || len(files) != 6 {
				t.Fatal(files, err)
			}
			for _, file := range files {
				kind := strings.TrimSuffix(filepath.Base(filepath.Dir(file)), "s")
				write(t, "set/"+tc.move(kind, strings.TrimSuffix(filepath.Base(file), ".png"))+".png", read(t, file))
			}
			o := command(t, "init", "--data", "set", "--out", "my.yaml")
			if o.code != 0 || !strings.Contains(o.stderr, tc.says) {
				t.Fatalf("exit code %d, want %q in\n%s", o.code, tc.says, o.stderr)
			}
			c, err := config.Load(config.Options{File: "my.yaml"})
			if err != nil {
				t.Fatal(err)
			}
			want := c.Data
			layout := data.DefaultConfig()
			layout.Train = "set"
			tc.want(&layout)
			want.Source, want.Train, want.Val, want.Test = "folder", layout.Train, layout.Val, layout.Test
			want.ImageFolder, want.MaskFolder, want.ImageSuffix, want.MaskSuffix = layout.ImageFolder, layout.MaskFolder, layout.ImageSuffix, layout.MaskSuffix
			if got, want := c, with(c, want); string(got.YAML()) != string(want.YAML()) {
				t.Errorf("got\n%s\nwant\n%s", got.YAML(), want.YAML())
			}
			must(t, "check", "--config", "my.yaml")
			counted := must(t, "weights", "--config", "my.yaml", "--json")
			if plain := must(t, "weights", "--config", "my.yaml", "--json", "--set", "data.train=plain", "--set", "data.image_suffix=", "--set", "data.mask_suffix="); counted != plain {
				t.Errorf("counted\n%s\nwant\n%s", counted, plain)
			}
		})
	}
}

func with(c config.Config, d data.Config) config.Config {
	c.Data = d
	return c
}

// Samples of one name in two sub-folders have a picture each.
func TestEvaluatePicturesInSubfolders(t *testing.T) {
	inFolder(t)
	must(t, "synth", "--out", "plain", "--count", "1")
	for _, city := range []string{"aachen", "ulm"} {
		for _, kind := range []string{"images", "masks"} {
			write(t, filepath.Join("set", kind, city, "x.png"), read(t, "plain/"+kind+"/train-000000.png"))
		}
	}
	must(t, tiny("--epochs", "1", "--set", "data.synthetic.train=4", "--out", "run")...)
	must(t, "evaluate", "--checkpoint", "run/checkpoints/last.safetensors", "--data", "set", "--pictures", "pictures")
	for _, path := range []string{"pictures/aachen/x.png", "pictures/ulm/x.png"} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// A path that leads nowhere is told with where it was looked for, and where it
// leads from beside the configuration, in all commands that read data.
func TestPathsNotFound(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, "synth", "--out", "project/set", "--count", "3")
	write(t, "project/c.yaml", "data: {source: folder, train: set, val: none}\nmodel: {init: w.safetensors}\n")
	write(t, "project/star.yaml", "data: {source: folder, train: set/*/train}\n")
	for _, name := range [][]string{nil, {"check"}, {"weights"}, {"augment", "--out", "look"}} {
		check(t, command(t, append(name, "--config", "project/c.yaml")...), 1, []string{
			`train: data.train = "set": no such file or directory: looked at ` + absolute(t, "set") + "; it lies beside project/c.yaml: set data.train to project/set, or start the program in project",
			`train: data.val = "none": no such file or directory: looked at ` + absolute(t, "none"),
			`train: model.init = "w.safetensors": no such file or directory: looked at ` + absolute(t, "w.safetensors"),
		})
	}
	check(t, command(t, "check", "--config", "project/star.yaml"), 1, []string{
		`train: data.train = "set/*/train": no such file or directory: looked at ` + absolute(t, "set/*/train") + "; it lies beside project/star.yaml: set data.train to project/set/*/train, or start the program in project"})
	must(t, "check", "--config", "project/c.yaml", "--set", "data.train=project/set", "--set", "data.val=project/set", "--set", "model.init=")
}

// What init finds in an npz file trains as it stands; evaluate --data takes the
// names of the training data, or the usual ones.
func TestArraysByName(t *testing.T) {
	inFolder(t)
	images, masks := filetest.NPY(t, 1, "|u1", "(4, 16, 16, 3)", make([]float64, 4*16*16*3)...), make([]float64, 4*16*16)
	for i := range masks {
		masks[i] = float64(i % 16 / 8)
	}
	arrays := map[string][]byte{"x_train": images, "y_train": filetest.NPY(t, 1, "|u1", "(4, 16, 16)", masks...)}
	filetest.Write(t, "set.npz", filetest.NPZ(t, zip.Deflate, arrays))
	for name, b := range arrays {
		filetest.Write(t, "files/"+name+".npy", b)
		filetest.Write(t, "usual/"+map[string]string{"x_train": "images", "y_train": "masks"}[name]+".npy", b)
	}
	must(t, "init", "--data", "set.npz", "--out", "my.yaml")
	must(t, "check", "--config", "my.yaml")
	must(t, "--config", "my.yaml", "--epochs", "1", "--out", "run", "--set", "model={base_channels: 2, depth: 1}", "--set", "report.pictures=false", "--quiet")
	var results []string
	for _, data := range []string{"set.npz/*_train", "files/*_train", "usual"} {
		results = append(results, must(t, "evaluate", "--checkpoint", "run/checkpoints/last.safetensors", "--data", data, "--json"))
	}
	if results[1] != results[0] || results[2] != results[0] {
		t.Errorf("the same arrays give\n%s", strings.Join(results, "\n"))
	}
	check(t, command(t, "evaluate", "--checkpoint", "run/checkpoints/last.safetensors", "--data", "set.npz"), 1, []string{
		"train: data: set.npz/x: is not in the npz file, which has x_train, y_train: set data.images and data.masks",
		"train: data: set.npz/y: is not in the npz file, which has x_train, y_train: set data.images and data.masks"})
}
