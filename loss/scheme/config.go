package scheme

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Config is the `loss` section.
type Config struct {
	// Kind is "weighted_cce" (from logits, through a stable log-softmax) or
	// "weighted_cce_probabilities" (softmax, renormalise, clip to [1e-7, 1-1e-7], log).
	Kind string `yaml:"kind" enum:"weighted_cce,weighted_cce_probabilities"`
	// ClassWeights names the scheme that turns class counts into weights, or holds the weights themselves.
	ClassWeights ClassWeights `yaml:"class_weights" range:"[0,)"`
	// WeightBy is "target" (right) or "prediction" (a published mistake, kept to show what it does).
	WeightBy string `yaml:"weight_by" enum:"target,prediction"`
	// Reduction is "weighted_mean", "mean" or "sum_per_image".
	Reduction string `yaml:"reduction" enum:"weighted_mean,mean,sum_per_image"`
	// Dice is the share of soft Dice in the loss, [0, 1].
	Dice float64 `yaml:"dice" range:"[0,1]"`
	// Lovasz is the share of the Lovász-softmax loss (Berman et al. 2018), a surrogate of the
	// mean IoU of the classes that occur in a batch, [0, 1 - Dice].
	Lovasz float64 `yaml:"lovasz" range:"[0,1]"`
	// FocalGamma is the exponent of (1-p) in focal loss, >= 0; 0 turns it off.
	FocalGamma float64 `yaml:"focal_gamma" range:"[0,)"`
	// Beta is the b of the effective_number scheme, (0, 1).
	Beta float64 `yaml:"beta" range:"(0,1)"`
	// AllowAbsentClasses gives a class with no pixel in the training set weight 0 instead of an error.
	AllowAbsentClasses bool `yaml:"allow_absent_classes"`
}

// DefaultConfig is weighted categorical cross entropy with weights counted over the training set.
func DefaultConfig() Config {
	return Config{
		Kind:         "weighted_cce",
		ClassWeights: ClassWeights{Scheme: "dataset"},
		WeightBy:     "target",
		Reduction:    "weighted_mean",
		Beta:         0.9999,
	}
}

// Schemes are the names that loss.class_weights takes besides a list of numbers.
func Schemes() []string {
	return []string{"dataset", "balanced", "median_frequency", "enet", "effective_number", "none", "per_batch"}
}

// ClassWeights is the name of a scheme, or one number per class, >= 0, if Values is not nil.
type ClassWeights struct {
	Scheme string
	Values []float64
}

// String is the scheme's name, or "given" for a list of numbers.
func (c ClassWeights) String() string {
	if c.Values != nil {
		return "given"
	}
	return c.Scheme
}

// MarshalYAML writes the scheme as a string and given weights as a list.
func (c ClassWeights) MarshalYAML() (any, error) {
	if c.Values != nil {
		return c.Values, nil
	}
	return c.Scheme, nil
}

// UnmarshalYAML reads a scheme's name or a list of numbers.
func (c *ClassWeights) UnmarshalYAML(unmarshal func(any) error) error {
	var values []float64
	if err := unmarshal(&values); err == nil {
		*c = ClassWeights{Values: values}
		return nil
	}
	var scheme string
	if err := unmarshal(&scheme); err != nil {
		return fmt.Errorf("loss.class_weights: want one of %s, or a list of numbers", strings.Join(Schemes(), ", "))
	}
	*c = ClassWeights{Scheme: scheme}
	return nil
}

// Validate reports every value out of range; classes is the number of classes of the data.
func (c Config) Validate(classes int) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	oneOf := func(key, value string, want ...string) {
		if !slices.Contains(want, value) {
			bad("%s = %q, want one of %s", key, value, strings.Join(want, ", "))
		}
	}
	oneOf("loss.kind", c.Kind, "weighted_cce", "weighted_cce_probabilities")
	oneOf("loss.weight_by", c.WeightBy, "target", "prediction")
	oneOf("loss.reduction", c.Reduction, "weighted_mean", "mean", "sum_per_image")
	if v := c.ClassWeights.Values; v == nil {
		oneOf("loss.class_weights", c.ClassWeights.Scheme, Schemes()...)
	} else {
		if len(v) != classes {
			bad("loss.class_weights has %d numbers, want %d, one per class of data.classes", len(v), classes)
		}
		sum := 0.0
		for i, w := range v {
			if !inRange(w) {
				bad("loss.class_weights[%d] = %v, want 0 or %g to %g (the loss is computed in float32)", i, w, leastWeight, mostWeight)
			}
			sum += w
		}
		if sum == 0 {
			bad("loss.class_weights are all 0, want at least one > 0")
		}
	}
	if !(c.Dice >= 0 && c.Dice <= 1) {
		bad("loss.dice = %v, want 0..1", c.Dice)
	}
	if !(c.Lovasz >= 0 && c.Lovasz <= 1) {
		bad("loss.lovasz = %v, want 0..1", c.Lovasz)
	} else if c.Dice+c.Lovasz > 1 {
		bad("loss.dice + loss.lovasz = %v + %v, want at most 1: they are shares, and the rest is cross entropy", c.Dice, c.Lovasz)
	}
	if !(c.FocalGamma >= 0) || math.IsInf(c.FocalGamma, 0) {
		bad("loss.focal_gamma = %v, want >= 0", c.FocalGamma)
	}
	if !(c.Beta > 0 && c.Beta < 1) {
		bad("loss.beta = %v, want 0 < beta < 1", c.Beta)
	}
	return errors.Join(errs...)
}
