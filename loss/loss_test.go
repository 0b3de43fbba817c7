package loss_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

// batch is logits and targets of n images of h x w pixels.
type batch struct {
	n, h, w, classes int
	logits, target   []float32 // (n, h, w, classes)
}

// void marks a pixel without a label.
const void = -1

// labelled makes a batch of one-row images from logits and the class of each pixel.
func labelled(images, classes int, logits []float32, labels ...int) batch {
	b := batch{images, 1, len(labels) / images, classes, logits, make([]float32, len(logits))}
	for i, c := range labels {
		if c != void {
			b.target[i*classes+c] = 1
		}
	}
	return b
}

// random draws a batch in which every class occurs and every fifth pixel is void.
func random(seed uint64, n, h, w, classes int) batch {
	rng := rand.New(rand.NewPCG(seed, 0))
	size := n * h * w * classes
	b := batch{n, h, w, classes, make([]float32, size), make([]float32, size)}
	for i := range b.logits {
		b.logits[i] = float32(rng.NormFloat64())
	}
	for i := range n * h * w {
		if i%5 != 4 {
			b.target[i*classes+(i+rng.IntN(2))%classes] = 1
		}
	}
	return b
}

// result is what the graph of a loss computes for a batch.
type result struct {
	value float64
	sums  []float64
	grad  []float32 // by the logits
	again func() float64
	graph *op.Graph
}

// compute builds the graph of a loss; again runs it on what the batch holds now.
func compute(t testing.TB, cfg loss.Config, weights []float64, b batch, training bool) result {
	t.Helper()
	if err := cfg.Validate(b.classes); err != nil {
		t.Fatal(err)
	}
	engine, err := kernel.NewEngine(2, "auto")
	if err != nil {
		t.Fatal(err)
	}
	g := op.NewGraph(engine, &op.Memory{})
	logits := g.Parameter("logits", b.logits, b.n, b.h, b.w, b.classes)
	target := g.Input("target", b.target, b.n, b.h, b.w, b.classes)
	value, sums, err := loss.New(cfg, weights).Nodes(g, logits, target, training)
	if err != nil {
		t.Fatal(err)
	}
	grads, err := g.Grad(value, []*G.Node{logits})
	if err != nil {
		t.Fatal(err)
	}
	r := result{graph: g, grad: make([]float32, len(b.logits))}
	g.Place(grads[0], r.grad)
	m, err := g.Compile(value, sums)
	if err != nil {
		t.Fatal(err)
	}
	r.again = func() float64 {
		t.Helper()
		if err := m.Run(); err != nil {
			t.Fatal(err)
		}
		return float64(op.Values(value)[0])
	}
	r.value = r.again()
	r.sums = widen(op.Values(sums))
	return r
}

func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// reference is the loss as the design writes it, from logits, in float64.
func reference(cfg loss.Config, weights []float64, b batch, logits []float64) float64 {
	perBatch := make([]float64, b.classes)
	for i, y := range b.target {
		perBatch[i%b.classes] += float64(y)
	}
	if cfg.ClassWeights.Scheme == "per_batch" {
		weights = make([]float64, b.classes)
		for c, n := range perBatch {
			weights[c] = float64(b.n) / (n + 1e-7)
		}
	}
	var numerator, weightSum, pixels float64
	probabilities := make([][]float64, b.classes) // of labelled pixels, by class
	labels := []int{}
	overlap, predicted, occurs := make([]float64, b.classes), make([]float64, b.classes), make([]float64, b.classes)
	for i := 0; i < len(logits); i += b.classes {
		p := make([]float64, b.classes)
		sum := 0.0
		for c := range p {
			p[c] = math.Exp(logits[i+c])
			sum += p[c]
		}
		for c := range p {
			p[c] /= sum
			if cfg.Kind == "weighted_cce_probabilities" {
				p[c] = math.Min(math.Max(p[c], 1e-7), 1-1e-7)
			}
		}
		label := void
		for c := range p {
			if b.target[i+c] == 1 {
				label = c
			}
		}
		if label == void {
			continue
		}
		w := weights[label]
		if cfg.WeightBy == "prediction" {
			w = 0
			for c := range p {
				w += p[c] * weights[c]
			}
		}
		numerator += w * math.Pow(1-p[label], cfg.FocalGamma) * -math.Log(p[label])
		weightSum += w
		pixels++
		for c := range p {
			predicted[c] += p[c]
			probabilities[c] = append(probabilities[c], p[c])
		}
		labels = append(labels, label)
		overlap[label] += p[label]
		occurs[label]++
	}
	denominator := map[string]float64{"weighted_mean": weightSum, "mean": pixels, "sum_per_image": float64(b.n)}[cfg.Reduction]
	value := (1 - cfg.Dice - cfg.Lovasz) * numerator / denominator
	value += cfg.Lovasz * lovasz(probabilities, labels)
	for c := range occurs {
		value += cfg.Dice / float64(b.classes) * (1 - (2*overlap[c]+1)/(predicted[c]+occurs[c]+1))
	}
	return value
}

