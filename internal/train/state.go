package train

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// capture makes a checkpoint of the run, of copies, so that training may continue.
func (r *run) capture() *checkpoint.Checkpoint {
	run := checkpoint.Run{
		Config: r.ConfigYAML, Position: r.at, Ended: r.at.Ending(r.Epochs, r.EarlyStop), Batch: r.batchesIn(r.at.Sample),
		ClassWeights: r.ClassWeights,
		ClassCounts:  r.TrainCounts.Pixels, DataFingerprint: r.Train.Fingerprint(), LabelDigest: Digest(r.TrainCounts),
		ValClassCounts: r.ValCounts.Pixels, ValFingerprint: r.Val.Fingerprint(), ValLabelDigest: Digest(r.ValCounts),
	}
	c := &checkpoint.Checkpoint{Meta: run.Metadata()}
	add := func(name string, p *model.Parameter, values []float32) {
		c.Tensors = append(c.Tensors, checkpoint.Tensor{Name: name, Shape: p.TorchShape(), Data: p.ToTorch(values)})
	}
	for _, p := range r.graphs.shown().All() {
		if !p.TrainingOnly {
			add(p.Name, p, p.Value)
		}
	}
	for _, p := range r.Params.All() {
		if averaged := r.graphs.Averages != nil && !p.Frozen; averaged || p.TrainingOnly {
			add(checkpoint.TrainedPrefix+p.Name, p, p.Value)
		}
	}
	state := r.solver.State()
	for _, name := range slices.Sorted(maps.Keys(state.Tensors)) {
		_, parameter, _ := strings.Cut(name, ".")
		add(checkpoint.OptimizerPrefix+name, r.graphs.Params.Get(parameter), state.Tensors[name])
	}
	return c
}

// Digest is that of the masks that were counted, as checkpoints hold it.
func Digest(c data.Counts) string { return fmt.Sprintf("%016x", c.Digest) }

// restore continues a run where capture left it.
func (r *run) restore(c *checkpoint.Checkpoint) error {
	var err error
	if r.at, err = c.Position(); err != nil {
		return err
	}
	if err := LoadWeights(r.graphs.shown(), c); err != nil {
		return err
	}
	if err := r.Params.LoadTraining(c.LookupTrained); err != nil {
		return err
	}
	if n := r.loader.Len(); r.at.Sample > n || r.at.Sample < 0 {
		return fmt.Errorf("checkpoint stands at image %d of its epoch, but an epoch of the training set has %d", r.at.Sample, n)
	}

	state := solver.State{Step: r.at.Step, Tensors: map[string][]float32{}}
	for _, t := range c.Tensors {
		name, ok := strings.CutPrefix(t.Name, checkpoint.OptimizerPrefix)
		if !ok || strings.HasPrefix(t.Name, checkpoint.TrainedPrefix) {
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
	return p.Load(c.Lookup)
}

// TransferWeights does the same from a net that was trained elsewhere. If that has
// another number of classes, the head is left as it is. classes is that number.
func TransferWeights(p *model.Parameters, c *checkpoint.Checkpoint) (classes int, err error) {
	return p.Transfer(c.Lookup)
}
