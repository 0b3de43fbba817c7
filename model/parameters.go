package model

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// Parameter is one tensor of the net.
type Parameter struct {
	// Name is PyTorch's, such as encoder.0.conv1.weight.
	Name string
	// Shape is the layout of the ops: (K, K, I, O) for a convolution, (I, 2, 2, O)
	// for a transposed one, (C) for a vector.
	Shape []int
	// Value is row-major. Graphs read it in place.
	Value []float32
	// Grad is the gradient of the last training step, laid out like Value; nil for
	// running statistics and in frozen parts.
	Grad []float32

	// statistic is set of running statistics.
	statistic bool
	// torch lists the axes of Shape in PyTorch's order: (O, I, K, K) and (I, O, 2, 2).
	torch []int
}

// Trained reports whether the solver changes the parameter: it does not change
// running statistics and frozen ones.
func (p *Parameter) Trained() bool { return p.Grad != nil }

// TorchShape is the shape in PyTorch's layout.
func (p *Parameter) TorchShape() []int {
	shape := make([]int, len(p.Shape))
	for i, axis := range p.torch {
		shape[i] = p.Shape[axis]
	}
	return shape
}

// ToTorch copies values, laid out like Value, into PyTorch's layout.
func (p *Parameter) ToTorch(values []float32) []float32 {
	out := make([]float32, len(values))
	p.eachTorch(func(torch, ours int) { out[torch] = values[ours] })
	return out
}

// FromTorch copies values in PyTorch's layout into dst, laid out like Value.
func (p *Parameter) FromTorch(dst, values []float32) {
	p.eachTorch(func(torch, ours int) { dst[ours] = values[torch] })
}

// eachTorch visits the elements in the order of PyTorch's layout.
func (p *Parameter) eachTorch(visit func(torch, ours int)) {
	strides := make([]int, len(p.Shape))
	stride := 1
	for i := len(p.Shape) - 1; i >= 0; i-- {
		strides[i] = stride
		stride *= p.Shape[i]
	}
	torch := 0
	var walk func(dim, ours int)
	walk = func(dim, ours int) {
		if dim == len(p.Shape) {
			visit(torch, ours)
			torch++
			return
		}
		axis := p.torch[dim]
		for i := range p.Shape[axis] {
			walk(dim+1, ours+i*strides[axis])
		}
	}
	walk(0, 0)
}

// Parameters are all tensors of a net, in the order of PyTorch's state_dict.
type Parameters struct {
	Config   Config
	Channels int // of the input image
	Classes  int

	memory op.Arena
	list   []*Parameter
	byName map[string]*Parameter
}

// NewParameters makes the tensors of a net and draws its weights: normal with
// deviation gain/sqrt(fan in) (He et al. 2015), gain sqrt(2) where a ReLU follows
// and 1 elsewhere; biases are 0, batch norm is the identity.
func NewParameters(cfg Config, channels, classes int, rng *rand.Rand) (*Parameters, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if channels < 1 || classes < 1 {
		return nil, fmt.Errorf("model: %d channels and %d classes, want at least 1 of each", channels, classes)
	}
	p := &Parameters{Config: cfg, Channels: channels, Classes: classes, byName: map[string]*Parameter{}}
	width := func(level int) int { return cfg.BaseChannels << level }

	weight := func(name string, shape, torch []int, fanIn int, gain float64) {
		w := p.add(name, shape, torch, true)
		deviation := gain / math.Sqrt(float64(fanIn))
		for i := range w.Value {
			w.Value[i] = float32(deviation * rng.NormFloat64())
		}
	}
	vector := func(name string, n int, value float32, trained bool) {
		v := p.add(name, []int{n}, []int{0}, trained)
		for i := range v.Value {
			v.Value[i] = value
		}
	}
	conv := func(name string, kernel, in, out int, gain float64) {
		weight(name+".weight", []int{kernel, kernel, in, out}, []int{3, 2, 0, 1}, kernel*kernel*in, gain)
	}
	doubleConv := func(name string, in, out int) {
		for i, n := range []string{"1", "2"} {
			conv(name+".conv"+n, 3, []int{in, out}[i], out, math.Sqrt2)
			if cfg.Norm == "none" {
				vector(name+".conv"+n+".bias", out, 0, true)
				continue
			}
			vector(name+".bn"+n+".weight", out, 1, true)
			vector(name+".bn"+n+".bias", out, 0, true)
			vector(name+".bn"+n+".running_mean", out, 0, false)
			vector(name+".bn"+n+".running_var", out, 1, false)
		}
	}

	in := channels
	for level := range cfg.Depth + 1 {
		doubleConv(fmt.Sprintf("encoder.%d", level), in, width(level))
		in = width(level)
	}
	for i := range cfg.Depth {
		level := cfg.Depth - 1 - i
		name := fmt.Sprintf("up.%d", i)
		if cfg.Up == "transpose" {
			weight(name+".weight", []int{width(level + 1), 2, 2, width(level)}, []int{0, 3, 1, 2}, width(level+1), 1)
		} else {
			conv(name, 3, width(level+1), width(level), 1)
		}
		vector(name+".bias", width(level), 0, true)
	}
	for i := range cfg.Depth {
		level := cfg.Depth - 1 - i
		doubleConv(fmt.Sprintf("decoder.%d", i), 2*width(level), width(level))
	}
	conv("head", 1, width(0), classes, 1)
	vector("head.bias", classes, 0, true)
	return p, nil
}

