package main

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
)

// shapes lays 20 images of the built-in set in files, with a configuration.
func shapes(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := data.WriteSynthetic("set", [2]int{32, 32}, 20, 42); err != nil {
		t.Fatal(err)
	}
	write(t, "c.yaml", `
threads: 1
data: {source: folder, train: set, size: [32, 32]}
model: {base_channels: 4, depth: 1}
train: {batch_size: 4}
`)
}

// each changes the pictures of a folder, paletted or in true colours.
func each(t *testing.T, dir string, change func(img image.Image)) {
	t.Helper()
	for _, path := range files(t, dir) {
		img, err := png.Decode(strings.NewReader(read(t, path)))
		if err != nil {
			t.Fatal(err)
		}
		change(img)
		write(t, path, string(pngFile(img)))
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(dir + "/*.png")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v, %v", dir, paths, err)
	}
	return paths
}

// flood gives every pixel one value.
func flood(value uint8) func(img image.Image) {
	return func(img image.Image) {
		switch img := img.(type) {
		case *image.Paletted:
			for i := range img.Pix {
				img.Pix[i] = value
			}
		case *image.RGBA:
			for i := range img.Pix {
				img.Pix[i] = value | map[bool]uint8{true: 255}[i%4 == 3]
			}
		default:
			panic(fmt.Sprintf("%T", img))
		}
	}
}

