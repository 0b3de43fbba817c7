package train

import (
	"errors"
	"fmt"
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
)

// step is one update: forward and backward, check finite, clip, update, record.
func (r *run) step(batch *data.Batch) error {
	start := r.Now()
	graph, err := r.graph(Shape{batch.N, batch.H, batch.W})
	if err != nil {
		return err
	}
	number := r.at.Step + 1
	loss, err := graph.Run(batch.Images, batch.Targets, number)
	if err != nil {
		return fmt.Errorf("step %d: %w", number, err)
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		where, err := graph.FirstNonFinite()
		return errors.Join(fmt.Errorf("step %d (epoch %d): the loss is %v, first seen in %s; a lower optimizer.lr or optimizer.clip_norm may keep it finite", number, r.at.Epoch+1, loss, where), err)
	}
	lr := r.learningRate()
	norm, err := r.solver.Step(lr) // clips
	if err != nil {
		return fmt.Errorf("step %d (epoch %d): %w; a lower optimizer.lr may keep it finite", number, r.at.Epoch+1, err)
	}
	graph.UpdateStatistics()
	if r.graphs.Averages != nil {
		follow(r.Engine, r.graphs.Averages, r.Params, r.EMA, number)
	}

	r.at.Step = number
	r.at.Sample = batch.First + batch.N
	if r.Loss.Defined(batch.Targets) {
		r.at.LossSum += loss * float64(batch.N)
		r.at.LossImages += batch.N
	} else {
		loss = math.NaN() // for those who watch
	}
	return r.Recorder.Record(event.Stepped{
		Epoch: r.at.Epoch, Epochs: r.Epochs, Step: number,
		Batch: r.batchesIn(r.at.Sample), Batches: r.batchesIn(r.loader.Len()),
		Images: batch.N, Loss: loss, LR: lr, GradNorm: norm, ImagesPerSecond: float64(batch.N) / r.Now().Sub(start).Seconds(),
	})
}

// graph returns the training graph for batches of a shape.
func (r *run) graph(s Shape) (*Step, error) {
	if r.steps[s.N] == nil {
		step, err := r.graphs.NewStep(s)
		if err != nil {
			return nil, err
		}
		r.steps[s.N] = step
	}
	return r.steps[s.N], nil
}
