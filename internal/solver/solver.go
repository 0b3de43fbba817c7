// Package solver updates parameters from their gradients: SGD with momentum,
// Adam and AdamW by PyTorch's definitions, clipping by the global norm, and
// learning rate schedules. All state is keyed by parameter name and can be
// saved and loaded exactly: a solver that loads a State continues bit for bit
// as the one that it came from.
//
// Every update is elementwise and the gradient norm is summed in float64 over
// fixed pieces in fixed order, so no result depends on the number of threads.
package solver

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Config chooses the update rule.
type Config struct {
	// Name is sgd, adam (L2 weight decay, Kingma and Ba 2015) or adamw
	// (decoupled weight decay, Loshchilov and Hutter 2019).
	Name string `yaml:"name"`
	// LR is the learning rate that the schedule scales, > 0.
	LR float64 `yaml:"lr"`
	// WeightDecay pulls every parameter towards zero, biases and norms too, >= 0.
	WeightDecay float64 `yaml:"weight_decay"`
	// Momentum is for sgd, in [0, 1).
	Momentum float64 `yaml:"momentum"`
	// Beta1 and Beta2 are for adam and adamw, in [0, 1).
	Beta1 float64 `yaml:"beta1"`
	Beta2 float64 `yaml:"beta2"`
	// Epsilon is added to Adam's denominator, > 0.
	Epsilon float64 `yaml:"epsilon"`
	// ClipNorm is the largest norm of all gradients together; 0 does not clip.
	ClipNorm float64 `yaml:"clip_norm"`
}

// DefaultConfig is AdamW with PyTorch's betas, without clipping.
func DefaultConfig() Config {
	return Config{Name: "adamw", LR: 0.001, WeightDecay: 0.0001, Momentum: 0.9, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
}

// Validate reports every value out of range at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, key string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("optimizer.%s = %v, want %s", key, value, want))
		}
	}
	check(slices.Contains([]string{"sgd", "adam", "adamw"}, c.Name), "name", c.Name, "sgd, adam or adamw")
	check(c.LR > 0 && finite(c.LR), "lr", c.LR, "> 0")
	check(c.WeightDecay >= 0 && finite(c.WeightDecay), "weight_decay", c.WeightDecay, ">= 0")
	check(c.Momentum >= 0 && c.Momentum < 1, "momentum", c.Momentum, "in [0, 1)")
	check(c.Beta1 >= 0 && c.Beta1 < 1, "beta1", c.Beta1, "in [0, 1)")
	check(c.Beta2 >= 0 && c.Beta2 < 1, "beta2", c.Beta2, "in [0, 1)")
	check(c.Epsilon > 0 && finite(c.Epsilon), "epsilon", c.Epsilon, "> 0")
	check(c.ClipNorm >= 0 && finite(c.ClipNorm), "clip_norm", c.ClipNorm, ">= 0 (0 does not clip)")
	return errors.Join(errs...)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// Param is a trainable parameter: Step reads Grad and changes Value in place.
// Both have the same length and stay the same memory for the solver's life.
type Param struct {
	Name        string
	Value, Grad []float32
}

// Solver holds the parameters and the state of the rule. It is not for use by
// two goroutines at once.
type Solver struct {
	cfg     Config
	params  []Param
	buffers []buffer // what the rule keeps, in the order of State's names
	step    int64
	pieces  []piece
	rule    func(p piece) // updates a piece, from the fields below
	lr      float64       // of this step
	clip    float32       // factor on the gradients of this step

	// The goroutines take pieces by turns; all of this is made once, so that a
	// step allocates nothing.
	threads int
	next    atomic.Int64
	job     func(i int)
	work    func()
	running sync.WaitGroup
	norms   func(i int)
	updates func(i int)
	squares []float64 // per piece: sum of its gradients squared
}

// buffer is one of the rule's running averages: values[i] belongs to params[i].
type buffer struct {
	name   string
	values [][]float32
}

// piece is elements lo..hi of a parameter: small enough to share the work
// evenly, and the unit in which the norm is summed.
type piece struct{ param, lo, hi int }

const pieceLength = 1 << 14

