package train

import (
	"fmt"
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
)

// step takes in a batch: forward and backward, check finite, add. With the last batch
// of an update it makes that: clip, update, record; updated is true then.
func (r *run) step(batch *data.Batch) (updated bool, err error) {
	start := r.Now()
	graph, err := r.graph(Shape{max(batch.N, 1), batch.H, batch.W})
	if err != nil {
		return false, err
	}
	number, u := r.at.Step+1, &r.update
	if u.batches == 0 {
		u.begin(r.Params)
	}
	const batches = 1 << 32 // apart in dropout's draws, of one update
	graph.Part(batch.First-batch.WholeFirst, batch.N == 0)
	loss, err := graph.Run(batch.Images, batch.Targets, number+batches*int64(u.batches))
	if err != nil {
		return false, fmt.Errorf("step %d: %w", number, err)
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		where, err := graph.FirstNonFinite()
		if err != nil {
			return false, fmt.Errorf("step %d (epoch %d): the loss is %v: %w", number, r.at.Epoch+1, loss, err)
		}
		return false, world.All(fmt.Errorf("step %d (epoch %d): the loss is %v, first seen in %s; a lower optimizer.lr or optimizer.clip_norm may keep it finite", number, r.at.Epoch+1, loss, r.firstOf(where)))
	}
	graph.UpdateStatistics()
	last := u.batches+1 >= r.Accumulate || batch.WholeFirst+batch.Whole == r.loader.Len()
	u.add(r.Engine, r.trained, loss, r.Loss.Weight(graph.Sums(), batch.Whole), last)
	u.images += batch.Whole
	u.defined = u.defined || r.Loss.Defined(batch.Targets)
	if !last {
		u.spent += r.Now().Sub(start)
		return false, nil
	}
	r.sumGradients()
	lr := r.learningRate()
	norm, err := r.solver.Step(lr) // clips
	if err != nil {
		return false, world.All(fmt.Errorf("step %d (epoch %d): %w; a lower optimizer.lr may keep it finite", number, r.at.Epoch+1, err))
	}
	if r.graphs.Averages != nil {
		follow(r.Engine, r.graphs.Averages, r.Params, r.EMA, number)
	}

	r.at.Step = number
	r.at.Sample = batch.WholeFirst + batch.Whole
	loss = math.NaN() // for those who watch
	if u.defined {
		loss = u.loss
		r.at.LossSum += loss * float64(u.images)
		r.at.LossImages += u.images
	}
	u.batches = 0
	return true, r.record(event.Stepped{
		Epoch: r.at.Epoch, Epochs: r.Epochs, Step: number,
		Batch: r.stepsIn(r.at.Sample), Batches: r.stepsIn(r.loader.Len()),
		Images: u.images, Loss: loss, LR: lr, GradNorm: norm, ImagesPerSecond: float64(u.images) / (u.spent + r.Now().Sub(start)).Seconds(),
	})
}

// sumGradients adds up the gradients of the update over all processes, and whether one of
// them saw a pixel that the loss is of.
func (r *run) sumGradients() {
	if !r.together() {
		return
	}
	defined := []float32{0}
	if r.update.defined {
		defined[0] = 1
	}
	grads := [][]float32{defined}
	for _, p := range r.trained {
		grads = append(grads, p.Grad)
	}
	r.World.Sum32(grads...)
	r.update.defined = defined[0] > 0
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
