package onnx_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/onnx"
	"github.com/unet-gorgonia/unet-gorgonia/model"
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

// The file as onnx.proto defines it: each node reads what is there before it, no
// batch norm is left, and each tensor has the values of its shape.
func TestMarshal(t *testing.T) {
	for _, cfg := range []model.Config{
		{BaseChannels: 2, Depth: 2, Norm: "batch", Up: "transpose"},
		{BaseChannels: 3, Depth: 1, Norm: "none", Up: "nearest"},
	} {
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
		if !known["probabilities"] || !known["mask"] || ops["BatchNormalization"] > 0 || ops["Transpose"] != 2 || ops["Relu"] != 4*cfg.Depth+2 {
			t.Errorf("%v: the nodes are %v", cfg, ops)
		}
		if cfg.Norm == "none" {
			continue
		}
		// The second output channel of the first convolution, by hand.
		at := func(name string) float64 { return float64(p.Get("encoder.0." + name).Value[1]) }
		scale := at("bn1.weight") / math.Sqrt(at("bn1.running_var")+1e-5)
		w := p.Get("encoder.0.conv1.weight")
		first := w.ToTorch(w.Value)[3*3*3] // (O, I, 3, 3): O = 1
		for _, v := range []struct {
			name      string
			got, want float64
		}{
			{"weight", float64(tensors["encoder.0.conv1.weight"][3*3*3]), float64(first) * scale},
			{"bias", float64(tensors["encoder.0.conv1.bias"][1]), at("bn1.bias") - scale*at("bn1.running_mean")},
		} {
			if math.Abs(v.got-v.want) > 1e-6*math.Abs(v.want) {
				t.Errorf("folded %s = %v, want %v", v.name, v.got, v.want)
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
