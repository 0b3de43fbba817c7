package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
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