// New makes a solver over params. threads 0 means all cores.
func New(cfg Config, params []Param, threads int) (*Solver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if threads < 0 {
		return nil, fmt.Errorf("solver: threads = %d, want >= 0", threads)
	}
	if threads == 0 {
		threads = runtime.NumCPU()
	}
	s := &Solver{cfg: cfg, params: slices.Clone(params)}
	seen := make(map[string]bool, len(params))
	for i, p := range params {
		if seen[p.Name] {
			return nil, fmt.Errorf("solver: two parameters are named %s", p.Name)
		}
		seen[p.Name] = true
		if len(p.Value) != len(p.Grad) {
			return nil, fmt.Errorf("solver: %s has %d values and %d gradients", p.Name, len(p.Value), len(p.Grad))
		}
		for lo := 0; lo < len(p.Value); lo += pieceLength {
			s.pieces = append(s.pieces, piece{i, lo, min(lo+pieceLength, len(p.Value))})
		}
	}
	switch cfg.Name {
	case "sgd":
		if cfg.Momentum > 0 {
			s.buffers = s.newBuffers("momentum_buffer")
		}
		s.rule = s.sgd
	case "adam", "adamw":
		s.buffers = s.newBuffers("exp_avg", "exp_avg_sq")
		s.rule = s.adam
	}
	s.squares = make([]float64, len(s.pieces))
	s.norms = func(i int) { s.squares[i] = sumSquares(s.grad(s.pieces[i])) }
	s.updates = func(i int) { s.rule(s.pieces[i]) }
	s.threads = max(1, min(threads, len(s.pieces)))
	s.work = func() {
		defer s.running.Done()
		for {
			i := int(s.next.Add(1)) - 1
			if i >= len(s.pieces) {
				return
			}
			s.job(i)
		}
	}
	return s, nil
}

func (s *Solver) newBuffers(names ...string) []buffer {
	buffers := make([]buffer, len(names))
	for b, name := range names {
		buffers[b] = buffer{name, make([][]float32, len(s.params))}
		for i, p := range s.params {
			buffers[b].values[i] = make([]float32, len(p.Value))
		}
	}
	return buffers
}

func (s *Solver) value(p piece) []float32 { return s.params[p.param].Value[p.lo:p.hi] }
func (s *Solver) grad(p piece) []float32  { return s.params[p.param].Grad[p.lo:p.hi] }
func (s *Solver) state(b int, p piece) []float32 {
	return s.buffers[b].values[p.param][p.lo:p.hi]
}

// Step clips the gradients by their global norm (if clip_norm is set) and
// updates every parameter with learning rate lr, which is Config.LR times the
// schedule's factor. It returns the norm before clipping. Grad is left as it
// is: it is scaled on the way.
//
// A gradient that is NaN or infinite is an error that names the first
// parameter with one; then neither values nor state have changed, and the norm
// is NaN or infinite.
func (s *Solver) Step(lr float64) (norm float64, err error) {
	if !(lr >= 0) || !finite(lr) {
		return 0, fmt.Errorf("solver: learning rate = %v, want a number >= 0", lr)
	}
	s.each(s.norms)
	sum := 0.0
	for _, square := range s.squares {
		sum += square
	}
	norm = math.Sqrt(sum)
	if !finite(norm) {
		bad := slices.IndexFunc(s.squares, func(x float64) bool { return !finite(x) })
		return norm, fmt.Errorf("solver: the gradient of %s is not finite", s.params[s.pieces[bad].param].Name)
	}
	s.clip = 1
	if s.cfg.ClipNorm > 0 {
		// As torch.nn.utils.clip_grad_norm_ does, the 1e-6 included.
		s.clip = float32(min(1, s.cfg.ClipNorm/(norm+1e-6)))
	}
	s.step++
	s.lr = lr
	s.each(s.updates)
	return norm, nil
}

// each does job for all pieces on the solver's goroutines.
func (s *Solver) each(job func(i int)) {
	s.job = job
	s.next.Store(0)
	s.running.Add(s.threads)
	for range s.threads - 1 {
		go s.work()
	}
	s.work()
	s.running.Wait()
}

// sumSquares is the sum of x[i]*x[i]. Squares of float32 cannot overflow a
// float64 sum, so it is finite when all of x is. Four sums hide the latency of
// the addition.
func sumSquares(x []float32) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] {
		a += float64(x[0]) * float64(x[0])
		b += float64(x[1]) * float64(x[1])
		c += float64(x[2]) * float64(x[2])
		d += float64(x[3]) * float64(x[3])
	}
	for _, v := range x {
		a += float64(v) * float64(v)
	}
	return (a + b) + (c + d)
}
