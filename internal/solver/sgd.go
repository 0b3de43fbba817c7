package solver

import "github.com/unet-gorgonia/unet-gorgonia/internal/kernel"

// sgd is torch.optim.SGD without momentum, and momentum with it, without dampening
// and Nesterov:
//
//	g = clip*grad + weight_decay*p
//	m = momentum*m + g
//	p = p - lr*m
//
// m begins at zero; without momentum, m is g.
func (s *Solver) sgd(lr, clip float64) (update func(piece)) {
	step := s.cfg.sgdStep(lr, clip)
	return func(p piece) { s.engine.SGD(step, s.value(p), s.grad(p)) }
}

func (s *Solver) momentum(lr, clip float64) (update func(piece)) {
	step := s.cfg.sgdStep(lr, clip)
	return func(p piece) { s.engine.Momentum(step, s.value(p), s.average(0, p), s.grad(p)) }
}

func (c Config) sgdStep(lr, clip float64) *kernel.SGDStep {
	return &kernel.SGDStep{Clip: float32(clip), Decay: float32(c.WeightDecay), Momentum: float32(c.Momentum), Rate: float32(lr)}
}
