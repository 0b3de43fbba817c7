package onnx_test

import (
	"encoding/binary"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/onnx"
	"github.com/unet-gorgonia/unet-gorgonia/model"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// field is one of a message on the wire: a number, or the bytes of a text or message.
type field struct {
	number int
	value  uint64
	bytes  []byte
}

// parse reads a message; the test fails where it is none.
func parse(t *testing.T, b []byte) []field {
	t.Helper()
	var fields []field
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatalf("no varint in % x", b[:min(len(b), 20)])
		}
		b = b[n:]
		return v
	}
	for len(b) > 0 {
		key := next()
		f := field{number: int(key >> 3), value: next()}
		switch key & 7 {
		case 0:
		case 2:
			if f.value > uint64(len(b)) {
				t.Fatalf("field %d of %d bytes, %d are left", f.number, f.value, len(b))
			}
			f.bytes, b = b[:f.value], b[f.value:]
		default:
			t.Fatalf("field %d has wire type %d", f.number, key&7)
		}
		fields = append(fields, f)
	}
	return fields
}

// all are the fields of one number.
func all(fields []field, number int) []field {
	var of []field
	for _, f := range fields {
		if f.number == number {
			of = append(of, f)
		}
	}
	return of
}

// encoder is a net with that encoder and a small decoder.
func encoder(name string) model.Config {
	cfg := arch.DefaultConfig()
	cfg.Encoder, cfg.DecoderChannels = name, [...]int{16, 12, 8, 6, 4}
	return cfg
}

// The file as onnx.proto defines it: each node reads what is there before it, no
// batch norm is left, and each tensor has the values of its shape.
func TestMarshal(t *testing.T) {
	for _, tc := range []struct {
		cfg        model.Config
		conv, norm string // a convolution and its norm
		epsilon    float64
		fan        int
	}{
		{model.Config{BaseChannels: 2, Depth: 2, Norm: "batch", Up: "transpose"}, "encoder.0.conv1", "encoder.0.bn1", 1e-5, 3 * 3 * 3},
		{model.Config{BaseChannels: 3, Depth: 1, Norm: "none", Up: "nearest"}, "", "", 0, 0},
		{encoder(arch.EfficientNetLite0), "encoder.model.blocks.2.0.conv_dw", "encoder.model.blocks.2.0.bn2", 1e-3, 5 * 5},
		{encoder(arch.ResNet18), "encoder.layer2.0.downsample.0", "encoder.layer2.0.downsample.1", 1e-5, 64},
	} {
		cfg := tc.cfg
		p := parameters(t, cfg, 3)
		file, err := onnx.Marshal(p, []string{"a", "b", "c"}, [2]int{8, 8}, true, "none")
		if err != nil {
			t.Fatal(err)
		}
		graph := parse(t, all(parse(t, file), 7)[0].bytes)
		known := map[string]bool{"image": true}
		tensors := map[string][]float32{}
		for _, f := range all(graph, 5) {
			tensor := parse(t, f.bytes)
			size, name, raw := uint64(1), string(all(tensor, 8)[0].bytes), all(tensor, 9)[0].bytes
			for _, dim := range all(tensor, 1) {
				size *= dim.value
			}
			if size*4 != uint64(len(raw)) {
				t.Errorf("%v: tensor %s has %d bytes, its shape wants %d", cfg, name, len(raw), 4*size)
			}
			if known[name] {
				t.Errorf("%v: two tensors %s", cfg, name)
			}
			known[name] = true
			for ; len(raw) > 0; raw = raw[4:] {
				tensors[name] = append(tensors[name], math.Float32frombits(binary.LittleEndian.Uint32(raw)))
			}
		}
		ops := map[string]int{}
		for _, f := range all(graph, 1) {
			node := parse(t, f.bytes)
			name, kind := string(all(node, 3)[0].bytes), string(all(node, 4)[0].bytes)
			ops[kind]++
			for _, input := range all(node, 1) {
				if input := string(input.bytes); input != "" && !known[input] {
					t.Errorf("%v: %s reads %s, which nothing before it makes", cfg, name, input)
				}
			}
			for _, output := range all(node, 2) {
				known[string(output.bytes)] = true
			}
		}
		want := map[string]int{"Transpose": 2, "Softmax": 1, "ArgMax": 1}
		for _, l := range p.Layers {
			for _, op := range map[arch.Kind][]string{
				arch.Conv: {"Conv"}, arch.Depthwise: {"Conv"}, arch.UpConv: {"ConvTranspose"}, arch.MaxPool: {"MaxPool"}, arch.Upsample: {"Resize"},
				arch.Concat: {"Concat"}, arch.Add: {"Add"}, arch.Standardize: {"Sub", "Div"},
			}[l.Kind] {
				want[op]++
			}
			if op := map[arch.Function]string{arch.ReLU: "Relu", arch.ReLU6: "Clip"}[l.Activation.Function]; op != "" {
				want[op]++
			}
		}
		if !known["probabilities"] || !known["mask"] || !maps.Equal(ops, want) {
			t.Errorf("%v: the nodes are %v, want %v", cfg, ops, want)
		}
		if tc.norm == "" {
			continue
		}
		// The second output channel of a convolution, by hand.
		at := func(name string) float64 { return float64(p.Get(tc.norm + "." + name).Value[1]) }
		scale := at("weight") / math.Sqrt(at("running_var")+tc.epsilon)
		w := p.Get(tc.conv + ".weight")
		first := w.ToTorch(w.Value)[tc.fan] // (O, I, K, K): O = 1
		for _, v := range []struct {
			name      string
			got, want float64
		}{
			{"weight", float64(tensors[tc.conv+".weight"][tc.fan]), float64(first) * scale},
			{"bias", float64(tensors[tc.conv+".bias"][1]), at("bias") - scale*at("running_mean")},
		} {
			if math.Abs(v.got-v.want) > 1e-6*math.Abs(v.want) {
				t.Errorf("%v: folded %s = %v, want %v", cfg, v.name, v.got, v.want)
			}
		}
	}
}

// Whoever runs the model is told how the net saw its images.
func TestPreprocessing(t *testing.T) {
	p := parameters(t, model.Config{BaseChannels: 2, Depth: 1, Norm: "none", Up: "transpose"}, 2)
	for resized, want := range map[bool]string{true: "resized to size", false: "in tiles of size"} {
		file, err := onnx.Marshal(p, []string{"a", "b"}, [2]int{8, 8}, resized, "none")
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, f := range all(parse(t, file), 14) {
			if entry := parse(t, f.bytes); string(all(entry, 1)[0].bytes) == "preprocessing" {
				got = string(all(entry, 2)[0].bytes)
			}
		}
		if !strings.Contains(got, want) {
			t.Errorf("resized %v: preprocessing is %q, want it to have %q", resized, got, want)
		}
	}
}
