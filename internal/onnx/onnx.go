// Package onnx writes a net as an ONNX model (https://onnx.ai), for ONNX Runtime
// and others to run.
//
//	image (N, H, W, channels) float32 in 0..1  ->  probabilities (N, H, W, C) float32, mask (N, H, W) int64
//
// N, H and W are free, H and W multiples of the net's arch.Net.Multiple. The net is
// that of package model in evaluation mode, with each batch norm folded into the
// convolution before it; inside, tensors are (N, C, H, W). The file is a Protocol Buffers
// message, written here field by field.
package onnx

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/protobuf"
	"github.com/unet-gorgonia/unet-gorgonia/model"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

const (
	irVersion = 7
	opset     = 13
	producer  = "unet-gorgonia"
	maxFile   = math.MaxInt32 // of a Protocol Buffers message, in bytes
)

// Marshal is the file of a net. The names of its classes, in the order of their
// indices, and the size (H, W) of the images that it was trained on become
// metadata, and whether images were resized to it or are seen in tiles of it, and
// how their values were normalized. A
// net of 2 GiB or more is an error: no ONNX file holds it.
func Marshal(p *model.Parameters, classes []string, size [2]int, resized bool, normalize imagefile.Normalization) ([]byte, error) {
	total := 1 << 20 // bytes, of all but the weights at most
	for _, q := range p.All() {
		total += 4 * len(q.Value)
	}
	if total > maxFile {
		return nil, fmt.Errorf("onnx: the net has %d MiB of weights, want less than 2048: an ONNX file holds no more", total>>20)
	}
	names, err := json.Marshal(classes)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}

	preprocessing := "RGB; at its own resolution, in tiles of size (height, width); divided by 255"
	if resized {
		preprocessing = "RGB; resized to size (height, width), averaged by area where it shrinks, linear between pixel centres where it grows; divided by 255"
	}

	if formula := normalize.Formula(); formula != "" {
		preprocessing += "; first of all normalized: " + formula
	}

	n := net{p: p, constants: map[string]bool{}}
	if err := n.build(); err != nil {
		return nil, err
	}
	var version, m protobuf.Message
	version.Int(2, opset)
	m.Int(1, irVersion)
	m.String(2, producer)
	m.Bytes(7, n.Message)
	m.Bytes(8, version)
	for _, entry := range [][2]string{
		{"classes", string(names)},
		{"size", fmt.Sprintf("[%d, %d]", size[0], size[1])},
		{"size_multiple", fmt.Sprint(p.Multiple())},
		{"preprocessing", preprocessing},
		{"normalize", string(normalize)},
	} {
		var e protobuf.Message
		e.String(1, entry[0])
		e.String(2, entry[1])
		m.Bytes(14, e)
	}
	return m, nil
}

// net is the graph of a net under construction.
type net struct {
	graph
	p         *model.Parameters
	constants map[string]bool // that are there already
}

func (n *net) build() error {
	p := n.p
	n.String(2, "unet")
	n.value(graphInput, "image", "RGB, 0..1; H and W multiples of size_multiple", float32s, "N", "H", "W", p.Channels)
	n.value(graphOutput, "probabilities", "of each class; they sum to 1", float32s, "N", "H", "W", p.Classes)
	n.value(graphOutput, "mask", "index of the most probable class, the first of equal ones", int64s, "N", "H", "W")

	results := map[string]string{} // by layer
	results[arch.Image] = n.node("Transpose", "image.nchw", []attribute{{"perm", []int{0, 3, 1, 2}}}, "image")
	for _, l := range p.Layers {
		var x []string
		for _, name := range l.Inputs {
			x = append(x, results[name])
		}
		y, err := n.layer(l, x)
		if err != nil {
			return err
		}
		results[l.Name] = y // (N, Out, H/Scale, W/Scale)
	}
	x := n.node("Transpose", "logits", []attribute{{"perm", []int{0, 2, 3, 1}}}, results[p.Head().Name])
	x = n.node("Softmax", "probabilities", []attribute{{"axis", 3}}, x)
	n.node("ArgMax", "mask", []attribute{{"axis", 3}, {"keepdims", 0}}, x)
	return nil
}

