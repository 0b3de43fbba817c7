// Package pytorch writes a net as a Python module for PyTorch (https://pytorch.org),
// which needs nothing else: a class with the layers of the description and a
// function that loads weights into it from a safetensors file.
//
// The module has one statement per layer, in the order of the description, rather
// than blocks that the description does not have or a table with an interpreter:
// any net can be read, changed and debugged layer by layer, and torch.compile and
// ONNX see plain PyTorch. Its names are those of the parameters, so that
// load_state_dict is strict.
package pytorch

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

//go:embed load.py
var load string

// Module is the source of the module, for PyTorch 1.13 and later. The names of the
// classes, in the order of their indices, and the size (H, W) of the images that
// the net was trained on become constants of it; how their values were normalized
// stands in its doc. A kind of layer that it does not
// know is an error.
func Module(net arch.Net, classes []string, size [2]int, normalize imagefile.Normalization) ([]byte, error) {
	names := make([]string, len(classes))
	for i, class := range classes {
		name, err := json.Marshal(class) // a string of JSON is one of Python
		if err != nil {
			return nil, fmt.Errorf("pytorch: class %q: %w", class, err)
		}
		names[i] = string(name)
	}

	m := module{net: net, root: &tree{}, variable: map[string]string{arch.Image: "image"}}
	for i, l := range net.Layers {
		if err := m.add(i, l); err != nil {
			return nil, err
		}
	}

	values := "RGB in 0..1 (value / 255)"
	if formula := normalize.Formula(); formula != "" {
		values = "RGB, normalized to " + formula
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `"""A net for segmentation, trained by unet-gorgonia.

    net = load("weights.safetensors")
    probabilities = net(images).softmax(1)

images: (N, %d, H, W), %s, H and W multiples of MULTIPLE; trained on H, W = SIZE.
The result: logits (N, %d, H, W), a channel per class of CLASSES.
"""
import json
import struct
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

CLASSES = [%s]
SIZE = (%d, %d)
MULTIPLE = %d


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
`, net.Channels, values, net.Classes, strings.Join(names, ", "), size[0], size[1], net.Multiple())
	for _, child := range m.root.children {
		fmt.Fprintf(&b, "        self.%s = %s\n", child.name, child.source("        "))
	}
	for _, statement := range m.constants {
		b.WriteString("        " + statement + "\n")
	}
	b.WriteString("\n    def forward(self, image):\n")
	b.WriteString(m.forward.String())
	b.WriteString("\n\n" + load)
	return b.Bytes(), nil
}

// module is the class under construction.
type module struct {
	net       arch.Net
	root      *tree
	constants []string // statements that make them
	forward   strings.Builder
	variable  map[string]string // that holds the result of a layer
}

// add adds the i-th layer.
func (m *module) add(i int, l arch.Layer) error {
	var inputs []string
	for _, name := range l.Inputs {
		inputs = append(inputs, m.variable[name])
	}
	x := inputs[0]
	switch l.Kind {
	case arch.Conv, arch.Depthwise:
		x = m.conv(x, l)
	case arch.UpConv:
		x = m.call(x, l.Name, "nn.ConvTranspose2d(%d, %d, %d, stride=%d)", l.In, l.Out, l.Kernel, l.Stride)
	case arch.MaxPool:
		x = fmt.Sprintf("F.max_pool2d(%s, %d, stride=%d%s)", x, l.Kernel, l.Stride, padding(l.Pad))
	case arch.Upsample:
		x = fmt.Sprintf(`F.interpolate(%s, scale_factor=%d, mode="nearest")`, x, l.Stride)
	case arch.Concat:
		x = fmt.Sprintf("torch.cat([%s], 1)", strings.Join(inputs, ", "))
	case arch.Add:
		x = strings.Join(inputs, " + ")
	case arch.Standardize:
		x = fmt.Sprintf("(%s - %s) / %s", x, m.constant(l.Name+"_mean", l.Mean), m.constant(l.Name+"_deviation", l.Deviation))
	case arch.Dropout:
		x = fmt.Sprintf("F.dropout(%s, %v, self.training)", x, l.Probability)
	default:
		return fmt.Errorf("pytorch: %s: no statement for layers of kind %s", l.Name, l.Kind)
	}
	if l.Norm != nil {
		x = m.call(x, l.Norm.Name, "nn.BatchNorm2d(%d, eps=%v)", l.Out, l.Norm.Epsilon)
	}
	switch f := l.Activation.Function; f {
	case "":
	case arch.ReLU, arch.ReLU6:
		x = fmt.Sprintf("F.%s(%s)", f, x)
	default:
		return fmt.Errorf("pytorch: %s: no statement for the activation %s", l.Name, f)
	}

	y := "x"
	if m.readLater(i) {
		y = strings.ReplaceAll(l.Name, ".", "_")
	}
	m.variable[l.Name] = y
	begin := y + " ="
	if i == len(m.net.Layers)-1 {
		begin = "return"
	}
	fmt.Fprintf(&m.forward, "        %s %s  # (N, %d, %s, %s)\n", begin, x, l.Out, side("H", l.Scale), side("W", l.Scale))
	return nil
}

