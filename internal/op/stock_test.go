package op_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// Ours and Gorgonia's own ops, those of them that are right, on the same
// operands. Gorgonia's are NCHW.
func TestAgainstStockOps(t *testing.T) {
	images := func(shapes ...image) []image { return shapes }
	for seed, c := range []struct {
		name   string
		images []image // operands that are images
		// others are further operands, in the layout of our op.
		others [][]int
		// stock gives an other operand, number i of others, in the layout of the stock op, and back.
		toStock, fromStock func(i int, a array) array

		ours  func(g *op.Graph, in []*G.Node) *G.Node
		stock func(in []*G.Node) (*G.Node, error)
	}{
		{
			name:   "Conv 3x3",
			images: images(image{2, 5, 7, 3}),
			others: [][]int{{3, 3, 3, 4}},
			toStock: func(_ int, a array) array {
				return permute(a, 3, 2, 0, 1)
			},
			fromStock: func(_ int, a array) array { return permute(a, 2, 3, 1, 0) },
			ours:      func(g *op.Graph, in []*G.Node) *G.Node { return same(g, "y", in[:1], in[1], nil) },
			stock: func(in []*G.Node) (*G.Node, error) {
				return G.Conv2d(in[0], in[1], tensor.Shape{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1})
			},
		},
		{
			name:      "Conv 1x1",
			images:    images(image{2, 3, 5, 6}),
			others:    [][]int{{1, 1, 6, 4}},
			toStock:   func(_ int, a array) array { return permute(a, 3, 2, 0, 1) },
			fromStock: func(_ int, a array) array { return permute(a, 2, 3, 1, 0) },
			ours:      func(g *op.Graph, in []*G.Node) *G.Node { return same(g, "y", in[:1], in[1], nil) },
			stock: func(in []*G.Node) (*G.Node, error) {
				return G.Conv2d(in[0], in[1], tensor.Shape{1, 1}, []int{0, 0}, []int{1, 1}, []int{1, 1})
			},
		},
		{
			name:   "MaxPool",
			images: images(image{2, 4, 6, 3}),
			ours:   func(g *op.Graph, in []*G.Node) *G.Node { return g.MaxPool("y", in[0]) },
			stock: func(in []*G.Node) (*G.Node, error) {
				return G.MaxPool2D(in[0], tensor.Shape{2, 2}, []int{0, 0}, []int{2, 2})
			},
		},
		{
			name:   "BatchNorm",
			images: images(image{3, 4, 5, 2}),
			others: [][]int{{2}, {2}},
			// Gorgonia's gamma and beta have the shape of x; their gradient is summed over it by hand.
			toStock: func(_ int, a array) array {
				wide := array{[]int{3, 2, 4, 5}, nil}
				for i := range 3 * 2 * 4 * 5 {
					wide.values = append(wide.values, a.values[i/20%2])
				}
				return wide
			},
			fromStock: func(_ int, a array) array {
				narrow := array{[]int{2}, make([]float32, 2)}
				for i, v := range a.values {
					narrow.values[i/20%2] += v
				}
				return narrow
			},
			ours: func(g *op.Graph, in []*G.Node) *G.Node {
				y, _ := g.BatchNorm("y", in[0], in[1], in[2], 1e-5, kernel.None)
				return y
			},
			stock: func(in []*G.Node) (*G.Node, error) {
				y, _, _, _, err := G.BatchNorm(in[0], in[1], in[2], 0.9, 1e-5)
				return y, err
			},
		},
		{
			name:   "Upsample",
			images: images(image{2, 3, 2, 3}),
			ours:   func(g *op.Graph, in []*G.Node) *G.Node { return g.Upsample("y", in[0]) },
			stock:  func(in []*G.Node) (*G.Node, error) { return G.Upsample2D(in[0], 2) },
		},
		{
			name:      "Conv of two images",
			images:    images(image{2, 3, 5, 2}, image{2, 3, 5, 3}),
			others:    [][]int{{3, 3, 5, 4}},
			toStock:   func(_ int, a array) array { return permute(a, 3, 2, 0, 1) },
			fromStock: func(_ int, a array) array { return permute(a, 2, 3, 1, 0) },
			ours:      func(g *op.Graph, in []*G.Node) *G.Node { return same(g, "y", in[:2], in[2], nil) },
			stock: func(in []*G.Node) (*G.Node, error) {
				return G.Conv2d(G.Must(G.Concat(1, in[0], in[1])), in[2], tensor.Shape{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1})
			},
		},
		{
			name:   "Add",
			images: images(image{2, 3, 5, 2}, image{2, 3, 5, 2}),
			ours:   func(g *op.Graph, in []*G.Node) *G.Node { return g.Add("y", in[0], in[1], kernel.None) },
			stock:  func(in []*G.Node) (*G.Node, error) { return G.Add(in[0], in[1]) },
		},
		{
			name:   "ReLU",
			images: images(image{2, 3, 5, 2}),
			ours:   func(g *op.Graph, in []*G.Node) *G.Node { return g.ReLU("y", in[0]) },
			stock:  func(in []*G.Node) (*G.Node, error) { return G.Rectify(in[0]) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 1))
			var ours, stock []array
			draw := func(shape []int) array {
				a := array{shape, make([]float32, tensor.Shape(shape).TotalSize())}
				awayFromZero(rng, a.values)
				return a
			}
			for _, s := range c.images {
				a := draw(s.shape())
				ours, stock = append(ours, a), append(stock, channelsFirst(a))
			}
			for i, shape := range c.others {
				a := draw(shape)
				ours, stock = append(ours, a), append(stock, c.toStock(i, a))
			}

			g := newGraph(t)
			in := parameters(g, ours)
			y := c.ours(g, in)
			if err := g.Err(); err != nil {
				t.Fatal(err)
			}
			weights := draw(y.Shape())
			grads, err := g.Grad(weightedSum(g, "sum", y, weights.values), in)
			if err != nil {
				t.Fatal(err)
			}
			run(t, compile(t, g, append(grads, y)...))

			want, wantGrads := runStock(t, c.stock, stock, channelsFirst(weights))
			check(t, "y", op.Values(y), widen(channelsLast(want).values), 1e-5)
			for i, grad := range wantGrads {
				if i < len(c.images) {
					grad = channelsLast(grad)
				} else {
					grad = c.fromStock(i-len(c.images), grad)
				}
				check(t, fmt.Sprintf("gradient of operand %d", i), op.Values(grads[i]), widen(grad.values), 1e-5)
			}
		})
	}
}