// layer adds the nodes of a layer and returns the name of the last one.
func (n *net) layer(l arch.Layer, x []string) (string, error) {
	y, err := n.op(l, x)
	if err != nil {
		return "", err
	}
	switch l.Activation.Function {
	case "":
		return y, nil
	case arch.ReLU:
		return n.node("Relu", l.Activation.Name, nil, y), nil
	case arch.ReLU6:
		return n.node("Clip", l.Activation.Name, nil, y, n.constant("zero", nil, 0), n.constant("six", nil, 6)), nil
	}
	return "", fmt.Errorf("onnx: %s: no node for the activation %s", l.Name, l.Activation.Function)
}

// op adds the nodes of a layer but for its activation.
func (n *net) op(l arch.Layer, x []string) (string, error) {
	begin, end := l.Pad, l.PadEnd()
	window := []attribute{
		{"kernel_shape", []int{l.Kernel, l.Kernel}}, {"strides", []int{l.Stride, l.Stride}},
		{"pads", []int{begin, begin, end, end}},
	}
	switch l.Kind {
	case arch.Conv, arch.Depthwise:
		if l.Kind == arch.Depthwise {
			window = append(window, attribute{"group", l.In})
		}
		weight, bias := n.weights(l)
		return n.node("Conv", l.Name, window, x[0], weight, bias), nil
	case arch.UpConv:
		weight, bias := n.weights(l)
		return n.node("ConvTranspose", l.Name, window, x[0], weight, bias), nil
	case arch.MaxPool: // what is padded is never the largest
		return n.node("MaxPool", l.Name, window, x[0]), nil
	case arch.Upsample:
		const noRegion = "" // the input that says which region of the image is resized
		return n.node("Resize", l.Name, []attribute{
			{"mode", "nearest"}, {"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"},
		}, x[0], noRegion, n.constant("twice", []int{4}, 1, 1, 2, 2)), nil
	case arch.Concat:
		return n.node("Concat", l.Name, []attribute{{"axis", 1}}, x...), nil
	case arch.Add:
		return n.node("Add", l.Name, nil, x...), nil
	case arch.Standardize:
		perChannel := []int{l.In, 1, 1}
		y := n.node("Sub", l.Name+".centred", nil, x[0], n.tensor(l.Name+".mean", perChannel, l.Mean))
		return n.node("Div", l.Name, nil, y, n.tensor(l.Name+".deviation", perChannel, l.Deviation)), nil
	case arch.Dropout:
		return x[0], nil
	}
	return "", fmt.Errorf("onnx: %s: no node for layers of kind %s", l.Name, l.Kind)
}

// constant is a tensor that several nodes read; it is added once.
func (n *net) constant(name string, shape []int, values ...float32) string {
	if n.constants[name] {
		return name
	}
	n.constants[name] = true
	return n.tensor(name, shape, values)
}

// weights are weight and bias of a convolution, with its norm, where it has one, in them.
func (n *net) weights(l arch.Layer) (weight, bias string) {
	if l.Norm != nil {
		return n.folded(l)
	}
	return n.parameter(l.Name + ".weight"), n.parameter(l.Name + ".bias")
}

// folded are weight and bias of a convolution with the batch norm by running
// statistics in it:
//
//	w * gamma / sqrt(variance + epsilon)  and  beta - mean * gamma / sqrt(variance + epsilon)
func (n *net) folded(l arch.Layer) (string, string) {
	w := n.p.Get(l.Name + ".weight")
	of := func(name string) []float32 { return n.p.Get(l.Norm.Name + "." + name).Value }
	gamma, beta, mean, variance := of("weight"), of("bias"), of("running_mean"), of("running_var")
	weight, bias := w.ToTorch(w.Value), make([]float32, len(beta)) // (O, I, K, K), (O)
	fan := len(weight) / len(bias)
	for o := range bias {
		k := float64(gamma[o]) / math.Sqrt(float64(variance[o])+l.Norm.Epsilon)
		for j, v := range weight[o*fan:][:fan] {
			weight[o*fan+j] = float32(k * float64(v))
		}
		bias[o] = float32(float64(beta[o]) - k*float64(mean[o]))
	}
	return n.tensor(l.Name+".weight", w.TorchShape(), weight), n.tensor(l.Name+".bias", []int{len(bias)}, bias)
}

// parameter adds a parameter as it is.
func (n *net) parameter(name string) string {
	q := n.p.Get(name)
	return n.tensor(name, q.TorchShape(), q.ToTorch(q.Value))
}
