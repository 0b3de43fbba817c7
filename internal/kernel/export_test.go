package kernel

import "github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"

// Direct and Winograd make an engine do all 3x3 convolutions in this way, also
// where the other one would be faster.
func Direct(e *Engine)   { e.forced = direct }
func Winograd(e *Engine) { e.forced = winograd }

// PlainOnTheFly gives an engine in plain Go that transforms weights on the fly where an
// engine for AVX-512 does.
func PlainOnTheFly(threads int) *Engine {
	e, err := NewEngine(threads, "generic")
	if err != nil {
		panic(err)
	}
	e.isa = simd.PlainOnTheFly()
	return e
}

// PrefersWinograd is the choice of an engine that may choose.
func PrefersWinograd(e *Engine, s ConvShape) bool { return e.prefersWinograd(s) }

// OnTheFlyIn reports whether an engine transforms the weights of the output, and those
// of the gradient of the weights, on the fly.
func OnTheFlyIn(e *Engine, s ConvShape) (output, gradient bool) {
	x, y := []Channels{{Count: s.In}}, []Channels{{Count: s.Out}}
	return e.choose(s, y, x, forward) == onTheFly, e.choose(s, y, x, gradWeights) == onTheFly
}

// Sums are those of the rows, and of their squares.
func Sums(m *Moments) (sum, square []float64) { return m.sum, m.square }

// NarrowIn reports whether an engine computes the output, and the gradient of the weights,
// by output channels.
func NarrowIn(e *Engine, s ConvShape) (output, gradient bool) {
	x, y := []Channels{{Count: s.In}}, []Channels{{Count: s.Out}}
	return e.choose(s, y, x, forward) == narrow, e.choose(s, y, x, gradWeights) == narrow
}
