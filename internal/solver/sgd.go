package solver

// sgd is torch.optim.SGD without dampening and Nesterov:
//
//	g = clip*grad + weight_decay*p
//	m = momentum*m + g
//	p = p - lr*m
//
// m begins at zero; without momentum, m is g.
func (s *Solver) sgd(at piece) {
	lr, clip, decay, momentum := float32(s.lr), s.clip, float32(s.cfg.WeightDecay), float32(s.cfg.Momentum)
	p, grad := s.value(at), s.grad(at)
	if s.cfg.Momentum == 0 {
		for i, g := range grad {
			p[i] -= lr * (clip*g + decay*p[i])
		}
		return
	}
	m := s.state(0, at)
	for i, g := range grad {
		m[i] = momentum*m[i] + (clip*g + decay*p[i])
		p[i] -= lr * m[i]
	}
}
