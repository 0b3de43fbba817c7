package train

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// follow moves averages towards the weights and running statistics of a net, after
// its update t = 1, 2, ...:
//
//	d = min(decay, (1+t)/(10+t))
//	a = a + (1-d)*(p-a)
//
// as TensorFlow's ExponentialMovingAverage does, so that the first updates, which are
// far from what the net becomes, are soon forgotten.
func follow(engine *kernel.Engine, averages, params *model.Parameters, decay float64, t int64) {
	gain := float32(1 - min(decay, float64(1+t)/float64(10+t)))
	for i, p := range params.All() {
		if p.Frozen {
			continue // both are what they were
		}
		a := averages.All()[i].Value
		engine.Parallel(len(a), func(_, lo, hi int) {
			for j, v := range p.Value[lo:hi] {
				a[lo+j] += float32(gain * (v - a[lo+j])) // rounded: no fused multiply-add
			}
		})
	}
}
