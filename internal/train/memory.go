package train

import (
	"fmt"
	"math"
	"runtime/metrics"

	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// compile builds the graphs of whole batches, the largest ones, and refuses a last
// batch of an epoch that is too small to be normalised.
func (r *run) compile() error {
	h, w := r.Train.Size()
	if last := r.loader.Len() % r.BatchSize; last > 0 && last < r.loader.Len() {
		if err := r.Params.CheckBatch(last, h, w); err != nil {
			images := "images"
			if last == 1 {
				images = "image"
			}
			return fmt.Errorf("the last batch of an epoch has %d %s (%d in batches of train.batch_size = %d): %w", last, images, r.loader.Len(), r.BatchSize, err)
		}
	}
	whole := min(r.BatchSize, r.loader.Len())
	if err := r.Params.CheckBatch(whole, h, w); err != nil {
		return err
	}
	if _, err := r.graph(Shape{r.part(whole), h, w}); err != nil {
		return err
	}
	_, err := r.evaluator.graph(Shape{r.part(min(r.BatchSize, r.valLoader.Len())), h, w})
	return err
}

// part is the batch size of this process's graph for a batch of so many images: its
// part of them, or 1, which stands for none.
func (r *run) part(images int) int {
	lo, hi := world.Part(images, r.World.Rank(), r.World.Size())
	return max(hi-lo, 1)
}

// memory estimates what a long run takes, in bytes, after compile: within 10 %
// of what Linux counted in ten trials of 80 MiB to 2 GiB. It adds up the large
// arrays that are alive while a checkpoint is written; Go lets the heap grow by
// GOGC percent of that before it frees what is not.
func (r *run) memory() int64 {
	const program = 45 << 20 // the code and what every run has, measured with a tiny net
	live := r.graphs.memory.Bytes() + r.Train.Cached() + r.Val.Cached() + max(r.loader.Bytes(), r.valLoader.Bytes())
	for _, g := range r.steps {
		live += g.bytes()
	}
	for _, g := range r.evaluator.built {
		live += g.bytes()
	}
	const copies = 2 // one is on the way to the disk
	for _, p := range r.graphs.Params.All() {
		live += 4 * int64(copies*len(p.Value)+len(p.Grad))
		if r.Accumulate > 1 {
			live += 4 * int64(len(p.Grad))
		}
		if r.together() {
			live += 4 * int64(len(p.Grad)) // on the way to the other processes
		}
	}
	if r.graphs.Averages != nil {
		for _, p := range r.graphs.Averages.All() {
			live += 4 * int64(copies*len(p.Value))
		}
	}
	for _, t := range r.solver.State().Tensors {
		live += 4 * int64(copies*len(t))
	}
	largest := 0 // 3x3 convolution of stride 1
	for _, l := range r.graphs.Params.Layers {
		if l.Kind == arch.Conv && l.Kernel == 3 && l.Stride == 1 {
			largest = max(largest, l.Weights())
		}
	}
	const transformed = 4 // 6x6 values for each 3x3 of a weight: Winograd's transform
	live += 4 * int64(transformed*largest)
	return program + live + int64(float64(live)*garbage())
}

// garbage is how much Go lets the heap grow before it collects garbage, as a share
// of what is alive.
func garbage() float64 {
	percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(percent)
	if v := percent[0].Value; v.Kind() == metrics.KindUint64 && v.Uint64() < math.MaxInt32 {
		return float64(v.Uint64()) / 100
	}
	return 0 // collection is off: nobody knows
}
