package kernel

import (
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// Activation is a clamp of results to a floor and a ceil. Its gradient is 0
// where the result is at one of them.
type Activation int

const (
	None  Activation = iota // y
	ReLU                    // max(0, y)
	ReLU6                   // min(max(0, y), 6)
)

// clamp is the range of the activation's results.
func (a Activation) clamp() simd.Clamp {
	inf := float32(math.Inf(1))
	switch a {
	case ReLU:
		return simd.Clamp{Floor: 0, Ceil: inf}
	case ReLU6:
		return simd.Clamp{Floor: 0, Ceil: 6}
	}
	return simd.Clamp{Floor: -inf, Ceil: inf}
}
