package model_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

func config(base, depth int, norm, up string) model.Config {
	return model.Config{BaseChannels: base, Depth: depth, Norm: norm, Up: up}
}

func parameters(t testing.TB, cfg model.Config, channels, classes int, seed uint64) *model.Parameters {
	t.Helper()
	p, err := model.NewParameters(cfg, channels, classes, rand.New(rand.NewPCG(seed, 0)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shake moves all that the initialisation makes equal: biases, batch norm and running statistics.
func shake(p *model.Parameters, rng *rand.Rand) {
	for _, q := range p.All() {
		if len(q.Shape) > 1 {
			continue
		}
		for i := range q.Value {
			q.Value[i] += float32(0.6*rng.Float64() - 0.3)
		}
	}
}

// net is a compiled net with the weighted cross entropy of its logits.
type net struct {
	*model.UNet
	graph          *op.Graph
	images, target []float32
	machine        *op.Machine
	loss           *G.Node
}

type size struct{ n, h, w int }

func newNet(t testing.TB, p *model.Parameters, s size, training bool) *net {
	t.Helper()
	engine, err := kernel.NewEngine(2, "auto")
	if err != nil {
		t.Fatal(err)
	}
	n := &net{
		graph:  op.NewGraph(engine, &op.Memory{}),
		images: make([]float32, s.n*s.h*s.w*p.Channels),
		target: make([]float32, s.n*s.h*s.w*p.Classes),
	}
	image := n.graph.Input("image", n.images, s.n, s.h, s.w, p.Channels)
	target := n.graph.Input("target", n.target, s.n, s.h, s.w, p.Classes)
	if n.UNet, err = model.New(n.graph, image, p, training, 7); err != nil {
		t.Fatal(err)
	}
	weights := make([]float64, p.Classes)
	for c := range weights {
		weights[c] = float64(c + 1)
	}
	if n.loss, _, err = loss.New(loss.DefaultConfig(), weights).Nodes(n.graph, n.Logits, target, training, n.Deep...); err != nil {
		t.Fatal(err)
	}
	if training {
		if err := n.Differentiate(n.loss); err != nil {
			t.Fatal(err)
		}
	}
	if n.machine, err = n.graph.Compile(n.Logits, n.loss); err != nil {
		t.Fatal(err)
	}
	return n
}

// fill draws images in 0..1 and labels, some void.
func (n *net) fill(rng *rand.Rand, classes int) {
	for i := range n.images {
		n.images[i] = rng.Float32()
	}
	clear(n.target)
	for i := 0; i < len(n.target); i += classes {
		if c := rng.IntN(classes + 1); c < classes {
			n.target[i+c] = 1
		}
	}
}

func (n *net) run(t testing.TB) (logits []float32, loss float64) {
	t.Helper()
	if err := n.machine.Run(); err != nil {
		t.Fatal(err)
	}
	return op.Values(n.Logits), float64(op.Values(n.loss)[0])
}

// plainLoss is the weighted cross entropy of newNet, in float64.
func plainLoss(logits []float64, target []float32, classes int) float64 {
	numerator, denominator := 0.0, 0.0
	for i := 0; i < len(logits); i += classes {
		sum := 0.0
		for _, v := range logits[i : i+classes] {
			sum += math.Exp(v)
		}
		for c := range classes {
			weight := float64(c+1) * float64(target[i+c])
			numerator += weight * (math.Log(sum) - logits[i+c])
			denominator += weight
		}
	}
	return numerator / denominator
}

func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

func largest(v []float64) float64 {
	top := 0.0
	for _, x := range v {
		top = max(top, math.Abs(x))
	}
	return top
}

func checkValues(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	scale := max(largest(want), 1e-3)
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= tolerance*scale) {
			t.Fatalf("%s: value %d is %g, want %g", what, i, got[i], w)
		}
	}
}

func variants() []model.Config {
	var all []model.Config
	for _, depth := range []int{1, 2} {
		for _, norm := range []string{"batch", "none"} {
			for _, up := range []string{"transpose", "nearest"} {
				all = append(all, config(2, depth, norm, up))
			}
		}
	}
	return all
}

// frozenVariants leave some parts out of the training, at every place of the net.
func frozenVariants() []model.Config {
	var all []model.Config
	for i, freeze := range [][]string{
		{"encoder"}, {"encoder.0"}, {"encoder.1", "up.0"}, {"encoder.2"}, {"up"}, {"decoder"}, {"decoder.0", "head"}, {"up", "decoder", "head"}, {"encoder", "up", "decoder"},
	} {
		for _, norm := range []string{"batch", "none"} {
			cfg := config(3, 2, norm, []string{"transpose", "nearest"}[i%2])
			cfg.Freeze = freeze
			all = append(all, cfg)
		}
	}
	return all
}

func name(c model.Config) string {
	return fmt.Sprintf("depth %d, norm %s, up %s, deep supervision %v, frozen %v", c.Depth, c.Norm, c.Up, c.DeepSupervision, c.Freeze)
}

// The logits agree with the plain net, in training and in evaluation.
func TestForward(t *testing.T) {
	for i, cfg := range append(variants(), frozenVariants()...) {
		for _, training := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, training %v", name(cfg), training), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(i), 1))
				p := parameters(t, cfg, 3, 4, uint64(i))
				shake(p, rng)
				s := size{2, 8, 12}
				n := newNet(t, p, s, training)
				n.fill(rng, 4)
				logits, value := n.run(t)
				if want := []int{2, 8, 12, 4}; !slices.Equal(n.Logits.Shape(), want) {
					t.Fatalf("logits have shape %v, want %v", n.Logits.Shape(), want)
				}
				want := newPlainUNet(p, training).forward(grid{s.n, s.h, s.w, 3, widen(n.images)})
				checkValues(t, "logits", logits, want.v, 2e-5)
				if want := plainLoss(want.v, n.target, 4); math.Abs(value-want) > 1e-5*want {
					t.Errorf("loss is %g, want %g", value, want)
				}
			})
		}
	}
}

