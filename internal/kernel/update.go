package kernel

import "github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"

// AdamStep is one step of Adam or AdamW.
type AdamStep = simd.AdamStep

// SGDStep is one step of gradient descent, without momentum or with it.
type SGDStep = simd.SGDStep

// Adam does a step on p, m and v, which are as long as grad.
func (e *Engine) Adam(s *AdamStep, p, m, v, grad []float32) { e.isa.Adam(s, p, m, v, grad) }

// SGD does a step without momentum on p, which is as long as grad.
func (e *Engine) SGD(s *SGDStep, p, grad []float32) { e.isa.SGD(s, p, grad) }

// Momentum does a step with momentum on p and m, which are as long as grad.
func (e *Engine) Momentum(s *SGDStep, p, m, grad []float32) { e.isa.Momentum(s, p, m, grad) }

// SumSquares is the sum of x[i]*x[i] in float64, which the squares of float32
// cannot overflow: it is finite when all of x is.
func (e *Engine) SumSquares(x []float32) float64 { return e.isa.SumSquares(x) }
