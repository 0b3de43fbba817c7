package solver

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ScheduleConfig chooses how the learning rate changes over a run.
type ScheduleConfig struct {
	// Name is constant, cosine (Loshchilov and Hutter 2017), poly (power 0.9,
	// as DeepLab) or step (two drops).
	Name string `yaml:"name" enum:"constant,cosine,poly,step"`
	// WarmupEpochs is the length of the linear rise at the start, >= 0; may be
	// a fraction of an epoch.
	WarmupEpochs float64 `yaml:"warmup_epochs" range:"[0,)"`
	// FinalLRFactor is the factor at the end of the run, in [0, 1]; constant
	// does not use it.
	FinalLRFactor float64 `yaml:"final_lr_factor" range:"[0,1]"`
}

// DefaultScheduleConfig is one epoch of warm-up, then cosine to 1 %.
func DefaultScheduleConfig() ScheduleConfig {
	return ScheduleConfig{Name: "cosine", WarmupEpochs: 1, FinalLRFactor: 0.01}
}

// Validate reports every value out of range at once.
func (c ScheduleConfig) Validate() error {
	var errs []error
	if !slices.Contains([]string{"constant", "cosine", "poly", "step"}, c.Name) {
		errs = append(errs, fmt.Errorf("schedule.name = %s, want constant, cosine, poly or step", c.Name))
	}
	if !(c.WarmupEpochs >= 0) || !finite(c.WarmupEpochs) {
		errs = append(errs, fmt.Errorf("schedule.warmup_epochs = %v, want >= 0", c.WarmupEpochs))
	}
	if !(c.FinalLRFactor >= 0 && c.FinalLRFactor <= 1) {
		errs = append(errs, fmt.Errorf("schedule.final_lr_factor = %v, want in [0, 1]", c.FinalLRFactor))
	}
	return errors.Join(errs...)
}

// warmupStart is the factor at the very start of a warm-up: small, but not 0,
// so that the first step of a run is not lost.
const warmupStart = 0.001

// Factor is what the learning rate is multiplied by at a position in the run
// of the given number of epochs. epoch counts from 0 and is fractional: 3.5 is
// half of the fourth epoch, whatever the batch size.
//
// In the warm-up, the factor rises linearly from 0.001 at epoch 0 to 1 at
// epoch WarmupEpochs. From there t goes from 0 to 1 at the end of the run, and
// with f = FinalLRFactor the factor is
//
//	constant  1
//	cosine    f + (1-f) * (1 + cos(pi*t)) / 2
//	poly      f + (1-f) * (1-t)^0.9
//	step      1 to t = 1/2, then sqrt(f) to t = 3/4, then f
//
// After the end it stays at its last value. A run that ends before its warm-up
// does never leaves the warm-up.
func (c ScheduleConfig) Factor(epoch, epochs float64) float64 {
	if epoch < c.WarmupEpochs {
		return warmupStart + (1-warmupStart)*max(0, epoch)/c.WarmupEpochs
	}
	t := 0.0
	if epochs > c.WarmupEpochs {
		t = min(1, (epoch-c.WarmupEpochs)/(epochs-c.WarmupEpochs))
	}
	final := c.FinalLRFactor
	switch c.Name {
	case "cosine":
		return final + (1-final)*(1+math.Cos(math.Pi*t))/2
	case "poly":
		return final + (1-final)*math.Pow(1-t, 0.9)
	case "step":
		switch {
		case t >= 0.75:
			return final
		case t >= 0.5:
			return math.Sqrt(final)
		}
	}
	return 1
}
