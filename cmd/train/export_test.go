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

// predictPhoto draws photo.png of side x side pixels, the same as an array photo.npy, and lets `predict`
// write its probabilities to masks/photo.npy.
func predictPhoto(t *testing.T, side int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	picture, pixels := image.NewNRGBA(image.Rect(0, 0, side, side)), []float32{}
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
	if err := imagefile.WriteNPY("photo.npy", []int{1, side, side, 3}, pixels); err != nil {
		t.Fatal(err)
	}
	must(t, "predict", "--checkpoint", best, "--input", "photo.png", "--out", "masks", "--probabilities")
}

// What `predict` writes for an image is what ONNX Runtime makes of it by the file
// that `export` writes.
func TestExportedONNXPredictsWhatPredictDoes(t *testing.T) {
	interpreter, compare := python(t, "onnxruntime"), script(t, "..", "..", "internal", "onnx", "testdata", "onnx.py")
	inFolder(t)
	must(t, tiny("--quiet", "--epochs", "5", "--set", "optimizer.lr=0.05")...)
	must(t, "export", "--checkpoint", best, "--format", "onnx", "--out", "unet.onnx")

	predictPhoto(t, 16)

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

// What `predict` writes for an image is what PyTorch makes of it by the module and
// the weights that `export` writes; the same weights are in the checkpoint.
func TestExportedModulePredictsWhatPredictDoes(t *testing.T) {
	interpreter := python(t, "torch, numpy")
	inFolder(t)
	must(t, tiny("--quiet", "--epochs", "5", "--set", "optimizer.lr=0.05", "--set", "model.norm=none", "--set", "model.up=nearest")...)
	if out := must(t, "export", "--checkpoint", best, "--format", "pytorch", "--out", "unet.py"); out != "the net of "+best+" is written to unet.py and unet.safetensors\n" {
		t.Errorf("export printed %q", out)
	}
	predictPhoto(t, 16)
	const compare = `
import sys, numpy, torch, unet
image = torch.from_numpy(numpy.load("photo.npy")).permute(0, 3, 1, 2)
for net in unet.load(), unet.load(sys.argv[1]):
    with torch.no_grad():
        p = net(image).softmax(1).permute(0, 2, 3, 1)[0]
    print(abs(p.numpy() - numpy.load("masks/photo.npy")).max())
`
	out, err := exec.Command(interpreter, "-c", compare, best).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var module, checkpoint float64
	if _, err := fmt.Sscan(string(out), &module, &checkpoint); err != nil || !(module <= 1e-4) || checkpoint != module {
		t.Errorf("probabilities differ by %s, want at most 1e-4, the same for both files (%v)", out, err)
	}

	if err := os.Link(best, "best.safetensors"); err != nil {
		t.Fatal(err)
	}
	o := command(t, "export", "--checkpoint", best, "--format", "pytorch", "--out", "best.py")
	if want := "--out: best.safetensors belongs to the input or the data set"; o.code != 2 || !strings.Contains(o.stderr, want) {
		t.Errorf("exit code %d, want 2\n%swant %s", o.code, o.stderr, want)
	}
}

// The heads of deep supervision stay behind: in no export, and nothing that predicts
// asks for them. A run may start from a net without them, and be resumed with them alone.
func TestDeepSupervisionStaysBehind(t *testing.T) {
	inFolder(t)
	deep := tiny("--quiet", "--set", "model.depth=3", "--set", "model.deep_supervision=true", "--set", "train.ema=0.5")
	must(t, deep...)
	for name, tensor := range tensors(t, best) {
		if strings.Contains(name, "deep.") && !tensor.IsOptimizerState() {
			t.Errorf("%s is among the net's weights in %s", name, best)
		}
	}
	must(t, "export", "--checkpoint", best, "--format", "onnx", "--out", "net.onnx")
	must(t, "export", "--checkpoint", best, "--format", "pytorch", "--out", "net.py")
	if strings.Contains(read(t, "net.onnx")+read(t, "net.py"), "deep") {
		t.Error("an export has heads of deep supervision")
	}
	for name := range tensors(t, "net.safetensors") {
		if strings.Contains(name, "deep.") {
			t.Errorf("net.safetensors has %s", name)
		}
	}
	_, got, _ := strings.Cut(must(t, "evaluate", "--checkpoint", "net.safetensors"), ", ")
	if _, want, _ := strings.Cut(must(t, "evaluate", "--checkpoint", best), ", "); got != want {
		t.Errorf("the exported net gives\n%swant\n%s", got, want)
	}

	must(t, tiny("--quiet", "--set", "model.depth=3", "--out", "plain")...)
	must(t, append(deep, "--set", "model.init=plain/checkpoints/last.safetensors", "--out", "started")...)
	tells(t, command(t, append(deep, "--resume", "auto", "--epochs", "3", "--set", "model.deep_supervision=false")...), 2,
		[]string{"model.deep_supervision"}, nil)
	must(t, append(deep, "--resume", "auto", "--epochs", "3")...)
}
