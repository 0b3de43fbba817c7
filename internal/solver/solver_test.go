package solver_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
)

// TestAgainstPyTorch holds the values after four steps, and the norms, of
// torch 1.13:
//
//	p0 = [[1.0, -2.0, 0.5], [3.0, -0.25]]
//	grads = [[[0.1, -0.4, 2.0], [0.0, 1.5]], [[-0.3, 0.2, 0.05], [1e-3, -2.5]],
//	         [[0.7, 0.0, -1.0], [4.0, 0.3]], [[0.01, -3.0, 0.6], [-0.2, 0.9]]]
//	ps = [torch.nn.Parameter(torch.tensor(v)) for v in p0]
//	o = torch.optim.SGD(ps, lr=0.1, momentum=m, weight_decay=d)
//	# or torch.optim.Adam | AdamW(ps, lr=0.1, betas=(b1, b2), eps=e, weight_decay=d)
//	# with a parameter group each: [{"params": [p]} for p in ps] for ps
//	for i, g in enumerate(grads):
//	    for group, f in zip(o.param_groups, (factor, 1)): group["lr"] = f * 0.1 / (i + 1)
//	    for p, v in zip(ps, g): p.grad = torch.tensor(v)
//	    print(torch.nn.utils.clip_grad_norm_(ps, clip or float("inf")))
//	    o.step()
//	print([f"{x:.9g}" for p in ps for x in p.tolist()])
func TestAgainstPyTorch(t *testing.T) {
	grads := [][]float32{{0.1, -0.4, 2, 0, 1.5}, {-0.3, 0.2, 0.05, 1e-3, -2.5}, {0.7, 0, -1, 4, 0.3}, {0.01, -3, 0.6, -0.2, 0.9}}
	norms := []float64{2.53377199, 2.52636123, 4.19285107, 3.19532466}
	sgd := solver.Config{Name: "sgd"}
	momentum := solver.Config{Name: "sgd", Momentum: 0.9}
	momentumDecay := solver.Config{Name: "sgd", Momentum: 0.9, WeightDecay: 0.05}
	adam := solver.Config{Name: "adam", Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
	adamDecay := solver.Config{Name: "adam", Beta1: 0.8, Beta2: 0.95, Epsilon: 1e-3, WeightDecay: 0.05}
	adamw := solver.Config{Name: "adamw", Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
	adamwDecay := solver.Config{Name: "adamw", Beta1: 0.8, Beta2: 0.95, Epsilon: 1e-3, WeightDecay: 0.05}
	for _, test := range []struct {
		name   string
		cfg    solver.Config
		clip   float64
		factor float64 // of the encoder, which a is in
		want   []float32
	}{
		{"sgd", sgd, 0, 1, []float32{0.981416702, -1.89499998, 0.31583333, 2.8716166, -0.307500005}},
		{"sgd, clipped", sgd, 1, 1, []float32{0.996347368, -1.96469963, 0.423332483, 2.96974468, -0.269148558}},
		{"sgd, momentum", momentum, 0, 1, []float32{0.971719146, -1.86896002, 0.155370846, 2.78156638, -0.32396248}},
		{"sgd, momentum, clipped", momentum, 1, 1, []float32{0.994997203, -1.95443416, 0.356486291, 2.94825983, -0.274446189}},
		{"sgd, momentum, decay", momentumDecay, 0, 1, []float32{0.953293085, -1.83236921, 0.148332506, 2.72624731, -0.31824553}},
		{"sgd, momentum, decay, clipped", momentumDecay, 1, 1, []float32{0.976524591, -1.91760123, 0.348117143, 2.89281344, -0.269393593}},
		{"adam", adam, 0, 1, []float32{0.901649892, -1.86482978, 0.351712793, 2.92915225, -0.331109881}},
		{"adam, clipped", adam, 1, 1, []float32{0.909361839, -1.86485279, 0.345046669, 2.92938566, -0.328705758}},
		{"adam, decay", adamDecay, 0, 1, []float32{0.888225496, -1.8445003, 0.356139034, 2.81302452, -0.327367872}},
		{"adam, decay, clipped", adamDecay, 1, 1, []float32{0.867048979, -1.82357049, 0.347460687, 2.80719614, -0.323274225}},
		{"adamw without decay is adam", adamw, 0, 1, []float32{0.901649892, -1.86482978, 0.351712793, 2.92915225, -0.331109881}},
		{"adamw, decay", adamwDecay, 0, 1, []float32{0.892872095, -1.84775019, 0.352860034, 2.91714931, -0.325167298}},
		{"adamw, decay, clipped", adamwDecay, 1, 1, []float32{0.902083278, -1.8483063, 0.346028835, 2.92506433, -0.322404832}},
		{"sgd, slow encoder", sgd, 0, 0.1, []float32{0.998141646, -1.98950005, 0.481583297, 2.8716166, -0.307500005}},
		{"sgd, momentum, decay, slow encoder", momentumDecay, 0, 0.1, []float32{0.995316744, -1.98318827, 0.464631259, 2.72624731, -0.31824553}},
		{"sgd, momentum, decay, clipped, fast encoder", momentumDecay, 1, 3, []float32{0.9301278, -1.75458384, 0.0498103946, 2.89281344, -0.269393593}},
		{"adam, decay, clipped, slow encoder", adamDecay, 1, 0.1, []float32{0.986443818, -1.98222268, 0.484668106, 2.80719614, -0.323274225}},
		{"adamw, decay, slow encoder", adamwDecay, 0, 0.1, []float32{0.989241064, -1.98471665, 0.485226721, 2.91714931, -0.325167298}},
		{"adamw, decay, fast encoder", adamwDecay, 0, 3, []float32{0.681677639, -1.54712892, 0.0625128597, 2.91714931, -0.325167298}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := test.cfg
			cfg.LR, cfg.ClipNorm, cfg.EncoderLRFactor = 0.1, test.clip, test.factor
			if cfg.Epsilon == 0 {
				cfg.Epsilon = 1e-8
			}
			value, grad := []float32{1, -2, 0.5, 3, -0.25}, make([]float32, 5)
			s := newSolver(t, cfg, []solver.Param{{"encoder.a", value[:3], grad[:3]}, {"b", value[3:], grad[3:]}}, 2)
			for i := range grads {
				copy(grad, grads[i])
				norm, err := s.Step(0.1 / float64(i+1))
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(norm-norms[i]) > 1e-6 {
					t.Errorf("step %d: norm %.9g, want %.9g", i, norm, norms[i])
				}
				if !slices.Equal(grad, grads[i]) {
					t.Errorf("step %d: the gradients became %v", i, grad)
				}
			}
			for i, want := range test.want {
				if math.Abs(float64(value[i]-want)) > 3e-7 {
					t.Errorf("value %d is %.9g, want %.9g", i, value[i], want)
				}
			}
		})
	}
}

func newEngine(t testing.TB, threads int, name string) *kernel.Engine {
	t.Helper()
	engine, err := kernel.NewEngine(threads, name)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func newSolver(t testing.TB, cfg solver.Config, params []solver.Param, threads int) *solver.Solver {
	t.Helper()
	s, err := solver.New(cfg, params, newEngine(t, threads, "auto"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var rules = []solver.Config{
	{Name: "sgd", LR: 0.1, EncoderLRFactor: 0.5, WeightDecay: 0.01, Epsilon: 1},
	{Name: "sgd", LR: 0.1, EncoderLRFactor: 1, WeightDecay: 0.01, Momentum: 0.9, Epsilon: 1, ClipNorm: 5},
	{Name: "adam", LR: 0.1, EncoderLRFactor: 1, WeightDecay: 0.01, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8},
	{Name: "adamw", LR: 0.1, EncoderLRFactor: 0.1, WeightDecay: 0.01, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, ClipNorm: 5},
}

// lengths are below, at and above the length of a piece.
var lengths = map[string]int{"bias": 1, "none": 0, "exact": 1 << 14, "long": 50_001, "encoder.long": 40_001}

// model makes parameters with values and, from fill, gradients by chance.
func model() (params []solver.Param, fill func(step uint64)) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(lengths)) {
		p := solver.Param{Name: name, Value: make([]float32, lengths[name]), Grad: make([]float32, lengths[name])}
		for i := range p.Value {
			p.Value[i] = float32(rng.NormFloat64())
		}
		params = append(params, p)
	}
	return params, func(step uint64) {
		rng := rand.New(rand.NewPCG(step, 3))
		for _, p := range params {
			for i := range p.Grad {
				p.Grad[i] = float32(rng.NormFloat64())
			}
		}
	}
}

// train does the steps from..to-1 and returns their norms.
func train(t *testing.T, s *solver.Solver, fill func(uint64), from, to uint64) (norms []float64) {
	t.Helper()
	for step := from; step < to; step++ {
		fill(step)
		norm, err := s.Step(0.1 / float64(step+1))
		if err != nil {
			t.Fatal(err)
		}
		norms = append(norms, norm)
	}
	return norms
}

func equal(t *testing.T, got, want []solver.Param) {
	t.Helper()
	for i := range want {
		if !slices.Equal(got[i].Value, want[i].Value) {
			t.Errorf("%s differs", want[i].Name)
		}
	}
}

func TestThreadsAndKernelDoNotMatter(t *testing.T) {
	for _, cfg := range rules {
		t.Run(cfg.Name, func(t *testing.T) {
			want, fill := model()
			norms := train(t, newSolver(t, cfg, want, 1), fill, 0, 3)
			for _, name := range []string{"avx512", "avx2", "generic"} {
				if _, err := kernel.NewEngine(1, name); err != nil {
					t.Logf("not on this CPU: %v", err)
					continue
				}
				for _, threads := range []int{0, 2, 3, 64} {
					got, fill := model()
					s, err := solver.New(cfg, got, newEngine(t, threads, name))
					if err != nil {
						t.Fatal(err)
					}
					if n := train(t, s, fill, 0, 3); !slices.Equal(n, norms) {
						t.Errorf("%s, %d threads: norms %v, want %v", name, threads, n, norms)
					}
					equal(t, got, want)
				}
			}
		})
	}
}

func TestLoadedContinuesAsUninterrupted(t *testing.T) {
	for _, cfg := range rules {
		t.Run(cfg.Name, func(t *testing.T) {
			want, fill := model()
			train(t, newSolver(t, cfg, want, 2), fill, 0, 7)

			params, fill := model()
			first := newSolver(t, cfg, params, 2)
			train(t, first, fill, 0, 4)
			state := solver.State{Step: first.State().Step, Tensors: map[string][]float32{}}
			for name, values := range first.State().Tensors {
				state.Tensors[name] = slices.Clone(values)
			}
			second := newSolver(t, cfg, params, 2)
			if err := second.Load(state); err != nil {
				t.Fatal(err)
			}
			train(t, second, fill, 4, 7)
			equal(t, params, want)
			if got := second.State().Step; got != 7 {
				t.Errorf("step %d, want 7", got)
			}
		})
	}
}

func TestStateNames(t *testing.T) {
	for i, want := range [][]string{
		nil,
		{"momentum_buffer.w"},
		{"exp_avg.w", "exp_avg_sq.w"},
		{"exp_avg.w", "exp_avg_sq.w"},
	} {
		s := newSolver(t, rules[i], []solver.Param{{"w", make([]float32, 2), make([]float32, 2)}}, 1)
		if got := slices.Sorted(maps.Keys(s.State().Tensors)); !slices.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", rules[i], got, want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	params := []solver.Param{{"w", make([]float32, 2), []float32{1, 1}}}
	s := newSolver(t, rules[3], params, 1)
	if _, err := s.Step(0.1); err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(s.State().Tensors["exp_avg.w"])
	err := s.Load(solver.State{Step: -1, Tensors: map[string][]float32{
		"exp_avg.w":         {7, 7},
		"exp_avg_sq.w":      {1, 2, 3},
		"momentum_buffer.w": {1, 2},
	}})
	if err == nil {
		t.Fatal("loaded")
	}
	for _, want := range []string{"step -1", "exp_avg_sq.w has 3 values, want 2", "momentum_buffer.w belongs to no parameter under optimizer.name = adamw"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q, want one with %q", err, want)
		}
	}
	if st := s.State(); st.Step != 1 || !slices.Equal(st.Tensors["exp_avg.w"], before) {
		t.Errorf("the state changed: %v", st)
	}
	if err := s.Load(solver.State{}); err == nil || !strings.Contains(err.Error(), "no tensor exp_avg.w") {
		t.Errorf("error %v, want one with %q", err, "no tensor exp_avg.w")
	}
}

func TestNonFiniteGradientIsAnError(t *testing.T) {
	for name, bad := range map[string]float32{
		"NaN": float32(math.NaN()), "+Inf": float32(math.Inf(1)), "-Inf": float32(math.Inf(-1)),
	} {
		for _, cfg := range rules {
			t.Run(fmt.Sprintf("%s clip %v %s", cfg.Name, cfg.ClipNorm, name), func(t *testing.T) {
				params, fill := model()
				s := newSolver(t, cfg, params, 2)
				train(t, s, fill, 0, 1)
				want, fillWant := model()
				sWant := newSolver(t, cfg, want, 2)
				train(t, sWant, fillWant, 0, 1)

				fill(1)
				long := slices.IndexFunc(params, func(p solver.Param) bool { return p.Name == "long" })
				params[long].Grad[40_000] = bad
				norm, err := s.Step(0.1)
				if err == nil || !strings.Contains(err.Error(), "gradient of long") {
					t.Errorf("error %v, want one that names long", err)
				}
				if !math.IsNaN(norm) && !math.IsInf(norm, 1) {
					t.Errorf("norm %v, want NaN or +Inf", norm)
				}
				if cfg.ClipNorm == 0 {
					for _, p := range params {
						if i := slices.IndexFunc(p.Value, func(v float32) bool { return v-v != 0 }); i >= 0 {
							t.Errorf("%s has %v as value %d", p.Name, p.Value[i], i)
						}
					}
					return
				}
				// What follows would show any trace that it left.
				train(t, s, fill, 2, 4)
				train(t, sWant, fillWant, 2, 4)
				equal(t, params, want)
			})
		}
	}
}

func TestLargestFiniteGradientsHaveAFiniteNorm(t *testing.T) {
	grad := []float32{math.MaxFloat32, -math.MaxFloat32, 0, 0, math.MaxFloat32, math.MaxFloat32}
	s := newSolver(t, solver.Config{Name: "sgd", LR: 1, EncoderLRFactor: 1, Epsilon: 1, ClipNorm: 1}, []solver.Param{{"w", make([]float32, 6), grad}}, 1)
	norm, err := s.Step(1)
	if want := 2 * math.MaxFloat32; err != nil || math.Abs(norm/want-1) > 1e-12 {
		t.Errorf("norm %v, error %v, want %v", norm, err, want)
	}
}

func TestStepRefusesLearningRate(t *testing.T) {
	value := []float32{1}
	s := newSolver(t, rules[0], []solver.Param{{"w", value, []float32{1}}}, 1)
	for _, lr := range []float64{-0.1, math.NaN(), math.Inf(1)} {
		if _, err := s.Step(lr); err == nil || value[0] != 1 {
			t.Errorf("lr %v: error %v, value %v", lr, err, value[0])
		}
	}
}

// What a step allocates does not grow with the parameters.
func TestStepHardlyAllocates(t *testing.T) {
	for _, cfg := range rules {
		count := func(size int) float64 {
			s := newSolver(t, cfg, []solver.Param{{"w", make([]float32, size), make([]float32, size)}}, 1)
			return testing.AllocsPerRun(20, func() {
				if _, err := s.Step(0.1); err != nil {
					t.Fatal(err)
				}
			})
		}
		if small, large := count(1), count(1_000_000); small != large || large > 12 {
			t.Errorf("%s: %v allocations a step of one parameter, %v of a million", cfg.Name, small, large)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	two := make([]float32, 2)
	for _, test := range []struct {
		name, want string
		params     []solver.Param
	}{
		{"doubled name", "two parameters are named w", []solver.Param{{"w", two, two}, {"w", two, two}}},
		{"lengths", "w has 2 values and 1 gradients", []solver.Param{{"w", two, two[:1]}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := solver.New(solver.DefaultConfig(), test.params, newEngine(t, 1, "auto")); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	if err := solver.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	nan := math.NaN()
	bad := solver.Config{Name: "rmsprop", LR: 0, EncoderLRFactor: 11, WeightDecay: -1, Momentum: 1, Beta1: nan, Beta2: 1, Epsilon: 0, ClipNorm: math.Inf(1)}
	err := bad.Validate()
	if err == nil {
		t.Fatal("valid")
	}
	want := `optimizer.name = rmsprop, want sgd, adam or adamw
optimizer.lr = 0, want > 0
optimizer.encoder_lr_factor = 11, want > 0 and <= 10 (model.freeze: [encoder] keeps it as it is)
optimizer.weight_decay = -1, want >= 0
optimizer.momentum = 1, want in [0, 1)
optimizer.beta1 = NaN, want in [0, 1)
optimizer.beta2 = 1, want in [0, 1)
optimizer.epsilon = 0, want > 0
optimizer.clip_norm = +Inf, want >= 0 (0 does not clip)`
	if err.Error() != want {
		t.Errorf("error\n%v\nwant\n%v", err, want)
	}
}
