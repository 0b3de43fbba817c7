// Package arch describes nets. A Config, the `model` section, becomes a Net: the
// one list of layers from which all else is read, here and elsewhere: the
// parameters, their names, layouts and first values, the parts that can be frozen,
// the number of operations, the graph (package model), the ONNX file and the
// PyTorch module. It builds nothing and needs no Gorgonia.
//
// Two files describe UNets: unet.go the plain one, and decoder.go the decoder behind the
// encoders of other nets, one file each. A new net is a new description beside them and, where it computes something
// new, a Kind that those who read the layers know how to do.
package arch

import (
	"fmt"
	"slices"
	"strings"
)

// Net is the description of a net that makes logits (N, H, W, Classes) of images
// (N, H, W, Channels).
type Net struct {
	Channels, Classes int
	// Layers stand in the order in which they are computed: each reads the image or
	// layers before it. The last one makes the logits.
	Layers []Layer
	// Deep are heads that only training has: each makes logits (N, H/Scale, W/Scale,
	// Classes) of one of Layers, the largest first. Nothing reads them, and none is frozen.
	Deep []Layer
	// Shallower says which keys make the net less deep, or do without batch norm.
	Shallower string
}

// Image is the name under which layers read the net's input.
const Image = "image"

// Layer is one step of a net, with what follows it at once: a norm and an activation.
type Layer struct {
	Kind Kind
	// Name is the layer's own, and the beginning of those of its parameters:
	// PyTorch's, such as encoder.0.conv1.
	Name string
	// Part is the part of the net, such as encoder.0, that model.freeze calls by
	// name. It begins as Name does. Empty: the layer has no parameters.
	Part string
	// Frozen is set if nothing in the layer is trained; its norm then keeps its
	// running statistics and normalises by them in training too.
	Frozen bool
	// Inputs are names of layers before it, or Image; one, except for Concat and Add.
	Inputs []string
	// In and Out are the numbers of channels of all inputs together and of the result.
	In, Out int
	// Scale is how many times higher, and wider, the image is than the result.
	Scale int
	// Kernel and Stride are in pixels, in both directions. Stride is how far an
	// input pixel is from the next in the result (UpConv, Upsample) or the other way
	// round (Conv, Depthwise, MaxPool).
	Kernel, Stride int
	// Pad is the number of pixels that Conv, Depthwise and MaxPool see above and left
	// of the image; below and right they see what they need, Kernel - Stride - Pad.
	// So symmetric padding of a 3x3 kernel at stride 2 is 1, for the last pixel is
	// never read, and TensorFlow's "same" padding is 0.
	Pad int
	// Bias is set if a convolution adds one.
	Bias bool
	// Norm, of a convolution, or nil.
	Norm *Norm
	// Activation comes last.
	Activation Activation
	// Probability is that of dropping a value, [0, 1).
	Probability float64
	// Mean and Deviation are those of each channel, for Standardize.
	Mean, Deviation []float32
}

// Kind is what a layer computes.
type Kind string

const (
	// Conv is a convolution, padded with zeros; its result is Stride times smaller.
	Conv Kind = "conv"
	// Depthwise is a convolution of each channel by itself, padded with zeros.
	Depthwise Kind = "depthwise"
	// UpConv is a transposed convolution whose stride is its kernel: what it makes of
	// one pixel and of another does not overlap.
	UpConv Kind = "upconv"
	// MaxPool takes the largest of Kernel x Kernel pixels, of those inside the image.
	MaxPool Kind = "maxpool"
	// Upsample repeats each pixel Stride x Stride times (nearest neighbour).
	Upsample Kind = "upsample"
	// Concat has the channels of all inputs, in their order.
	Concat Kind = "concat"
	// Add is the sum of two inputs, value by value.
	Add Kind = "add"
	// Standardize is (x - Mean) / Deviation, channel by channel.
	Standardize Kind = "standardize"
	// Dropout drops values in training and scales the others by 1 / (1 - Probability).
	Dropout Kind = "dropout"
)

// Norm is a batch norm (Ioffe and Szegedy 2015).
type Norm struct {
	Name string
	// Epsilon is added to the variance.
	Epsilon float64
}

// Activation is a function of single values. The zero value is none.
type Activation struct {
	Function Function
	Name     string
}

// Function is that of an Activation.
type Function string