// lovasz is the mean, over the classes that have a label, of the Lovász extension of
// the Jaccard loss at the errors, by its definition: the integral of the loss of the set
// of pixels whose error is above t, for t from 0 to 1. probabilities: (C, pixels).
func lovasz(probabilities [][]float64, labels []int) float64 {
	sum, present := 0.0, 0
	for c, p := range probabilities {
		if !slices.Contains(labels, c) {
			continue
		}
		present++
		errs := make([]float64, len(labels))
		for i, label := range labels {
			errs[i] = p[i]
			if label == c {
				errs[i] = 1 - p[i]
			}
		}
		from := 0.0
		for _, to := range slices.Sorted(slices.Values(errs)) {
			right, union := 0.0, 0.0
			for i, e := range errs {
				wrong := e >= to // above all t of this step
				if labels[i] == c && !wrong {
					right++
				}
				if labels[i] == c || wrong {
					union++
				}
			}
			sum += (to - from) * (1 - right/union)
			from = to
		}
	}
	return sum / float64(present)
}

// configs are all combinations of what changes the formula.
func configs() []loss.Config {
	var all []loss.Config
	for _, kind := range []string{"weighted_cce", "weighted_cce_probabilities"} {
		for _, reduction := range []string{"weighted_mean", "mean", "sum_per_image"} {
			for _, by := range []string{"target", "prediction"} {
				for _, share := range [][2]float64{{0, 0}, {0.4, 0}, {1, 0}, {0.4, 0.3}} {
					for _, gamma := range []float64{0, 0.5, 2} {
						for _, scheme := range []string{"dataset", "per_batch"} {
							cfg := loss.DefaultConfig()
							cfg.Kind, cfg.Reduction, cfg.WeightBy, cfg.FocalGamma = kind, reduction, by, gamma
							cfg.Dice, cfg.Lovasz = share[0], share[1]
							cfg.ClassWeights.Scheme = scheme
							all = append(all, cfg)
						}
					}
				}
			}
		}
	}
	return all
}

func name(c loss.Config) string {
	return fmt.Sprintf("%s %s by %s, dice %g, Lovász %g, gamma %g, %s", c.Kind, c.Reduction, c.WeightBy, c.Dice, c.Lovasz, c.FocalGamma, c.ClassWeights)
}

// differences is the gradient of f by each x, by the five-point formula.
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

func largest(v []float64) float64 {
	top := 0.0
	for _, x := range v {
		top = max(top, math.Abs(x))
	}
	return top
}

func checkGrad(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	scale := largest(want)
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= tolerance*scale) {
			t.Errorf("%s: gradient by logit %d is %g, want %g", what, i, got[i], w)
			return
		}
	}
}