// conv is a convolution of x.
func (m *module) conv(x string, l arch.Layer) string {
	settings := ""
	if l.Stride > 1 {
		settings += fmt.Sprintf(", stride=%d", l.Stride)
	}
	// Conv2d pads all sides alike. What it pads below and right without need, a stride
	// passes over.
	if end := l.PadEnd(); end > l.Pad {
		x = fmt.Sprintf("F.pad(%s, (%d, %d, %d, %d))", x, l.Pad, end, l.Pad, end)
	} else {
		settings += padding(l.Pad)
	}
	if l.Kind == arch.Depthwise {
		settings += fmt.Sprintf(", groups=%d", l.In)
	}
	if !l.Bias {
		settings += ", bias=False"
	}
	return m.call(x, l.Name, "nn.Conv2d(%d, %d, %d%s)", l.In, l.Out, l.Kernel, settings)
}

func padding(pad int) string {
	if pad == 0 {
		return ""
	}
	return fmt.Sprintf(", padding=%d", pad)
}

// constant adds numbers, one per channel, that move with the net but are none of its
// weights.
func (m *module) constant(name string, values []float32) string {
	numbers := make([]string, len(values))
	for i, v := range values {
		numbers[i] = fmt.Sprintf("[[%v]]", v)
	}
	m.constants = append(m.constants, fmt.Sprintf("self.register_buffer(%q, torch.tensor([%s]), persistent=False)", name, strings.Join(numbers, ", ")))
	return "self." + name
}

// call is a submodule, which it adds, of x.
func (m *module) call(x, name, source string, args ...any) string {
	m.root.add(name, fmt.Sprintf(source, args...))
	path := "self"
	for _, part := range strings.Split(name, ".") {
		if isIndex(part) {
			path += "[" + part + "]"
		} else {
			path += "." + part
		}
	}
	return path + "(" + x + ")"
}

// readLater reports whether a layer after the next one reads the i-th.
func (m *module) readLater(i int) bool {
	for j := i + 2; j < len(m.net.Layers); j++ {
		for _, name := range m.net.Layers[j].Inputs {
			if name == m.net.Layers[i].Name {
				return true
			}
		}
	}
	return false
}

func side(name string, scale int) string {
	if scale == 1 {
		return name
	}
	return fmt.Sprintf("%s/%d", name, scale)
}

// tree are submodules by the components of their names.
type tree struct {
	name     string
	made     string // the source of a leaf
	children []*tree
}

func (t *tree) add(name, source string) {
	first, rest, more := strings.Cut(name, ".")
	var child *tree
	for _, c := range t.children {
		if c.name == first {
			child = c
		}
	}
	if child == nil {
		child = &tree{name: first}
		t.children = append(t.children, child)
	}
	if more {
		child.add(rest, source)
	} else {
		child.made = source
	}
}

// source is the expression that makes a submodule: a ModuleList where its children
// are numbered, else a ModuleDict.
func (t *tree) source(indent string) string {
	if t.made != "" {
		return t.made
	}
	list := isIndex(t.children[0].name)
	var b strings.Builder
	for _, c := range t.children {
		b.WriteString(indent + "    ")
		if !list {
			fmt.Fprintf(&b, "%q: ", c.name)
		}
		b.WriteString(c.source(indent+"    ") + ",\n")
	}
	if list {
		return "nn.ModuleList([\n" + b.String() + indent + "])"
	}
	return "nn.ModuleDict({\n" + b.String() + indent + "})"
}

func isIndex(name string) bool { return strings.Trim(name, "0123456789") == "" }
