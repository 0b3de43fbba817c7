package data_test

import (
	"context"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
)

// Images per second that one worker delivers, decoded before.
func BenchmarkLoader(b *testing.B) {
	cfg := data.DefaultConfig()
	cfg.Synthetic.Train, cfg.Cache = 64, "ram"
	s, err := data.Open(cfg, 1, "train")
	if err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		name string
		a    data.AugmentConfig
	}{
		{"nothing", data.AugmentConfig{}},
		{"default", cfg.Augment},
		{"rotate", data.AugmentConfig{Rotate: 20}},
		{"moves", data.AugmentConfig{FlipHorizontal: 0.5, FlipVertical: 0.5, Turn90: 0.5, Crop: 0.3, Scale: [2]float64{0.7, 1.5}, Rotate: 30, Shift: 0.1, Elastic: 5}},
		{"colours", data.AugmentConfig{Brightness: 0.3, Contrast: 0.3, Gamma: [2]float64{0.7, 1.5}, Saturation: 0.3, Hue: 0.1}},
		{"blur", data.AugmentConfig{Blur: 2}},
		{"noise", data.AugmentConfig{Noise: 0.1}},
		{"everything", everything},
	} {
		b.Run(bb.name, func(b *testing.B) {
			l := data.NewLoader(s, data.LoaderConfig{BatchSize: 8, Workers: 1, Shuffle: true, Augment: bb.a})
			images := 0
			for epoch := 0; b.Loop(); epoch++ {
				for batch, err := range l.Epoch(context.Background(), epoch, 0) {
					if err != nil {
						b.Fatal(err)
					}
					images += batch.N
				}
			}
			b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