// Every combination: the value agrees with the reference, the gradient with the
// differences of the reference and of the graph, and Value with the graph.
func TestAllCombinations(t *testing.T) {
	weights := []float64{0.5, 2, 7}
	for i, cfg := range configs() {
		t.Run(name(cfg), func(t *testing.T) {
			b := random(uint64(i), 2, 3, 2, 3)
			r := compute(t, cfg, weights, b, true)
			logits := widen(b.logits)
			want := reference(cfg, weights, b, logits)
			if !(math.Abs(r.value-want) <= 1e-6*math.Abs(want)) {
				t.Errorf("loss is %.9g, want %.9g", r.value, want)
			}
			if v := loss.New(cfg, weights).Value(r.sums); !(math.Abs(v-want) <= 1e-6*math.Abs(want)) {
				t.Errorf("Value of the sums is %.9g, want %.9g", v, want)
			}
			sharp := differences(logits, 1./(1<<20), func() float64 { return reference(cfg, weights, b, logits) })
			checkGrad(t, "by the reference", r.grad, sharp, 1e-5)
			if cfg.Lovasz > 0 {
				return // larger steps change the order of the errors
			}
			grad := append([]float32(nil), r.grad...) // the runs below overwrite it
			own := differences(b.logits, 1./16, r.again)
			checkGrad(t, "by the graph", grad, own, 1e-3)
		})
	}
}

// Figures worked by hand.
func TestByHand(t *testing.T) {
	type change func(*loss.Config)
	reduction := func(name string) change { return func(c *loss.Config) { c.Reduction = name } }
	ln2, ln4 := math.Log(2), math.Log(4)
	onePixel := func(label int) batch { return labelled(1, 2, []float32{0, 0}, label) }
	// p = (1/2, 1/2) labelled 0, p = (1/4, 3/4) labelled 0
	twoPixels := labelled(1, 2, []float32{0, 0, 0, float32(math.Log(3))}, 0, 0)
	// p = (1/2, 1/2) labelled 0, p = (1/4, 3/4) labelled 1, and a void pixel; in two images for the sum per image
	mixed := labelled(1, 2, []float32{0, 0, 0, float32(math.Log(3)), 5, -7}, 0, 1, void)
	twoImages := labelled(2, 2, []float32{0, 0, 0, float32(math.Log(3))}, 0, 1)
	l0, l1 := ln2, math.Log(4./3) // of the two labelled pixels of mixed
	for _, tt := range []struct {
		name    string
		change  change
		weights []float64
		b       batch
		want    float64
		grad    []float64 // nil: not given
	}{
		{"one pixel, two classes, logits 0", func(*loss.Config) {}, []float64{1, 1}, onePixel(0), ln2, []float64{-0.5, 0.5}},
		{"a weighted mean of one pixel does not depend on its weight", func(*loss.Config) {}, []float64{1, 9}, onePixel(1), ln2, []float64{0.5, -0.5}},
		{"the mean over pixels does", reduction("mean"), []float64{1, 9}, onePixel(1), 9 * ln2, []float64{4.5, -4.5}},
		{"mean of two pixels", reduction("mean"), []float64{1, 1}, twoPixels, (ln2 + ln4) / 2, []float64{-0.25, 0.25, -0.375, 0.375}},
		{"weighted mean", func(*loss.Config) {}, []float64{1, 3}, mixed, (l0 + 3*l1) / 4, []float64{-0.125, 0.125, 0.1875, -0.1875, 0, 0}},
		{"mean", reduction("mean"), []float64{1, 3}, mixed, (l0 + 3*l1) / 2, []float64{-0.25, 0.25, 0.375, -0.375, 0, 0}},
		{"sum per image, one image", reduction("sum_per_image"), []float64{1, 3}, mixed, l0 + 3*l1, []float64{-0.5, 0.5, 0.75, -0.75, 0, 0}},
		{"sum per image, two images", reduction("sum_per_image"), []float64{1, 3}, twoImages, (l0 + 3*l1) / 2, nil},
		// W = 1/2*1 + 1/2*3 = 2 and 1/4*1 + 3/4*3 = 5/2
		{"weight by prediction", func(c *loss.Config) { c.WeightBy = "prediction" }, []float64{1, 3}, mixed, (2*l0 + 2.5*l1) / 4.5, nil},
		{"weight by prediction, mean", func(c *loss.Config) { c.WeightBy, c.Reduction = "prediction", "mean" }, []float64{1, 3}, mixed, (2*l0 + 2.5*l1) / 2, nil},
		// (1/2)^2 and (1/4)^2
		{"focal, gamma 2", func(c *loss.Config) { c.FocalGamma, c.Reduction = 2, "mean" }, []float64{1, 1}, mixed, (l0/4 + l1/16) / 2, nil},
		// class 0: 1 - (2/2+1)/(3/4+1+1), class 1: 1 - (6/4+1)/(5/4+1+1)
		{"dice", func(c *loss.Config) { c.Dice = 1 }, []float64{1, 3}, mixed, 1 - (2/2.75+2.5/3.25)/2, nil},
		{"half dice", func(c *loss.Config) { c.Dice = 0.5 }, []float64{1, 3}, mixed, (1-(2/2.75+2.5/3.25)/2)/2 + (l0+3*l1)/8, nil},
		// class 0, errors of it 1/2 and of the other 1/4: J = 1, 1; class 1, of the other 1/2
		// and of it 1/4: J = 1/2, 1. So e = p-y has slopes (-1, 0) and (1/2, -1/2), halved
		// for the mean, and a logit has p (slope - sum of p slope)
		{"Lovász", func(c *loss.Config) { c.Lovasz = 1 }, []float64{1, 3}, mixed, (1./2 + (1./2+1./4)/2) / 2, []float64{-3. / 16, 3. / 16, 3. / 64, -3. / 64, 0, 0}},
		{"Lovász, class 1 does not occur", func(c *loss.Config) { c.Lovasz = 1 }, []float64{1, 3}, twoPixels, 3./4*1/2 + 1./2*1/2, nil},
		{"Lovász, half", func(c *loss.Config) { c.Lovasz = 0.5 }, []float64{1, 3}, mixed, 7./32 + (l0+3*l1)/8, nil},
		// one image, one pixel of each class: both weights are 1; twice class 0: 1/2
		{"per batch, as written first", func(c *loss.Config) { c.ClassWeights.Scheme, c.Reduction = "per_batch", "sum_per_image" }, []float64{100, 100}, mixed, l0 + l1, nil},
		{"per batch, twice one class", func(c *loss.Config) { c.ClassWeights.Scheme, c.Reduction = "per_batch", "sum_per_image" }, []float64{100, 100}, twoPixels, (ln2 + ln4) / 2, nil},
		{"only pixels of a class of weight 0", func(*loss.Config) {}, []float64{0, 1}, twoPixels, 0, []float64{0, 0, 0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := loss.DefaultConfig()
			tt.change(&cfg)
			for _, kind := range []string{"weighted_cce", "weighted_cce_probabilities"} {
				cfg.Kind = kind
				r := compute(t, cfg, tt.weights, tt.b, true)
				if math.Abs(r.value-tt.want) > 1e-6 {
					t.Errorf("%s: loss is %.9g, want %.9g", kind, r.value, tt.want)
				}
				for i, w := range tt.grad {
					if math.Abs(float64(r.grad[i])-w) > 1e-6 {
						t.Errorf("%s: gradient is %v, want %v", kind, r.grad, tt.grad)
						break
					}
				}
			}
		})
	}
}

