package pytorch_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/internal/pytorch"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// find finds an interpreter that has a module.
func find(module string) (interpreter string, ok bool) {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import importlib.util, sys; sys.exit(not importlib.util.find_spec(sys.argv[1]))", module).Run() == nil {
			return name, true
		}
	}
	return "", false
}

// python does so, and skips the test where there is none.
func python(t *testing.T, module string) string {
	t.Helper()
	interpreter, ok := find(module)
	if !ok {
		t.Skipf("no python3 with %s", module)
	}
	return interpreter
}

// variants are nets of each depth, norm and up, one that drops out and one with frozen
// parts, and such with the encoders of others (see also TestEncodersAgainstPyTorch).
func variants() []model.Config {
	var all []model.Config
	for depth := range 5 {
		for _, norm := range []string{"batch", "none"} {
			for _, up := range []string{"transpose", "nearest"} {
				all = append(all, model.Config{BaseChannels: 2 + depth%3, Depth: depth + 1, Norm: norm, Up: up})
			}
		}
	}
	for _, name := range []string{arch.EfficientNetLite1, arch.EfficientNetLite2} {
		dropout := encoder(name)
		dropout.Dropout = 0.25
		all = append(all, dropout)
	}
	frozen := encoder(arch.EfficientNetLite0)
	frozen.Freeze = []string{"encoder", "decoder.blocks.1"}
	return append(all,
		model.Config{BaseChannels: 3, Depth: 2, Norm: "batch", Up: "nearest", Dropout: 0.25},
		model.Config{BaseChannels: 3, Depth: 2, Norm: "batch", Up: "transpose", Freeze: []string{"encoder.1", "up.0", "decoder.1"}},
		frozen)
}

const classes = 3

// The module with the weights of a net gives the logits that the net gives, and a
// training step the loss and the gradients, for every way to make a net.
func TestModuleComputesWhatTheNetComputes(t *testing.T) {
	interpreter := python(t, "torch")
	args := []string{filepath.Join("testdata", "parity.py")}
	for i, cfg := range variants() {
		folder := t.TempDir()
		write(t, folder, cfg, uint64(i))
		args = append(args, folder+":"+strings.Join(cfg.Freeze, ","))
	}
	cmd := exec.Command(interpreter, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(variants()) {
		t.Fatalf("parity.py printed %q, want %d lines", out, len(variants()))
	}
	for i, cfg := range variants() {
		var logits, loss, gradients, own float64
		want := []any{&logits, &loss, &gradients, &own}
		if cfg.Dropout > 0 {
			want = want[:1]
		}
		if n, err := fmt.Sscan(lines[i], want...); err != nil || n != len(strings.Fields(lines[i])) {
			t.Errorf("%+v: parity.py printed %q, want %d numbers", cfg, lines[i], len(want))
			continue
		}
		if !(logits <= 1e-4) || !(loss <= 1e-4) {
			t.Errorf("%+v: logits differ by %g, the loss by %g, want at most 1e-4", cfg, logits, loss)
		}
		// Rounding that a batch norm of few values magnifies is no error.
		if tolerance := max(1e-4, 4*own); !(gradients <= tolerance) {
			t.Errorf("%+v: gradients differ by %g, want at most %g", cfg, gradients, tolerance)
		}
		t.Logf("%+v: %s", cfg, lines[i])
	}
}

// write writes the files that parity.py reads, of a net of which no two values are equal.
func write(t *testing.T, folder string, cfg model.Config, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	p, err := model.NewParameters(cfg, 3, classes, rng)
	if err != nil {
		t.Fatal(err)
	}
	stored := &checkpoint.Checkpoint{}
	for _, q := range p.All() {
		for i := range q.Value {
			q.Value[i] += float32(0.2*rng.Float64() - 0.1)
		}
		stored.Tensors = append(stored.Tensors, checkpoint.Tensor{Name: q.Name, Shape: q.TorchShape(), Data: q.ToTorch(q.Value)})
	}
	n, h, w := 2, 2*p.Multiple(), 3*p.Multiple()
	if !cfg.Plain() {
		h, w = p.Multiple(), p.Multiple()
	}
	image, target := make([]float32, n*h*w*3), make([]float32, n*h*w*classes)
	for i := range image {
		image[i] = rng.Float32()
	}
	for i := range n * h * w {
		if c := rng.IntN(classes + 1); c < classes { // one in four pixels is void
			target[i*classes+c] = 1
		}
	}

	expected := &checkpoint.Checkpoint{}
	add := func(name string, values []float32, shape ...int) {
		expected.Tensors = append(expected.Tensors, checkpoint.Tensor{Name: name, Shape: shape, Data: append([]float32(nil), values...)})
	}
	add("image", image, n, h, w, 3)
	weights := []float32{1, 5, 50}
	logits, _ := compute(t, p, image, target, weights, n, h, w, false)
	add("logits", logits, n, h, w, classes)
	if cfg.Dropout == 0 {
		_, value := compute(t, p, image, target, weights, n, h, w, true)
		add("target", target, n, h, w, classes)
		add("weights", weights, classes)
		add("loss", []float32{value}, 1)
		for _, q := range p.All() {
			if q.Trained() {
				add("gradient."+q.Name, q.ToTorch(q.Grad), q.TorchShape()...)
			}
		}
	}

	module, err := pytorch.Module(p.Net, []string{"a", "b", "c"}, [2]int{h, w}, "none")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "unet.py"), module, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*checkpoint.Checkpoint{"unet": stored, "expected": expected} {
		if err := checkpoint.Write(filepath.Join(folder, name+".safetensors"), c); err != nil {
			t.Fatal(err)
		}
	}
}

