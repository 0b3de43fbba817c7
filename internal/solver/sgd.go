package solver

import "github.com/unet-gorgonia/unet-gorgonia/internal/kernel"

// sgd is torch.optim.SGD without dampening and Nesterov:
//
//	g = clip*grad + weight_decay*p
//	m = momentum*m + g
//	p = p - lr*m
//
// m begins at zero; without momentum, m is g.
func (s *Solver) sgd(lr, clip float64) (update func(piece)) {
	c := s.cfg
	step := &kernel.SGDStep{Clip: float32(clip), Decay: float32(c.WeightDecay), Momentum: float32(c.Momentum), Rate: float32(lr)}
	if c.Momentum > 0 {
		return func(p piece) { s.engine.Momentum(step, s.value(p), s.state(0, p), s.grad(p)) }
	}
	return func(p piece) { s.engine.SGD(step, s.value(p), s.grad(p)) }
}