const (
	ReLU  Function = "relu"  // max(0, x)
	ReLU6 Function = "relu6" // min(max(0, x), 6)
)

// Describe is the net of a configuration. The error names every value out of range.
func Describe(c Config, channels, classes int) (Net, error) {
	if err := c.Validate(); err != nil {
		return Net{}, err
	}
	if channels < 1 || classes < 1 {
		return Net{}, fmt.Errorf("model: %d channels and %d classes, want at least 1 of each", channels, classes)
	}
	return c.describe(channels, classes), nil
}

func (c Config) describe(channels, classes int) Net {
	n := c.layers(channels, classes)
	for i, l := range n.Layers {
		n.Layers[i].Frozen = c.freezes(l.Part)
	}
	return n
}

func (c Config) layers(channels, classes int) Net {
	switch c.Encoder {
	case EfficientNetLite0, EfficientNetLite1, EfficientNetLite2, MobileNetV2:
		return unetOf(c, inverted(c.Encoder, channels), classes)
	case ResNet18, ResNet34:
		return unetOf(c, resnet(c.Encoder, channels), classes)
	}
	return unet(c, channels, classes)
}

// Head is the layer that makes the logits.
func (n Net) Head() Layer { return n.Layers[len(n.Layers)-1] }

// Multiple is the number of which the height and width of images must be multiples.
func (n Net) Multiple() int {
	scale := 1
	for _, l := range n.Layers {
		scale = max(scale, l.Scale)
	}
	return scale
}

// CheckBatch returns an error unless a training step can normalise a batch of images
// of h x w pixels: the variance of one value says nothing.
func (n Net) CheckBatch(batch, h, w int) error {
	for _, l := range n.Layers {
		if l.Norm != nil && !l.Frozen && batch*(h/l.Scale)*(w/l.Scale) < 2 {
			return fmt.Errorf("model: batch norm %s has one value per channel with a batch of %d image of %d x %d pixels, want at least 2: a larger batch or image, %s", l.Norm.Name, batch, h, w, n.Shallower)
		}
	}
	return nil
}

// modules are the layers with parameters by the first component of their names, in
// the order in which these first appear: that of PyTorch's state_dict.
func (n Net) modules() [][]Layer {
	var order []string
	of := map[string][]Layer{}
	for _, l := range n.Layers {
		if l.Weights() == 0 {
			continue
		}
		root, _, _ := strings.Cut(l.Name, ".")
		if of[root] == nil {
			order = append(order, root)
		}
		of[root] = append(of[root], l)
	}
	modules := make([][]Layer, len(order))
	for i, root := range order {
		modules[i] = of[root]
	}
	return modules
}

// parts are the names of the parts of a module, in order.
func parts(module []Layer) []string {
	var names []string
	for _, l := range module {
		if !slices.Contains(names, l.Part) {
			names = append(names, l.Part)
		}
	}
	return names
}

// Weights is the number of weights of a convolution, without those of bias and
// norm; 0 of other layers.
func (l Layer) Weights() int {
	switch l.Kind {
	case Conv, UpConv:
		return l.Kernel * l.Kernel * l.In * l.Out
	case Depthwise:
		return l.Kernel * l.Kernel * l.Out
	}
	return 0
}

// PadEnd is the number of pixels that Conv, Depthwise and MaxPool see below and right of
// the image.
func (l Layer) PadEnd() int { return max(0, l.Kernel-l.Stride-l.Pad) }

// Operations is the number of floating-point operations (a multiplication and
// an addition are two) that the convolutions of the net need for an image of h x
// w pixels, counted as direct convolutions: of a forward pass, and of a training
// step, which needs as many again for the gradient of the weights that are
// trained, and for that of the input where something before it is trained.
func (n Net) Operations(h, w int) (forward, training float64) {
	before := false // something is trained
	for _, l := range n.Layers {
		scale := l.Scale // of the pixels that each weight is multiplied with
		if l.Kind == UpConv {
			scale *= l.Stride
		}
		ops := 2 * float64(l.Weights()) * float64(h/scale) * float64(w/scale)
		forward += ops
		training += ops
		if before {
			training += ops
		}
		if ops > 0 && !l.Frozen {
			training += ops
			before = true
		}
	}
	for _, l := range n.Deep {
		training += 3 * 2 * float64(l.Weights()) * float64(h/l.Scale) * float64(w/l.Scale)
	}
	return forward, training
}