// runStock computes a stock op and the gradient of sum(weights*y) by its operands.
func runStock(t *testing.T, build func(in []*G.Node) (*G.Node, error), operands []array, weights array) (y array, grads []array) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(differentiate bool) (results []array) {
		g := G.NewGraph()
		node := func(name string, a array) *G.Node {
			return G.NewTensor(g, tensor.Float32, len(a.shape), G.WithShape(a.shape...), G.WithName(name),
				G.WithValue(tensor.New(tensor.WithShape(a.shape...), tensor.WithBacking(append([]float32(nil), a.values...)))))
		}
		var in []*G.Node
		for i, a := range operands {
			in = append(in, node(fmt.Sprint("in", i), a))
		}
		y, err := build(in)
		must(err)
		wanted := G.Nodes{y}
		if differentiate {
			product, err := G.HadamardProd(y, node("weights", weights))
			must(err)
			sum, err := G.Sum(product)
			must(err)
			wanted, err = G.Grad(sum, in...)
			must(err)
		}
		values := make([]G.Value, len(wanted))
		for i, n := range wanted {
			G.Read(n, &values[i])
		}
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		must(vm.RunAll())
		for i, v := range values {
			results = append(results, array{wanted[i].Shape(), v.Data().([]float32)})
		}
		return results
	}
	return run(false)[0], run(true)
}

func channelsFirst(a array) array { return permute(a, 0, 3, 1, 2) }
func channelsLast(a array) array  { return permute(a, 0, 2, 3, 1) }

// permute transposes: axis i of the result is axes[i] of a. a has 4 axes.
func permute(a array, axes ...int) array {
	strides := make([]int, 4)
	for i, stride := 3, 1; i >= 0; i-- {
		strides[i] = stride
		stride *= a.shape[i]
	}
	out := array{shape: make([]int, 4)}
	for i, axis := range axes {
		out.shape[i] = a.shape[axis]
	}
	s := image{out.shape[0], out.shape[1], out.shape[2], out.shape[3]}
	s.each(func(n, h, w, c int) {
		out.values = append(out.values, a.values[n*strides[axes[0]]+h*strides[axes[1]]+w*strides[axes[2]]+c*strides[axes[3]]])
	})
	return out
}
