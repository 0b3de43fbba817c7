package solver

import "math"

// adam is torch.optim.Adam (Kingma and Ba 2015) and AdamW (Loshchilov and
// Hutter 2019), at step t = 1, 2, ...:
//
//	g = clip*grad + weight_decay*p      (adam)
//	p = p - lr*weight_decay*p           (adamw)
//	m = beta1*m + (1-beta1)*g
//	v = beta2*v + (1-beta2)*g*g
//	p = p - lr/(1-beta1^t) * m / (sqrt(v)/sqrt(1-beta2^t) + epsilon)
func (s *Solver) adam(at piece) {
	c, t := s.cfg, float64(s.step)
	clip := s.clip
	decay, keep := float32(c.WeightDecay), float32(1)
	if c.Name == "adamw" {
		decay, keep = 0, float32(1-s.lr*c.WeightDecay)
	}
	gain1, gain2, beta2 := float32(1-c.Beta1), float32(1-c.Beta2), float32(c.Beta2)
	rate := float32(s.lr / (1 - math.Pow(c.Beta1, t)))
	scale := float32(1 / math.Sqrt(1-math.Pow(c.Beta2, t)))
	epsilon := float32(c.Epsilon)

	grad := s.grad(at)
	p, m, v := s.value(at)[:len(grad)], s.state(0, at)[:len(grad)], s.state(1, at)[:len(grad)]
	for i, g := range grad {
		x := p[i]
		g = clip*g + decay*x
		x *= keep
		mi := m[i] + (g-m[i])*gain1
		vi := beta2*v[i] + gain2*g*g
		m[i], v[i] = mi, vi
		p[i] = x - rate*mi/(float32(math.Sqrt(float64(vi)))*scale+epsilon)
	}
}