// The gradient of every tensor agrees with central differences of the plain
// net, at a few of its elements and along one random direction. In float64 a
// step is so small that no ReLU or pool changes its mind on the way.
func TestGradient(t *testing.T) {
	supervised := []model.Config{config(2, 3, "batch", "transpose"), config(2, 3, "none", "nearest"), config(2, 3, "none", "transpose")}
	supervised[2].Freeze = []string{"up", "decoder"}
	for i := range supervised {
		supervised[i].DeepSupervision = true
	}
	for i, cfg := range slices.Concat(variants(), frozenVariants(), supervised) {
		t.Run(name(cfg), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(i), 2))
			p := parameters(t, cfg, 3, 3, uint64(i+300))
			shake(p, rng)
			s := size{2, 8, 8}
			n := newNet(t, p, s, true)
			n.fill(rng, 3)
			n.run(t)

			plain := newPlainUNet(p, true)
			images := grid{s.n, s.h, s.w, 3, widen(n.images)}
			slope := func(w []float64, direction map[int]float64) float64 {
				const step = 1e-6
				at := func(h float64) float64 {
					before := slices.Clone(w)
					for i, d := range direction {
						w[i] += h * d
					}
					v := plain.loss(images, n.target, 3)
					copy(w, before)
					return v
				}
				return (at(step) - at(-step)) / (2 * step)
			}
			for _, q := range p.All() {
				if !q.Trained() {
					continue
				}
				w, grad := plain.weights[q.Name], q.ToTorch(q.Grad)
				norm := 0.0
				for _, g := range grad {
					norm += float64(g) * float64(g)
				}
				if norm == 0 {
					t.Errorf("%s: the gradient is zero", q.Name)
				}
				tolerance := 1e-4*math.Sqrt(norm) + 1e-7
				for range 3 {
					i := rng.IntN(len(w))
					if got, want := float64(grad[i]), slope(w, map[int]float64{i: 1}); math.Abs(got-want) > tolerance {
						t.Errorf("%s: gradient %d is %g, want %g", q.Name, i, got, want)
					}
				}
				direction, along := map[int]float64{}, 0.0
				for i := range w {
					direction[i] = rng.NormFloat64()
					along += direction[i] * float64(grad[i])
				}
				if want := slope(w, direction); math.Abs(along-want) > 2*tolerance {
					t.Errorf("%s: gradient along a direction is %g, want %g", q.Name, along, want)
				}
			}
		})
	}
}

