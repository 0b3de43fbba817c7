package main

import (
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// python finds an interpreter that has a module, and skips the test where there is none.
func python(t *testing.T, module string) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import "+module).Run() == nil {
			return name
		}
	}
	t.Skipf("no python3 with %s", module)
	return ""
}

// script is the full path of a file, for a test that is about to change the folder.
func script(t *testing.T, path ...string) string {
	t.Helper()
	full, err := filepath.Abs(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// What `predict` writes for an image is what ONNX Runtime makes of it by the file
// that `export` writes.
func TestExportedONNXPredictsWhatPredictDoes(t *testing.T) {
	interpreter, compare := python(t, "onnxruntime"), script(t, "..", "..", "internal", "onnx", "testdata", "onnx.py")
	inFolder(t)
	must(t, tiny("--quiet", "--epochs", "5", "--set", "optimizer.lr=0.05")...)
	must(t, "export", "--checkpoint", best, "--format", "onnx", "--out", "unet.onnx")

	rng := rand.New(rand.NewPCG(1, 2))
	picture, pixels := image.NewNRGBA(image.Rect(0, 0, 16, 16)), []float32{}
	for i := range picture.Pix {
		picture.Pix[i] = 255
		if i%4 < 3 {
			picture.Pix[i] = uint8(rng.IntN(256))
			pixels = append(pixels, float32(picture.Pix[i])/255)
		}
	}
	f, err := os.Create("photo.png")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, picture); err != nil {
		t.Fatal(err)
	}
	if err := imagefile.WriteNPY("photo.npy", []int{1, 16, 16, 3}, pixels); err != nil {
		t.Fatal(err)
	}
	must(t, "predict", "--checkpoint", best, "--input", "photo.png", "--out", "masks", "--probabilities")

	out, err := exec.Command(interpreter, compare, "unet.onnx", "photo.npy", "masks/photo.npy").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, line, _ := strings.Cut(string(out), "\n") // after the metadata
	var difference float64
	var differ int
	if _, err := fmt.Sscan(line, &difference, &differ); err != nil || !(difference <= 1e-4) || differ > 0 {
		t.Errorf("%s: want probabilities within 1e-4 and no pixel of the mask that differs (%v)", out, err)
	}
}
