package solver_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
)

// BenchmarkStep updates 8 million parameters, as many as the default net has.
func BenchmarkStep(b *testing.B) {
	for _, tt := range []struct {
		name     string
		momentum float64
	}{{"sgd", 0}, {"sgd", 0.9}, {"adamw", 0}} {
		b.Run(fmt.Sprintf("%s/momentum=%g", tt.name, tt.momentum), func(b *testing.B) {
			cfg := solver.DefaultConfig()
			cfg.Name, cfg.Momentum = tt.name, tt.momentum
			const size = 8 << 20
			p := solver.Param{Name: "w", Value: make([]float32, size), Grad: make([]float32, size)}
			rng := rand.New(rand.NewPCG(1, 0))
			for i := range p.Grad {
				p.Grad[i] = rng.Float32() - 0.5
			}
			s, err := solver.New(cfg, []solver.Param{p}, newEngine(b, 2, "auto"))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(4 * size)
			for b.Loop() {
				if _, err := s.Step(0.001); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
