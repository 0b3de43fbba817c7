// Package solver updates parameters from their gradients: SGD with momentum,
// Adam and AdamW by PyTorch's definitions, clipping by the global norm, and
// learning rate schedules. All state is keyed by parameter name and can be
// saved and loaded exactly: a solver that loads a State continues bit for bit
// as the one that it came from.
//
// Every update is elementwise and the gradient norm is summed in float64 over
// fixed pieces in fixed order, so no result depends on the number of threads,
// nor on the instruction set.
package solver

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
)

// Config chooses the update rule.
type Config struct {
	// Name is sgd, adam (L2 weight decay, Kingma and Ba 2015) or adamw
	// (decoupled weight decay, Loshchilov and Hutter 2019).
	Name string `yaml:"name" enum:"sgd,adam,adamw"`
	// LR is the learning rate that the schedule scales, > 0.
	LR float64 `yaml:"lr" range:"(0,)"`
	// EncoderLRFactor multiplies the learning rate of the encoder: of the parameters
	// whose names begin with "encoder.", (0, 10]. With adamw their decay follows, as
	// that of a parameter group of PyTorch with its own rate.
	EncoderLRFactor float64 `yaml:"encoder_lr_factor" range:"(0,10]"`
	// WeightDecay pulls every parameter towards zero, biases and norms too, >= 0.
	WeightDecay float64 `yaml:"weight_decay" range:"[0,)"`
	// Momentum is for sgd, in [0, 1).
	Momentum float64 `yaml:"momentum" range:"[0,1)"`
	// Beta1 and Beta2 are for adam and adamw, in [0, 1).
	Beta1 float64 `yaml:"beta1" range:"[0,1)"`
	Beta2 float64 `yaml:"beta2" range:"[0,1)"`
	// Epsilon is added to Adam's denominator, > 0.
	Epsilon float64 `yaml:"epsilon" range:"(0,)"`
	// ClipNorm is the largest norm of all gradients together; 0 does not clip.
	ClipNorm float64 `yaml:"clip_norm" range:"[0,)"`
}

// DefaultConfig is AdamW with PyTorch's betas, without clipping.
func DefaultConfig() Config {
	return Config{Name: "adamw", LR: 0.001, EncoderLRFactor: 1, WeightDecay: 0.0001, Momentum: 0.9, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
}

// Validate reports every value out of range at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, key string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("optimizer.%s = %v, want %s", key, value, want))
		}
	}
	rule, _ := c.rule()
	check(rule != nil, "name", c.Name, "sgd, adam or adamw")
	check(c.LR > 0 && finite(c.LR), "lr", c.LR, "> 0")
	check(c.EncoderLRFactor > 0 && c.EncoderLRFactor <= 10, "encoder_lr_factor", c.EncoderLRFactor, "> 0 and <= 10 (model.freeze: [encoder] keeps it as it is)")
	check(c.WeightDecay >= 0 && finite(c.WeightDecay), "weight_decay", c.WeightDecay, ">= 0")
	check(c.Momentum >= 0 && c.Momentum < 1, "momentum", c.Momentum, "in [0, 1)")
	check(c.Beta1 >= 0 && c.Beta1 < 1, "beta1", c.Beta1, "in [0, 1)")
	check(c.Beta2 >= 0 && c.Beta2 < 1, "beta2", c.Beta2, "in [0, 1)")
	check(c.Epsilon > 0 && finite(c.Epsilon), "epsilon", c.Epsilon, "> 0")
	check(c.ClipNorm >= 0 && finite(c.ClipNorm), "clip_norm", c.ClipNorm, ">= 0 (0 does not clip)")
	return errors.Join(errs...)
}

// rule prepares the update of a step with learning rate lr and gradients scaled by clip.
type rule func(s *Solver, lr, clip float64) (update func(piece))

// rule is the one that Name stands for, nil if there is none, and the names of the
// running averages that it keeps of each parameter.
func (c Config) rule() (r rule, averages []string) {
	switch c.Name {
	case "sgd":
		if c.Momentum > 0 {
			return (*Solver).momentum, []string{"momentum_buffer"}
		}
		return (*Solver).sgd, nil
	case "adam":
		return (*Solver).adam, []string{"exp_avg", "exp_avg_sq"}
	case "adamw":
		return (*Solver).adamw, []string{"exp_avg", "exp_avg_sq"}
	}
	return nil, nil
}

