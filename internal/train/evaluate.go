package train

import (
	"context"
	"math"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
)

// Evaluator measures a net over splits.
type Evaluator struct {
	graphs *Graphs
	built  map[int]*Evaluation // by batch size: the last batch may be smaller
}

// NewEvaluator makes an evaluator of the graphs' net.
func NewEvaluator(graphs *Graphs) *Evaluator {
	return &Evaluator{graphs, map[int]*Evaluation{}}
}

// Run passes all batches of the loader through the net in evaluation mode. The
// confusion matrix and the loss are of the whole split: each image counts once,
// whatever the batch size. The loss is NaN if no batch has one. seen, which may be
// nil, is shown each batch with the true class of each pixel, or data.Void, and the
// predicted one (N, H, W); all are overwritten by the next batch. Where several processes
// evaluate, each its part of the batches, all return the figures of the whole split.
func (e *Evaluator) Run(ctx context.Context, loader *data.Loader, seen func(batch *data.Batch, truth, predicted []uint8) error) (*metric.Confusion, float64, error) {
	confusion, total, defined, err := e.count(ctx, loader, seen)
	if e.graphs.together() {
		if err := world.Agree(e.graphs.World, err); err != nil {
			return nil, 0, err
		}
		total, defined = e.sum(confusion, total, defined)
	}
	if err != nil {
		return nil, 0, err
	}
	if !defined {
		return confusion, math.NaN(), nil
	}
	return confusion, e.graphs.Loss.Value(total), nil
}

// count does what Run does in this process.
func (e *Evaluator) count(ctx context.Context, loader *data.Loader, seen func(batch *data.Batch, truth, predicted []uint8) error) (confusion *metric.Confusion, total []float64, defined bool, err error) {
	confusion = metric.NewConfusion(e.graphs.Params.Classes)
	var truth, predicted []uint8
	for batch, err := range loader.Epoch(ctx, 0, 0) {
		if err != nil {
			return nil, nil, false, err
		}
		if batch.N == 0 {
			continue
		}
		graph, err := e.graph(Shape{batch.N, batch.H, batch.W})
		if err != nil {
			return nil, nil, false, err
		}
		logits, sums, err := graph.Run(batch.Images, batch.Targets)
		if err != nil {
			return nil, nil, false, err
		}
		if total == nil {
			total = make([]float64, len(sums))
		}
		for i, s := range sums {
			total[i] += float64(s)
		}
		defined = defined || e.graphs.Loss.Defined(batch.Targets)
		truth = labels(truth[:0], batch.Targets, batch.C)
		predicted = predict.Argmax(predicted[:0], logits, batch.C)
		if err := confusion.Add(truth, predicted); err != nil {
			return nil, nil, false, err
		}
		if seen == nil {
			continue
		}
		if err := seen(batch, truth, predicted); err != nil {
			return nil, nil, false, err
		}
	}
	return confusion, total, defined, nil
}

// sum adds up what all processes have counted; total is nil in one without an image.
func (e *Evaluator) sum(confusion *metric.Confusion, total []float64, defined bool) ([]float64, bool) {
	sizes := []float64{float64(len(total)), 0} // of total, and number of those that are not nil
	if total != nil {
		sizes[1] = 1
	}
	e.graphs.World.Sum64(sizes)
	if total == nil {
		total = make([]float64, int(sizes[0]/sizes[1]))
	}
	all := slices.Clone(total)
	for _, n := range confusion.Cells() {
		all = append(all, float64(n)) // exact up to 2^53 pixels
	}
	if defined {
		all = append(all, 1)
	} else {
		all = append(all, 0)
	}
	e.graphs.World.Sum64(all)
	n := len(total)
	for i := range confusion.Cells() {
		confusion.Cells()[i] = int64(all[n+i])
	}
	return all[:n], all[len(all)-1] > 0
}

// graph returns the evaluation graph for batches of a shape.
func (e *Evaluator) graph(s Shape) (*Evaluation, error) {
	if e.built[s.N] == nil {
		graph, err := e.graphs.NewEvaluation(s)
		if err != nil {
			return nil, err
		}
		e.built[s.N] = graph
	}
	return e.built[s.N], nil
}

// labels appends to dst the class of each pixel of a one-hot target, data.Void
// where it is all zero. targets: (..., classes).
func labels(dst []uint8, targets []float32, classes int) []uint8 {
	for i := 0; i < len(targets); i += classes {
		class := slices.Index(targets[i:i+classes], 1)
		if class < 0 {
			class = data.Void
		}
		dst = append(dst, uint8(class))
	}
	return dst
}
