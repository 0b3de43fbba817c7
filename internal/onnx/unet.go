// Package onnx writes a UNet as an ONNX model (https://onnx.ai), for ONNX Runtime
// and others to run.
//
//	image (N, H, W, channels) float32 in 0..1  ->  probabilities (N, H, W, C) float32, mask (N, H, W) int64
//
// N, H and W are free, H and W multiples of 2^depth. The net is that of package
// model in evaluation mode, with each batch norm folded into the convolution
// before it; inside, tensors are (N, C, H, W). The file is a Protocol Buffers
// message, written here field by field.
package onnx

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/internal/protobuf"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

const (
	irVersion = 7
	opset     = 13
	producer  = "unet-gorgonia"
	maxFile   = math.MaxInt32 // of a Protocol Buffers message, in bytes
)

// Marshal is the file of a net. The names of its classes, in the order of their
// indices, and the size (H, W) of the images that it was trained on become
// metadata, and whether images were resized to it or are seen in tiles of it. A
// net of 2 GiB or more is an error: no ONNX file holds it.
func Marshal(p *model.Parameters, classes []string, size [2]int, resized bool) ([]byte, error) {
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

	n := net{p: p}
	n.build()
	var version, m protobuf.Message
	version.Int(2, opset)
	m.Int(1, irVersion)
	m.String(2, producer)
	m.Bytes(7, n.Message)
	m.Bytes(8, version)
	for _, entry := range [][2]string{
		{"classes", string(names)},
		{"size", fmt.Sprintf("[%d, %d]", size[0], size[1])},
		{"size_multiple", fmt.Sprint(1 << p.Config.Depth)},
		{"preprocessing", preprocessing},
	} {
		var e protobuf.Message
		e.String(1, entry[0])
		e.String(2, entry[1])
		m.Bytes(14, e)
	}
	return m, nil
}

// net is the graph of a UNet under construction.
type net struct {
	graph
	p *model.Parameters
}

func (n *net) build() {
	p, depth := n.p, n.p.Config.Depth
	n.String(2, "unet")
	n.value(graphInput, "image", "RGB, 0..1; H and W multiples of size_multiple", float32s, "N", "H", "W", p.Channels)
	n.value(graphOutput, "probabilities", "of each class; they sum to 1", float32s, "N", "H", "W", p.Classes)
	n.value(graphOutput, "mask", "index of the most probable class, the first of equal ones", int64s, "N", "H", "W")

	skips := make([]string, depth)
	x := n.node("Transpose", "image.nchw", []attribute{{"perm", []int{0, 3, 1, 2}}}, "image")
	for level := range depth { // -> (N, base * 2^level, H/2^level, W/2^level)
		skips[level] = n.doubleConv(fmt.Sprintf("encoder.%d", level), x)
		x = n.node("MaxPool", fmt.Sprintf("pool.%d", level), []attribute{{"kernel_shape", []int{2, 2}}, {"strides", []int{2, 2}}}, skips[level])
	}
	x = n.doubleConv(fmt.Sprintf("encoder.%d", depth), x)
	if p.Config.Up == "nearest" {
		n.tensor("twice", []int{4}, []float32{1, 1, 2, 2})
	}
	for i := range depth {
		x = n.up(fmt.Sprintf("up.%d", i), x)
		x = n.node("Concat", fmt.Sprintf("concat.%d", i), []attribute{{"axis", 1}}, skips[depth-1-i], x)
		x = n.doubleConv(fmt.Sprintf("decoder.%d", i), x)
	}
	x = n.conv("head", x)
	x = n.node("Transpose", "logits", []attribute{{"perm", []int{0, 2, 3, 1}}}, x)
	x = n.node("Softmax", "probabilities", []attribute{{"axis", 3}}, x)
	n.node("ArgMax", "mask", []attribute{{"axis", 3}, {"keepdims", 0}}, x)
}

// doubleConv is twice (3x3 convolution with the batch norm in it, ReLU).
func (n *net) doubleConv(name, x string) string {
	for _, i := range []string{"1", "2"} {
		if n.p.Config.Norm == "none" {
			x = n.conv(name+".conv"+i, x)
		} else {
			x = n.convNorm(name, i, x)
		}
		x = n.node("Relu", name+".relu"+i, nil, x)
	}
	return x
}

// convNorm is a 3x3 convolution without bias and batch norm by running
// statistics: the convolution with
//
//	w * gamma / sqrt(variance + epsilon)  and the bias  beta - mean * gamma / sqrt(variance + epsilon)
func (n *net) convNorm(block, i, x string) string {
	conv, bn := block+".conv"+i, block+".bn"+i
	w := n.p.Get(conv + ".weight")
	of := func(name string) []float32 { return n.p.Get(bn + "." + name).Value }
	gamma, beta, mean, variance := of("weight"), of("bias"), of("running_mean"), of("running_var")
	weight, bias := w.ToTorch(w.Value), make([]float32, len(beta)) // (O, I, 3, 3), (O)
	fan := len(weight) / len(bias)
	for o := range bias {
		k := float64(gamma[o]) / math.Sqrt(float64(variance[o])+op.Epsilon)
		for j, v := range weight[o*fan:][:fan] {
			weight[o*fan+j] = float32(k * float64(v))
		}
		bias[o] = float32(float64(beta[o]) - k*float64(mean[o]))
	}
	return n.node("Conv", conv, padded(3), x,
		n.tensor(conv+".weight", w.TorchShape(), weight), n.tensor(conv+".bias", []int{len(bias)}, bias))
}

// conv is a convolution with bias.
func (n *net) conv(name, x string) string {
	kernel := n.p.Get(name + ".weight").Shape[0]
	return n.node("Conv", name, padded(kernel), x, n.parameter(name+".weight"), n.parameter(name+".bias"))
}

// padded are the attributes of a convolution that keeps the size.
func padded(kernel int) []attribute {
	pad := kernel / 2
	return []attribute{{"kernel_shape", []int{kernel, kernel}}, {"pads", []int{pad, pad, pad, pad}}}
}

// up doubles height and width and halves the channels.
func (n *net) up(name, x string) string {
	if n.p.Config.Up == "transpose" {
		return n.node("ConvTranspose", name, []attribute{{"kernel_shape", []int{2, 2}}, {"strides", []int{2, 2}}},
			x, n.parameter(name+".weight"), n.parameter(name+".bias"))
	}
	const noRegion = "" // the input that says which region of the image is resized
	x = n.node("Resize", name+".nearest", []attribute{
		{"mode", "nearest"}, {"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"},
	}, x, noRegion, "twice")
	return n.conv(name, x)
}

// parameter adds a parameter as it is.
func (n *net) parameter(name string) string {
	q := n.p.Get(name)
	return n.tensor(name, q.TorchShape(), q.ToTorch(q.Value))
}
