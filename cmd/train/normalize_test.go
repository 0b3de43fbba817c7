package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"os"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// darkSet writes pictures of 12 bits in files of 16 as folder, and what the same
// pictures are in all 16 bits as full. The class is whether a pixel is bright.
func darkSet(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		dark, full, mask := image.NewGray16(image.Rect(0, 0, 16, 16)), image.NewGray16(image.Rect(0, 0, 16, 16)), filetest.Grey(16, 16)
		for p := range 256 {
			x, y := p%16, p/16
			v := uint16(200 + 37*((x+i)%5))
			if (x/4+y/4+i)%2 == 1 {
				v += 3000
				mask.Pix[p] = 1
			}
			dark.SetGray16(x, y, color.Gray16{v})
			full.SetGray16(x, y, color.Gray16{v * 16})
		}
		name := fmt.Sprintf("%02d.png", i)
		filetest.Write(t, "folder/images/"+name, filetest.Encode(t, ".png", dark))
		filetest.Write(t, "full/"+name, filetest.Encode(t, ".png", full))
		filetest.Write(t, "folder/masks/"+name, filetest.Encode(t, ".png", mask))
	}
}

// 12-bit data in 16-bit files are named, and data.normalize mends them: it is kept in
// the checkpoint, and predict, export and --resume hold to it.
func TestNormalize(t *testing.T) {
	inFolder(t)
	darkSet(t, 6)
	folder := []string{"--set", "data.source=folder", "--set", "data.train=folder", "--set", "data.classes=[dark, bright]"}
	const remark = "images are nearly black: their largest value is 5.11 % of the range, as of 12-bit data in 16-bit files: "
	const wayOut = "; train with data.normalize: percentile or zscore"
	o := command(t, append([]string{"check", "--config", "tiny.yaml"}, folder...)...)
	if want := "warning: train: 5 of 5 " + remark; o.code != 0 || !strings.Contains(o.stderr, want) || !strings.Contains(o.stderr, wayOut) {
		t.Errorf("check: exit code %d\n%swant %s", o.code, o.stderr, want)
	}
	o = command(t, "init", "--data", "folder", "--out", "found.yaml")
	if o.code != 0 || !strings.Contains(o.stderr, remark) {
		t.Errorf("init: exit code %d\n%s", o.code, o.stderr)
	}
	o = command(t, tiny(folder...)...)
	if o.code != 0 || !strings.Contains(o.stderr, "warning: train: 5 of 5 "+remark) {
		t.Errorf("training: exit code %d\n%s", o.code, o.stderr)
	}
	o = command(t, "predict", "--checkpoint", best, "--input", "folder/images", "--out", "plain")
	if o.code != 0 || !strings.Contains(o.stderr, "warning: 6 of 6 "+remark+"00, 01, 02 and 3 more"+wayOut) {
		t.Errorf("predict: exit code %d\n%s", o.code, o.stderr)
	}

	normalized := append(folder, "--set", "data.normalize=percentile", "--set", "out=normalized")
	o = command(t, tiny(normalized...)...)
	if o.code != 0 || strings.Contains(o.stderr, "nearly black") {
		t.Errorf("normalized training: exit code %d\n%s", o.code, o.stderr)
	}
	const net = "normalized/checkpoints/best.safetensors"
	for _, dir := range []string{"folder/images", "full"} {
		if o := command(t, "predict", "--checkpoint", net, "--input", dir, "--out", "of-"+dir, "--tile"); o.code != 0 || strings.Contains(o.stderr, "nearly black") {
			t.Errorf("predict: exit code %d\n%s", o.code, o.stderr)
		}
	}
	for i := range 6 {
		name := fmt.Sprintf("/%02d.png", i)
		a, err := os.ReadFile("of-folder/images" + name)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile("of-full" + name); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: the masks of one picture in two ranges differ (%v)", name, err)
		}
	}
	const formula = "clip((x - p) / (q - p), 0, 1), p and q the 0.5th and 99.5th percentile, over all pixels and channels of the whole image"
	for _, format := range []string{"onnx", "pytorch"} {
		must(t, "export", "--checkpoint", net, "--format", format, "--out", format+".py")
		if b, err := os.ReadFile(format + ".py"); err != nil || !bytes.Contains(b, []byte(formula)) {
			t.Errorf("%s does not say how images are normalized (%v)", format, err)
		}
	}
	o = command(t, tiny(append(folder, "--set", "model.init="+net, "--set", "out=again", "--set", "train.epochs=1")...)...)
	if want := "warning: " + net + " was trained with data.normalize: percentile, and this run has none: its weights expect other values"; o.code != 0 || !strings.Contains(o.stderr, want) {
		t.Errorf("started from a net of another normalization: exit code %d\n%s", o.code, o.stderr)
	}
	o = command(t, tiny(append(normalized, "--set", "data.normalize=zscore", "--set", "train.epochs=3", "--resume", "auto")...)...)
	if o.code == 0 || !strings.Contains(o.stderr, "data.normalize percentile -> zscore") {
		t.Errorf("resumed with another normalization: exit code %d\n%s", o.code, o.stderr)
	}
}

// Transparent pixels are named; the net sees the colour that is stored.
func TestTransparent(t *testing.T) {
	inFolder(t)
	for i := range 4 {
		img := filetest.RGB(16, 16)
		for p := range 256 {
			img.SetNRGBA(p%16, p/16, color.NRGBA{uint8(p), 200, 100, 255})
		}
		if i == 2 {
			for x := range 16 {
				img.SetNRGBA(x, 3, color.NRGBA{1, 2, 3, 100})
			}
		}
		filetest.Write(t, fmt.Sprintf("folder/images/%d.png", i), filetest.Encode(t, ".png", img))
		filetest.Write(t, fmt.Sprintf("folder/masks/%d.png", i), filetest.Encode(t, ".png", filetest.Grey(16, 16, 0, 1)))
	}
	o := command(t, "check", "--config", "tiny.yaml", "--set", "data.source=folder", "--set", "data.train=folder", "--set", "data.val=folder", "--set", "data.classes=[a, b]")
	if want := "warning: train: 1 of 4 images have transparent pixels (up to 6.25 % of an image), of which the net sees the stored colour: 2; to lay them on white first: magick FILE -background white -flatten NAME.png\n"; o.code != 0 || !strings.Contains(o.stderr, want) {
		t.Errorf("check: exit code %d\n%swant %s", o.code, o.stderr, want)
	}
}
