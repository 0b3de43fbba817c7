package simd

import "math"

// The updates of an optimizer, and the sum that its clipping needs. Products, sums,
// quotients and roots are each rounded to float32, never fused, so all instruction sets
// agree bit for bit; in the plain loops the conversions forbid the compiler to fuse.

// AdamStep is one step of Adam or AdamW, on a parameter p, its gradient and
// their running averages m and v:
//
//	g = Clip*grad + Decay*p
//	m = m + Gain1*(g-m)
//	v = Beta2*v + Gain2*g*g
//	p = Keep*p - Rate*m / (sqrt(v)*Scale + Epsilon)
//
// The assembly reads this struct by its field names.
type AdamStep struct {
	Clip, Decay, Gain1, Beta2, Gain2, Keep, Rate, Scale, Epsilon float32
}

// SGDStep is one step of gradient descent on a parameter p and its gradient,
// without momentum or with the momentum m:
//
//	m = Momentum*m + (Clip*grad + Decay*p)
//	p = p - Rate*m
//
// The assembly reads this struct by its field names.
type SGDStep struct {
	Clip, Decay, Momentum, Rate float32
}

// updateKernels are those of an instruction set, for lengths that are whole vectors and
// not 0; sumSquares takes a multiple of sumsOfSquares floats.
type updateKernels struct {
	vector     int
	adam       func(s *AdamStep, p, m, v, grad []float32)
	sgd        func(s *SGDStep, p, grad []float32)
	momentum   func(s *SGDStep, p, m, grad []float32)
	sumSquares func(x []float32) float64
}

var plainUpdates = updateKernels{1, adamPlain, sgdPlain, momentumPlain, sumSquaresPlain}

// sumsOfSquares is the number of sums that run side by side in sumSquares; every
// instruction set has as many, because results would differ otherwise.
const sumsOfSquares = 32

// Adam does a step on p, m and v, which are as long as grad.
func (isa *InstructionSet) Adam(s *AdamStep, p, m, v, grad []float32) {
	n := len(grad)
	p, m, v = p[:n], m[:n], v[:n]
	whole := n - n%isa.updates.vector
	if whole > 0 {
		isa.updates.adam(s, p[:whole], m[:whole], v[:whole], grad[:whole])
	}
	adamPlain(s, p[whole:], m[whole:], v[whole:], grad[whole:])
}

// SGD does a step without momentum on p, which is as long as grad.
func (isa *InstructionSet) SGD(s *SGDStep, p, grad []float32) {
	n := len(grad)
	p = p[:n]
	whole := n - n%isa.updates.vector
	if whole > 0 {
		isa.updates.sgd(s, p[:whole], grad[:whole])
	}
	sgdPlain(s, p[whole:], grad[whole:])
}

// Momentum does a step with momentum on p and m, which are as long as grad.
func (isa *InstructionSet) Momentum(s *SGDStep, p, m, grad []float32) {
	n := len(grad)
	p, m = p[:n], m[:n]
	whole := n - n%isa.updates.vector
	if whole > 0 {
		isa.updates.momentum(s, p[:whole], m[:whole], grad[:whole])
	}
	momentumPlain(s, p[whole:], m[whole:], grad[whole:])
}

// SumSquares is the sum of x[i]*x[i] in float64, which the squares of float32
// cannot overflow: it is finite when all of x is.
func (isa *InstructionSet) SumSquares(x []float32) float64 {
	whole := len(x) - len(x)%sumsOfSquares
	sum := 0.0
	if whole > 0 {
		sum = isa.updates.sumSquares(x[:whole])
	}
	for _, v := range x[whole:] {
		sum += float64(v) * float64(v) // exact, so it may be fused
	}
	return sum
}

func adamPlain(s *AdamStep, p, m, v, grad []float32) {
	c := *s
	p, m, v = p[:len(grad)], m[:len(grad)], v[:len(grad)]
	for i, g := range grad {
		x := p[i]
		g = float32(c.Clip*g) + float32(c.Decay*x)
		mi := m[i] + float32(c.Gain1*(g-m[i]))
		vi := float32(c.Beta2*v[i]) + float32(float32(c.Gain2*g)*g)
		m[i], v[i] = mi, vi
		root := float32(math.Sqrt(float64(vi)))
		p[i] = float32(c.Keep*x) - float32(c.Rate*mi)/(float32(root*c.Scale)+c.Epsilon)
	}
}

func sgdPlain(s *SGDStep, p, grad []float32) {
	c := *s
	p = p[:len(grad)]
	for i, g := range grad {
		p[i] -= float32(c.Rate * (float32(c.Clip*g) + float32(c.Decay*p[i])))
	}
}

func momentumPlain(s *SGDStep, p, m, grad []float32) {
	c := *s
	p, m = p[:len(grad)], m[:len(grad)]
	for i, g := range grad {
		g = float32(c.Clip*g) + float32(c.Decay*p[i])
		m[i] = float32(c.Momentum*m[i]) + g
		p[i] -= float32(c.Rate * m[i])
	}
}

// sumSquaresPlain adds up whole rows of sumsOfSquares floats and then folds the row.
func sumSquaresPlain(x []float32) float64 {
	var sums [sumsOfSquares]float64
	for ; len(x) >= sumsOfSquares; x = x[sumsOfSquares:] {
		for i, v := range x[:sumsOfSquares] {
			sums[i] += float64(v) * float64(v)
		}
	}
	for half := sumsOfSquares / 2; half > 0; half /= 2 {
		for i := range half {
			sums[i] += sums[i+half]
		}
	}
	return sums[0]
}
