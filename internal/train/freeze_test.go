package train

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// A step leaves frozen parts of every net as they are, statistics too, and all else
// has a gradient. Of an encoder that is frozen as a whole no gradient is computed, not
// even of its activations.
func TestFreezeEncoders(t *testing.T) {
	encoders := arch.Encoders()
	if testing.Short() {
		encoders = []string{arch.PlainUNet, arch.EfficientNetLite0, arch.ResNet18}
	}
	for _, encoder := range encoders {
		for _, freeze := range [][]string{{"encoder"}, middle(encoder)} {
			t.Run(encoder+" "+strings.Join(freeze, ","), func(t *testing.T) { testFreeze(t, encoder, freeze) })
		}
	}
}

// middle are parts that lie between others, which are trained.
func middle(encoder string) []string {
	switch encoder {
	case arch.PlainUNet:
		return []string{"encoder.1", "decoder.0"}
	case arch.ResNet18, arch.ResNet34:
		return []string{"encoder.layer1", "encoder.layer3", "decoder.blocks.2"}
	}
	return []string{"encoder.model.blocks.0", "encoder.model.blocks.3", "decoder.blocks.2"}
}

func testFreeze(t *testing.T, encoder string, freeze []string) {
	cfg := arch.Config{Encoder: encoder, BaseChannels: 4, Depth: 2, Norm: "batch", Up: "transpose", DecoderChannels: [5]int{16, 16, 8, 8, 4}, Freeze: freeze}
	engine, err := kernel.NewEngine(2, "auto")
	if err != nil {
		t.Fatal(err)
	}
	params := net(t, cfg)
	const side, batch = 32, 2
	rng := rand.New(rand.NewPCG(1, 1))
	images, targets := make([]float32, batch*side*side*3), make([]float32, batch*side*side*4)
	for i := range images {
		images[i] = rng.Float32()
	}
	for p := range batch * side * side {
		targets[p*4+rng.IntN(4)] = 1
	}
	graphs := &Graphs{Engine: engine, Params: params, Loss: loss.New(loss.DefaultConfig(), []float64{1, 1, 1, 1})}
	step, err := graphs.NewStep(Shape{batch, side, side})
	if err != nil {
		t.Fatal(err)
	}
	s, err := solver.New(solver.DefaultConfig(), Trained(params), engine)
	if err != nil {
		t.Fatal(err)
	}
	before := map[string][]float32{}
	for _, p := range params.All() {
		before[p.Name] = slices.Clone(p.Value)
	}
	if _, err := step.Run(images, targets, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Step(0.001); err != nil {
		t.Fatal(err)
	}
	step.UpdateStatistics()

	frozen := func(name string) bool {
		return slices.ContainsFunc(freeze, func(part string) bool { return strings.HasPrefix(name, part+".") })
	}
	kept := 0
	for _, p := range params.All() {
		same := slices.Equal(p.Value, before[p.Name])
		switch {
		case frozen(p.Name):
			kept++
			if !same || p.Trained() {
				t.Errorf("%s is frozen: unchanged is %v, trained is %v", p.Name, same, p.Trained())
			}
		// That of a bias may be zero: another norm takes off again what it adds.
		case strings.HasSuffix(p.Name, ".weight") && !slices.ContainsFunc(p.Grad, func(g float32) bool { return g != 0 }):
			t.Errorf("%s: its gradient is zero", p.Name)
		case same && !strings.HasSuffix(p.Name, ".bias"):
			t.Errorf("%s did not change", p.Name)
		}
	}
	if kept == 0 {
		t.Errorf("nothing is frozen")
	}
	for _, op := range step.Profile() {
		weights := strings.Contains(op.Name, ".grad.weight") || strings.Contains(op.Name, ".grad.bias")
		if frozen(op.Name) && weights || slices.Contains(freeze, "encoder") && frozen(op.Name) && strings.Contains(op.Name, ".grad") {
			t.Errorf("the graph computes %s", op.Name)
		}
	}
}
