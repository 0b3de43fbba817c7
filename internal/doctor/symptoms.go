package doctor

import "math"

// A symptom must last: after a few steps and epochs many a healthy net calls every
// pixel one class.
const (
	patience = 3   // epochs
	young    = 100 // steps
)

// recent are the last epochs of a run that is old enough to be judged, else nil.
func (f Figures) recent() []Epoch {
	n := len(f.Epochs)
	if n < patience || f.Epochs[n-1].Steps < young {
		return nil
	}
	return f.Epochs[n-patience:]
}

// stillLoss finds a validation loss that stays where it was after the first epoch.
func stillLoss(f Figures) []Finding {
	const (
		still = 0.002 // share of the loss, within the recent epochs
		drift = 0.01  // since the first
	)
	recent := f.recent()
	if recent == nil || f.FirstLoss == 0 {
		return nil
	}
	first, last := f.Epochs[0].ValLoss, recent[patience-1].ValLoss
	near := func(loss, share float64) bool { return math.Abs(loss-last) < share*math.Abs(last) } // NaN: unknown
	for _, e := range recent {
		if !near(e.ValLoss, still) || !near(first, drift) {
			return nil
		}
	}
	return fault("still_loss", nil, "the validation loss does not move: %s after epoch 1, %s after epoch %d", number(first), number(last), len(f.Epochs))
}

// predictedAlone is the class that an epoch predicted at (nearly) every pixel although
// others are there; -1: none.
func (e Epoch) predictedAlone() int {
	const nearly = 0.999
	all := float64(sum(e.Predicted))
	for c, n := range e.Predicted {
		if float64(n) > nearly*all && float64(e.Truth[c]) < nearly*all {
			return c
		}
	}
	return -1
}

// collapsed finds one class everywhere.
func collapsed(f Figures) []Finding {
	recent := f.recent()
	if recent == nil {
		return nil
	}
	last := recent[patience-1]
	class := last.predictedAlone()
	for _, e := range recent {
		if class < 0 || e.predictedAlone() != class {
			return nil
		}
	}
	name := f.Config.Data.Classes[class]
	return of([]string{name}, fault("one_class", nil, "every pixel has been called %s for %d epochs; %s of the validation pixels are", name, patience, percent(float64(last.Truth[class])/float64(sum(last.Truth)))))
}

// neverPredicted finds classes that are there and are not predicted.
func neverPredicted(f Figures) []Finding {
	recent := f.recent()
	if recent == nil || collapsed(f) != nil {
		return nil
	}
	last := recent[patience-1]
	classes, list := f.classes(func(c int) bool {
		for _, e := range recent {
			if e.Truth[c] == 0 || e.Predicted[c] > 0 {
				return false
			}
		}
		return true
	}, func(c int) string { return percent(float64(last.Truth[c]) / float64(sum(last.Truth))) })
	if classes == nil {
		return nil
	}
	return of(classes, fault("never_predicted", nil, "not a pixel has been predicted for %d epochs of classes that the validation images have: %s", patience, list))
}
