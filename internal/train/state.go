package train

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// Format is the `format` of the checkpoints written here.
const Format = "unet-gorgonia/1"

// position is how far a run has come, and what it remembers of the way.
type position struct {
	epoch     int   // from 0
	sample    int   // samples of the epoch's order that were trained on
	step      int64 // updates done
	bestIoU   float64
	bestEpoch int     // epoch of bestIoU, -1: none yet
	lossSum   float64 // sum over the epoch's images so far of their batch's loss
}

// capture makes a checkpoint of the run. It holds copies: training may go on.
func (r *run) capture() *checkpoint.Checkpoint {
	c := &checkpoint.Checkpoint{Meta: map[string]string{
		"format":           Format,
		"config":           string(r.ConfigYAML),
		"epoch":            strconv.Itoa(r.at.epoch),
		"step":             strconv.FormatInt(r.at.step, 10),
		"batch_in_epoch":   strconv.Itoa(r.batchesIn(r.at.sample)),
		"sample_in_epoch":  strconv.Itoa(r.at.sample),
		"class_counts":     join(r.ClassCounts),
		"class_weights":    join(r.ClassWeights),
		"best_miou":        strconv.FormatFloat(r.at.bestIoU, 'g', -1, 64),
		"best_epoch":       strconv.Itoa(r.at.bestEpoch),
		"epoch_loss_sum":   strconv.FormatFloat(r.at.lossSum, 'g', -1, 64),
		"data_fingerprint": r.Train.Fingerprint(),
	}}
	add := func(name string, p *model.Parameter, values []float32) {
		c.Tensors = append(c.Tensors, checkpoint.Tensor{Name: name, Shape: p.TorchShape(), Data: p.ToTorch(values)})
	}
	for _, p := range r.graphs.Params.All() {
		add(p.Name, p, p.Value)
	}
	state := r.solver.State()
	for _, name := range slices.Sorted(maps.Keys(state.Tensors)) {
		_, parameter, _ := strings.Cut(name, ".")
		add(optimizerPrefix+name, r.graphs.Params.Get(parameter), state.Tensors[name])
	}
	return c
}

const optimizerPrefix = "optimizer."

// restore takes up a run where capture left it.
func (r *run) restore(c *checkpoint.Checkpoint) error {
	if f := c.Meta["format"]; f != Format {
		return fmt.Errorf("checkpoint has format %q, want %q", f, Format)
	}
	if err := LoadWeights(r.graphs.Params, c); err != nil {
		return err
	}
	m := metadata{c.Meta, nil}
	r.at = position{
		epoch:     int(m.integer("epoch")),
		sample:    int(m.integer("sample_in_epoch")),
		step:      m.integer("step"),
		bestIoU:   m.float("best_miou"),
		bestEpoch: int(m.integer("best_epoch")),
		lossSum:   m.float("epoch_loss_sum"),
	}
	if err := errors.Join(m.errs...); err != nil {
		return err
	}
	if n := r.loader.Len(); r.at.sample > n || r.at.sample < 0 {
		return fmt.Errorf("checkpoint stands at image %d of its epoch, but an epoch of the training set has %d", r.at.sample, n)
	}

	state := solver.State{Step: r.at.step, Tensors: map[string][]float32{}}
	for _, t := range c.Tensors {
		name, ok := strings.CutPrefix(t.Name, optimizerPrefix)
		if !ok {
			continue
		}
		_, parameter, _ := strings.Cut(name, ".")
		p := r.graphs.Params.Get(parameter)
		if p == nil || !slices.Equal(t.Shape, p.TorchShape()) {
			return fmt.Errorf("checkpoint tensor %s of shape %v fits no parameter of the net", t.Name, t.Shape)
		}
		v := make([]float32, len(t.Data))
		p.FromTorch(v, t.Data)
		state.Tensors[name] = v
	}
	return r.solver.Load(state)
}

// LoadWeights copies weights and running statistics from a checkpoint into the
// parameters. The error names every tensor that is missing or of another shape.
func LoadWeights(p *model.Parameters, c *checkpoint.Checkpoint) error {
	return p.Load(source(c))
}

// TransferWeights does the same from a net that was trained elsewhere, but
// leaves the head as it is where that of c has another number of classes, which it returns.
func TransferWeights(p *model.Parameters, c *checkpoint.Checkpoint) (classes int, err error) {
	return p.Transfer(source(c))
}

func source(c *checkpoint.Checkpoint) model.Source {
	return func(name string) ([]int, []float32, bool) {
		t, ok := c.Tensor(name)
		return t.Shape, t.Data, ok
	}
}

// metadata reads numbers from a checkpoint's strings and gathers what is wrong with them.
type metadata struct {
	strings map[string]string
	errs    []error
}

func (m *metadata) integer(key string) int64 {
	v, err := strconv.ParseInt(m.strings[key], 10, 64)
	if err != nil {
		m.errs = append(m.errs, fmt.Errorf("checkpoint metadata %s = %q, want a whole number", key, m.strings[key]))
	}
	return v
}

func (m *metadata) float(key string) float64 {
	v, err := strconv.ParseFloat(m.strings[key], 64)
	if err != nil {
		m.errs = append(m.errs, fmt.Errorf("checkpoint metadata %s = %q, want a number", key, m.strings[key]))
	}
	return v
}

// join writes numbers as a JSON list.
func join[T int64 | float64](values []T) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = fmt.Sprint(v)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
