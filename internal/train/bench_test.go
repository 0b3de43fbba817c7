package train

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// BenchmarkStep times forward and backward of batches of 8 images of 128x128 pixels.
func BenchmarkStep(b *testing.B) {
	for _, base := range []int{16, 32} {
		for _, name := range []string{"auto", "generic"} {
			b.Run(fmt.Sprintf("base=%d/kernel=%s", base, name), func(b *testing.B) {
				const n, size = 8, 128
				engine, err := kernel.NewEngine(0, name)
				if err != nil {
					b.Fatal(err)
				}
				params, err := model.NewParameters(model.Config{BaseChannels: base, Depth: 4, Norm: "batch", Up: "transpose"}, 3, 4, rand.New(rand.NewPCG(1, 0)))
				if err != nil {
					b.Fatal(err)
				}
				graphs := &Graphs{Engine: engine, Params: params, Loss: loss.New(loss.DefaultConfig(), []float64{1, 2, 3, 4})}
				step, err := graphs.NewStep(Shape{n, size, size})
				if err != nil {
					b.Fatal(err)
				}
				images, targets := make([]float32, n*size*size*3), make([]float32, n*size*size*4)
				for i := range n * size * size {
					targets[4*i+i%4] = 1
				}
				for range 3 { // until all scratch memory has grown to its size
					if _, err := step.Run(images, targets, 1); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := step.Run(images, targets, 1); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "images/s")
				b.ReportMetric(float64(graphs.memory.Bytes())/1e6, "MB")
			})
		}
	}
}
