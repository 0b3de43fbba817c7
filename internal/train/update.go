package train

import (
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// update is the mean of the batches of an update so far. With L the loss of a batch,
// g its gradient and w its weight by Loss.Weight, loss and gradient are
//
//	sum(w L) / sum(w)
//	sum(w g) / sum(w)
type update struct {
	batches, images int
	defined         bool // a batch has a loss
	loss, weight    float64
	spent           time.Duration

	gradient   [][]float32 // of each trained parameter; not used by an update of one batch
	statistics []float32   // all running statistics, as they were before the first batch
}

// begin empties the update.
func (u *update) begin(params *model.Parameters) {
	*u = update{gradient: u.gradient, statistics: u.statistics[:0]}
	for _, p := range params.All() {
		if p.Statistic {
			u.statistics = append(u.statistics, p.Value...)
		}
	}
}

// undo takes back what the batches of an unfinished update have done to the running
// statistics: a resumed run begins with the first of these batches again.
func (u *update) undo(params *model.Parameters) {
	if u.batches == 0 {
		return
	}
	rest := u.statistics
	for _, p := range params.All() {
		if p.Statistic {
			rest = rest[copy(p.Value, rest):]
		}
	}
	u.batches = 0
}

// add takes in a batch of that loss and weight, whose gradient is in params. After the
// last one the mean gradient is there instead.
func (u *update) add(engine *kernel.Engine, params []solver.Param, loss, weight float64, last bool) {
	u.batches++
	u.weight += weight
	share := 1 / float64(u.batches) // of nothing, if no batch has a weight
	if u.weight > 0 {
		share = weight / u.weight
	}
	u.loss += float64(share * (loss - u.loss))
	if last && u.batches == 1 {
		return
	}
	if u.gradient == nil {
		u.gradient = make([][]float32, len(params))
		for i, p := range params {
			u.gradient[i] = make([]float32, len(p.Grad))
		}
	}
	for i, p := range params {
		mean, to := u.gradient[i], u.gradient[i]
		if u.batches == 1 {
			copy(mean, p.Grad)
			continue
		}
		if last {
			to = p.Grad
		}
		engine.Parallel(len(to), func(_, lo, hi int) {
			for j := lo; j < hi; j++ {
				to[j] = mean[j] + float32(float32(share)*(p.Grad[j]-mean[j]))
			}
		})
	}
}
