package train

import (
	"fmt"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// BenchmarkStockStep times a step of BenchmarkStep's net built of Gorgonia's own
// ops (NCHW), to compare with. Gorgonia has no transposed convolution: nearest
// neighbour and a 1x1 convolution stand in for it, and the mean square of the
// logits for the loss; both cost less than what they stand for.
func BenchmarkStockStep(b *testing.B) {
	const n, size, depth = 8, 128, 4
	for _, base := range []int{16} {
		b.Run(fmt.Sprintf("base=%d", base), func(b *testing.B) {
			g := G.NewGraph()
			var params G.Nodes
			parameter := func(init G.InitWFn, shape ...int) *G.Node {
				p := G.NewTensor(g, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprint("p", len(params))), G.WithInit(init))
				params = append(params, p)
				return p
			}
			conv := func(x *G.Node, kernel, out int) *G.Node {
				w := parameter(G.GlorotN(1), out, x.Shape()[1], kernel, kernel)
				return G.Must(G.Conv2d(x, w, tensor.Shape{kernel, kernel}, []int{kernel / 2, kernel / 2}, []int{1, 1}, []int{1, 1}))
			}
			doubleConv := func(x *G.Node, out int) *G.Node {
				for range 2 {
					x = conv(x, 3, out)
					gamma, beta := parameter(G.Ones(), x.Shape()...), parameter(G.Zeroes(), x.Shape()...)
					var err error
					if x, _, _, _, err = G.BatchNorm(x, gamma, beta, 0.1, 1e-5); err != nil {
						b.Fatal(err)
					}
					x = G.Must(G.Rectify(x))
				}
				return x
			}
			x := G.NewTensor(g, tensor.Float32, 4, G.WithShape(n, 3, size, size), G.WithName("image"), G.WithInit(G.GlorotN(1)))
			var skips []*G.Node
			for level := range depth {
				x = doubleConv(x, base<<level)
				skips = append(skips, x)
				x = G.Must(G.MaxPool2D(x, tensor.Shape{2, 2}, []int{0, 0}, []int{2, 2}))
			}
			x = doubleConv(x, base<<depth)
			for level := depth - 1; level >= 0; level-- {
				x = conv(G.Must(G.Upsample2D(x, 2)), 1, base<<level)
				x = doubleConv(G.Must(G.Concat(1, skips[level], x)), base<<level)
			}
			loss := G.Must(G.Mean(G.Must(G.Square(conv(x, 1, 4)))))
			if _, err := G.Grad(loss, params...); err != nil {
				b.Fatal(err)
			}
			vm := G.NewTapeMachine(g)
			defer vm.Close()
			for b.Loop() {
				if err := vm.RunAll(); err != nil {
					b.Fatal(err)
				}
				vm.Reset()
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