// Figures of PyTorch 2:
//
//	logits = torch.tensor([[.5, -1, 2], [1.5, 0, -.5], [-2, .25, 1], [3, 3, 3]], requires_grad=True)
//	target, weight = torch.tensor([2, 1, 255, 0]), torch.tensor([1, 2, .5])
//	loss = F.cross_entropy(logits, target, weight=weight, ignore_index=255, reduction="mean")   # or "sum", or no weight
//	print(loss.item(), torch.autograd.grad(loss, logits))
func TestAgainstPyTorch(t *testing.T) {
	b := labelled(1, 3, []float32{0.5, -1, 2, 1.5, 0, -0.5, -2, 0.25, 1, 3, 3, 3}, 2, 1, void, 0)
	for _, tt := range []struct {
		name, reduction string
		weights         []float64
		want            float64
		grad            []float64
	}{
		{"mean", "weighted_mean", []float64{1, 2, 0.5}, 1.3805655,
			[]float64{0.0250415, 0.00558751, -0.030629, 0.420643, -0.477571, 0.0569278, 0, 0, 0, -0.190476, 0.0952381, 0.0952381}},
		{"sum", "sum_per_image", []float64{1, 2, 0.5}, 4.8319793,
			[]float64{0.0876452, 0.0195563, -0.107201, 1.47225, -1.6715, 0.199247, 0, 0, 0, -0.666667, 0.333333, 0.333333}},
		{"unweighted", "weighted_mean", []float64{1, 1, 1}, 1.0487598, nil},
		{"unweighted is the mean over pixels", "mean", []float64{1, 1, 1}, 1.0487598, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := loss.DefaultConfig()
			cfg.Reduction = tt.reduction
			r := compute(t, cfg, tt.weights, b, true)
			if math.Abs(r.value-tt.want) > 1e-6*tt.want {
				t.Errorf("loss is %.9g, want %.9g", r.value, tt.want)
			}
			for i, w := range tt.grad {
				if math.Abs(float64(r.grad[i])-w) > 5e-6 {
					t.Errorf("gradient is %v, want %v", r.grad, tt.grad)
					break
				}
			}
		})
	}
}

