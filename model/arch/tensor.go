package arch

import (
	"math"
	"slices"
)

// Tensor describes a parameter or a running statistic of a net.
type Tensor struct {
	// Name is PyTorch's, such as encoder.0.conv1.weight.
	Name string
	// Shape is the layout of the ops: (K, K, I, O) for a convolution, (K, K, 1, C) for a
	// depthwise one, (I, K, K, O) for a transposed one, (C) for a vector.
	Shape []int
	// Torch lists the axes of Shape in PyTorch's order: (O, I, K, K), (C, 1, K, K) and
	// (I, O, K, K).
	Torch []int
	// Statistic is set of running statistics, which follow the batches.
	Statistic bool
	// Frozen is set in frozen parts.
	Frozen bool
	// TrainingOnly is set of the heads of Net.Deep: a net that predicts has no use for them.
	TrainingOnly bool
	// Deviation is that of the normal distribution from which the first values are
	// drawn, Bound the largest of a uniform one, the smallest being -Bound. Where both
	// are 0 the first values all are Value.
	Deviation, Bound float64
	Value            float32
}

// Size is the number of values.
func (t Tensor) Size() int {
	size := 1
	for _, n := range t.Shape {
		size *= n
	}
	return size
}

// TorchShape is the shape in PyTorch's layout.
func (t Tensor) TorchShape() []int {
	shape := make([]int, len(t.Shape))
	for i, axis := range t.Torch {
		shape[i] = t.Shape[axis]
	}
	return shape
}

// ToTorch copies values, laid out like Shape, into PyTorch's layout.
func (t Tensor) ToTorch(values []float32) []float32 {
	out := make([]float32, len(values))
	t.eachTorch(func(torch, ours int) { out[torch] = values[ours] })
	return out
}

// FromTorch copies values in PyTorch's layout into dst, laid out like Shape.
func (t Tensor) FromTorch(dst, values []float32) {
	t.eachTorch(func(torch, ours int) { dst[ours] = values[torch] })
}

// eachTorch visits the elements in the order of PyTorch's layout.
func (t Tensor) eachTorch(visit func(torch, ours int)) {
	strides := make([]int, len(t.Shape))
	stride := 1
	for i := len(t.Shape) - 1; i >= 0; i-- {
		strides[i] = stride
		stride *= t.Shape[i]
	}
	torch := 0
	var walk func(dim, ours int)
	walk = func(dim, ours int) {
		if dim == len(t.Shape) {
			visit(torch, ours)
			torch++
			return
		}
		axis := t.Torch[dim]
		for i := range t.Shape[axis] {
			walk(dim+1, ours+i*strides[axis])
		}
	}
	walk(0, 0)
}

// Tensors are all tensors of the net in the order of PyTorch's state_dict, those of
// training only last, with the drawing of their first values. In a net with norms, which
// make up for any scale, weights and biases are drawn as PyTorch's convolutions draw
// them: uniform within 1/sqrt(fan in), where a transposed convolution's fan in is
// counted over the channels of its result. It ends better than larger weights, which
// turn slower under the same learning rate. Without norms the scale must come from the
// weights: deviation gain/sqrt(fan in) (He et al. 2015), gain sqrt(2) where a ReLU
// follows and 1 elsewhere, and biases begin at 0. Batch norm begins as the identity.
func (n Net) Tensors() []Tensor {
	normed := slices.ContainsFunc(n.Layers, func(l Layer) bool { return l.Norm != nil })
	var all []Tensor
	for _, module := range n.modules() {
		for _, l := range module {
			all = append(all, l.tensors(normed)...)
		}
	}
	for _, l := range n.Deep {
		for _, t := range l.tensors(normed) {
			t.TrainingOnly = true
			all = append(all, t)
		}
	}
	return all
}

// tensors are those of a layer; normed says whether the net has norms.
func (l Layer) tensors(normed bool) []Tensor {
	vector := func(name string, value float32, statistic bool) Tensor {
		return Tensor{Name: name, Shape: []int{l.Out}, Torch: []int{0}, Statistic: statistic, Frozen: l.Frozen, Value: value}
	}
	weight := Tensor{Name: l.Name + ".weight", Frozen: l.Frozen}
	fanIn := l.In
	switch l.Kind {
	case Conv:
		weight.Shape, weight.Torch = []int{l.Kernel, l.Kernel, l.In, l.Out}, []int{3, 2, 0, 1}
		fanIn *= l.Kernel * l.Kernel
	case Depthwise:
		weight.Shape, weight.Torch = []int{l.Kernel, l.Kernel, 1, l.Out}, []int{3, 2, 0, 1}
		fanIn = l.Kernel * l.Kernel
	case UpConv: // one pixel of the input reaches a pixel of the result
		weight.Shape, weight.Torch = []int{l.In, l.Kernel, l.Kernel, l.Out}, []int{0, 3, 1, 2}
	}
	bias := vector(l.Name+".bias", 0, false)
	if normed {
		if l.Kind == UpConv {
			fanIn = l.Out * l.Kernel * l.Kernel
		}
		weight.Bound = 1 / math.Sqrt(float64(fanIn))
		bias.Bound = weight.Bound
	} else {
		gain := 1.
		if l.Activation.Function != "" {
			gain = math.Sqrt2
		}
		weight.Deviation = gain / math.Sqrt(float64(fanIn))
	}

	all := []Tensor{weight}
	if l.Bias {
		all = append(all, bias)
	}
	if l.Norm != nil {
		all = append(all,
			vector(l.Norm.Name+".weight", 1, false),
			vector(l.Norm.Name+".bias", 0, false),
			vector(l.Norm.Name+".running_mean", 0, true),
			vector(l.Norm.Name+".running_var", 1, true))
	}
	return all
}
