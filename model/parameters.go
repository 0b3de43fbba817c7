package model

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// Parameter is one tensor of the net.
type Parameter struct {
	arch.Tensor
	// Value is row-major. Graphs read it in place.
	Value []float32
	// Grad is the gradient of the last training step, laid out like Value; nil for
	// running statistics and in frozen parts.
	Grad []float32
}

// Trained reports whether the solver changes the parameter: it does not change
// running statistics and frozen ones.
func (p *Parameter) Trained() bool { return p.Grad != nil }

// Parameters are all tensors of a net, in the order of PyTorch's state_dict.
type Parameters struct {
	Config Config
	arch.Net

	memory op.Arena
	list   []*Parameter
	byName map[string]*Parameter
}

// NewParameters makes the tensors of a net and draws its weights as the
// description says (see arch.Net.Tensors). The error names every value out of range.
func NewParameters(cfg Config, channels, classes int, rng *rand.Rand) (*Parameters, error) {
	net, err := arch.Describe(cfg, channels, classes)
	if err != nil {
		return nil, err
	}
	p := &Parameters{Config: cfg, Net: net, byName: map[string]*Parameter{}}
	for _, t := range net.Tensors() {
		q := &Parameter{Tensor: t, Value: p.memory.Floats(t.Size())}
		if !t.Statistic && !t.Frozen {
			q.Grad = p.memory.Floats(t.Size())
		}
		for i := range q.Value {
			switch {
			case t.Deviation > 0:
				q.Value[i] = float32(t.Deviation * rng.NormFloat64())
			case t.Bound > 0:
				q.Value[i] = float32(t.Bound * (2*rng.Float64() - 1))
			default:
				q.Value[i] = t.Value
			}
		}
		p.list = append(p.list, q)
		p.byName[t.Name] = q
	}
	return p, nil
}

// Copy is a net of the same values in memory of its own, without gradients: it can be
// evaluated, not trained.
func (p *Parameters) Copy() *Parameters {
	c := &Parameters{Config: p.Config, Net: p.Net, byName: map[string]*Parameter{}}
	for _, q := range p.list {
		r := &Parameter{Tensor: q.Tensor, Value: c.memory.Floats(len(q.Value))}
		copy(r.Value, q.Value)
		c.list = append(c.list, r)
		c.byName[q.Name] = r
	}
	return c
}

// All are the tensors in the order of PyTorch's state_dict.
func (p *Parameters) All() []*Parameter { return p.list }

// Get is the tensor of that name, or nil.
func (p *Parameters) Get(name string) *Parameter { return p.byName[name] }

// Count is the number of trained values.
func (p *Parameters) Count() int { return p.count((*Parameter).Trained) }

// Frozen is the number of values in frozen parts that would be trained otherwise.
func (p *Parameters) Frozen() int {
	return p.count(func(q *Parameter) bool { return q.Tensor.Frozen && !q.Statistic })
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

// Load copies all tensors, but for those of training only, from a source. The error says
// how many tensors are missing or of another shape, and which; then nothing was copied.
func (p *Parameters) Load(from Source) error { return load(p.without(trainingOnly), from) }

// LoadTraining is Load for all tensors.
func (p *Parameters) LoadTraining(from Source) error { return load(p.list, from) }

func trainingOnly(t arch.Tensor) bool { return t.TrainingOnly }

// without are the parameters but those that are left out.
func (p *Parameters) without(out func(arch.Tensor) bool) []*Parameter {
	return slices.DeleteFunc(slices.Clone(p.list), func(q *Parameter) bool { return out(q.Tensor) })
}

// LoadPart is Load for the tensors of one part, such as encoder.
func (p *Parameters) LoadPart(part string, from Source) error {
	return load(p.without(func(t arch.Tensor) bool { return !strings.HasPrefix(t.Name, part+".") }), from)
}

// Transfer copies the tensors of a net that was trained elsewhere as Load does,
// but leaves the head as it is where the source's has another number of classes.
// classes is that of the source.
func (p *Parameters) Transfer(from Source) (classes int, err error) {
	head := p.Head().Name
	list, want := p.without(trainingOnly), p.Get(head+".weight").TorchShape()
	classes = p.Classes
	if shape, _, ok := from(head + ".weight"); ok && len(shape) == len(want) && slices.Equal(shape[1:], want[1:]) && shape[0] != want[0] {
		classes = shape[0]
		list = slices.DeleteFunc(list, func(q *Parameter) bool { return strings.HasPrefix(q.Name, head+".") })
	}
	return classes, load(list, from)
}

func load(list []*Parameter, from Source) error {
	tensors := make([]arch.Tensor, len(list))
	for i, q := range list {
		tensors[i] = q.Tensor
	}
	if err := fit(tensors, from); err != nil {
		return err
	}
	for _, q := range list {
		_, values, _ := from(q.Name)
		q.FromTorch(q.Value, values)
	}
	return nil
}

// Fit returns an error unless a source has all tensors of a net in its shapes, and
// allocates nothing by what the configuration says. The error names every value out of
// range, or says how many tensors are missing or of another shape, and which.
func Fit(cfg Config, channels, classes int, from Source) error {
	net, err := arch.Describe(cfg, channels, classes)
	if err != nil {
		return err
	}
	return fit(slices.DeleteFunc(net.Tensors(), trainingOnly), from)
}

// fit returns an error unless a source has all tensors in the shapes that the net
// needs: a line for those that are missing, one for those of another shape.
func fit(tensors []arch.Tensor, from Source) error {
	var missing, other []string
	for _, t := range tensors {
		switch shape, _, ok := from(t.Name); {
		case !ok:
			missing = append(missing, t.Name)
		case !slices.Equal(shape, t.TorchShape()):
			other = append(other, fmt.Sprintf("%s has shape %v, want %v", t.Name, shape, t.TorchShape()))
		}
	}
	const most = 3 // that are named
	var errs []error
	switch len(missing) {
	case 0:
	case 1:
		errs = append(errs, fmt.Errorf("model: tensor %s is missing", missing[0]))
	default:
		errs = append(errs, fmt.Errorf("model: %d of the net's %d tensors are missing: %s", len(missing), len(tensors), abridge.Join(missing, ", ", most)))
	}
	switch len(other) {
	case 0:
	case 1:
		errs = append(errs, fmt.Errorf("model: tensor %s", other[0]))
	default:
		errs = append(errs, fmt.Errorf("model: %d of the net's %d tensors do not fit: %s", len(other), len(tensors), abridge.Join(other, "; ", most)))
	}
	return errors.Join(errs...)
}