// Targets that are distributions, over few and many classes: the loss from
// logits, which is one pass, is that from probabilities, which is many, with Dice or not.
func TestSoftTargets(t *testing.T) {
	for _, classes := range []int{2, 4, 7, 255} {
		rng := rand.New(rand.NewPCG(uint64(classes), 1))
		b := random(uint64(classes), 2, 9, 11, classes)
		weights := make([]float64, classes)
		for c := range weights {
			weights[c] = 0.5 + rng.Float64()
		}
		for i := 0; i < len(b.target); i += 2 * classes { // every second pixel, void ones too
			sum := float32(0)
			for c := range classes {
				b.target[i+c] = rng.Float32()
				sum += b.target[i+c]
			}
			for c := range classes {
				b.target[i+c] /= sum
			}
		}
		for _, reduction := range []string{"weighted_mean", "mean", "sum_per_image"} {
			for _, dice := range []float64{0, 0.5, 1} {
				cfg := loss.DefaultConfig()
				cfg.Reduction, cfg.Dice = reduction, dice
				got := compute(t, cfg, weights, b, true)
				cfg.Kind = "weighted_cce_probabilities"
				want := compute(t, cfg, weights, b, true)
				what := fmt.Sprintf("%d classes, %s, dice %g", classes, reduction, dice)
				if math.Abs(got.value-want.value) > 2e-6*want.value {
					t.Errorf("%s: loss is %.9g, want %.9g", what, got.value, want.value)
				}
				for i, v := range got.sums {
					if math.Abs(v-want.sums[i]) > 2e-6*want.sums[i] {
						t.Errorf("%s: sum %d is %.9g, want %.9g", what, i, v, want.sums[i])
					}
				}
				checkGrad(t, what, got.grad, widen(want.grad), 5e-6)
			}
		}
	}
}

// A void pixel changes nothing but the number of images, and has no gradient.
func TestVoidPixels(t *testing.T) {
	weights := []float64{0.5, 2, 7}
	for _, cfg := range configs() {
		b := random(1, 2, 3, 2, 3)
		r := compute(t, cfg, weights, b, true)
		voids := 0
		for i := 0; i < len(b.logits); i += 3 {
			if b.target[i]+b.target[i+1]+b.target[i+2] == 0 {
				voids++
				for c := range 3 {
					if r.grad[i+c] != 0 {
						t.Errorf("%s: gradient by logit %d of a void pixel is %g", name(cfg), i+c, r.grad[i+c])
					}
					b.logits[i+c] = 50 * float32(c)
				}
			}
		}
		if voids == 0 {
			t.Fatal("no void pixel in the batch")
		}
		if v := r.again(); v != r.value {
			t.Errorf("%s: loss went from %g to %g with the logits of void pixels", name(cfg), r.value, v)
		}
	}
}

func TestAllVoid(t *testing.T) {
	b := random(1, 2, 1, 2, 3)
	clear(b.target)
	for _, cfg := range configs() {
		r := compute(t, cfg, []float64{0.5, 2, 7}, b, true)
		if math.Abs(r.value) > 1e-15 { // Dice is 1 minus a mean of ones
			t.Errorf("%s: loss is %g, want 0", name(cfg), r.value)
		}
		for i, g := range r.grad {
			if g != 0 {
				t.Errorf("%s: gradient by logit %d is %g, want 0", name(cfg), i, g)
				break
			}
		}
	}
}

