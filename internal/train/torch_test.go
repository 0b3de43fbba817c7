package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/pytorch"
)

// python finds an interpreter that has torch, and skips the test where there is none.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import torch").Run() == nil {
			return name
		}
	}
	t.Skip("no python3 with torch")
	return ""
}

// A checkpoint of a trained net, loaded into the module of its net, gives the
// same logits there; and a training step the same loss and gradients.
func TestCheckpointGivesTheSameNetInPyTorch(t *testing.T) {
	interpreter := python(t)
	for _, freeze := range [][]string{nil, {"encoder.1", "up.0", "decoder.1"}} {
		t.Run(fmt.Sprint("frozen ", freeze), func(t *testing.T) { compareWithPyTorch(t, interpreter, freeze) })
	}
}

func compareWithPyTorch(t *testing.T, interpreter string, freeze []string) {
	s, _ := tiny(t, func(s *Setup) {
		s.Optimizer.LR = 0.01
		cfg := tinyNet
		cfg.Freeze = freeze
		s.Params = net(t, cfg)
	})
	// A frozen batch norm would normalise by the statistics that it begins with.
	rng := rand.New(rand.NewPCG(6, 0))
	for _, p := range s.Params.All() {
		for i := range p.Value {
			p.Value[i] += float32(0.2*rng.Float64() - 0.1)
		}
	}
	if _, err := Run(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	s.Resume = last(t, s)
	r, err := newRun(s)
	if err != nil {
		t.Fatal(err)
	}

	const n, h, w, classes = 3, 24, 32, 4
	image, target := make([]float32, n*h*w*3), make([]float32, n*h*w*classes)
	for i := range image {
		image[i] = rng.Float32()
	}
	for i := range n * h * w {
		if c := rng.IntN(classes + 1); c < classes { // one in five pixels is void
			target[i*classes+c] = 1
		}
	}
	expected := &checkpoint.Checkpoint{}
	add := func(name string, values []float32, shape ...int) {
		expected.Tensors = append(expected.Tensors, checkpoint.Tensor{Name: name, Shape: shape, Data: append([]float32(nil), values...)})
	}
	add("image", image, n, h, w, 3)
	add("target", target, n, h, w, classes)
	add("weights", []float32{1, 5, 5, 50}, classes)
	evaluation, err := r.graphs.NewEvaluation(Shape{n, h, w})
	if err != nil {
		t.Fatal(err)
	}
	logits, _, err := evaluation.Run(image, target)
	if err != nil {
		t.Fatal(err)
	}
	add("logits", logits, n, h, w, classes)
	step, err := r.graphs.NewStep(Shape{n, h, w})
	if err != nil {
		t.Fatal(err)
	}
	loss, err := step.Run(image, target, 1)
	if err != nil {
		t.Fatal(err)
	}
	add("loss", []float32{float32(loss)}, 1)
	for _, p := range r.graphs.Params.All() {
		if p.Trained() {
			add("gradient."+p.Name, p.ToTorch(p.Grad), p.TorchShape()...)
		}
	}
	folder := t.TempDir()
	if err := checkpoint.Write(filepath.Join(folder, "expected.safetensors"), expected); err != nil {
		t.Fatal(err)
	}
	module, err := pytorch.Module(s.Params.Net, []string{"a", "b", "c", "d"}, [2]int{h, w}, "none")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "unet.py"), module, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(s.Folder.Dir, "last.safetensors"), filepath.Join(folder, "unet.safetensors")); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(interpreter, filepath.Join("..", "pytorch", "testdata", "parity.py"), folder+":"+strings.Join(freeze, ","))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	differences := strings.Fields(string(out))
	if len(differences) != 4 {
		t.Fatalf("parity.py printed %q, want four numbers", out)
	}
	for i, what := range []string{"logits", "loss", "gradients"} {
		d, err := strconv.ParseFloat(differences[i], 64)
		if err != nil || !(d <= 1e-4) {
			t.Errorf("%s differ by %s, want at most 1e-4", what, differences[i])
		}
	}
	t.Logf("differences: logits %s, loss %s, gradients %s", differences[0], differences[1], differences[2])
}
