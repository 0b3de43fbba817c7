package loss_test

import (
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

// BenchmarkLoss is forward and backward for a batch of 8 images of 128x128
// pixels and 4 classes.
func BenchmarkLoss(b *testing.B) {
	dice := loss.DefaultConfig()
	dice.Dice = 0.5
	lovasz := loss.DefaultConfig()
	lovasz.Lovasz = 0.5
	for _, tt := range []struct {
		name string
		cfg  loss.Config
	}{{"default", loss.DefaultConfig()}, {"dice", dice}, {"lovasz", lovasz}} {
		b.Run(tt.name, func(b *testing.B) {
			r := compute(b, tt.cfg, []float64{1, 2, 3, 4}, random(1, 8, 128, 128, 4), true)
			b.ReportAllocs()
			for b.Loop() {
				r.again()
			}
		})
	}
}
