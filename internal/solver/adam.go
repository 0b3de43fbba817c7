package solver

import (
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// adam is torch.optim.Adam (Kingma and Ba 2015) and AdamW (Loshchilov and
// Hutter 2019), at step t = 1, 2, ...:
//
//	g = clip*grad + weight_decay*p      (adam)
//	p = p - lr*weight_decay*p           (adamw)
//	m = beta1*m + (1-beta1)*g
//	v = beta2*v + (1-beta2)*g*g
//	p = p - lr/(1-beta1^t) * m / (sqrt(v)/sqrt(1-beta2^t) + epsilon)
func (s *Solver) adam(lr, clip float64) (update func(piece)) {
	c, t := s.cfg, float64(s.step)
	step := &kernel.AdamStep{
		Clip: float32(clip), Decay: float32(c.WeightDecay), Keep: 1,
		Gain1: float32(1 - c.Beta1),
		Beta2: float32(c.Beta2), Gain2: float32(1 - c.Beta2),
		Rate:  float32(lr / (1 - math.Pow(c.Beta1, t))),
		Scale: float32(1 / math.Sqrt(1-math.Pow(c.Beta2, t))), Epsilon: float32(c.Epsilon),
	}
	if c.Name == "adamw" {
		step.Decay, step.Keep = 0, float32(1-lr*c.WeightDecay)
	}
	return func(p piece) { s.engine.Adam(step, s.value(p), s.state(0, p), s.state(1, p), s.grad(p)) }
}