// Logits far apart: the loss from logits grows with them, that from
// probabilities stops at -ln 1e-7 and has no gradient there; nothing is infinite.
func TestExtremeLogits(t *testing.T) {
	// right and sure; wrong and sure; undecided between the first two
	b := labelled(1, 3, []float32{1000, -1000, -1000, 1000, -1000, -1000, 1000, 1000, -1000}, 0, 1, 1)
	weights := []float64{1, 1, 1}
	for _, cfg := range configs() {
		r := compute(t, cfg, weights, b, true)
		if math.IsNaN(r.value) || math.IsInf(r.value, 0) {
			t.Errorf("%s: loss is %g", name(cfg), r.value)
		}
		for i, g := range r.grad {
			if math.IsNaN(float64(g)) || math.IsInf(float64(g), 0) {
				t.Errorf("%s: gradient by logit %d is %g", name(cfg), i, g)
			}
		}
	}
	cfg := loss.DefaultConfig()
	r := compute(t, cfg, weights, b, true)
	if want := (0 + 2000 + math.Ln2) / 3; math.Abs(r.value-want) > 1e-4 {
		t.Errorf("loss from logits is %g, want %g", r.value, want)
	}
	// p-y over three pixels: a sure mistake still learns
	checkGrad(t, "from logits", r.grad, []float64{0, 0, 0, 1. / 3, -1. / 3, 0, 1. / 6, -1. / 6, 0}, 1e-6)
	cfg.Kind = "weighted_cce_probabilities"
	r = compute(t, cfg, weights, b, true)
	if want := (-math.Log1p(-1e-7) - math.Log(1e-7) + math.Ln2) / 3; math.Abs(r.value-want) > 1e-5 {
		t.Errorf("loss from probabilities is %g, want %g", r.value, want)
	}
	checkGrad(t, "from probabilities", r.grad, []float64{0, 0, 0, 0, 0, 0, 1. / 6, -1. / 6, 0}, 1e-6)
}

// Sums of two batches added up are the sums of the batch that holds both. An
// evaluation weights by the training set, also where training counts per batch.
func TestSumsAddUp(t *testing.T) {
	weights := []float64{0.5, 2, 7}
	for _, cfg := range configs() {
		a, b := random(1, 2, 3, 2, 3), random(2, 1, 3, 2, 3)
		joint := batch{3, 3, 2, 3, append(append([]float32(nil), a.logits...), b.logits...), append(append([]float32(nil), a.target...), b.target...)}
		sums := compute(t, cfg, weights, a, false).sums
		for i, v := range compute(t, cfg, weights, b, false).sums {
			sums[i] += v
		}
		whole := compute(t, cfg, weights, joint, false)
		if v := loss.New(cfg, weights).Value(sums); math.Abs(v-whole.value) > 1e-6*math.Abs(whole.value) {
			t.Errorf("%s: Value of the added sums is %.9g, want %.9g", name(cfg), v, whole.value)
		}
		if cfg.Lovasz > 0 {
			continue // of each image, see TestLovaszOfImages
		}
		constant := cfg
		constant.ClassWeights.Scheme = "dataset"
		if want := reference(constant, weights, joint, widen(joint.logits)); math.Abs(whole.value-want) > 1e-6*math.Abs(want) {
			t.Errorf("%s: evaluation is %.9g, want %.9g, by the weights of the training set", name(cfg), whole.value, want)
		}
	}
}

