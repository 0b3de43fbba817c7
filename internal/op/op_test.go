package op_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

func newGraph(t testing.TB) *op.Graph {
	t.Helper()
	engine, err := kernel.NewEngine(2, "auto")
	if err != nil {
		t.Fatal(err)
	}
	return op.NewGraph(engine, &op.Memory{})
}

func compile(t testing.TB, g *op.Graph, keep ...*G.Node) *op.Machine {
	t.Helper()
	m, err := g.Compile(keep...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func run(t testing.TB, m *op.Machine) {
	t.Helper()
	if err := m.Run(); err != nil {
		t.Fatal(err)
	}
}

// weightedSum makes a scalar of x that has a different gradient at each element.
func weightedSum(g *op.Graph, name string, x *G.Node, weights []float32) *G.Node {
	if g.Err() != nil {
		return nil
	}
	return g.Apply(op.Func{
		Name: name,
		Run: func(out []float32, in [][]float32) {
			out[0] = float32(dot(weights, in[0]))
		},
		Diff: func(_, d *G.Node) []*G.Node {
			return []*G.Node{g.Apply(op.Func{Name: name + ".grad", Shape: x.Shape(), Run: func(dx []float32, in [][]float32) {
				for i, w := range weights {
					dx[i] = w * in[0][0]
				}
			}}, d)}
		},
	}, x)
}

func dot[A, B float32 | float64](a []A, b []B) float64 {
	sum := 0.0
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// array is a parameter of the op under test.
type array struct {
	shape  []int
	values []float32
}

// same is a convolution that keeps the size.
func same(g *op.Graph, name string, x []*G.Node, w, bias *G.Node) *G.Node {
	if w == nil { // the graph has failed
		return g.Conv(name, x, w, bias, 1, 0)
	}
	return g.Conv(name, x, w, bias, 1, w.Shape()[0]/2)
}

// fill draws the values of an array.
type fill func(rng *rand.Rand, values []float32)

func normal(rng *rand.Rand, values []float32) {
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
}

// awayFromZero keeps every value further from a ReLU's kink than a finite difference goes.
func awayFromZero(rng *rand.Rand, values []float32) {
	for i := range values {
		values[i] = float32(0.5 + rng.Float64())
		if rng.IntN(2) == 0 {
			values[i] = -values[i]
		}
	}
}

// distinct keeps any two values further apart than a finite difference goes.
func distinct(rng *rand.Rand, values []float32) {
	for i, at := range rng.Perm(len(values)) {
		values[i] = float32(at)/4 - float32(len(values))/8
	}
}

// twoHills makes a channel of batch norm half about +1 and half about -1, so that
// behind gamma near 1 and beta near 0 no value is near a ReLU's kink.
func twoHills(rng *rand.Rand, values []float32) {
	for i := range values {
		values[i] = float32(1 + 0.2*rng.NormFloat64()/2)
		if rng.IntN(2) == 0 {
			values[i] = -values[i]
		}
	}
}

func nearOne(rng *rand.Rand, values []float32) {
	for i := range values {
		values[i] = float32(0.8 + 0.4*rng.Float64())
	}
}

func nearZero(rng *rand.Rand, values []float32) {
	for i := range values {
		values[i] = float32(0.2*rng.Float64() - 0.1)
	}
}

// threeHills is like twoHills, with a third hill at 0: behind gamma near 6 and beta
// near 3 they are below, between and above ReLU6's kinks.
func threeHills(rng *rand.Rand, values []float32) {
	for i := range values {
		values[i] = float32(rng.IntN(3)-1) + float32(0.05*rng.NormFloat64())
	}
}

// threes are multiples of 3 from -3 to 9: ReLU6's kinks, from which awayFromZero leads away.
func threes(rng *rand.Rand, values []float32) {
	for i := range values {
		values[i] = float32(3*rng.IntN(5) - 3)
	}
}

// near draws values within 2% of v.
func near(v float64) fill {
	return func(rng *rand.Rand, values []float32) {
		for i := range values {
			values[i] = float32(v * (0.98 + 0.04*rng.Float64()))
		}
	}
}

type operand struct {
	shape []int
	fill  fill
}

// opCase is an op with its plain reference.
type opCase struct {
	name      string
	operands  []operand
	build     func(g *op.Graph, in []*G.Node) *G.Node
	reference func(in [][]float64) []float64
	step      float64 // of a finite difference in float32; a power of two; any for a linear op
}

func vector(n int) []int { return []int{n} }

var activations = []kernel.Activation{kernel.None, kernel.ReLU, kernel.ReLU6}

func opCases() []opCase {
	var cases []opCase
	add := func(c opCase) { cases = append(cases, c) }

	for _, s := range []struct {
		x           image
		out, kernel int
		bias        bool
	}{
		{image{2, 1, 1, 1}, 1, 3, true},
		{image{1, 1, 1, 1}, 1, 1, true},
		{image{2, 1, 1, 5}, 3, 3, false},
		{image{2, 5, 3, 3}, 4, 3, false},
		{image{3, 3, 4, 2}, 5, 3, true},
		{image{2, 1, 7, 2}, 3, 3, true},
		{image{2, 5, 3, 7}, 4, 1, true},
		{image{2, 3, 3, 3}, 17, 1, false},
	} {
		operands := []operand{{s.x.shape(), normal}, {[]int{s.kernel, s.kernel, s.x.c, s.out}, normal}}
		if s.bias {
			operands = append(operands, operand{vector(s.out), normal})
		}
		add(opCase{
			name:     fmt.Sprintf("Conv %v to %d, kernel %d, bias %v", s.x, s.out, s.kernel, s.bias),
			operands: operands,
			build: func(g *op.Graph, in []*G.Node) *G.Node {
				if s.bias {
					return same(g, "y", in[:1], in[1], in[2])
				}
				return same(g, "y", in[:1], in[1], nil)
			},
			reference: func(in [][]float64) []float64 {
				if s.bias {
					return convRef(s.x, s.out, s.kernel, in[0], in[1], in[2])
				}
				return convRef(s.x, s.out, s.kernel, in[0], in[1], nil)
			},
			step: 1,
		})
	}
	for _, s := range []struct {
		x   image
		out int
	}{{image{2, 1, 1, 1}, 1}, {image{2, 3, 2, 5}, 3}, {image{3, 1, 3, 2}, 4}} {
		add(opCase{
			name:      fmt.Sprintf("UpConv %v to %d", s.x, s.out),
			operands:  []operand{{s.x.shape(), normal}, {[]int{s.x.c, 2, 2, s.out}, normal}, {vector(s.out), normal}},
			build:     func(g *op.Graph, in []*G.Node) *G.Node { return g.UpConv("y", in[0], in[1], in[2]) },
			reference: func(in [][]float64) []float64 { return upConvRef(s.x, s.out, in[0], in[1], in[2]) },
			step:      1,
		})
	}
	for _, s := range []image{{2, 1, 1, 1}, {2, 3, 5, 3}} {
		add(opCase{
			name:      fmt.Sprintf("Upsample %v", s),
			operands:  []operand{{s.shape(), normal}},
			build:     func(g *op.Graph, in []*G.Node) *G.Node { return g.Upsample("y", in[0]) },
			reference: func(in [][]float64) []float64 { return upsampleRef(s, in[0]) },
			step:      1,
		})
	}
	for _, s := range []image{{2, 2, 2, 1}, {2, 4, 6, 3}, {3, 2, 10, 5}} {
		add(opCase{
			name:      fmt.Sprintf("MaxPool %v", s),
			operands:  []operand{{s.shape(), distinct}},
			build:     func(g *op.Graph, in []*G.Node) *G.Node { return g.MaxPool("y", in[0]) },
			reference: func(in [][]float64) []float64 { return maxPoolRef(s, in[0]) },
			step:      1. / 32,
		})
	}
	for _, s := range []struct {
		a               image
		cb, out, kernel int
	}{{image{2, 1, 1, 1}, 1, 2, 1}, {image{2, 3, 5, 2}, 3, 2, 3}, {image{1, 2, 1, 5}, 1, 3, 3}, {image{2, 4, 2, 8}, 8, 8, 3}} {
		b := image{s.a.n, s.a.h, s.a.w, s.cb}
		all := image{s.a.n, s.a.h, s.a.w, s.a.c + s.cb}
		add(opCase{
			name:     fmt.Sprintf("Conv %v and %d to %d, kernel %d", s.a, s.cb, s.out, s.kernel),
			operands: []operand{{s.a.shape(), normal}, {b.shape(), normal}, {[]int{s.kernel, s.kernel, all.c, s.out}, normal}},
			build:    func(g *op.Graph, in []*G.Node) *G.Node { return same(g, "y", in[:2], in[2], nil) },
			reference: func(in [][]float64) []float64 {
				return convRef(all, s.out, s.kernel, concatRef(s.a, s.cb, in[0], in[1]), in[2], nil)
			},
			step: 1,
		})
	}
	for _, s := range []image{{2, 3, 3, 1}, {2, 5, 3, 4}, {3, 1, 7, 2}} {
		for _, act := range activations {
			operands := []operand{{s.shape(), twoHills}, {vector(s.c), nearOne}, {vector(s.c), nearZero}}
			if act == kernel.ReLU6 {
				operands = []operand{{s.shape(), threeHills}, {vector(s.c), near(6)}, {vector(s.c), near(3)}}
			}
			add(opCase{
				name:     fmt.Sprintf("BatchNorm %v, activation %d", s, act),
				operands: operands,
				build: func(g *op.Graph, in []*G.Node) *G.Node {
					y, _ := g.BatchNorm("y", in[0], in[1], in[2], 1e-5, act)
					return y
				},
				reference: func(in [][]float64) []float64 { return batchNormRef(in[0], in[1], in[2], act) },
				step:      1. / 64,
			})
		}
	}
	for _, s := range []image{{2, 3, 3, 1}, {1, 4, 8, 16}} { // the second is one whose convolution counts the moments
		add(opCase{
			name:     fmt.Sprintf("ConvBatchNorm %v", s),
			operands: []operand{{s.shape(), normal}, {[]int{3, 3, s.c, s.c}, normal}, {vector(s.c), nearOne}, {vector(s.c), nearZero}},
			build: func(g *op.Graph, in []*G.Node) *G.Node {
				y, _ := g.ConvBatchNorm("conv", "norm", in[:1], in[1], in[2], in[3], 1, 1, 1e-5, kernel.None)
				return y
			},
			reference: func(in [][]float64) []float64 {
				return batchNormRef(convRef(s, s.c, 3, in[0], in[1], nil), in[2], in[3], kernel.None)
			},
			step: 1. / 16,
		})
	}
	for _, x := range []image{{2, 1, 1, 1}, {2, 3, 5, 3}} {
		const out = 4
		frozen := []operand{{[]int{3, 3, x.c, out}, normal}, {vector(out), nearOne}, {vector(out), nearZero}, {vector(out), nearZero}, {vector(out), nearOne}}
		rng := rand.New(rand.NewPCG(9, uint64(x.c)))
		constants := opCase{operands: frozen}.draw(rng)
		for _, act := range activations {
			add(opCase{
				name:     fmt.Sprintf("ConvNorm %v, activation %d", x, act),
				operands: []operand{{x.shape(), normal}},
				build: func(g *op.Graph, in []*G.Node) *G.Node {
					var fixed []*G.Node
					for i, a := range constants {
						fixed = append(fixed, g.Input(fmt.Sprintf("fixed.%d", i), a.values, a.shape...))
					}
					return g.ConvNorm("y", in, fixed[0], fixed[1], fixed[2], fixed[3], fixed[4], 1, 1, 1e-5, act)
				},
				reference: func(in [][]float64) []float64 {
					w, gamma, beta, mean, variance := widen(constants[0].values), widen(constants[1].values), widen(constants[2].values), widen(constants[3].values), widen(constants[4].values)
					return normaliseRef(convRef(x, out, 3, in[0], w, nil), gamma, beta, mean, variance, act)
				},
				step: 1. / 1024,
			})
		}
	}
	for _, s := range []image{{2, 1, 1, 1}, {2, 3, 5, 3}} {
		for _, act := range activations {
			add(opCase{
				name:      fmt.Sprintf("Add %v, activation %d", s, act),
				operands:  []operand{{s.shape(), threes}, {s.shape(), awayFromZero}},
				build:     func(g *op.Graph, in []*G.Node) *G.Node { return g.Add("y", in[0], in[1], act) },
				reference: func(in [][]float64) []float64 { return addRef(act, in[0], in[1]) },
				step:      1. / 8,
			})
		}
	}
	for _, s := range []image{{2, 1, 1, 1}, {2, 3, 5, 3}} {
		add(opCase{
			name:      fmt.Sprintf("ReLU %v", s),
			operands:  []operand{{s.shape(), awayFromZero}},
			build:     func(g *op.Graph, in []*G.Node) *G.Node { return g.ReLU("y", in[0]) },
			reference: func(in [][]float64) []float64 { return activateRef(kernel.ReLU, in[0]) },
			step:      1. / 8,
		})
	}
	for _, s := range []image{{2, 1, 1, 1}, {2, 1, 1, 2}, {2, 3, 5, 4}} {
		add(opCase{
			name:      fmt.Sprintf("LogSoftmax %v", s),
			operands:  []operand{{s.shape(), normal}},
			build:     func(g *op.Graph, in []*G.Node) *G.Node { return g.LogSoftmax("y", in[0]) },
			reference: func(in [][]float64) []float64 { return logSoftmaxRef(s.c, in[0]) },
			step:      1. / 16,
		})
	}
	s := image{2, 3, 3, 2}
	add(opCase{
		name:     "a node used three times",
		operands: []operand{{s.shape(), awayFromZero}, {[]int{3, 3, 2, 2}, normal}, {[]int{1, 1, 6, 1}, normal}},
		build: func(g *op.Graph, in []*G.Node) *G.Node {
			x := same(g, "first", in[:1], in[1], nil)
			return same(g, "y", []*G.Node{x, same(g, "again", []*G.Node{x}, in[1], nil), x}, in[2], nil)
		},
		reference: func(in [][]float64) []float64 {
			x := convRef(s, 2, 3, in[0], in[1], nil)
			all := concatRef(image{2, 3, 3, 4}, 2, concatRef(s, 2, x, convRef(s, 2, 3, x, in[1], nil)), x)
			return convRef(image{2, 3, 3, 6}, 1, 1, all, in[2], nil)
		},
		// Quadratic in the first weights: the five points are exact.
		step: 1. / 4,
	})
	add(opCase{
		name:     "Conv of a node beside itself",
		operands: []operand{{s.shape(), normal}, {[]int{3, 3, 4, 3}, normal}},
		build:    func(g *op.Graph, in []*G.Node) *G.Node { return same(g, "y", []*G.Node{in[0], in[0]}, in[1], nil) },
		reference: func(in [][]float64) []float64 {
			return convRef(image{2, 3, 3, 4}, 3, 3, concatRef(s, 2, in[0], in[0]), in[1], nil)
		},
		step: 1,
	})
	square := []int{3, 3, 2, 2}
	residual := func(x, w []float64) []float64 { return addRef(kernel.None, x, convRef(s, 2, 3, x, w, nil)) }
	add(opCase{
		name:     "two residual blocks, and a reader of all that they add",
		operands: []operand{{s.shape(), normal}, {square, normal}, {square, normal}, {[]int{1, 1, 6, 1}, normal}},
		build: func(g *op.Graph, in []*G.Node) *G.Node {
			x := same(g, "stem", in[:1], in[1], nil)
			y := g.Add("first", x, same(g, "conv", []*G.Node{x}, in[2], nil), kernel.None)
			z := g.Add("second", y, same(g, "again", []*G.Node{y}, in[1], nil), kernel.None)
			return same(g, "y", []*G.Node{x, y, z}, in[3], nil)
		},
		reference: func(in [][]float64) []float64 {
			x := convRef(s, 2, 3, in[0], in[1], nil)
			y := residual(x, in[2])
			z := residual(y, in[1])
			all := concatRef(image{2, 3, 3, 4}, 2, concatRef(s, 2, x, y), z)
			return convRef(image{2, 3, 3, 6}, 1, 1, all, in[3], nil)
		},
		step: 1. / 4,
	})
	for _, more := range []bool{false, true} {
		add(opCase{
			name:     fmt.Sprint("a parameter with the same sum of gradients as a node, and more: ", more),
			operands: []operand{{s.shape(), normal}, {s.shape(), normal}, {square, normal}},
			build: func(g *op.Graph, in []*G.Node) *G.Node {
				x := same(g, "conv", in[1:2], in[2], nil)
				y := g.Add("third", g.Add("second", g.Add("first", in[0], x, kernel.None), in[0], kernel.None), x, kernel.None)
				if more {
					y = g.Add("fourth", y, in[0], kernel.None)
				}
				return y
			},
			reference: func(in [][]float64) []float64 {
				sum := addRef(kernel.None, in[0], convRef(s, 2, 3, in[1], in[2], nil))
				sum = addRef(kernel.None, sum, sum)
				if more {
					sum = addRef(kernel.None, sum, in[0])
				}
				return sum
			},
			step: 1,
		})
	}
	add(opCase{
		name:     "sums that share their gradient",
		operands: []operand{{s.shape(), normal}, {square, normal}, {square, normal}},
		build: func(g *op.Graph, in []*G.Node) *G.Node {
			a, b := same(g, "a", in[:1], in[1], nil), same(g, "b", in[:1], in[2], nil)
			return g.Add("y", g.Add("second", g.Add("first", a, b, kernel.None), a, kernel.None), b, kernel.None)
		},
		reference: func(in [][]float64) []float64 {
			sum := addRef(kernel.None, convRef(s, 2, 3, in[0], in[1], nil), convRef(s, 2, 3, in[0], in[2], nil))
			return addRef(kernel.None, sum, sum)
		},
		step: 1,
	})
	for _, s := range []image{{2, 2, 4, 2}, {1, 4, 4, 3}} {
		half, twice := image{s.n, s.h / 2, s.w / 2, s.c}, image{s.n, s.h, s.w, 2 * s.c}
		for _, readers := range []int{1, 2} {
			add(opCase{
				name:     fmt.Sprintf("%d skip connections beside MaxPool %v", readers, s),
				operands: []operand{{s.shape(), distinct}, {[]int{3, 3, 2 * s.c, s.c}, normal}},
				build: func(g *op.Graph, in []*G.Node) *G.Node {
					x := g.Upsample("up", g.MaxPool("pool", in[0]))
					for i := range readers {
						x = same(g, fmt.Sprint("join", i), []*G.Node{in[0], x}, in[1], nil)
					}
					return x
				},
				reference: func(in [][]float64) []float64 {
					x := upsampleRef(half, maxPoolRef(s, in[0]))
					for range readers {
						x = convRef(twice, s.c, 3, concatRef(s, s.c, in[0], x), in[1], nil)
					}
					return x
				},
				step: 1. / 32,
			})
		}
	}
	return append(cases, stridedCases()...)
}

// draw makes the operands of a case.
func (c opCase) draw(rng *rand.Rand) []array {
	arrays := make([]array, len(c.operands))
	for i, o := range c.operands {
		size := 1
		for _, n := range o.shape {
			size *= n
		}
		arrays[i] = array{o.shape, make([]float32, size)}
		o.fill(rng, arrays[i].values)
	}
	return arrays
}

func parameters(g *op.Graph, arrays []array) []*G.Node {
	nodes := make([]*G.Node, len(arrays))
	for i, a := range arrays {
		nodes[i] = g.Parameter(fmt.Sprintf("in.%d", i), a.values, a.shape...)
	}
	return nodes
}

// Every op agrees with its plain reference, and its gradient with the central
// differences of the reference (float64) and of its own float32 forward.
func TestOps(t *testing.T) {
	for _, c := range opCases() {
		t.Run(c.name, func(t *testing.T) {
			seed := fnv.New64a() // by the name, so that a new case changes no other
			seed.Write([]byte(c.name))
			rng := rand.New(rand.NewPCG(seed.Sum64(), 0))
			arrays := c.draw(rng)

			g := newGraph(t)
			in := parameters(g, arrays)
			y := c.build(g, in)
			if err := g.Err(); err != nil {
				t.Fatal(err)
			}
			weights := make([]float32, y.Shape().TotalSize())
			awayFromZero(rng, weights)
			sum := weightedSum(g, "sum", y, weights)
			grads, err := g.Grad(sum, in)
			if err != nil {
				t.Fatal(err)
			}
			run(t, compile(t, g, append(grads, y, sum)...))

			reference := make([][]float64, len(arrays))
			for i, a := range arrays {
				reference[i] = widen(a.values)
			}
			check(t, "y", op.Values(y), c.reference(reference), 1e-5)
			check(t, "sum", op.Values(sum), []float64{dot(weights, op.Values(y))}, 1e-5)

			forward := newGraph(t)
			out := c.build(forward, parameters(forward, arrays))
			machine := compile(t, forward, out)
			for i, a := range arrays {
				grad := op.Values(grads[i])
				sharp := differences(reference[i], 1./4096, func() float64 { return dot(weights, c.reference(reference)) })
				check(t, fmt.Sprintf("gradient of operand %d, by the reference", i), grad, sharp, 2e-5)
				own := differences(a.values, c.step, func() float64 {
					run(t, machine)
					return dot(weights, op.Values(out))
				})
				check(t, fmt.Sprintf("gradient of operand %d, by the op", i), grad, own, 5e-4)
			}
		})
	}
}

// differences is the gradient of f by each x, by the five-point formula, whose error is O(step^4).
func differences[T float32 | float64](x []T, step float64, f func() float64) []float64 {
	grad := make([]float64, len(x))
	for i, v := range x {
		at := func(steps float64) float64 {
			x[i] = v + T(steps*step)
			return f()
		}
		grad[i] = (8*(at(1)-at(-1)) - (at(2) - at(-2))) / (12 * step)
		x[i] = v
	}
	return grad
}

// check compares by the largest of the wanted values, or 1.
func check(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	scale := 1.0
	for _, w := range want {
		scale = max(scale, math.Abs(w))
	}
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - w); !(d <= tolerance*scale) {
			t.Fatalf("%s: value %d is %g, want %g", what, i, got[i], w)
		}
	}
}

func TestMaxPoolTie(t *testing.T) {
	g := newGraph(t)
	x := g.Parameter("x", []float32{5, 5, 5, 5}, 1, 2, 2, 1)
	grads, err := g.Grad(weightedSum(g, "sum", g.MaxPool("y", x), []float32{3}), []*G.Node{x})
	if err != nil {
		t.Fatal(err)
	}
	run(t, compile(t, g, grads...))
	check(t, "gradient: the first of equal maxima gets it", op.Values(grads[0]), []float64{3, 0, 0, 0}, 0)
}

func TestReLUKink(t *testing.T) {
	g := newGraph(t)
	x := g.Parameter("x", []float32{-1, 0, 1, float32(math.Copysign(0, -1))}, 1, 2, 2, 1)
	grads, err := g.Grad(weightedSum(g, "sum", g.ReLU("y", x), []float32{2, 3, 4, 5}), []*G.Node{x})
	if err != nil {
		t.Fatal(err)
	}
	run(t, compile(t, g, grads...))
	check(t, "gradient: 0 at 0, as PyTorch's", op.Values(grads[0]), []float64{0, 0, 4, 0}, 0)
}

func TestSoftmax(t *testing.T) {
	s := image{2, 3, 1, 5}
	x := make([]float32, s.size())
	normal(rand.New(rand.NewPCG(1, 0)), x)
	copy(x, []float32{1000, -1000, 0, 999, 1000})
	g := newGraph(t)
	logits := g.Parameter("logits", x, s.shape()...)
	p, logp := g.Softmax("p", logits), g.LogSoftmax("logp", logits)
	run(t, compile(t, g, p, logp))
	check(t, "softmax", op.Values(p), softmaxRef(s.c, widen(x)), 1e-6)
	check(t, "log-softmax", op.Values(logp), logSoftmaxRef(s.c, widen(x)), 1e-6)
}

func TestBatchStatistics(t *testing.T) {
	s := image{3, 5, 7, 3}
	x := make([]float32, s.size())
	normal(rand.New(rand.NewPCG(1, 0)), x)
	for i := range x {
		x[i] += 100 * float32(i%3) // a large mean must not cost the variance its digits
	}
	one, zero := []float32{1, 1, 1}, []float32{0, 0, 0}
	g := newGraph(t)
	y, stats := g.BatchNorm("bn", g.Input("x", x, s.shape()...), g.Input("gamma", one, 3), g.Input("beta", zero, 3), 1e-5, kernel.None)
	run(t, compile(t, g, y))
	mean, variance := statistics(3, widen(x))
	check(t, "mean", stats.Mean, mean, 1e-6)
	check(t, "variance", stats.Variance, variance, 1e-5)
	if stats.Rows != 105 {
		t.Errorf("rows = %d, want 3*5*7", stats.Rows)
	}
}

func TestConvNorm(t *testing.T) {
	s, out := image{2, 5, 6, 3}, image{2, 5, 6, 4}
	rng := rand.New(rand.NewPCG(1, 0))
	x, w := make([]float32, s.size()), make([]float32, 3*3*s.c*out.c)
	gamma, beta, mean := make([]float32, out.c), make([]float32, out.c), make([]float32, out.c)
	for _, v := range [][]float32{x, w, gamma, beta, mean} {
		normal(rng, v)
	}
	variance := []float32{0.01, 0.25, 9, 1}
	g := newGraph(t)
	y := g.ConvNorm("conv", []*G.Node{g.Input("x", x, s.shape()...)}, g.Input("w", w, 3, 3, s.c, out.c),
		g.Input("gamma", gamma, out.c), g.Input("beta", beta, out.c), g.Input("mean", mean, out.c), g.Input("variance", variance, out.c), 1, 1, 1e-5, kernel.ReLU)
	m := compile(t, g, y)
	want := func() []float64 {
		return normaliseRef(convRef(s, out.c, 3, widen(x), widen(w), nil), widen(gamma), widen(beta), widen(mean), widen(variance), kernel.ReLU)
	}
	run(t, m)
	check(t, "first run", op.Values(y), want(), 1e-5)
	mean[1]++
	w[0] += 2
	run(t, m)
	check(t, "after weights and running mean moved", op.Values(y), want(), 1e-5)
}

func TestDropout(t *testing.T) {
	const size, p = 4000, 0.3
	x, weights := make([]float32, size), make([]float32, size)
	rng := rand.New(rand.NewPCG(1, 0))
	awayFromZero(rng, x)
	awayFromZero(rng, weights)
	g := newGraph(t)
	in := g.Parameter("x", x, 2, 10, 20, 10)
	y := g.Dropout("y", in, p, 7)
	grads, err := g.Grad(weightedSum(g, "sum", y, weights), []*G.Node{in})
	if err != nil {
		t.Fatal(err)
	}
	m := compile(t, g, y, grads[0])

	step := func(n uint64) []float32 {
		t.Helper()
		g.Step = n
		run(t, m)
		dropped := 0
		for i, v := range op.Values(y) {
			factor := float32(1 / (1 - p))
			if v == 0 {
				factor = 0
				dropped++
			}
			if want := x[i] * factor; v != want {
				t.Fatalf("value %d is %g, want 0 or %g", i, v, want)
			}
			if want := weights[i] * factor; op.Values(grads[0])[i] != want {
				t.Fatalf("gradient %d is %g, want %g", i, op.Values(grads[0])[i], want)
			}
		}
		// 1200 expected, standard deviation 29
		if dropped < 1050 || dropped > 1350 {
			t.Errorf("step %d: %d of %d dropped, want about %g", n, dropped, size, size*p)
		}
		return append([]float32(nil), op.Values(y)...)
	}
	first, second, again := step(1), step(2), step(1)
	if equal(first, second) {
		t.Error("steps 1 and 2 drop the same values")
	}
	if !equal(first, again) {
		t.Error("step 1 dropped other values the second time")
	}

	other := newGraph(t)
	other.Step = 1
	z := other.Dropout("y", other.Input("x", x, 2, 10, 20, 10), p, 8)
	run(t, compile(t, other, z))
	if equal(first, op.Values(z)) {
		t.Error("seeds 7 and 8 drop the same values")
	}
}

func equal(a, b []float32) bool {
	for i, v := range a {
		if math.Float32bits(v) != math.Float32bits(b[i]) {
			return false
		}
	}
	return len(a) == len(b)
}
