package arch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

func describe(t *testing.T, c arch.Config, channels, classes int) arch.Net {
	t.Helper()
	net, err := arch.Describe(c, channels, classes)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// variants are all ways to make a UNet, of few channels.
func variants() []arch.Config {
	var all []arch.Config
	for depth := range 5 {
		for _, norm := range []string{"batch", "none"} {
			for _, up := range []string{"transpose", "nearest"} {
				for _, dropout := range []float64{0, 0.5} {
					all = append(all, arch.Config{BaseChannels: 2, Depth: depth + 1, Norm: norm, Up: up, Dropout: dropout})
				}
			}
		}
	}
	for _, encoder := range arch.Encoders()[1:] {
		c := arch.DefaultConfig()
		c.Encoder = encoder
		all = append(all, c)
		c.DecoderChannels, c.Dropout = [5]int{9, 8, 7, 6, 5}, 0.5
		all = append(all, c)
	}
	return all
}

// Each layer reads what is there before it, of the channels and size that it
// expects, and each result but the logits is read.
func TestLayersFitTogether(t *testing.T) {
	for _, c := range variants() {
		net := describe(t, c, 3, 4)
		results := map[string]arch.Layer{arch.Image: {Out: 3, Scale: 1}}
		read := map[string]bool{}
		for _, l := range net.Layers {
			if _, ok := results[l.Name]; ok {
				t.Errorf("%+v: two layers %s", c, l.Name)
			}
			if len(l.Inputs) != 1 && l.Kind != arch.Concat && l.Kind != arch.Add {
				t.Errorf("%+v: %s reads %d layers", c, l.Name, len(l.Inputs))
			}
			channels := 0
			for _, name := range l.Inputs {
				x, ok := results[name]
				if !ok {
					t.Fatalf("%+v: %s reads %s, which nothing before it makes", c, l.Name, name)
				}
				read[name] = true
				channels += x.Out
				scale := x.Scale
				switch l.Kind {
				case arch.Conv, arch.Depthwise, arch.MaxPool:
					scale *= l.Stride
				case arch.UpConv, arch.Upsample:
					scale /= l.Stride
				}
				if l.Scale != scale {
					t.Errorf("%+v: %s has scale %d, its input %s makes it %d", c, l.Name, l.Scale, name, scale)
				}
			}
			if l.Kind == arch.Add {
				channels /= 2
			}
			if l.In != channels || l.Weights() == 0 && l.Out != channels {
				t.Errorf("%+v: %s has %d channels and makes %d, its inputs have %d", c, l.Name, l.In, l.Out, channels)
			}
			if l.Weights() > 0 != (l.Part != "") || !strings.HasPrefix(l.Name, l.Part) {
				t.Errorf("%+v: %s is in part %q", c, l.Name, l.Part)
			}
			results[l.Name] = l
		}
		for name := range results {
			if !read[name] && name != net.Head().Name {
				t.Errorf("%+v: nothing reads %s", c, name)
			}
		}
		if head := net.Head(); head.Out != 4 || head.Scale != 1 {
			t.Errorf("%+v: the logits have %d channels and scale %d, want 4 and 1", c, head.Out, head.Scale)
		}
		want := 1 << c.Depth
		if !c.Plain() {
			want = 32
		}
		if net.Multiple() != want {
			t.Errorf("%+v: sides are multiples of %d, want %d", c, net.Multiple(), want)
		}
	}
}

// Names, PyTorch's shapes and the order of a state_dict, by hand.
func TestTensors(t *testing.T) {
	batch := `encoder.0.conv1.weight [2 3 3 3]
encoder.0.bn1.weight [2]
encoder.0.bn1.bias [2]
encoder.0.bn1.running_mean [2] statistic
encoder.0.bn1.running_var [2] statistic
encoder.0.conv2.weight [2 2 3 3]
encoder.0.bn2.weight [2]
encoder.0.bn2.bias [2]
encoder.0.bn2.running_mean [2] statistic
encoder.0.bn2.running_var [2] statistic
encoder.1.conv1.weight [4 2 3 3] frozen
encoder.1.bn1.weight [4] frozen
encoder.1.bn1.bias [4] frozen
encoder.1.bn1.running_mean [4] statistic frozen
encoder.1.bn1.running_var [4] statistic frozen
encoder.1.conv2.weight [4 4 3 3] frozen
encoder.1.bn2.weight [4] frozen
encoder.1.bn2.bias [4] frozen
encoder.1.bn2.running_mean [4] statistic frozen
encoder.1.bn2.running_var [4] statistic frozen
up.0.weight [4 2 2 2]
up.0.bias [2]
decoder.0.conv1.weight [2 4 3 3]
decoder.0.bn1.weight [2]
decoder.0.bn1.bias [2]
decoder.0.bn1.running_mean [2] statistic
decoder.0.bn1.running_var [2] statistic
decoder.0.conv2.weight [2 2 3 3]
decoder.0.bn2.weight [2]
decoder.0.bn2.bias [2]
decoder.0.bn2.running_mean [2] statistic
decoder.0.bn2.running_var [2] statistic
head.weight [4 2 1 1] frozen
head.bias [4] frozen
`
	none := `encoder.0.conv1.weight [2 3 3 3]
encoder.0.conv1.bias [2]
encoder.0.conv2.weight [2 2 3 3]
encoder.0.conv2.bias [2]
encoder.1.conv1.weight [4 2 3 3]
encoder.1.conv1.bias [4]
encoder.1.conv2.weight [4 4 3 3]
encoder.1.conv2.bias [4]
encoder.2.conv1.weight [8 4 3 3]
encoder.2.conv1.bias [8]
encoder.2.conv2.weight [8 8 3 3]
encoder.2.conv2.bias [8]
up.0.weight [4 8 3 3] frozen
up.0.bias [4] frozen
up.1.weight [2 4 3 3] frozen
up.1.bias [2] frozen
decoder.0.conv1.weight [4 8 3 3]
decoder.0.conv1.bias [4]
decoder.0.conv2.weight [4 4 3 3]
decoder.0.conv2.bias [4]
decoder.1.conv1.weight [2 4 3 3]
decoder.1.conv1.bias [2]
decoder.1.conv2.weight [2 2 3 3]
decoder.1.conv2.bias [2]
head.weight [4 2 1 1]
head.bias [4]
`
	for _, tc := range []struct {
		cfg  arch.Config
		want string
	}{
		{arch.Config{BaseChannels: 2, Depth: 1, Norm: "batch", Up: "transpose", Freeze: []string{"encoder.1", "head"}}, batch},
		{arch.Config{BaseChannels: 2, Depth: 2, Norm: "none", Up: "nearest", Dropout: 0.5, Freeze: []string{"up"}}, none},
	} {
		var got strings.Builder
		for _, q := range describe(t, tc.cfg, 3, 4).Tensors() {
			fmt.Fprintf(&got, "%s %v", q.Name, q.TorchShape())
			if q.Statistic {
				got.WriteString(" statistic")
			}
			if q.Frozen {
				got.WriteString(" frozen")
			}
			got.WriteString("\n")
		}
		if got.String() != tc.want {
			t.Errorf("%+v has the tensors\n%swant\n%s", tc.cfg, got.String(), tc.want)
		}
	}
}

// Names, shapes and order of the state_dict of segmentation_models.pytorch 0.6.0's
// Unet(..., classes=4), but for num_batches_tracked: testdata was printed by it.
func TestTensorsOfEncoders(t *testing.T) {
	for _, encoder := range arch.Encoders()[1:] {
		want, err := os.ReadFile(filepath.Join("testdata", encoder+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		c := arch.DefaultConfig()
		c.Encoder, c.DecoderChannels = encoder, [5]int{256, 128, 64, 32, 16}
		var got strings.Builder
		for _, q := range describe(t, c, 3, 4).Tensors() {
			fmt.Fprintf(&got, "%s %v\n", q.Name, q.TorchShape())
		}
		gotLines, wantLines := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
		for i := range min(len(gotLines), len(wantLines)) {
			if gotLines[i] != wantLines[i] {
				t.Errorf("%s: tensor %d is %q, want %q", encoder, i, gotLines[i], wantLines[i])
				break
			}
		}
		if len(gotLines) != len(wantLines) {
			t.Errorf("%s has %d tensors, want %d", encoder, len(gotLines)-1, len(wantLines)-1)
		}
	}
}

func TestCheckBatch(t *testing.T) {
	for _, tc := range []struct {
		norm        string
		freeze      []string
		batch, h, w int
		want        string // "": right
	}{
		{"batch", nil, 1, 4, 4, "model: batch norm encoder.2.bn1 has one value per channel with a batch of 1 image of 4 x 4 pixels, want at least 2: a larger batch or image, a smaller model.depth, or model.norm none"},
		{"batch", nil, 2, 4, 4, ""},
		{"batch", nil, 1, 4, 8, ""},
		{"none", nil, 1, 4, 4, ""},
		{"batch", []string{"encoder.2"}, 1, 4, 4, ""},
		{"batch", []string{"encoder.1"}, 1, 4, 4, "batch norm encoder.2.bn1"},
	} {
		net := describe(t, arch.Config{BaseChannels: 2, Depth: 2, Norm: tc.norm, Up: "transpose", Freeze: tc.freeze}, 3, 4)
		err := net.CheckBatch(tc.batch, tc.h, tc.w)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%+v: error is %v", tc, err)
		}
	}
	for _, tc := range []struct {
		encoder string
		freeze  []string
		batch   int
		want    string // "": right
	}{
		{arch.ResNet18, nil, 1, "model: batch norm encoder.layer4.0.bn1 has one value per channel with a batch of 1 image of 32 x 32 pixels, want at least 2: a larger batch or image, or model.freeze [encoder], whose batch norms keep their statistics"},
		{arch.EfficientNetLite0, nil, 1, "batch norm encoder.model.blocks.5.0.bn2 has one value"},
		{arch.ResNet18, nil, 2, ""},
		{arch.EfficientNetLite0, []string{"encoder"}, 1, ""},
		{arch.EfficientNetLite0, []string{"encoder.model.blocks.5"}, 1, "batch norm encoder.model.blocks.6.0.bn1 has one value"},
	} {
		c := arch.DefaultConfig()
		c.Encoder, c.Freeze = tc.encoder, tc.freeze
		err := describe(t, c, 3, 4).CheckBatch(tc.batch, 32, 32)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%+v: error is %v", tc, err)
		}
	}
}

func TestDescribeErrors(t *testing.T) {
	if _, err := arch.Describe(arch.Config{BaseChannels: 2, Depth: 9, Norm: "batch", Up: "nearest"}, 3, 4); err == nil || !strings.Contains(err.Error(), "model.depth = 9, want 1..8") {
		t.Errorf("depth 9: error is %v", err)
	}
	for _, n := range [][]int{{0, 4}, {3, 0}} {
		if _, err := arch.Describe(arch.DefaultConfig(), n[0], n[1]); err == nil || !strings.Contains(err.Error(), "want at least 1 of each") {
			t.Errorf("%v channels and classes: error is %v", n, err)
		}
	}
	frozen := arch.DefaultConfig()
	frozen.Freeze = []string{"encoder.0"}
	for _, l := range describe(t, frozen, 3, 4).Layers {
		if want := slices.Contains([]string{"encoder.0.conv1", "encoder.0.conv2"}, l.Name); l.Frozen != want {
			t.Errorf("%s is frozen: %v", l.Name, l.Frozen)
		}
	}
}