// compute runs the net once; weights are those of the classes. A training one leaves
// gradients in the parameters, and updates running statistics.
func compute(t *testing.T, p *model.Parameters, image, target, weights []float32, n, h, w int, training bool) (logits []float32, value float32) {
	t.Helper()
	engine, err := kernel.NewEngine(1, "auto")
	if err != nil {
		t.Fatal(err)
	}
	g := op.NewGraph(engine, &op.Memory{})
	net, err := model.New(g, g.Input("image", image, n, h, w, 3), p, training, 0)
	if err != nil {
		t.Fatal(err)
	}
	byClass := make([]float64, len(weights))
	for c, weight := range weights {
		byClass[c] = float64(weight)
	}
	l, _, err := loss.New(loss.DefaultConfig(), byClass).Nodes(g, net.Logits, g.Input("target", target, n, h, w, p.Classes), training)
	if err != nil {
		t.Fatal(err)
	}
	if training {
		if err := net.Differentiate(l); err != nil {
			t.Fatal(err)
		}
	}
	machine, err := g.Compile(net.Logits, l)
	if err != nil {
		t.Fatal(err)
	}
	if err := machine.Run(); err != nil {
		t.Fatal(err)
	}
	if training {
		net.UpdateStatistics()
	}
	return op.Values(net.Logits), op.Values(l)[0]
}

// The constants are what Python reads of them, whatever a class is called.
func TestConstants(t *testing.T) {
	interpreter := python(t, "torch")
	net, err := arch.Describe(arch.Config{BaseChannels: 2, Depth: 3, Norm: "none", Up: "nearest"}, 3, 6)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{`sky`, `a "quoted", one`, `back\slash`, "caf\u00e9 \U0001f333", "<&>\u2028", "line\nbreak {%s}"}
	module, err := pytorch.Module(net, names, [2]int{24, 40}, "none")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "unet.py"), module, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(interpreter, "-X", "utf8", "-c", "import unet, sys; sys.stdout.write('|'.join(unet.CLASSES) + str(unet.SIZE) + str(unet.MULTIPLE))")
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	if want := strings.Join(names, "|") + "(24, 40)8"; err != nil || string(out) != want {
		t.Errorf("Python reads %q (%v), want %q", out, err, want)
	}
}

func TestUnknownKind(t *testing.T) {
	net := arch.Net{Channels: 3, Classes: 2, Layers: []arch.Layer{{Kind: "pixelshuffle", Name: "head", Inputs: []string{arch.Image}, Scale: 1}}}
	if _, err := pytorch.Module(net, []string{"a", "b"}, [2]int{8, 8}, "none"); err == nil || !strings.Contains(err.Error(), "pixelshuffle") {
		t.Errorf("error is %v, want one that names the kind", err)
	}
}
