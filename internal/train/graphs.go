package train

import (
	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// Loss is what training minimises.
type Loss interface {
	// Nodes adds the loss to a graph: value is a scalar; sums is the vector of
	// sums over pixels that it is a function of. logits, target: (N, H, W, C). value is also
	// of the smaller logits of deep supervision, (N, H/2, W/2, C) and so on.
	Nodes(g *op.Graph, logits, target *G.Node, training bool, deep ...*G.Node) (value, sums *G.Node, err error)
	// Defined reports whether a batch with these targets (..., C) has a loss: a pixel
	// with a label and a weight. If not, its value is 0 and so is its gradient.
	Defined(targets []float32) bool
	// Weight is what a batch of that many images, with these sums, counts in the mean of
	// the losses of several batches.
	Weight(sums []float32, images int) float64
	// Value is the loss of all batches whose sums were added up.
	Value(sums []float64) float64
}

// Shape is the size of a batch: N images of H x W pixels.
type Shape struct{ N, H, W int }

// Graphs builds the graphs of a net, one per batch size and mode, which share its
// parameters and, since they never run at the same time, their memory.
type Graphs struct {
	Engine *kernel.Engine
	Params *model.Parameters
	Loss   Loss
	Seed   uint64      // of dropout
	World  world.World // whose processes compute a batch together; nil: this one does

	// Averages are the weights and statistics that evaluation reads; nil: those of Params.
	Averages *model.Parameters

	memory op.Memory
}

// Step is the graph of a training step: forward and backward, without the update.
type Step struct {
	batch
	net  *model.UNet
	sums *G.Node
}

// Evaluation is the graph of a forward pass in evaluation mode.
type Evaluation struct {
	batch
	sums, logits *G.Node
}

// batch is what both kinds of graph have.
type batch struct {
	images  []float32 // (N, H, W, channels)
	targets []float32 // (N, H, W, C)
	graph   *op.Graph
	machine *op.Machine
	loss    *G.Node
}

// NewStep builds and compiles the training graph for batches of a shape.
func (gs *Graphs) NewStep(s Shape) (*Step, error) {
	b, image, target := gs.newBatch(s)
	if gs.together() {
		b.graph.Parts = &op.Parts{Sum: gs.World.Sum64}
	}
	net, err := model.New(b.graph, image, gs.Params, true, gs.Seed)
	if err != nil {
		return nil, err
	}
	loss, sums, err := gs.Loss.Nodes(b.graph, net.Logits, target, true, net.Deep...)
	if err != nil {
		return nil, err
	}
	b.loss = loss
	if err := net.Differentiate(b.loss); err != nil {
		return nil, err
	}
	if b.machine, err = b.graph.Compile(b.loss, sums); err != nil {
		return nil, err
	}
	return &Step{b, net, sums}, nil
}

// Part says which images of the batch the next Run is given: those behind the first
// so many. If that is none, empty, the graph is one of a single image, which then stands
// for none.
func (s *Step) Part(first int, empty bool) {
	if s.graph.Parts != nil {
		s.graph.Parts.First, s.graph.Parts.Empty = first, empty
	}
	if empty {
		clear(s.images)
		clear(s.targets)
	}
}

// Run computes the loss of a batch and leaves its gradient in the parameters'
// Grad; of a part of a batch, the loss of the whole batch, and the part's share of the
// gradient, which is the sum of all shares. images: (N, H, W, channels); targets: (N, H, W, C); step seeds dropout.
func (s *Step) Run(images, targets []float32, step int64) (loss float64, err error) {
	copy(s.images, images)
	copy(s.targets, targets)
	s.graph.Step = uint64(step)
	if err := s.machine.Run(); err != nil {
		return 0, err
	}
	return float64(op.Values(s.loss)[0]), nil
}

// Sums are those that the loss of the last Run is a function of.
func (s *Step) Sums() []float32 { return op.Values(s.sums) }

// Profile is the time of each op over the runs since the last Profile, the slowest
// first.
func (s *Step) Profile() []op.Timing { return s.graph.Profile() }

// FirstNonFinite repeats the last Run and names the first op or input whose
// values are not all finite; "" if there is none.
func (s *Step) FirstNonFinite() (string, error) { return s.graph.FirstNonFinite(s.machine) }

// UpdateStatistics moves batch norm's running statistics towards those of the last Run.
func (s *Step) UpdateStatistics() { s.net.UpdateStatistics() }

// shown is the net that evaluation reads.
func (gs *Graphs) shown() *model.Parameters {
	if gs.Averages != nil {
		return gs.Averages
	}
	return gs.Params
}

// NewEvaluation builds and compiles the evaluation graph for batches of a shape.
func (gs *Graphs) NewEvaluation(s Shape) (*Evaluation, error) {
	b, image, target := gs.newBatch(s)
	net, err := model.New(b.graph, image, gs.shown(), false, gs.Seed)
	if err != nil {
		return nil, err
	}
	e := &Evaluation{batch: b, logits: net.Logits}
	if e.loss, e.sums, err = gs.Loss.Nodes(b.graph, net.Logits, target, false); err != nil {
		return nil, err
	}
	if e.machine, err = b.graph.Compile(e.logits, e.sums); err != nil {
		return nil, err
	}
	return e, nil
}

// Run computes the logits (N, H, W, C) of a batch and the sums that its loss is
// a function of; both are overwritten by the next run of any graph.
func (e *Evaluation) Run(images, targets []float32) (logits, sums []float32, err error) {
	copy(e.images, images)
	copy(e.targets, targets)
	if err := e.machine.Run(); err != nil {
		return nil, nil, err
	}
	return op.Values(e.logits), op.Values(e.sums), nil
}

func (gs *Graphs) together() bool { return gs.World != nil && gs.World.Size() > 1 }

// bytes is the size of the inputs.
func (b *batch) bytes() int64 { return 4 * int64(len(b.images)+len(b.targets)) }

// newBatch starts a graph with its two inputs.
func (gs *Graphs) newBatch(s Shape) (b batch, image, target *G.Node) {
	p := gs.Params
	b = batch{
		images:  make([]float32, s.N*s.H*s.W*p.Channels),
		targets: make([]float32, s.N*s.H*s.W*p.Classes),
		graph:   op.NewGraph(gs.Engine, &gs.memory),
	}
	image = b.graph.Input("image", b.images, s.N, s.H, s.W, p.Channels)
	target = b.graph.Input("target", b.targets, s.N, s.H, s.W, p.Classes)
	return b, image, target
}
