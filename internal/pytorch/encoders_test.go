package pytorch_test

import (
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/pytorch"
	"github.com/unet-gorgonia/unet-gorgonia/model"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// encoder is a net with that encoder.
func encoder(name string) model.Config {
	cfg := arch.DefaultConfig()
	cfg.Encoder, cfg.DecoderChannels = name, [...]int{256, 128, 64, 32, 16}
	return cfg
}

// The net with an encoder computes what that of segmentation_models.pytorch, or where
// there is none its module in PyTorch, computes with the same weights.
func TestEncodersAgainstPyTorch(t *testing.T) {
	interpreter, smp := find("segmentation_models_pytorch")
	if !smp {
		interpreter = python(t, "torch")
		t.Log("no python3 with segmentation_models_pytorch: nets are those of the module")
	}
	encoders := []struct{ ours, theirs string }{
		{arch.EfficientNetLite0, "tu-tf_efficientnet_lite0"},
		{arch.ResNet18, "resnet18"},
		{arch.MobileNetV2, "tu-mobilenetv2_100"},
		{arch.ResNet34, "resnet34"},
	}
	if testing.Short() {
		encoders = encoders[:1]
	}
	args := []string{filepath.Join("testdata", "encoders.py")}
	var folders []string
	for _, e := range encoders {
		net, err := arch.Describe(encoder(e.ours), 3, 4)
		if err != nil {
			t.Fatal(err)
		}
		module, err := pytorch.Module(net, []string{"a", "b", "c", "d"}, [2]int{64, 64}, "none")
		if err != nil {
			t.Fatal(err)
		}
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "unet.py"), module, 0o644); err != nil {
			t.Fatal(err)
		}
		folders = append(folders, folder)
		if smp {
			folder += ":" + e.theirs
		}
		args = append(args, folder)
	}
	if out, err := exec.Command(interpreter, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, e := range encoders {
		t.Run(e.ours, func(t *testing.T) { compareEncoder(t, encoder(e.ours), folders[i]) })
	}
}

// compareEncoder compares a net with what encoders.py computed.
func compareEncoder(t *testing.T, cfg model.Config, folder string) {
	p, err := model.NewParameters(cfg, 3, 4, rand.New(rand.NewPCG(1, 0)))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Load(tensors(t, filepath.Join(folder, "net.pth")).Lookup); err != nil {
		t.Fatal(err)
	}
	expected := tensors(t, filepath.Join(folder, "expected.pth"))
	want := func(name string) []float32 {
		_, values, ok := expected.Lookup(name)
		if !ok {
			t.Fatalf("encoders.py computed no %s", name)
		}
		return values
	}
	check := func(name string, got []float32, tolerance, scale float64) {
		difference, largest := compareValues(got, want(name))
		if scale = max(scale, largest); !(difference <= tolerance*scale) {
			t.Errorf("%s: differs by %.1e of %.1e, want at most %.1e of it", name, difference, scale, tolerance)
		}
	}
	shape, image, _ := expected.Lookup("image")
	n, h, w := shape[0], shape[1], shape[2]
	target, weights := want("target"), want("weights")

	logits, _ := compute(t, p, image, target, weights, n, h, w, false)
	check("logits", logits, 1e-4, 1)
	logits, value := compute(t, p, image, target, weights, n, h, w, true)
	// Norms of few values magnify rounding, also in PyTorch.
	rounding := want("rounding")
	check("training_logits", logits, max(1e-4, 8*float64(rounding[0])), 1)
	check("loss", []float32{value}, 1e-4, 1)
	top := 0. // the largest gradient
	for _, tensor := range expected.Tensors {
		if strings.HasPrefix(tensor.Name, "gradient.") {
			_, largest := compareValues(tensor.Data, tensor.Data)
			top = max(top, largest)
		}
	}
	for _, q := range p.All() {
		if q.Statistic {
			check("statistic."+q.Name, q.Value, 1e-4, 1)
			continue
		}
		name, scale := "gradient."+q.Name, 0.
		if _, largest := compareValues(want(name), want(name)); largest < 1e-9*top {
			scale = 1e-3 * top // the gradient, of a bias that a later norm takes out again, is 0
		}
		check(name, q.ToTorch(q.Grad), max(1e-4, 8*float64(rounding[1])), scale)
	}
}

// compareValues gives the largest difference, NaN if there is one, and the largest size of
// what is wanted.
func compareValues(got, want []float32) (difference, largest float64) {
	if len(got) != len(want) {
		return math.NaN(), 0
	}
	for i, v := range want {
		difference = max(difference, math.Abs(float64(got[i])-float64(v)))
		largest = max(largest, math.Abs(float64(v)))
	}
	return difference, largest
}

// tensors reads a file of torch.save.
func tensors(t *testing.T, path string) *checkpoint.Checkpoint {
	t.Helper()
	c, _, err := checkpoint.ReadForeign(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
