package solver

import (
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// adam is torch.optim.Adam (Kingma and Ba 2015), and adamw AdamW (Loshchilov and
// Hutter 2019), at step t = 1, 2, ...:
//
//	g = clip*grad + weight_decay*p      (adam)
//	p = p - lr*weight_decay*p           (adamw)
//	m = beta1*m + (1-beta1)*g
//	v = beta2*v + (1-beta2)*g*g
//	p = p - lr/(1-beta1^t) * m / (sqrt(v)/sqrt(1-beta2^t) + epsilon)
func (s *Solver) adam(lr, clip float64) (update func(piece)) {
	return s.adaptive(lr, clip, s.cfg.WeightDecay, 1)
}

func (s *Solver) adamw(lr, clip float64) (update func(piece)) {
	return s.adaptive(lr, clip, 0, 1-lr*s.cfg.WeightDecay)
}

// adaptive is both: decay*p is added to the gradient, and p is first scaled by keep.
func (s *Solver) adaptive(lr, clip, decay, keep float64) (update func(piece)) {
	c, t := s.cfg, float64(s.step)
	step := &kernel.AdamStep{
		Clip: float32(clip), Decay: float32(decay), Keep: float32(keep),
		Gain1: float32(1 - c.Beta1),
		Beta2: float32(c.Beta2), Gain2: float32(1 - c.Beta2),
		Rate:  float32(lr / (1 - math.Pow(c.Beta1, t))),
		Scale: float32(1 / math.Sqrt(1-math.Pow(c.Beta2, t))), Epsilon: float32(c.Epsilon),
	}
	return func(p piece) { s.engine.Adam(step, s.value(p), s.average(0, p), s.average(1, p), s.grad(p)) }
}
