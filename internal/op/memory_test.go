package op_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// chain is a deep net with skips: at each of the levels down a convolution,
// batch norm and pool, then back up with concatenations.
type chain struct {
	g      *op.Graph
	x      []float32
	params []*G.Node
	grads  [][]float32 // where the gradients are placed
	loss   *G.Node
}

const levels = 3

func newChain(t testing.TB, memory *op.Memory, s image) *chain {
	t.Helper()
	engine, err := kernel.NewEngine(2, "auto")
	if err != nil {
		t.Fatal(err)
	}
	g := op.NewGraph(engine, memory)
	c := &chain{g: g, x: make([]float32, s.size())}
	rng := rand.New(rand.NewPCG(1, 0))
	normal(rng, c.x)
	parameter := func(name string, shape ...int) *G.Node {
		size := 1
		for _, n := range shape {
			size *= n
		}
		values := make([]float32, size)
		nearOne(rng, values)
		for i := range values {
			if len(shape) == 4 {
				values[i] = (values[i] - 1) / 2
			}
		}
		n := g.Parameter(name, values, shape...)
		c.params = append(c.params, n)
		c.grads = append(c.grads, make([]float32, size))
		return n
	}
	x := g.Input("x", c.x, s.shape()...)
	block := func(name string, x *G.Node) *G.Node {
		if g.Err() != nil {
			t.Fatal(g.Err())
		}
		x = same(g, name+".conv", []*G.Node{x}, parameter(name+".w", 3, 3, x.Shape()[3], s.c), nil)
		y, _ := g.BatchNorm(name+".bn", x, parameter(name+".gamma", s.c), parameter(name+".beta", s.c), 1e-5, kernel.ReLU)
		return g.Dropout(name+".dropout", y, 0.1, 1)
	}
	var skips []*G.Node
	for i := range levels {
		x = block(fmt.Sprint("down", i), x)
		skips = append(skips, x)
		x = g.MaxPool(fmt.Sprint("pool", i), x)
	}
	x = block("deepest", x)
	for i := levels - 1; i >= 0; i-- {
		up := g.UpConv(fmt.Sprint("up", i), x, parameter(fmt.Sprint("up.w", i), x.Shape()[3], 2, 2, s.c), parameter(fmt.Sprint("up.b", i), s.c))
		join := func(name string, a, b *G.Node) *G.Node {
			return same(g, name, []*G.Node{a, b}, parameter(name+".w", 3, 3, a.Shape()[3]+b.Shape()[3], s.c), nil)
		}
		x = g.ReLU(fmt.Sprint("relu", i), join(fmt.Sprint("join", i), skips[i], up))
		x = join(fmt.Sprint("again", i), block(fmt.Sprint("back", i), x), x) // x has two readers
	}
	x = g.LogSoftmax("logp", same(g, "head", []*G.Node{x}, parameter("head.w", 1, 1, x.Shape()[3], 3), parameter("head.b", 3)))
	weights := make([]float32, x.Shape().TotalSize())
	normal(rng, weights)
	c.loss = weightedSum(g, "loss", x, weights)
	grads, err := g.Grad(c.loss, c.params)
	if err != nil {
		t.Fatal(err)
	}
	for i, grad := range grads {
		g.Place(grad, c.grads[i])
	}
	return c
}

// result is the loss and all gradients.
func (c *chain) result() []float32 {
	all := append([]float32(nil), op.Values(c.loss)...)
	for _, g := range c.grads {
		all = append(all, g...)
	}
	return all
}

// With memory used again a net computes what it does when every output has a
// block of its own, and in less of it.
func TestPlannedMemory(t *testing.T) {
	s := image{2, 16, 8, 4}
	var planned, kept op.Memory
	a, b := newChain(t, &planned, s), newChain(t, &kept, s)
	machine := compile(t, a.g, a.loss)
	run(t, machine)
	run(t, compile(t, b.g, b.g.AllNodes()...))
	want := b.result()
	if !equal(a.result(), want) {
		t.Error("loss or gradients differ from those with every output kept")
	}
	for i, v := range want[1:] {
		if v != 0 {
			break
		}
		if i == len(want)-2 {
			t.Error("all gradients are zero: the test shows nothing")
		}
	}
	if planned.Bytes()*2 > kept.Bytes() {
		t.Errorf("planned memory is %d bytes, want less than half of the %d with every output kept", planned.Bytes(), kept.Bytes())
	}
	for i := range a.grads {
		clear(a.grads[i])
	}
	run(t, machine)
	if !equal(a.result(), want) {
		t.Error("a second run gave other values")
	}
}

