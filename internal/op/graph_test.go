package op_test

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// What is wrong with a graph is told by an error, never by a panic.
func TestGraphErrors(t *testing.T) {
	input := func(g *op.Graph, name string, shape ...int) *G.Node {
		size := 1
		for _, n := range shape {
			size *= n
		}
		return g.Parameter(name, make([]float32, size), shape...)
	}
	for _, tt := range []struct {
		name  string
		build func(g *op.Graph)
		want  string // part of the error
	}{
		{"two inputs of one name", func(g *op.Graph) { input(g, "x", 1); input(g, "x", 2) }, `two nodes named "x"`},
		{"two ops of one name", func(g *op.Graph) {
			x := input(g, "x", 1, 2, 2, 1)
			g.ReLU("relu", g.ReLU("relu", x))
		}, `two nodes named "relu"`},
		{"an op named as an input", func(g *op.Graph) { g.ReLU("x", input(g, "x", 1, 2, 2, 1)) }, `two nodes named "x"`},
		{"a constant named as an input", func(g *op.Graph) { input(g, "x", 1); g.Constant("x", []float32{1}) }, `two nodes named "x"`},
		{"too few values", func(g *op.Graph) { g.Input("x", make([]float32, 3), 2, 2) }, "input x: 3 values for shape (2, 2)"},
		{"conv: image of 3 axes", func(g *op.Graph) { same(g, "c", []*G.Node{input(g, "x", 2, 2, 1)}, input(g, "w", 3, 3, 1, 1), nil) }, "op: c: input has shape (2, 2, 1), want (N, H, W, C)"},
		{"conv: 9x9", func(g *op.Graph) { same(g, "c", []*G.Node{input(g, "x", 1, 2, 2, 1)}, input(g, "w", 9, 9, 1, 1), nil) }, "want (K, K, 1, O) with K 1, 3, 5 or 7"},
		{"conv: stride", func(g *op.Graph) {
			g.Conv("c", []*G.Node{input(g, "x", 1, 2, 2, 1)}, input(g, "w", 3, 3, 1, 1), nil, 3, 1)
		}, "op: c: stride is 3, want 1 or 2"},
		{"conv: odd size", func(g *op.Graph) {
			g.Conv("c", []*G.Node{input(g, "x", 1, 2, 3, 1)}, input(g, "w", 3, 3, 1, 1), nil, 2, 1)
		}, "op: c: input is 2 x 3 pixels, want both multiples of the stride 2"},
		{"conv: padding", func(g *op.Graph) {
			g.Conv("c", []*G.Node{input(g, "x", 1, 2, 2, 1)}, input(g, "w", 3, 3, 1, 1), nil, 1, 3)
		}, "op: c: 3 pixels of padding, want 0..2"},
		{"depthwise: channels", func(g *op.Graph) { g.Depthwise("c", input(g, "x", 1, 2, 2, 3), input(g, "w", 3, 3, 1, 2), 1, 1) }, "op: c: weights have shape (3, 3, 1, 2), want (K, K, 1, 3) with K 3 or 5"},
		{"max pool 3: odd size", func(g *op.Graph) { g.MaxPool3("p", input(g, "x", 1, 2, 3, 1)) }, "op: p: input is 2 x 3 pixels, want both even"},
		{"standardize: channels", func(g *op.Graph) {
			g.Standardize("s", input(g, "x", 1, 2, 2, 3), make([]float32, 3), make([]float32, 2))
		}, "op: s: 3 means and 2 deviations for 3 channels"},
		{"conv: not square", func(g *op.Graph) { same(g, "c", []*G.Node{input(g, "x", 1, 2, 2, 1)}, input(g, "w", 1, 3, 1, 1), nil) }, "want (K, K, 1, O)"},
		{"conv: channels", func(g *op.Graph) { same(g, "c", []*G.Node{input(g, "x", 1, 2, 2, 3)}, input(g, "w", 3, 3, 2, 1), nil) }, "op: c: weights have shape (3, 3, 2, 1), want (K, K, 3, O)"},
		{"conv: bias", func(g *op.Graph) {
			same(g, "c", []*G.Node{input(g, "x", 1, 2, 2, 3)}, input(g, "w", 3, 3, 3, 4), input(g, "b", 5))
		}, "op: c: bias has shape (5), want (4)"},
		{"upconv: kernel", func(g *op.Graph) {
			g.UpConv("u", input(g, "x", 1, 2, 2, 3), input(g, "w", 3, 3, 3, 4), input(g, "b", 4))
		}, "op: u: weights have shape (3, 3, 3, 4), want (3, 2, 2, O)"},
		{"upconv: channels", func(g *op.Graph) {
			g.UpConv("u", input(g, "x", 1, 2, 2, 3), input(g, "w", 2, 2, 2, 4), input(g, "b", 4))
		}, "want (3, 2, 2, O)"},
		{"upconv: bias", func(g *op.Graph) {
			g.UpConv("u", input(g, "x", 1, 2, 2, 3), input(g, "w", 3, 2, 2, 4), input(g, "b", 3))
		}, "op: u: bias has shape (3), want (4)"},
		{"upsample: a vector", func(g *op.Graph) { g.Upsample("u", input(g, "x", 4)) }, "want (N, H, W, C)"},
		{"pool: odd width", func(g *op.Graph) { g.MaxPool("p", input(g, "x", 1, 2, 3, 1)) }, "op: p: input is 2 x 3 pixels, want both even"},
		{"pool: odd height", func(g *op.Graph) { g.MaxPool("p", input(g, "x", 1, 5, 2, 1)) }, "op: p: input is 5 x 2 pixels, want both even"},
		{"conv: sizes", func(g *op.Graph) {
			same(g, "c", []*G.Node{input(g, "a", 1, 2, 2, 1), input(g, "b", 1, 2, 4, 1)}, input(g, "w", 3, 3, 2, 1), nil)
		}, "op: c: images have shapes (1, 2, 2, 1) and (1, 2, 4, 1)"},
		{"batch norm: gamma", func(g *op.Graph) {
			g.BatchNorm("bn", input(g, "x", 1, 2, 2, 3), input(g, "gamma", 2), input(g, "beta", 3), 1e-5, kernel.ReLU)
		}, "op: bn: gamma has shape (2), want (3)"},
		{"batch norm: beta", func(g *op.Graph) {
			g.BatchNorm("bn", input(g, "x", 1, 2, 2, 3), input(g, "gamma", 3), input(g, "beta", 4), 1e-5, kernel.ReLU)
		}, "op: bn: beta has shape (4), want (3)"},
		{"convolution with batch norm: mean", func(g *op.Graph) {
			g.ConvNorm("bn", []*G.Node{input(g, "x", 1, 2, 2, 3)}, input(g, "w", 3, 3, 3, 3), input(g, "gamma", 3), input(g, "beta", 3), input(g, "mean", 4), input(g, "variance", 3), 1, 1, 1e-5, kernel.ReLU)
		}, "op: bn: mean has shape (4), want (3)"},
		{"softmax: a vector", func(g *op.Graph) { g.Softmax("s", input(g, "x", 4)) }, "want (N, H, W, C)"},
		{"log-softmax: a vector", func(g *op.Graph) { g.LogSoftmax("s", input(g, "x", 4)) }, "want (N, H, W, C)"},
		{"place an input", func(g *op.Graph) { g.Place(input(g, "x", 4), make([]float32, 4)) }, "cannot be placed in 4 values"},
		{"a sum of two sizes", func(g *op.Graph) {
			g.Add("sum", input(g, "a", 1, 2, 2, 3), input(g, "b", 1, 2, 2, 4), kernel.None)
		}, "op: sum: inputs have shapes (1, 2, 2, 3) and (1, 2, 2, 4), want equal ones"},
		{"place in too little", func(g *op.Graph) { g.Place(g.ReLU("y", input(g, "x", 1, 2, 2, 1)), make([]float32, 3)) }, "cannot be placed in 3 values"},
		{"the first error stays", func(g *op.Graph) {
			x := g.MaxPool("p", input(g, "x", 1, 2, 3, 1))
			x, _ = g.BatchNorm("bn", g.ReLU("relu", same(g, "c", []*G.Node{x, x}, x, x)), x, x, 1e-5, kernel.ReLU)
			x = g.ConvNorm("bn", []*G.Node{g.Dropout("d", g.UpConv("u", g.Upsample("s", x), x, x), 0.5, 1)}, x, x, x, x, x, 1, 1, 1e-5, kernel.ReLU)
			x = g.LogSoftmax("l", g.Softmax("sm", x))
			g.Place(x, nil)
			g.Constant("k", nil)
		}, "op: p: input is 2 x 3 pixels"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGraph(t)
			tt.build(g)
			if g.Err() == nil || !strings.Contains(g.Err().Error(), tt.want) {
				t.Fatalf("error is %v, want it to have %q", g.Err(), tt.want)
			}
			if _, err := g.Compile(); err != g.Err() {
				t.Errorf("Compile gave %v, want the error of the graph", err)
			}
			if _, err := g.Grad(nil, nil); err != g.Err() {
				t.Errorf("Grad gave %v, want the error of the graph", err)
			}
		})
	}
}

func TestGradErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		build func(g *op.Graph, x *G.Node) (loss *G.Node, params []*G.Node)
		want  string
	}{
		{"an op without a gradient", func(g *op.Graph, x *G.Node) (*G.Node, []*G.Node) {
			return weightedSum(g, "sum", g.Softmax("softmax", x), make([]float32, 8)), []*G.Node{x}
		}, "differentiate"},
		{"loss is not a scalar", func(g *op.Graph, x *G.Node) (*G.Node, []*G.Node) {
			return g.ReLU("relu", x), []*G.Node{x}
		}, "differentiate relu"},
		{"a parameter that the loss does not depend on", func(g *op.Graph, x *G.Node) (*G.Node, []*G.Node) {
			return weightedSum(g, "sum", x, make([]float32, 8)), []*G.Node{x, g.Parameter("stray", []float32{1}, 1)}
		}, "differentiate sum"},
		{"an input that is no parameter", func(g *op.Graph, x *G.Node) (*G.Node, []*G.Node) {
			z := g.Input("z", make([]float32, 8), 1, 2, 2, 2)
			y := same(g, "join", []*G.Node{x, z}, g.Input("w", make([]float32, 4), 1, 1, 4, 1), nil)
			return weightedSum(g, "sum", y, make([]float32, 4)), []*G.Node{z}
		}, "differentiate sum"},
		{"a skip connection that does not depend on the pool", func(g *op.Graph, x *G.Node) (*G.Node, []*G.Node) {
			w := g.Input("w", make([]float32, 4), 1, 1, 4, 1)
			pooled := g.MaxPool("pool", x)
			join := same(g, "join", []*G.Node{x, g.Input("z", make([]float32, 8), 1, 2, 2, 2)}, w, nil)
			all := same(g, "all", []*G.Node{join, g.Upsample("up", pooled)}, g.Input("v", make([]float32, 3), 1, 1, 3, 1), nil)
			return weightedSum(g, "sum", all, make([]float32, 4)), []*G.Node{x}
		}, "op: pool: what reads its input as a skip connection must depend on it"},
		{"a gradient that is missing", func(g *op.Graph, x *G.Node) (*G.Node, []*G.Node) {
			return g.Apply(op.Func{Name: "broken",
				Run:  func([]float32, [][]float32) {},
				Diff: func(_, _ *G.Node) []*G.Node { return []*G.Node{nil} },
			}, x), []*G.Node{x}
		}, "op: broken gives no gradient for input 0"},
		{"too few gradients", func(g *op.Graph, x *G.Node) (*G.Node, []*G.Node) {
			return g.Apply(op.Func{Name: "broken",
				Run:  func([]float32, [][]float32) {},
				Diff: func(_, _ *G.Node) []*G.Node { return nil },
			}, x), []*G.Node{x}
		}, "op: broken gives no gradient for input 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGraph(t)
			loss, params := tt.build(g, g.Parameter("x", make([]float32, 8), 1, 2, 2, 2))
			if err := g.Err(); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Grad(loss, params); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want it to have %q", err, tt.want)
			}
		})
	}
}

