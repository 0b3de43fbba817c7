package float16_test

import (
	"math"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/float16"
)

// All 65,536 values, by the definitions of the formats.
func TestAllValues(t *testing.T) {
	for _, tt := range []struct {
		name                       string
		decode                     func(uint16) float32
		exponentBits, fractionBits int
	}{
		{"binary16", float16.Binary16, 5, 10},
		{"bfloat16", float16.Bfloat16, 8, 7},
	} {
		bias, most := 1<<(tt.exponentBits-1)-1, 1<<tt.exponentBits-1
		for i := range 1 << 16 {
			exponent, fraction := i>>tt.fractionBits&most, i&(1<<tt.fractionBits-1)
			want := math.Ldexp(float64(1<<tt.fractionBits+fraction), exponent-bias-tt.fractionBits)
			switch {
			case exponent == 0:
				want = math.Ldexp(float64(fraction), 1-bias-tt.fractionBits)
			case exponent == most && fraction == 0:
				want = math.Inf(1)
			case exponent == most:
				want = math.NaN()
			}
			if i>>15 == 1 {
				want = -want
			}
			got := float64(tt.decode(uint16(i)))
			if got != want && !(math.IsNaN(got) && math.IsNaN(want)) || math.Signbit(got) != (i>>15 == 1) {
				t.Fatalf("%s %#04x is %v, want %v", tt.name, i, got, want)
			}
		}
	}
}
