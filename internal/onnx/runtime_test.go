package onnx_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/onnx"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/model"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// python finds an interpreter that has onnxruntime, and skips the test where there is none.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import onnxruntime").Run() == nil {
			return name
		}
	}
	t.Skip("no python3 with onnxruntime")
	return ""
}

// parameters are those of a net of which no two values are equal and whose
// logits are of the order of 1.
func parameters(t *testing.T, cfg model.Config, classes int) *model.Parameters {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	p, err := model.NewParameters(cfg, 3, classes, rng)
	if err != nil {
		t.Fatal(err)
	}
	// Drawn for training, behind norms that make up for their scale, weights would fade
	// away by norms of random statistics: give them that of He et al.
	gain := map[string]float64{}
	for _, l := range p.Layers {
		gain[l.Name+".weight"] = math.Sqrt(3)
		if l.Activation.Function != "" {
			gain[l.Name+".weight"] = math.Sqrt(6)
		}
	}
	for _, q := range p.All() {
		weight := len(q.Shape) > 1
		for i := range q.Value {
			if weight && cfg.Norm == "batch" {
				q.Value[i] *= float32(gain[q.Name])
			}
			if !weight || cfg.Plain() { // more would blow up in a deep net
				q.Value[i] += float32(0.4*rng.Float64() - 0.2)
			}
		}
	}
	return p
}

// predict is what the net makes of images (N, H, W, 3): probabilities (N, H, W, C).
func predict(t *testing.T, p *model.Parameters, images []float32, n, h, w int) []float32 {
	t.Helper()
	engine, err := kernel.NewEngine(1, "auto")
	if err != nil {
		t.Fatal(err)
	}
	g := op.NewGraph(engine, &op.Memory{})
	net, err := model.New(g, g.Input("image", images, n, h, w, 3), p, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	probabilities := g.Softmax("probabilities", net.Logits)
	machine, err := g.Compile(probabilities)
	if err != nil {
		t.Fatal(err)
	}
	if err := machine.Run(); err != nil {
		t.Fatal(err)
	}
	return op.Values(probabilities)
}

// ONNX Runtime computes from the file what the net computes, for one image and
// several, of the size in the metadata and of another.
func TestONNXRuntimePredictsTheSame(t *testing.T) {
	interpreter := python(t)
	type example struct {
		cfg     model.Config
		classes []string
		h, w    int
	}
	examples := []example{
		{model.Config{BaseChannels: 3, Depth: 2, Norm: "batch", Up: "transpose"}, []string{"a", `b "é"`, "c"}, 16, 16},
		{model.Config{BaseChannels: 4, Depth: 1, Norm: "batch", Up: "nearest", Dropout: 0.5}, []string{"a", "b"}, 8, 12},
		{model.Config{BaseChannels: 2, Depth: 3, Norm: "none", Up: "transpose"}, []string{"a", "b", "c", "d", "e"}, 24, 16},
		{model.Config{BaseChannels: 5, Depth: 2, Norm: "none", Up: "nearest"}, []string{"a", "b", "c", "d"}, 8, 8},
		{model.Config{BaseChannels: 2, Depth: 4, Norm: "batch", Up: "transpose"}, []string{"a", "b", "c"}, 16, 32},
	}
	encoders := arch.Encoders()[1:]
	if testing.Short() {
		encoders = []string{arch.EfficientNetLite0, arch.ResNet18}
	}
	for _, name := range encoders {
		examples = append(examples, example{encoder(name), []string{"a", "b", "c", "d"}, 32, 32})
	}
	for _, tc := range examples {
		t.Run(fmt.Sprintf("%+v", tc.cfg), func(t *testing.T) {
			dir := t.TempDir()
			p := parameters(t, tc.cfg, len(tc.classes))
			file, err := onnx.Marshal(p, tc.classes, [2]int{tc.h, tc.w}, true, "none")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "unet.onnx")
			if err := os.WriteFile(path, file, 0o644); err != nil {
				t.Fatal(err)
			}
			args := []string{filepath.Join("testdata", "onnx.py"), path}
			shapes := [][]int{{1, tc.h, tc.w}, {3, tc.h, tc.w}, {2, 2 * tc.h, 3 * tc.w}}
			rng := rand.New(rand.NewPCG(5, 6))
			for i, s := range shapes {
				images := make([]float32, s[0]*s[1]*s[2]*3)
				for i := range images {
					images[i] = rng.Float32()
				}
				for _, array := range []struct {
					name     string
					channels int
					values   []float32
				}{{"images", 3, images}, {"probabilities", len(tc.classes), predict(t, p, images, s[0], s[1], s[2])}} {
					path := filepath.Join(dir, fmt.Sprintf("%s%d.npy", array.name, i))
					if err := imagefile.WriteNPY(path, append(slices.Clone(s), array.channels), array.values); err != nil {
						t.Fatal(err)
					}
					args = append(args, path)
				}
			}
			out, err := exec.Command(interpreter, args...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if len(lines) != 1+len(shapes) {
				t.Fatalf("onnx.py printed %q, want metadata and %d runs", out, len(shapes))
			}
			var meta struct{ Classes, Size, SizeMultiple string }
			var classes []string
			if err := json.Unmarshal([]byte(lines[0]), &meta); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(meta.Classes), &classes); err != nil || !slices.Equal(classes, tc.classes) {
				t.Errorf("metadata classes = %s, want %q", meta.Classes, tc.classes)
			}
			if want := fmt.Sprintf("[%d, %d]", tc.h, tc.w); meta.Size != want {
				t.Errorf("metadata size = %s, want %s", meta.Size, want)
			}
			for i, line := range lines[1:] {
				var difference float64
				var pixels, seen int
				if _, err := fmt.Sscan(line, &difference, &pixels, &seen); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				if !(difference <= 1e-4) || pixels > 0 {
					t.Errorf("images %v: probabilities differ by %v, want at most 1e-4; %d pixels of the mask differ, want none", shapes[i], difference, pixels)
				}
				if seen < 2 {
					t.Errorf("images %v: the mask has one class only, which compares nothing", shapes[i])
				}
				t.Logf("images %v: probabilities differ by %v; the mask has %d classes", shapes[i], difference, seen)
			}
		})
	}
}
