package main

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"os"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// writeColours makes n images of 20x40 pixels (height, width) with masks in three
// colours, the third of a single pixel in the first image only.
func writeColours(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		mask := image.NewNRGBA(image.Rect(0, 0, 40, 20))
		for p := range 40 * 20 {
			mask.SetNRGBA(p%40, p/40, color.NRGBA{0, 0, uint8(p % 40 / 20 * 200), 255})
		}
		if i == 0 {
			mask.SetNRGBA(0, 0, color.NRGBA{9, 0, 0, 255})
		}
		name := string(rune('a'+i)) + ".png"
		write(t, dir+"/images/.keep", "")
		write(t, dir+"/masks/.keep", "")
		for _, folder := range []string{"/images/", "/masks/"} {
			if err := imagefile.WritePNG(dir+folder+name, mask); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// writeLines makes n images of 512x64 pixels with upright lines of two pixels, one in
// each 32 of width.
func writeLines(t *testing.T, dir string, n int) {
	t.Helper()
	mask := image.NewGray(image.Rect(0, 0, 64, 512))
	for p := range mask.Pix {
		if p%32 == 9 || p%32 == 10 {
			mask.Pix[p] = 1
		}
	}
	for i := range n {
		for _, folder := range []string{"/images/", "/masks/"} {
			write(t, dir+folder+".keep", "")
			if err := imagefile.WritePNG(dir+folder+string(rune('a'+i))+".png", mask); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What init writes about a folder fits it, and trains as it stands.
func TestInit(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(t *testing.T)
		want func(c *config.Config)
		says []string // on stderr
	}{
		{"indices", func(t *testing.T) { must(t, "synth", "--out", "set", "--count", "5") }, func(c *config.Config) {
			c.Data.Train = "set"
			c.Data.Classes = []string{"class_0", "class_1", "class_2", "class_3"}
			c.Data.Augment.Turn90 = 0.75
		}, []string{"masks: class indices 0..3\n", "pixels of class_0", "data.size 128x128 (height x width): the images' own\n",
			"model: unet, base 16, depth 4, with deep_supervision\n", "data.augment: flips both ways and turns by 90 degrees: ", "loss: class_weights enet, lovasz 0.5: the rarest class, class_3, has 0.5% of the pixels (below 3%)\n",
			"train: 200 epochs, batches of 8 (1 an epoch)\n"}},

		// Lines of two pixels, in images twice as high as the net's: one in 32 pixels.
		{"thin lines", func(t *testing.T) { writeLines(t, "set", 6) }, func(c *config.Config) {
			c.Data.Train = "set"
			c.Data.Size, c.Data.Patches = [2]int{64, 64}, 8
			c.Data.Classes = []string{"class_0", "class_1"}
			c.Data.Augment.Turn90 = 0.75
			c.Loss.ClassWeights.Scheme, c.Loss.Dice, c.Loss.Lovasz = "none", 0.5, 0
		}, []string{"data.patches 8 of 64x64 an image and epoch, at the images' own size: class_1 is 2.0 pixels wide, and would be 1.0 in images resized to 256x32\n"}},

		{"splits and names", func(t *testing.T) {
			must(t, "synth", "--out", "set/train", "--count", "5")
			must(t, "synth", "--out", "set/val", "--count", "2", "--seed", "1")
			write(t, "set/classes.txt", "ground\ndisc\nsquare\ntriangle\nhouse\n")
		}, func(c *config.Config) {
			c.Data.Train, c.Data.Val = "set/train", "set/val"
			c.Data.Classes = []string{"ground", "disc", "square", "triangle", "house"}
			c.Loss.AllowAbsentClasses = true
			c.Data.Augment.Turn90 = 0.75
		}, []string{"warning: train: no pixel of class 4 (house)\n"}},

		// Of 20 rows, three poolings would leave 2.
		{"colours", func(t *testing.T) { writeColours(t, "set", 6) }, func(c *config.Config) {
			c.Data.Train = "set"
			c.Data.Size = [2]int{20, 40}
			c.Data.Classes = []string{"class_0", "class_1", "class_2"}
			c.Data.Palette = [][3]int{{0, 0, 0}, {0, 0, 200}, {9, 0, 0}}
			c.Model.Depth, c.Model.DeepSupervision = 2, false
		}, []string{"masks: 3 colours\n", "pixels of class_2 [9 0 0]"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			tc.make(t)
			o := command(t, "init", "--data", "set/", "--out", "my.yaml")
			if o.code != 0 || o.stdout != "my.yaml written; next: train --config my.yaml\n" {
				t.Fatalf("exit code %d, %q\n%s", o.code, o.stdout, o.stderr)
			}
			for _, want := range tc.says {
				if !strings.Contains(o.stderr, want) {
					t.Errorf("stderr lacks %q:\n%s", want, o.stderr)
				}
			}
			got, err := config.Load(config.Options{File: "my.yaml"})
			if err != nil {
				t.Fatal(err)
			}
			want := config.Default()
			want.Out = "runs/set"
			want.Data.Source = "folder"
			want.Model.BaseChannels = 16
			want.Train.Epochs = 200
			want.Loss.ClassWeights.Scheme, want.Loss.Lovasz = "enet", 0.5
			want.Model.DeepSupervision = true
			want.Data.Augment.FlipVertical = 0.5
			tc.want(&want)
			if string(got.YAML()) != string(want.YAML()) {
				t.Errorf("got\n%s\nwant\n%s", got.YAML(), want.YAML())
			}
			must(t, "--config", "my.yaml", "--epochs", "1", "--set", "train.batch_size=2")
		})
	}
}

func TestInitWrites(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, "synth", "--out", "set", "--count", "3")
	write(t, "sub/.keep", "")
	printed := must(t, "init", "--data", "set")
	if !strings.HasPrefix(printed, "# A UNet for the images in set, by train init.\n") || !strings.Contains(printed, "epochs: 200                 # passes over the training set\n") {
		t.Errorf("printed\n%s", printed)
	}
	must(t, "init", "--data", "set", "--out", "sub/my.yaml", "--schema")
	if got := read(t, "sub/my.yaml"); !strings.HasPrefix(got, "# yaml-language-server: $schema=unet.schema.json\n# A UNet") {
		t.Errorf("the file begins %q", got[:100])
	}
	if got := read(t, "sub/unet.schema.json"); got != must(t, "schema") {
		t.Errorf("the schema is\n%s", got)
	}
	write(t, "sub/my.yaml", "mine")
	check(t, command(t, "init", "--data", "set", "--out", "sub/my.yaml"), 2, []string{"train: --out: sub/my.yaml exists already, --force replaces it"})
	if got := read(t, "sub/my.yaml"); got != "mine" {
		t.Errorf("it was overwritten by %q", got)
	}
	must(t, "init", "--data", "set", "--out", "sub/my.yaml", "--force")
	if got := read(t, "sub/my.yaml"); !strings.HasPrefix(got, "# A UNet") {
		t.Errorf("with --force: %q", got)
	}
}

func TestInitMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, "synth", "--out", "set", "--count", "4")
	must(t, "synth", "--out", "bad", "--count", "4")
	write(t, "bad/masks/train-000002.png", "")
	write(t, "bad/notes.md", "")
	must(t, "synth", "--out", "cut", "--count", "4")
	write(t, "cut/images/train-000001.png", read(t, "cut/images/train-000001.png")[:1000]) // its header is whole
	write(t, "none/readme", "")
	for _, tc := range []struct {
		name string
		code int
		args []string
		last []string // lines of stderr
	}{
		{"no folder given", 2, []string{"--out", "my.yaml"}, []string{"train: --data DIR is missing: DIR of images and masks"}},
		{"schema without a file", 2, []string{"--data", "set", "--schema"}, []string{"train: --schema: want --out FILE too: the schema is written beside it"}},
		{"unknown encoder", 2, []string{"--data", "set", "--encoder", "vgg16"}, []string{
			"train: --encoder vgg16: want one of unet, efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, mobilenetv2_100, resnet18, resnet34"}},
		{"faulty mask", 1, []string{"--data", "bad", "--out", "my.yaml"}, []string{"train: data: mask bad/masks/train-000002.png: is empty"}},
		{"image cut off", 1, []string{"--data", "cut", "--out", "my.yaml"}, []string{"train: 1 fault in the data set"}},
		{"other folder", 1, []string{"--data", "none", "--out", "my.yaml"}, []string{
			"train: data: none has neither images/ and masks/, nor images.npy and masks.npy, nor train/ with either, nor others of the usual names; it has readme: rename or move them to images/ and masks/, or set data.images and data.masks"}},
		{"no folder for the file", 2, []string{"--data", "set", "--out", "nowhere/my.yaml"}, []string{
			"train: --out nowhere/my.yaml: stat nowhere: no such file or directory"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := command(t, append([]string{"init"}, tc.args...)...)
			if want := strings.Join(tc.last, "\n"); o.code != tc.code || !strings.HasSuffix(strings.TrimSpace(o.stderr), want) || o.stdout != "" {
				t.Errorf("exit code %d, stdout %q\n%swant %d\n%s", o.code, o.stdout, o.stderr, tc.code, want)
			}
			if _, err := os.Stat("my.yaml"); err == nil {
				t.Error("a file was written")
			}
		})
	}
	if o := command(t, "init", "--data", "cut"); !says(o.stderr, "data: image cut/images/train-000001.png: ", "not enough pixel data") {
		t.Errorf("the image that is cut off is not named:\n%s", o.stderr)
	}
}

// On a terminal progress goes to stderr, and Ctrl-C ends the pass without a file.
func TestInitStops(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, "synth", "--out", "set", "--count", "40")
	ctx, cancel := context.WithCancel(t.Context())
	p, stderr := onTerminal("looking through", cancel)
	var stdout bytes.Buffer
	p.stdout = &stdout
	if code := execute(ctx, []string{"init", "--data", "set", "--out", "my.yaml"}, p); code != exitInterrupted || stdout.Len() > 0 {
		t.Errorf("exit code %d, stdout %q\n%s", code, stdout.String(), stderr.String())
	}
	if _, err := os.Stat("my.yaml"); err == nil {
		t.Error("a file was written")
	}
}