// The weights are a constant of the graph, except for per_batch in training.
func TestWeightsAreConstants(t *testing.T) {
	for _, scheme := range append(loss.Schemes(), "given") {
		for _, training := range []bool{true, false} {
			cfg := loss.DefaultConfig()
			cfg.ClassWeights.Scheme = scheme
			if scheme == "given" {
				cfg.ClassWeights = loss.ClassWeights{Values: []float64{0.5, 2, 7}}
			}
			g := compute(t, cfg, []float64{0.5, 2, 7}, labelled(2, 3, make([]float32, 12), 0, 0, 1, 2), training).graph
			var found *G.Node
			for _, n := range g.AllNodes() {
				if n.Name() == "class_weights" || n.Op() != nil && n.Op().String() == "class_weights" {
					found = n
				}
			}
			if found == nil {
				t.Fatalf("%s: no node class_weights", scheme)
			}
			perBatch := scheme == "per_batch" && training
			// A constant has an op, unlike an input, and no children.
			constant := found.Op() != nil && g.From(found.ID()).Len() == 0
			if constant == perBatch {
				t.Errorf("%s, training %v: class_weights is a constant: %v", scheme, training, constant)
			}
			if g.Trained(found) {
				t.Errorf("%s, training %v: a gradient flows to class_weights", scheme, training)
			}
			if want := []float32{0.5, 2, 7}; constant && !slices.Equal(op.Values(found), want) {
				t.Errorf("%s, training %v: class_weights are %v, want %v", scheme, training, op.Values(found), want)
			}
		}
	}
}

func TestNodesErrors(t *testing.T) {
	for _, tt := range []struct {
		name           string
		logits, target []int
		weights        []float64
	}{
		{"a weight too few", []int{1, 2, 2, 3}, []int{1, 2, 2, 3}, []float64{1, 2}},
		{"a class more in the target", []int{1, 2, 2, 3}, []int{1, 2, 2, 4}, []float64{1, 2, 3}},
		{"another size", []int{1, 2, 4, 3}, []int{1, 4, 2, 3}, []float64{1, 2, 3}},
		{"three axes", []int{2, 2, 3}, []int{2, 2, 3}, []float64{1, 2, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			engine, err := kernel.NewEngine(1, "auto")
			if err != nil {
				t.Fatal(err)
			}
			g := op.NewGraph(engine, &op.Memory{})
			input := func(name string, shape []int) *G.Node {
				return g.Input(name, make([]float32, tensor.Shape(shape).TotalSize()), shape...)
			}
			logits, target := input("logits", tt.logits), input("target", tt.target)
			_, _, err = loss.New(loss.DefaultConfig(), tt.weights).Nodes(g, logits, target, true)
			want := fmt.Sprintf("want (N, H, W, %d)", len(tt.weights))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v, want it to have %q", err, want)
			}
		})
	}
}

// The mean of the losses of batches by their weights is the loss of the batch that
// holds them, and so is the gradient where the weights of pixels do not depend on the
// logits; with Dice or Lovász a batch counts by its images, and one without a label not at all.
func TestMeanOfBatches(t *testing.T) {
	weights := []float64{0.5, 2, 7}
	a, b := random(1, 2, 3, 2, 3), random(2, 1, 3, 2, 3)
	joint := batch{3, 3, 2, 3, slices.Concat(a.logits, b.logits), slices.Concat(a.target, b.target)}
	empty := batch{2, 3, 2, 3, a.logits, make([]float32, len(a.target))}
	for _, cfg := range configs() {
		if cfg.FocalGamma != 0 || cfg.Dice+cfg.Lovasz == 1 || cfg.ClassWeights.Scheme == "per_batch" {
			continue
		}
		weight := func(b batch, r result) float64 {
			sums := make([]float32, len(r.sums))
			for i, v := range r.sums {
				sums[i] = float32(v)
			}
			return loss.New(cfg, weights).Weight(sums, b.n)
		}
		ra, rb, whole := compute(t, cfg, weights, a, true), compute(t, cfg, weights, b, true), compute(t, cfg, weights, joint, true)
		wa, wb := weight(a, ra), weight(b, rb)
		if none := weight(empty, compute(t, cfg, weights, empty, true)); none != 0 && cfg.Reduction != "sum_per_image" {
			t.Errorf("%s: a batch without a label counts %v", name(cfg), none)
		}
		if cfg.Dice+cfg.Lovasz > 0 {
			if wa != 2 || wb != 1 {
				t.Errorf("%s: batches of 2 and 1 images count %v and %v", name(cfg), wa, wb)
			}
			continue
		}
		if mean := (wa*ra.value + wb*rb.value) / (wa + wb); math.Abs(mean-whole.value) > 1e-6*math.Abs(whole.value) {
			t.Errorf("%s: mean %.9g, want %.9g", name(cfg), mean, whole.value)
		}
		if cfg.WeightBy != "target" {
			continue
		}
		var grad []float64
		for _, part := range []struct {
			weight float64
			result
		}{{wa, ra}, {wb, rb}} {
			for _, g := range part.grad {
				grad = append(grad, float64(g)*part.weight/(wa+wb))
			}
		}
		checkGrad(t, name(cfg), whole.grad, grad, 1e-6)
	}
}

