package scheme

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Weights turns class counts over the training set into one weight per class, >= 0.
//
// pixels[c] counts the labelled pixels of class c, imagePixels[c] the labelled
// pixels of the images in which c occurs, names[c] is its name. With p_c =
// pixels_c / sum(pixels) the schemes are
//
//	dataset             1 / p_c
//	balanced            1 / (C p_c)
//	median_frequency    median(f) / f_c, f_c = pixels_c / imagePixels_c   (Eigen and Fergus 2015)
//	enet                1 / ln(1.02 + p_c)                                (Paszke et al. 2016)
//	effective_number    (1-b) / (1-b^pixels_c), scaled to sum to C        (Cui et al. 2019)
//	none                1
//	per_batch           as dataset: what an evaluation weights by; in training each batch counts its own
//
// Weights that cfg.ClassWeights.Values gives are returned as they are. A class
// without a pixel is an error that names it, unless the weight given to it is 0, or
// cfg.AllowAbsentClasses is set; then it has weight 0, or the given one. A weight
// that the loss cannot be computed with is an error too, and a weight of 0 for every
// class that has a pixel.
func Weights(cfg Config, pixels, imagePixels []int64, names []string) ([]float64, error) {
	weights, err := weigh(cfg, pixels, imagePixels, names)
	if err == nil {
		err = usable(weights, pixels, names)
	}
	if err != nil {
		return nil, err
	}
	return weights, nil
}

// The loss is computed in float32: the sum of a batch's weights must stay far from
// its largest value, 3e38, and a weight from its smallest, 1e-45.
const (
	leastWeight = 1e-30
	mostWeight  = 1e30
)

// inRange reports whether the loss can be computed with a weight.
func inRange(w float64) bool { return w == 0 || w >= leastWeight && w <= mostWeight }

// usable is an error unless the loss can be computed with the weights and one of
// them weighs a pixel.
func usable(weights []float64, pixels []int64, names []string) error {
	var errs []error
	var present []string
	weighs := false
	for c, w := range weights {
		if !inRange(w) {
			errs = append(errs, fmt.Errorf("loss: class %d (%s) has weight %g, want 0 or %g to %g (the loss is computed in float32): choose another loss.class_weights", c, names[c], w, leastWeight, mostWeight))
		}
		if pixels[c] > 0 {
			present = append(present, names[c])
			weighs = weighs || w != 0
		}
	}
	switch {
	case errs != nil:
		return errors.Join(errs...)
	case !weighs:
		return fmt.Errorf("loss: loss.class_weights gives weight 0 to every class that has a pixel in the training set (%s), so there is nothing to train on: give one of them a weight > 0", strings.Join(present, ", "))
	}
	return nil
}

// weigh makes the weights; usable checks them.
func weigh(cfg Config, pixels, imagePixels []int64, names []string) ([]float64, error) {
	classes := len(pixels)
	given := cfg.ClassWeights.Values
	if given != nil && len(given) != classes {
		return nil, fmt.Errorf("loss.class_weights has %d numbers, want %d", len(given), classes)
	}

	var total int64
	var absent, present []int
	for c, n := range pixels {
		total += n
		if n > 0 {
			present = append(present, c)
		} else if given == nil || given[c] > 0 {
			absent = append(absent, c)
		}
	}
	if total == 0 {
		return nil, errors.New("loss: the training set has no labelled pixel")
	}
	if len(absent) > 0 && !cfg.AllowAbsentClasses {
		return nil, absentError(absent, names)
	}
	if given != nil {
		return slices.Clone(given), nil
	}
	share := func(c int) float64 { return float64(pixels[c]) / float64(total) }
	var weight func(c int) float64
	switch cfg.ClassWeights.Scheme {
	case "dataset", "per_batch":
		weight = func(c int) float64 { return float64(total) / float64(pixels[c]) }
	case "balanced":
		weight = func(c int) float64 { return float64(total) / (float64(classes) * float64(pixels[c])) }
	case "median_frequency":
		frequency := func(c int) float64 { return float64(pixels[c]) / float64(imagePixels[c]) }
		var all []float64
		for _, c := range present {
			all = append(all, frequency(c))
		}
		m := median(all)
		weight = func(c int) float64 { return m / frequency(c) }
	case "enet":
		weight = func(c int) float64 { return 1 / math.Log(1.02+share(c)) }
	case "effective_number":
		// 1-b^n by expm1 and log1p: b^n rounds to 1 for b near 1 and small n.
		effective := func(c int) float64 {
			return (1 - cfg.Beta) / -math.Expm1(float64(pixels[c])*math.Log(cfg.Beta))
		}
		sum := 0.0
		for _, c := range present {
			sum += effective(c)
		}
		weight = func(c int) float64 { return effective(c) * float64(classes) / sum }
	case "none":
		weight = func(int) float64 { return 1 }
	default:
		return nil, fmt.Errorf("loss.class_weights = %q, want one of %v", cfg.ClassWeights.Scheme, Schemes())
	}
	weights := make([]float64, classes)
	for _, c := range present {
		weights[c] = weight(c)
	}
	return weights, nil
}

// absentError names classes without a pixel.
func absentError(classes []int, names []string) error {
	const most = 5
	var all []string
	for _, c := range classes[:min(most, len(classes))] {
		all = append(all, fmt.Sprintf("class %d (%s)", c, names[c]))
	}
	if n := len(classes) - most; n > 0 {
		all = append(all, fmt.Sprintf("%d others", n))
	}
	return fmt.Errorf("loss: the training set has no pixel of %s: correct data.classes or the masks, or set loss.allow_absent_classes: true to do without", strings.Join(all, ", "))
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}