// KeepsAverages reports whether a State of the solver has tensors, without which
// it cannot go on.
func (c Config) KeepsAverages() bool {
	_, averages := c.rule()
	return averages != nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// Param is a trainable parameter: Step reads Grad and changes Value in place.
// Both have the same length and keep the same memory for the solver's life.
type Param struct {
	Name        string
	Value, Grad []float32
}

func (p Param) inEncoder() bool { return strings.HasPrefix(p.Name, "encoder.") }

// Solver holds the parameters and the state of the rule. It is not safe for
// concurrent use.
type Solver struct {
	cfg      Config
	rule     rule
	engine   *kernel.Engine
	params   []Param
	averages []average // as the rule names them
	step     int64
	pieces   []piece
	squares  []float64 // per piece: sum of its gradients squared
}

// average is one of the rule's running averages: values[i] belongs to params[i].
type average struct {
	name   string
	values [][]float32
}

// piece is elements lo..hi of a parameter: small enough to share the work
// evenly, and the unit in which the norm is summed.
type piece struct{ param, lo, hi int }

const pieceLength = 1 << 14

// New makes a solver over params that works on the engine, which nothing else
// may use during a Step.
func New(cfg Config, params []Param, engine *kernel.Engine) (*Solver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Solver{cfg: cfg, engine: engine, params: slices.Clone(params)}
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
	rule, averages := cfg.rule()
	s.rule, s.averages = rule, s.newAverages(averages)
	s.squares = make([]float64, len(s.pieces))
	return s, nil
}

func (s *Solver) newAverages(names []string) []average {
	var arena memory.Arena
	averages := make([]average, len(names))
	for a, name := range names {
		averages[a] = average{name, make([][]float32, len(s.params))}
		for i, p := range s.params {
			averages[a].values[i] = arena.Floats(len(p.Value))
		}
	}
	return averages
}

func (s *Solver) value(p piece) []float32 { return s.params[p.param].Value[p.lo:p.hi] }
func (s *Solver) grad(p piece) []float32  { return s.params[p.param].Grad[p.lo:p.hi] }
func (s *Solver) average(a int, p piece) []float32 {
	return s.averages[a].values[p.param][p.lo:p.hi]
}

// Step clips the gradients by their global norm (if clip_norm is set) and
// updates every parameter with learning rate lr, which is Config.LR times the
// schedule's factor; those of the encoder with EncoderLRFactor times lr. It returns
// the norm before clipping. Grad does not change: it is scaled as it is read.
//
// A gradient that is NaN or infinite is an error that names the first
// parameter with one, and the norm is NaN or infinite. With clip_norm nothing has
// changed then. Without it the norm is summed during the update, while the gradients
// are in the caches: values and state are finite, but of no further use.
func (s *Solver) Step(lr float64) (norm float64, err error) {
	if !(lr >= 0) || !finite(lr) {
		return 0, fmt.Errorf("solver: learning rate = %v, want a number >= 0", lr)
	}
	square := func(i int, p piece) { s.squares[i] = s.engine.SumSquares(s.grad(p)) }
	clip := 1.0
	if s.cfg.ClipNorm > 0 {
		s.each(square)
		if norm, err = s.norm(); err != nil {
			return norm, err
		}
		// As torch.nn.utils.clip_grad_norm_ does, the 1e-6 included.
		clip = min(1, s.cfg.ClipNorm/(norm+1e-6))
	}
	s.step++
	update, encoder := s.rule(s, lr, clip), s.rule(s, lr*s.cfg.EncoderLRFactor, clip)
	s.each(func(i int, p piece) {
		if s.cfg.ClipNorm == 0 {
			square(i, p)
		}
		switch {
		case !finite(s.squares[i]):
		case s.params[p.param].inEncoder():
			encoder(p)
		default:
			update(p)
		}
	})
	return s.norm()
}

// norm is the norm of all gradients, from their squares.
func (s *Solver) norm() (float64, error) {
	sum := 0.0
	for _, square := range s.squares {
		sum += square
	}
	norm := math.Sqrt(sum)
	if !finite(norm) {
		bad := slices.IndexFunc(s.squares, func(x float64) bool { return !finite(x) })
		return norm, fmt.Errorf("solver: the gradient of %s is not finite", s.params[s.pieces[bad].param].Name)
	}
	return norm, nil
}

// each calls do for all pieces.
func (s *Solver) each(do func(i int, p piece)) {
	s.engine.Share(len(s.pieces), 1, func(_, _, lo, hi int) {
		for i := lo; i < hi; i++ {
			do(i, s.pieces[i])
		}
	})
}