// An evaluation's Lovász loss is the mean over the images that have a label.
func TestLovaszOfImages(t *testing.T) {
	weights := []float64{0.5, 2, 7}
	b := random(3, 3, 20, 25, 3)
	size := len(b.target) / b.n
	clear(b.target[:size]) // of the first image
	cfg := loss.DefaultConfig()
	cfg.Lovasz = 1
	want := 0.0
	for i := 1; i < 3; i++ {
		one := batch{1, b.h, b.w, 3, b.logits[size*i:][:size], b.target[size*i:][:size]}
		want += reference(cfg, weights, one, widen(one.logits)) / 2
	}
	if got := compute(t, cfg, weights, b, false).value; math.Abs(got-want) > 1e-6*want {
		t.Errorf("loss is %.9g, want %.9g", got, want)
	}
}

// With deep supervision the loss is the mean of those of all logits, each weighted with
// the share of height that it has; and each gradient is that of the loss alone, as weighted.
func TestDeepSupervision(t *testing.T) {
	weights := []float64{0.5, 2, 7}
	half, dice, clipped := loss.DefaultConfig(), loss.DefaultConfig(), loss.DefaultConfig()
	half.ClassWeights.Scheme = "none"
	dice.Dice, dice.Lovasz = 0.4, 0.3
	clipped.Kind = "weighted_cce_probabilities"
	for _, cfg := range []loss.Config{half, dice, clipped} {
		all := []batch{random(1, 2, 8, 4, 3), random(2, 2, 4, 2, 3), random(3, 2, 2, 1, 3)}
		for k, b := range all[1:] { // targets of the pixel in the middle
			step := 2 << k
			for i := range b.n * b.h {
				for j := range b.w {
					copy(b.target[(i*b.w+j)*3:][:3], all[0].target[((i*step+step/2)*4+j*step+step/2)*3:])
				}
			}
		}
		engine, err := kernel.NewEngine(2, "auto")
		if err != nil {
			t.Fatal(err)
		}
		g := op.NewGraph(engine, &op.Memory{})
		var logits []*G.Node
		for k, b := range all {
			logits = append(logits, g.Parameter(fmt.Sprint("logits", k), b.logits, b.n, b.h, b.w, 3))
		}
		value, sums, err := loss.New(cfg, weights).Nodes(g, logits[0], g.Input("target", all[0].target, 2, 8, 4, 3), true, logits[1:]...)
		if err != nil {
			t.Fatal(err)
		}
		grads, err := g.Grad(value, logits)
		if err != nil {
			t.Fatal(err)
		}
		placed := make([][]float32, len(all))
		for k, b := range all {
			placed[k] = make([]float32, len(b.logits))
			g.Place(grads[k], placed[k])
		}
		m, err := g.Compile(value, sums)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Run(); err != nil {
			t.Fatal(err)
		}
		want := 0.0
		for k, b := range all {
			share := []float64{4. / 7, 2. / 7, 1. / 7}[k]
			alone := compute(t, cfg, weights, b, true)
			want += share * alone.value
			grad := widen(alone.grad)
			for i := range grad {
				grad[i] *= share
			}
			checkGrad(t, fmt.Sprintf("%s, logits %d", name(cfg), k), placed[k], grad, 1e-6)
			if k == 0 && !slices.Equal(alone.sums, widen(op.Values(sums))) {
				t.Errorf("%s: sums are %v, want those of the largest logits, %v", name(cfg), op.Values(sums), alone.sums)
			}
		}
		if got := float64(op.Values(value)[0]); math.Abs(got-want) > 1e-6*want {
			t.Errorf("%s: loss is %.9g, want %.9g", name(cfg), got, want)
		}
	}
}