// What is wrong with a set-up is named, each by the rule that knows it and no other,
// with the key to change; a set-up that is sound has no fault.
func TestDoctor(t *testing.T) {
	plain := []string{"model.norm=none", "optimizer.weight_decay=0", "optimizer.momentum=0", "schedule.name=constant", "schedule.warmup_epochs=0"}
	sgd := slices.Concat(plain, []string{"optimizer.name=sgd", "optimizer.lr=0.01"})
	published := slices.Concat(sgd, []string{"loss.kind=weighted_cce_probabilities", "loss.class_weights=per_batch", "loss.reduction=mean"})
	swap := func(by int) func(t *testing.T) {
		return func(t *testing.T) {
			var masks []string
			paths := files(t, "set/masks")
			for _, path := range paths {
				masks = append(masks, read(t, path))
			}
			for i, path := range paths {
				write(t, path, masks[(i+by)%len(masks)])
			}
		}
	}
	for i, tc := range []struct {
		name   string
		make   func(t *testing.T)
		set    []string
		faults string // names and changes
		text   string // among the findings
	}{
		{name: "sound"},
		{name: "sound, without batch norm", set: slices.Concat(plain, []string{"optimizer.name=adam"})},
		{name: "sound, plain SGD", set: sgd},
		{name: "masks of 0 and 255, read as indices", set: []string{"data.classes=[ground, shape]"},
			make: func(t *testing.T) {
				for _, path := range files(t, "set/masks") {
					img, err := png.Decode(strings.NewReader(read(t, path)))
					if err != nil {
						t.Fatal(err)
					}
					grey := image.NewGray(img.Bounds())
					for i, v := range img.(*image.Paletted).Pix {
						grey.Pix[i] = min(v, 1) * 255
					}
					write(t, path, string(pngFile(grey)))
				}
			},
			faults: "bad_data", text: "set data.mask_values: [0, 255]"},
		{name: "a rate a hundred times too large", set: slices.Concat(plain, []string{"optimizer.name=adam", "optimizer.lr=0.1"}), faults: "large_rate optimizer.lr=0.001"},
		{name: "a rate of SGD a thousand times too large", set: slices.Concat(sgd, []string{"optimizer.lr=10"}), faults: "large_rate optimizer.lr=0.01"},
		{name: "a rate a hundred times too small", set: []string{"optimizer.lr=0.00001"}, faults: "small_rate optimizer.lr=0.01"},
		{name: "a rate of SGD a hundred times too small", set: slices.Concat(sgd, []string{"optimizer.lr=0.0001"}), faults: "small_rate optimizer.lr=0.01"},
		{name: "masks of other images", make: swap(7), faults: "foreign_masks", text: "masks seem to belong to other images"},
		{name: "masks of the next image", make: swap(1), faults: "foreign_masks", text: "the mask of the image before fits better than the own"},
		{name: "images of one value", make: func(t *testing.T) { each(t, "set/images", flood(90)) }, faults: "constant_images"},
		{name: "one image under many names", make: func(t *testing.T) {
			paths := files(t, "set/images")
			for _, path := range paths[1:] {
				write(t, path, read(t, paths[0]))
			}
		}, faults: "same_images, foreign_masks"},
		{name: "nothing but void", make: func(t *testing.T) {
			for _, path := range files(t, "set/masks") {
				grey := image.NewGray(image.Rect(0, 0, 32, 32))
				for i := range grey.Pix {
					grey.Pix[i] = 255
				}
				write(t, path, string(pngFile(grey)))
			}
		}, faults: "bad_data, bad_data", text: "no labelled pixel"},
		{name: "weights by prediction", set: []string{"loss.weight_by=prediction"}, faults: "prediction_weights loss.weight_by=target"},
		{name: "the weights as they were published", set: published, faults: "vanishing_weights optimizer.lr=10.24 loss.class_weights=dataset",
			text: "the gradient is 1024 times too small"},
		{name: "the same, the rate times the pixels of an image", set: slices.Concat(published, []string{"optimizer.lr=10.24"})},
		{name: "the same with Adam", set: slices.Concat(published, []string{"optimizer.name=adam", "optimizer.lr=0.001"})},
		{name: "a rare class that weighs no more", set: []string{"loss.class_weights=none"}, faults: "rare_classes loss.class_weights=dataset loss.class_weights=enet", text: "triangle (0.46 % of the pixels"},
		{name: "red for blue", make: func(t *testing.T) {
			each(t, "set/images", func(img image.Image) {
				pix := img.(*image.RGBA).Pix
				for i := 0; i < len(pix); i += 4 {
					pix[i], pix[i+2] = pix[i+2], pix[i]
				}
			})
		}, text: "whether red and blue are exchanged"},
	} {
		if testing.Short() && i%5 != 0 {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			shapes(t)
			if tc.make != nil {
				tc.make(t)
			}
			args := []string{"doctor", "--config", "c.yaml"}
			for _, s := range tc.set {
				args = append(args, "--set", s)
			}
			o := command(t, append(args, "--json")...)
			code := 0
			if tc.faults != "" {
				code = exitUnhealthy
			}
			var d diagnosis
			decode(t, o.stdout, &d)
			if o.code != code || d.Healthy != (code == 0) || o.stderr != "" || !strings.Contains(o.stdout, tc.text) {
				t.Errorf("exit code %d, want %d\n%s%swant %s", o.code, code, o.stderr, o.stdout, tc.text)
			}
			var faults []string
			for _, f := range d.Findings {
				if !f.Fault {
					continue
				}
				words := []string{f.Name}
				for _, c := range f.Changes {
					words = append(words, c.Key+"="+c.Value)
				}
				faults = append(faults, strings.Join(words, " "))
			}
			if got := strings.Join(faults, ", "); got != tc.faults {
				t.Errorf("faults: %s\nwant %s\n%s", got, tc.faults, o.stdout)
			}
			if entries, err := os.ReadDir("."); err != nil || len(entries) != 2 {
				t.Errorf("%v, %v: want set and c.yaml alone", entries, err)
			}
		})
	}
}

// The study's configurations and that of the first command, on fewer images.
func TestDoctorOfConfigs(t *testing.T) {
	for _, tc := range []struct{ name, faults string }{
		{"study/vanishing", "vanishing_weights"}, {"study/vanishing_lr", ""}, {"study/vanishing_dataset", ""}, {"study/vanishing_adam", ""},
		{"study/prediction", "prediction_weights"}, {"study/none", "rare_classes"}, {"unet", ""},
	} {
		if testing.Short() && tc.name != "study/vanishing" {
			continue
		}
		o := command(t, "doctor", "--json", "--config", "../../configs/"+tc.name+".yaml", "--set", "data.synthetic={train: 16, val: 4}", "--set", "data.size=[64, 64]", "--set", "threads=1")
		var d diagnosis
		decode(t, o.stdout, &d)
		var faults []string
		for _, f := range d.Findings {
			if f.Fault {
				faults = append(faults, f.Name)
			}
		}
		if got := strings.Join(faults, " "); got != tc.faults || d.Healthy != (tc.faults == "") {
			t.Errorf("%s: exit code %d, got %q, want %q\n%s%s", tc.name, o.code, got, tc.faults, o.stderr, o.stdout)
		}
	}
}