// Deep supervision changes neither the first weights nor what the net makes of an image;
// its heads are there in training only.
func TestDeepSupervision(t *testing.T) {
	cfg := config(2, 4, "batch", "transpose")
	alone := parameters(t, cfg, 3, 4, 1)
	cfg.DeepSupervision = true
	deep := parameters(t, cfg, 3, 4, 1)
	shake(alone, rand.New(rand.NewPCG(1, 1)))
	shake(deep, rand.New(rand.NewPCG(1, 1)))
	var heads []string
	for _, q := range deep.All() {
		if other := alone.Get(q.Name); other == nil {
			heads = append(heads, q.Name)
		} else if !slices.Equal(q.Value, other.Value) {
			t.Errorf("%s begins with other values", q.Name)
		}
	}
	if want := []string{"deep.1.weight", "deep.1.bias", "deep.2.weight", "deep.2.bias"}; !slices.Equal(heads, want) {
		t.Errorf("heads have %v, want %v", heads, want)
	}

	s := size{2, 32, 16}
	for _, training := range []bool{true, false} {
		a, b := newNet(t, alone, s, training), newNet(t, deep, s, training)
		a.fill(rand.New(rand.NewPCG(2, 1)), 4)
		b.fill(rand.New(rand.NewPCG(2, 1)), 4)
		want, _ := a.run(t)
		got, _ := b.run(t)
		if !slices.Equal(got, want) {
			t.Errorf("training %v: other logits", training)
		}
		var shapes []string
		for _, d := range b.Deep {
			shapes = append(shapes, fmt.Sprint(d.Shape()))
		}
		if want := map[bool][]string{true: {"(2, 16, 8, 4)", "(2, 8, 4, 4)"}}[training]; !slices.Equal(shapes, want) {
			t.Errorf("training %v: logits %v beside, want %v", training, shapes, want)
		}
	}

	// A net that predicts, and one that is transferred, needs no such head.
	lacking := func(name string) ([]int, []float32, bool) {
		q := alone.Get(name)
		if q == nil {
			return nil, nil, false
		}
		return q.TorchShape(), q.ToTorch(q.Value), true
	}
	if err := deep.Load(lacking); err != nil {
		t.Error(err)
	}
	if _, err := deep.Transfer(lacking); err != nil {
		t.Error(err)
	}
	if err := model.Fit(cfg, 3, 4, lacking); err != nil {
		t.Error(err)
	}
	if err := deep.LoadTraining(lacking); err == nil || !strings.Contains(err.Error(), "4 of the net's") {
		t.Errorf("training without its heads: error %v", err)
	}
}

// Nothing in a frozen part is trained or changes, and the graph computes no
// gradient for it.
func TestFrozen(t *testing.T) {
	whole := parameters(t, config(3, 2, "batch", "transpose"), 3, 3, 1)
	for _, cfg := range frozenVariants() {
		t.Run(name(cfg), func(t *testing.T) {
			p := parameters(t, cfg, 3, 3, 1)
			shake(p, rand.New(rand.NewPCG(1, 5)))
			before := map[string][]float32{}
			for _, q := range p.All() {
				before[q.Name] = slices.Clone(q.Value)
			}
			n := newNet(t, p, size{2, 8, 8}, true)
			n.fill(rand.New(rand.NewPCG(1, 6)), 3)
			n.run(t)
			n.UpdateStatistics()
			trained, frozen := 0, 0
			for _, q := range p.All() {
				statistic := strings.Contains(q.Name, ".running_")
				inPart := slices.ContainsFunc(cfg.Freeze, func(part string) bool { return strings.HasPrefix(q.Name, part+".") })
				if q.Trained() != (!inPart && !statistic) {
					t.Errorf("%s: trained is %v", q.Name, q.Trained())
				}
				if same := slices.Equal(q.Value, before[q.Name]); same != (inPart || !statistic) {
					t.Errorf("%s: unchanged is %v after a step without update", q.Name, same)
				}
				switch {
				case q.Trained():
					trained += len(q.Value)
				case !statistic:
					frozen += len(q.Value)
				}
			}
			if p.Count() != trained || p.Frozen() != frozen {
				t.Errorf("counts %d and %d frozen, want %d and %d", p.Count(), p.Frozen(), trained, frozen)
			}
			if cfg.Norm == "batch" && cfg.Up == "transpose" && trained+frozen != whole.Count() {
				t.Errorf("%d trained and %d frozen, want %d together", trained, frozen, whole.Count())
			}
			for _, op := range n.graph.Profile() {
				for _, part := range cfg.Freeze {
					if strings.HasPrefix(op.Name, part+".") && (strings.HasSuffix(op.Name, ".grad.weight") || strings.HasSuffix(op.Name, ".grad.bias")) {
						t.Errorf("the graph computes %s", op.Name)
					}
				}
			}
		})
	}
}