// Gorgonia's own sums of gradients are not run, and gradients are whole all the same.
func TestGradientSums(t *testing.T) {
	s := image{1, 2, 3, 1}
	for _, readers := range []int{2, 3, 4} {
		g := newGraph(t)
		x := g.Input("x", []float32{1, 2, 3, 4, 5, 6}, s.shape()...)
		w := g.Parameter("w", []float32{1}, 1, 1, 1, 1)
		one := same(g, "conv", []*G.Node{x}, w, nil)
		y := one
		for i := 1; i < readers; i++ {
			y = g.Add(fmt.Sprint("add", i), g.ReLU(fmt.Sprint("relu", i), one), y, kernel.None)
		}
		grads, err := g.Grad(weightedSum(g, "loss", y, []float32{1, 1, 1, 1, 1, 1}), []*G.Node{w})
		if err != nil {
			t.Fatal(err)
		}
		run(t, compile(t, g, grads[0]))
		if got := op.Values(grads[0])[0]; got != float32(21*readers) {
			t.Errorf("%d readers: gradient is %g, want %d", readers, got, 21*readers)
		}
		stock := 0
		for _, n := range g.AllNodes() {
			if n.Op() != nil && strings.HasPrefix(n.Op().String(), "+ ") {
				stock++
				if n.Value() != nil {
					t.Errorf("%d readers: %v was run", readers, n)
				}
			}
		}
		if stock == 0 {
			t.Errorf("%d readers: the graph has no sum of Gorgonia's: the test shows nothing", readers)
		}
	}
}

// An op that may overwrite an input does so where nobody reads that later.
func TestOverwrittenInputs(t *testing.T) {
	const size = 3
	for _, tt := range []struct {
		name              string
		several           bool // inputs may be overwritten
		read, keep, place bool // the input is read later, after the run, or is memory of the caller
		overwrites        bool
	}{
		{name: "last reader", overwrites: true},
		{name: "of two inputs the one that is free", several: true, overwrites: true},
		{name: "read later", read: true},
		{name: "kept", keep: true},
		{name: "placed", place: true},
	} {
		engine, err := kernel.NewEngine(1, "auto")
		if err != nil {
			t.Fatal(err)
		}
		g := op.NewGraph(engine, &op.Memory{})
		plus := func(name string, overwrites []int, inputs ...*G.Node) *G.Node {
			return g.Apply(op.Func{Name: name, Shape: []int{size}, Overwrites: overwrites, Run: func(out []float32, in [][]float32) {
				for i := range out {
					sum := float32(1)
					for _, values := range in {
						sum += values[i]
					}
					out[i] = sum
				}
			}}, inputs...)
		}
		x := g.Input("x", []float32{10, 20, 30}, size)
		a := plus("a", nil, x)
		var b *G.Node
		if tt.several {
			b = plus("b", []int{0, 1}, x, a)
		} else {
			b = plus("b", []int{0}, a)
		}
		c := plus("c", nil, b)
		keep := []*G.Node{b, c}
		if tt.read {
			keep = append(keep, plus("d", nil, c, a)) // after c, so after b
		}
		if tt.keep {
			keep = append(keep, a)
		}
		if tt.place {
			g.Place(a, make([]float32, size))
		}
		run(t, compile(t, g, keep...))
		if shared := &op.Values(a)[0] == &op.Values(b)[0]; shared != tt.overwrites {
			t.Errorf("%s: overwritten: %t, want %t", tt.name, shared, tt.overwrites)
		}
		want := float32(12)
		if tt.several {
			want += 10
		}
		if got := op.Values(b)[0]; got != want {
			t.Errorf("%s: %g, want %g", tt.name, got, want)
		}
		if tt.read && op.Values(keep[2])[0] != 25 {
			t.Errorf("%s: %g, want 25", tt.name, op.Values(keep[2])[0])
		}
	}
}