// What is printed: figures, findings, and how many there are.
func TestDoctorText(t *testing.T) {
	shapes(t)
	o := command(t, "doctor", "--config", "c.yaml", "--set", "loss.weight_by=prediction", "--steps", "12")
	var starts []string
	for line := range strings.Lines(o.stdout) {
		starts = append(starts, strings.Fields(line)[0])
	}
	if got := strings.Join(starts, " "); o.code != exitUnhealthy || got != "classes images masks lr predicted fault: note: 1" || !strings.Contains(o.stdout, "12 steps on one batch: loss ") ||
		!strings.HasSuffix(o.stdout, "\n1 fault, 1 note\n") || o.stderr != "" {
		t.Errorf("exit code %d\n%s%s", o.code, o.stderr, o.stdout)
	}
	check(t, command(t, "doctor", "--config", "c.yaml", "--steps", "9"), exitUsage, []string{"train: --steps 9: want >= 10, fewer tell too little"})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if o := commandContext(ctx, "doctor", "--config", "c.yaml"); o.code != exitInterrupted {
		t.Errorf("interrupted: exit code %d\n%s", o.code, o.stderr)
	}
}

// A run says while it happens what it suffers from, and why; that it is over, too.
func TestRunSaysWhatIsWrong(t *testing.T) {
	inFolder(t)
	args := tiny("--epochs", "5", "--set", "data.synthetic.train=40", "--set", "train.batch_size=1", "--set", "model.norm=none",
		"--set", "schedule.name=constant", "--set", "schedule.warmup_epochs=0")
	published := append(args, "--set", "optimizer.name=sgd", "--set", "optimizer.momentum=0", "--set", "loss.kind=weighted_cce_probabilities", "--set", "loss.class_weights=per_batch", "--set", "loss.reduction=mean")
	const why = "loss.class_weights: per_batch gives the right weights divided by the 256 pixels of an image"
	const mend = "try optimizer.lr: 2.56, or loss.class_weights: dataset"

	o := command(t, append(published, "--set", "optimizer.lr=0.01", "--set", "report.pictures=true", "--epochs", "3", "--quiet")...)
	if o.code != 0 || strings.Count(o.stderr, "warning: epoch 3: the validation loss does not move: ") != 1 ||
		strings.Count(o.stderr, "warning: epoch 3: "+why) != 1 || !strings.Contains(o.stderr, mend) {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
	page := read(t, "run/report.html")
	if !strings.Contains(page, "<li>after epoch 3: "+why) || strings.Count(page, "<li>after epoch 3: the validation loss does not move") != 1 {
		t.Errorf("the page does not say it\n%s", page)
	}
	if lines := logged(t, "noticed"); len(lines) < 2 || lines[0]["name"] != "still_loss" || lines[0]["epoch"] != 3.0 || lines[0]["step"] != 120.0 || lines[0]["over"] != false {
		t.Errorf("log.jsonl: %v", lines)
	}

	// Resumed with another rate, it moves: what it suffered from is told no more.
	o = command(t, append(published, "--set", "optimizer.lr=10", "--epochs", "4", "--resume", "auto")...)
	if o.code != 0 || strings.Contains(o.stderr, "does not move") {
		t.Errorf("resumed: exit code %d\n%s", o.code, o.stderr)
	}

	o = command(t, append(args, "--out", "sound", "--epochs", "3", "--set", "model.norm=batch", "--set", "model.base_channels=4", "--set", "optimizer.lr=0.01")...)
	if o.code != 0 || strings.Contains(o.stderr, "warning") {
		t.Errorf("a sound run: exit code %d\n%s", o.code, o.stderr)
	}
}

// logged are the data of the events of a kind in the log of the run.
func logged(t *testing.T, kind string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(read(t, "run/log.jsonl")) {
		var v struct {
			Event string
			Data  map[string]any
		}
		decode(t, line, &v)
		if v.Event == kind {
			all = append(all, v.Data)
		}
	}
	return all
}