// Running statistics take a tenth of those of the batch at each step, the
// variance unbiased, and so approach them; only UpdateStatistics moves them.
func TestRunningStatistics(t *testing.T) {
	cfg := config(2, 2, "batch", "transpose")
	rng := rand.New(rand.NewPCG(1, 3))
	p := parameters(t, cfg, 3, 3, 1)
	shake(p, rng)
	s := size{2, 4, 4} // two values a channel at the bottleneck: unbiased is twice the biased variance
	n := newNet(t, p, s, true)
	n.fill(rng, 3)
	n.run(t)
	plain := newPlainUNet(p, true)
	plain.forward(grid{s.n, s.h, s.w, 3, widen(n.images)})
	if len(plain.mean) != 10 {
		t.Fatalf("%d batch norms, want 10", len(plain.mean))
	}
	check := func(when string, steps int) {
		t.Helper()
		rest := math.Pow(0.9, float64(steps))
		for name := range plain.mean {
			for suffix, batch := range map[string][]float64{".running_mean": plain.mean[name], ".running_var": plain.variance[name]} {
				want := make([]float64, len(batch))
				for c, start := range plain.weights[name+suffix] {
					want[c] = rest*start + (1-rest)*batch[c]
				}
				checkValues(t, when+": "+name+suffix, p.Get(name+suffix).Value, want, 1e-4)
			}
		}
	}
	check("before any step", 0)
	n.UpdateStatistics()
	check("after one step", 1)
	for range 4 {
		n.run(t)
		n.UpdateStatistics()
	}
	check("after five steps", 5)
	for range 150 {
		n.UpdateStatistics()
	}
	check("in the end", 1000)
}

// A training and an evaluation net share the parameters, and evaluation
// normalises by running statistics: with those of one batch it computes what
// training does, but for the unbiased variance, and an image's logits do not
// depend on the others of its batch.
func TestTrainingAndEvaluation(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	p := parameters(t, config(3, 2, "batch", "nearest"), 3, 3, 1)
	s := size{4, 16, 16}
	train, evaluate := newNet(t, p, s, true), newNet(t, p, s, false)
	train.fill(rng, 3)
	copy(evaluate.images, train.images)

	logits, _ := evaluate.run(t)
	early := slices.Clone(logits)
	wanted, _ := train.run(t)
	if off := distance(early, wanted); off < 0.05 {
		t.Errorf("before any step evaluation differs from training by %g only", off)
	}
	for range 200 {
		train.UpdateStatistics()
	}
	logits, _ = evaluate.run(t)
	if off := distance(logits, wanted); off > 0.03 {
		t.Errorf("with the statistics of the batch evaluation differs from training by %g", off)
	}

	single := newNet(t, p, size{1, 16, 16}, false)
	copy(single.images, train.images)
	alone, _ := single.run(t)
	checkValues(t, "logits of the first image alone", alone, widen(logits[:len(alone)]), 1e-5)

	before := slices.Clone(logits)
	p.Get("head.bias").Value[0]++
	logits, _ = evaluate.run(t)
	for i := range before {
		before[i] += float32([]int{1, 0, 0}[i%3])
	}
	checkValues(t, "logits after a parameter changed", logits, widen(before), 1e-5)
}

