// Package float16 decodes the two floating-point formats of 16 bits. Every value of
// them is a float32.
package float16

import "math"

// Binary16 is the value of an IEEE 754 binary16: 1 bit of sign, 5 of exponent
// (bias 15), 10 of fraction.
func Binary16(bits uint16) float32 {
	sign, exponent, fraction := uint32(bits>>15), uint32(bits>>10&31), uint32(bits&1023)
	switch exponent {
	case 0: // zero and subnormal: fraction * 2^-24
		v := math.Float32bits(float32(fraction) / (1 << 24))
		return math.Float32frombits(sign<<31 | v)
	case 31:
		exponent = 255 // infinity and NaN
	default:
		exponent += 127 - 15
	}
	return math.Float32frombits(sign<<31 | exponent<<23 | fraction<<13)
}

// Bfloat16 is the value of a bfloat16, the upper half of a float32.
func Bfloat16(bits uint16) float32 { return math.Float32frombits(uint32(bits) << 16) }