// The values of kept nodes are those of the end of a run.
func TestKeptNodes(t *testing.T) {
	s := image{2, 16, 8, 4}
	all, some := newChain(t, &op.Memory{}, s), newChain(t, &op.Memory{}, s)
	node := func(c *chain, name string) *G.Node {
		for _, n := range c.g.AllNodes() {
			if n.Op() != nil && n.Op().String() == name {
				return n
			}
		}
		t.Fatalf("no node %s", name)
		return nil
	}
	names := []string{"down0.conv", "down1.bn", "pool2", "join1", "logp"}
	var keep []*G.Node
	for _, name := range names {
		keep = append(keep, node(some, name))
	}
	run(t, compile(t, all.g, all.g.AllNodes()...))
	run(t, compile(t, some.g, keep...))
	for i, name := range names {
		if !equal(op.Values(keep[i]), op.Values(node(all, name))) {
			t.Errorf("%s was overwritten", name)
		}
	}
}

// Graphs of several sizes that take turns in one memory compute what they do alone.
func TestSharedMemory(t *testing.T) {
	sizes := []image{{1, 8, 8, 4}, {2, 16, 8, 4}, {3, 8, 8, 2}}
	var shared op.Memory
	var graphs []*chain
	var machines []*op.Machine
	var want [][]float32
	var alone int64
	for _, s := range sizes {
		var memory op.Memory
		c := newChain(t, &memory, s)
		run(t, compile(t, c.g, c.loss))
		want = append(want, c.result())
		alone += memory.Bytes()

		c = newChain(t, &shared, s)
		graphs = append(graphs, c)
		machines = append(machines, compile(t, c.g, c.loss))
	}
	for round := range 3 {
		for i, c := range graphs {
			for _, g := range c.grads {
				clear(g)
			}
			run(t, machines[i])
			if !equal(c.result(), want[i]) {
				t.Errorf("round %d: the graph of %v differs from what it computes alone", round, sizes[i])
			}
		}
	}
	if shared.Bytes() >= alone {
		t.Errorf("shared memory is %d bytes, want less than the %d of three of their own", shared.Bytes(), alone)
	}
}

// A step leaves the heap as it was, and what it allocates in passing does not
// grow with the tensors.
func TestStepsDoNotAllocate(t *testing.T) {
	const steps = 50
	perStep := func(s image) (allocated, grown int64) {
		var memory op.Memory
		c := newChain(t, &memory, s)
		m := compile(t, c.g, c.loss)
		run(t, m)
		run(t, m)
		var before, after runtime.MemStats
		runtime.GC() // twice: a tape machine has a finalizer
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range steps {
			run(t, m)
		}
		runtime.ReadMemStats(&after)
		allocated = int64(after.TotalAlloc-before.TotalAlloc) / steps
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(m)
		return allocated, int64(after.HeapAlloc) - int64(before.HeapAlloc)
	}
	small, smallGrown := perStep(image{1, 8, 8, 4})
	large, largeGrown := perStep(image{2, 48, 64, 4}) // 96 times the pixels; one activation is 98 kB
	t.Logf("bytes per step: %d small, %d large; heap grown by %d, %d", small, large, smallGrown, largeGrown)
	// The tape machine takes about 1 kB an op.
	if large > 128<<10 || large > small+16<<10 {
		t.Errorf("a step allocates %d bytes for large tensors and %d for small ones, want as many, and less than 128 KiB", large, small)
	}
	// One activation a step would be 5 MB. A thread's scratch grows to its need
	// when it first does a piece of that kind, which may be late.
	if max(smallGrown, largeGrown) > 1<<20 {
		t.Errorf("%d steps grew the heap by %d and %d bytes", steps, smallGrown, largeGrown)
	}
}
