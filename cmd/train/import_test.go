package main

import (
	"context"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// writePhotos makes images of 16x16 pixels, "a.png" and so on in a folder.
func writePhotos(t *testing.T, dir string, n int) (names []string) {
	t.Helper()
	write(t, dir+"/.keep", "")
	for i := range n {
		name := string(rune('a'+i)) + ".png"
		img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
		for p := range img.Pix {
			img.Pix[p] = uint8(p*7*(i+1)) | uint8(p%4/3*255)
		}
		if err := imagefile.WritePNG(dir+"/"+name, img); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// writeCOCO makes photos and a COCO file with a cat in each, but for the first.
func writeCOCO(t *testing.T) {
	t.Helper()
	var images, annotations []string
	for i, name := range writePhotos(t, "photos", 7) {
		images = append(images, fmt.Sprintf(`{"id": %d, "file_name": %q, "height": 16, "width": 16}`, i, name))
		if i > 0 {
			annotations = append(annotations, fmt.Sprintf(`{"id": %d, "image_id": %[1]d, "category_id": 3, "segmentation": [[%[1]d,2,14,2,14,14,3,14]]}`, i))
		}
	}
	write(t, "cats.json", fmt.Sprintf(`{"images": [%s], "annotations": [%s], "categories": [{"id": 3, "name": "cat"}]}`,
		strings.Join(images, ","), strings.Join(annotations, ",")))
}

// Annotations become a data set that trains.
func TestImport(t *testing.T) {
	t.Chdir(t.TempDir())
	writeCOCO(t)
	o := command(t, "import", "--format", "coco", "--data", "cats.json", "--images", "photos", "--out", "set")
	if o.code != 0 || o.stdout != "6 images with masks of 2 classes written to set; next: train init --data set\n" {
		t.Errorf("exit code %d, %q", o.code, o.stdout)
	}
	if want := "left out: images without annotation (1): a.png\n"; !strings.HasSuffix(o.stderr, want) {
		t.Errorf("got %q, want %q", o.stderr, want)
	}
	o = command(t, "init", "--data", "set", "--out", "set.yaml")
	if o.code != 0 || !strings.Contains(o.stderr, "masks: class indices 0..1\n") || !strings.Contains(read(t, "set.yaml"), "cat") {
		t.Fatalf("exit code %d\n%s", o.code, o.stderr)
	}
	must(t, "check", "--config", "set.yaml")
	if table := must(t, "--config", "set.yaml", "--quiet", "--epochs", "1", "--set", "model={base_channels: 2, depth: 1}", "--set", "report.pictures=false"); !strings.Contains(table, "cat ") {
		t.Errorf("the results lack the cat:\n%s", table)
	}

	t.Run("again", func(t *testing.T) {
		args := []string{"import", "--format", "coco", "--data", "cats.json", "--images", "photos", "--out", "set"}
		check(t, command(t, args...), 2, []string{"train: --out set: is not empty: choose another folder, or --force replaces files of the same names"})
		write(t, "set/masks/old.png", "")
		o := command(t, append(args, "--force")...)
		if want := "warning: set has images or masks from before (1, such as set/masks/old.png), "; o.code != 0 || !strings.Contains(o.stderr, want) {
			t.Errorf("exit code %d, %q\nwant %q", o.code, o.stderr, want)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		o := commandContext(ctx, "import", "--format", "coco", "--data", "cats.json", "--images", "photos", "--out", "part")
		check(t, o, 130, []string{"left out: images without annotation (1): a.png", "train: import: part is incomplete: context canceled"})
	})
	t.Run("cannot be written", func(t *testing.T) {
		write(t, "file/images", "")
		o := command(t, "import", "--format", "coco", "--data", "cats.json", "--images", "photos", "--out", "file", "--force")
		if want := "train: import: file is incomplete: mkdir file/images: not a directory\n"; o.code != 1 || !strings.HasSuffix(o.stderr, want) {
			t.Errorf("exit code %d, %q\nwant %q", o.code, o.stderr, want)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		if err := os.Mkdir("elsewhere", 0o755); err != nil {
			t.Fatal(err)
		}
		o := command(t, "import", "--format", "coco", "--data", "cats.json", "--images", "elsewhere", "--out", "empty")
		if want := "left out: images that are not in elsewhere (6): b.png, c.png, d.png, e.png, f.png, ...\ntrain: import: nothing of cats.json can be written\n"; o.code != 1 || !strings.HasSuffix(o.stderr, want) {
			t.Errorf("exit code %d, %q\nwant %q", o.code, o.stderr, want)
		}
	})
	for _, tc := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"no flags", nil, 2, []string{
			"train: --format coco|labelme|voc|cityscapes is missing: of the annotations: coco|labelme|voc|cityscapes",
			"train: --data FILE is missing: FILE or folder of annotations",
			"train: --out DIR is missing: DIR to write to, new or without files"}},
		{"unknown format", []string{"--format", "yolo", "--data", "cats.json", "--out", "x"}, 2, []string{"train: --format yolo: want coco, labelme, voc or cityscapes"}},
		{"classes", []string{"--format", "coco", "--data", "cats.json", "--out", "x", "--classes", "y"}, 2, []string{"train: --classes: the classes of coco are in its files, want it with --format labelme only"}},
		{"no such file", []string{"--format", "coco", "--data", "dogs.json", "--out", "x"}, 1, []string{"train: import: dogs.json: no such file or directory"}},
		{"over the annotations", []string{"--format", "coco", "--data", "cats.json", "--out", ".", "--force"}, 2, []string{"train: --out .: --data cats.json is in it: choose another folder"}},
		{"over the images", []string{"--format", "coco", "--data", "cats.json", "--images", "photos", "--out", "photos", "--force"}, 2, []string{"train: --out photos: --images photos is in it: choose another folder"}},
	} {
		t.Run(tc.name, func(t *testing.T) { check(t, command(t, append([]string{"import"}, tc.args...)...), tc.code, tc.want) })
	}
}

// What each format becomes is a data set that init understands, with names and splits.
func TestImportFormats(t *testing.T) {
	truth := func(t *testing.T, path string, values ...uint8) {
		t.Helper()
		write(t, filepath.Dir(path)+"/.keep", "")
		img := image.NewGray(image.Rect(0, 0, 16, 16))
		for p := range img.Pix {
			img.Pix[p] = values[p/16*len(values)/16]
		}
		if err := imagefile.WritePNG(path, img); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		format string
		make   func(t *testing.T)
		want   string   // after "written to set": its counts
		config []string // lines of it
	}{
		{"labelme", func(t *testing.T) {
			for _, name := range writePhotos(t, "source", 5) {
				write(t, "source/"+name+".json", fmt.Sprintf(`{"shapes": [{"label": "cat", "points": [[2,2],[9,9]], "shape_type": "rectangle"}, {"label": "ant", "points": [[9,9],[15,15]], "shape_type": "rectangle"}], "imagePath": %q}`, name))
			}
		}, "5 images with masks of 3 classes", []string{"train: set", "classes: [background, ant, cat]"}},

		// Of 21 classes, 0 and 20 occur.
		{"voc", func(t *testing.T) {
			for _, name := range writePhotos(t, "source/JPEGImages", 5) {
				truth(t, "source/SegmentationClass/"+name, 0, 20, 255)
			}
			write(t, "source/ImageSets/Segmentation/train.txt", "a\nb\nc\nd\n")
			write(t, "source/ImageSets/Segmentation/val.txt", "e\n")
		}, "5 images (4 train, 1 val) with masks of 21 classes", []string{"train: set/train", "val: set/val", "classes: [background, aeroplane,", "ignore_index: 255"}},

		{"cityscapes", func(t *testing.T) {
			for _, split := range []string{"train", "val"} {
				dir := "source/leftImg8bit/" + split + "/ulm/"
				for _, name := range writePhotos(t, dir, 2) {
					name = strings.TrimSuffix(name, ".png")
					if err := os.Rename(dir+name+".png", dir+name+"_leftImg8bit.png"); err != nil {
						t.Fatal(err)
					}
					truth(t, "source/gtFine/"+split+"/ulm/"+name+"_gtFine_labelIds.png", 0, 7, 26, 33)
				}
			}
		}, "4 images (2 train, 2 val) with masks of 19 classes", []string{"train: set/train", "val: set/val", "classes: [road, sidewalk,"}},
	} {
		t.Run(tc.format, func(t *testing.T) {
			t.Chdir(t.TempDir())
			tc.make(t)
			o := command(t, "import", "--format", tc.format, "--data", "source", "--out", "set")
			if want := tc.want + " written to set; next: train init --data set\n"; o.code != 0 || o.stdout != want || strings.Contains(o.stderr, "left out") {
				t.Fatalf("exit code %d, %q, want %q\n%s", o.code, o.stdout, want, o.stderr)
			}
			o = command(t, "init", "--data", "set", "--out", "set.yaml")
			if o.code != 0 || !strings.Contains(o.stderr, "masks: class indices 0..") || strings.Contains(o.stderr, "not used") {
				t.Fatalf("exit code %d\n%s", o.code, o.stderr)
			}
			for _, line := range tc.config {
				if text := read(t, "set.yaml"); !strings.Contains(text, line) {
					t.Errorf("the configuration lacks %q:\n%s", line, text)
				}
			}
			must(t, "check", "--config", "set.yaml")
		})
	}
}
