package simd

import "math"

// Clamp is the range of results: smaller ones become Floor, larger ones Ceil.
type Clamp struct{ Floor, Ceil float32 }

func (c Clamp) clamp(v float32) float32 { return min(max(v, c.Floor), c.Ceil) }

// keep is g, or 0 where y is clamped. The choice is made between integers, which
// the compiler does without a branch that signs at random would mislead.
func (c Clamp) keep(g, y float32) float32 {
	bits := math.Float32bits(g)
	if y <= c.Floor {
		bits = 0
	}
	if y >= c.Ceil {
		bits = 0
	}
	return math.Float32frombits(bits)
}