// distance is the largest difference as a share of the largest value.
func distance(got, want []float32) float64 {
	top := 0.0
	for i, v := range got {
		top = max(top, math.Abs(float64(v-want[i])))
	}
	return top / largest(widen(want))
}

// A tiny net learns a batch by heart: plain gradient descent, written out.
func TestOverfit(t *testing.T) {
	for _, cfg := range []model.Config{config(4, 1, "batch", "transpose"), config(4, 2, "none", "nearest")} {
		t.Run(name(cfg), func(t *testing.T) {
			p := parameters(t, cfg, 3, 3, 1)
			n := newNet(t, p, size{2, 8, 8}, true)
			rng := rand.New(rand.NewPCG(1, 5))
			n.fill(rng, 3)
			for i := range len(n.target) / 3 { // the label is the brightest channel
				pixel := n.images[3*i:][:3]
				clear(n.target[3*i:][:3])
				n.target[3*i+slices.Index(pixel, slices.Max(pixel))] = 1
			}
			_, first := n.run(t)
			last := first
			for step := 0; step < 1000 && last > 0.1; step++ {
				_, last = n.run(t)
				n.UpdateStatistics()
				for _, q := range p.All() {
					for i, g := range q.Grad {
						q.Value[i] -= 0.1 * g
					}
				}
			}
			if last > 0.1 {
				t.Errorf("loss went from %g to %g in 1000 steps and was never below 0.1", first, last)
			}
		})
	}
}

func TestDropout(t *testing.T) {
	cfg := config(4, 2, "batch", "transpose")
	cfg.Dropout = 0.5
	p := parameters(t, cfg, 3, 3, 1)
	s := size{2, 8, 8}
	n := newNet(t, p, s, true)
	n.fill(rand.New(rand.NewPCG(1, 6)), 3)
	at := func(step uint64) []float32 {
		n.graph.Step = step
		logits, _ := n.run(t)
		return slices.Clone(logits)
	}
	first, second, again := at(1), at(2), at(1)
	if slices.Equal(first, second) {
		t.Error("steps 1 and 2 have the same logits")
	}
	if !slices.Equal(first, again) {
		t.Error("step 1 has other logits the second time")
	}
	evaluate := newNet(t, p, s, false)
	copy(evaluate.images, n.images)
	logits, _ := evaluate.run(t)
	want := newPlainUNet(p, false).forward(grid{s.n, s.h, s.w, 3, widen(n.images)})
	checkValues(t, "evaluation drops nothing: logits", logits, want.v, 2e-5)
}

func TestNewErrors(t *testing.T) {
	batchNorm, plain := config(2, 2, "batch", "transpose"), config(2, 2, "none", "transpose")
	for _, tt := range []struct {
		name     string
		cfg      model.Config
		shape    []int
		training bool
		want     string // "" for none
	}{
		{"right", batchNorm, []int{1, 8, 4, 3}, true, ""},
		{"height", batchNorm, []int{1, 6, 8, 3}, true, "data.size = [6, 8], want multiples of 4 (2^model.depth)"},
		{"width", batchNorm, []int{1, 8, 7, 3}, false, "data.size = [8, 7], want multiples of 4 (2^model.depth)"},
		{"channels", batchNorm, []int{1, 8, 8, 1}, true, "image has shape (1, 8, 8, 1), want (N, H, W, 3)"},
		{"axes", batchNorm, []int{8, 8, 3}, true, "want (N, H, W, 3)"},
		{"one value at the bottleneck", batchNorm, []int{1, 4, 4, 3}, true, "want at least 2"},
		{"one value, evaluation", batchNorm, []int{1, 4, 4, 3}, false, ""},
		{"one value, no norm", plain, []int{1, 4, 4, 3}, true, ""},
		{"two images of one value", batchNorm, []int{2, 4, 4, 3}, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			engine, err := kernel.NewEngine(1, "auto")
			if err != nil {
				t.Fatal(err)
			}
			g := op.NewGraph(engine, &op.Memory{})
			size := 1
			for _, n := range tt.shape {
				size *= n
			}
			image := g.Input("image", make([]float32, size), tt.shape...)
			_, err = model.New(g, image, parameters(t, tt.cfg, 3, 2, 1), tt.training, 1)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}