func TestCompileErrors(t *testing.T) {
	if _, err := newGraph(t).Compile(); err == nil {
		t.Error("an empty graph was compiled")
	}
}

func TestPanicInRun(t *testing.T) {
	g := newGraph(t)
	x := g.Input("x", []float32{1, 2}, 2)
	broken := true
	y := g.Apply(op.Func{Name: "half", Shape: []int{2}, Run: func(y []float32, in [][]float32) {
		if broken {
			g.Engine.Parallel(2, func(part, _, _ int) { y[part+2] = 0 }) // panics in a goroutine of its own too
		}
		y[0], y[1] = in[0][0]/2, in[0][1]/2
	}}, x)
	m := compile(t, g, y)
	for range 3 {
		if err := m.Run(); err == nil || !strings.Contains(err.Error(), "op: half: runtime error: index out of range") {
			t.Fatalf("error is %v, want it to name the op and the panic", err)
		}
	}
	broken = false
	run(t, m)
	check(t, "after the panic", op.Values(y), []float64{0.5, 1}, 0)
}

// Inputs are read in place at each run; a constant is not.
func TestInputsAndConstants(t *testing.T) {
	g := newGraph(t)
	values, fixed := []float32{1, 2}, []float32{10, 20}
	x, k := g.Input("x", values, 2), g.Constant("k", fixed)
	y := g.Apply(op.Func{Name: "sum", Shape: []int{2}, Run: func(y []float32, in [][]float32) {
		y[0], y[1] = in[0][0]+in[1][0], in[0][1]+in[1][1]
	}}, x, k)
	m := compile(t, g, y)
	run(t, m)
	check(t, "first run", op.Values(y), []float64{11, 22}, 0)
	values[0], fixed[0] = 3, 1000
	run(t, m)
	check(t, "second run", op.Values(y), []float64{13, 22}, 0)
	if g.Trained(x) || g.Trained(k) || g.Trained(y) {
		t.Error("inputs, constants and what depends on them alone are not trained")
	}
}