func (p *Parameters) add(name string, shape, torch []int, trained bool) *Parameter {
	size := 1
	for _, n := range shape {
		size *= n
	}
	q := &Parameter{Name: name, Shape: shape, Value: p.memory.Floats(size), statistic: !trained, torch: torch}
	if trained && !p.Config.Frozen(name) {
		q.Grad = p.memory.Floats(size)
	}
	p.list = append(p.list, q)
	p.byName[name] = q
	return q
}

// All are the tensors in the order of PyTorch's state_dict.
func (p *Parameters) All() []*Parameter { return p.list }

// Get is the tensor of that name, or nil.
func (p *Parameters) Get(name string) *Parameter { return p.byName[name] }

// Count is the number of trained values.
func (p *Parameters) Count() int { return p.count((*Parameter).Trained) }

// Frozen is the number of values in frozen parts that would be trained otherwise.
func (p *Parameters) Frozen() int {
	return p.count(func(q *Parameter) bool { return p.Config.Frozen(q.Name) && !q.statistic })
}

func (p *Parameters) count(which func(*Parameter) bool) int {
	n := 0
	for _, q := range p.list {
		if which(q) {
			n += len(q.Value)
		}
	}
	return n
}

// Source finds a tensor in PyTorch's layout by its name, such as one of a checkpoint.
type Source func(name string) (shape []int, values []float32, ok bool)

// Load copies all tensors from a source. The error names every tensor that is
// missing or of another shape; then nothing was copied.
func (p *Parameters) Load(from Source) error { return load(p.list, from) }

// Transfer copies the tensors of a net that was trained elsewhere as Load does,
// but leaves the head as it is where the source's has another number of classes.
// classes is that of the source.
func (p *Parameters) Transfer(from Source) (classes int, err error) {
	list, want := p.list, p.Get("head.weight").TorchShape()
	classes = p.Classes
	if shape, _, ok := from("head.weight"); ok && len(shape) == len(want) && slices.Equal(shape[1:], want[1:]) && shape[0] != want[0] {
		classes = shape[0]
		list = slices.DeleteFunc(slices.Clone(list), func(q *Parameter) bool { return strings.HasPrefix(q.Name, "head.") })
	}
	return classes, load(list, from)
}

func load(list []*Parameter, from Source) error {
	var errs []error
	for _, q := range list {
		switch shape, _, ok := from(q.Name); {
		case !ok:
			errs = append(errs, fmt.Errorf("model: tensor %s is missing", q.Name))
		case !slices.Equal(shape, q.TorchShape()):
			errs = append(errs, fmt.Errorf("model: tensor %s has shape %v, want %v", q.Name, shape, q.TorchShape()))
		}
	}
	if errs != nil {
		return errors.Join(errs...)
	}
	for _, q := range list {
		_, values, _ := from(q.Name)
		q.FromTorch(q.Value, values)
	}
	return nil
}
