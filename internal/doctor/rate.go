package doctor

import (
	"cmp"
	"math"
	"slices"
)

const (
	enough   = 0.05 // share of the loss of one batch that a few steps should take away
	little   = 0.01 // less is nothing
	rounding = 1e-4 // of a loss that does not change
)

// NextFactor says with which factor of optimizer.lr the steps are to be tried after
// those of f.Trials: with 1, and where that does not lower the loss enough, with ten
// times more as long as that helps, then with ten times less; where it is known by which
// factor the loss is too small or too large, with that alone. ok is false when enough has been seen.
func NextFactor(f Figures) (factor float64, ok bool) {
	const most, least = 1e9, 1e-4
	n := len(f.Trials)
	if n == 0 {
		return 1, true
	}
	switch {
	case vanishingWeights(f) != nil:
		return float64(f.pixels()), n == 1
	case summedLoss(f) != nil:
		return 1 / float64(f.pixels()), n == 1
	}
	first, last := f.Trials[0], f.Trials[n-1]
	rises := first.Fall() < -rounding
	helped := n == 1 || last.Fall() > f.Trials[n-2].Fall() || last.Factor > 1 && last.Update < smallest
	if last.Factor == 0.1 { // the one before was of the other direction
		helped = last.Fall() > first.Fall()
	}
	switch {
	case first.Fall() >= enough:
		return 0, false
	case last.Factor >= 1 && !rises && helped && last.Factor < most:
		return last.Factor * 10, true
	case last.Factor >= 1:
		return 0.1, f.best().Fall() <= max(first.Fall(), rounding)
	case last.Fall() < enough && (helped || last.Fall() <= 0) && last.Factor > least:
		return last.Factor / 10, true
	}
	return 0, false
}

// learningRate judges optimizer.lr by the steps with it, ten times more, and so on.
// What lowers the loss of one batch the most in a few steps is too much for a
// training: a tenth of it is proposed (Smith 2017).
func learningRate(f Figures) []Finding {
	if len(f.Trials) == 0 || vanishingWeights(f) != nil || summedLoss(f) != nil {
		return nil
	}
	first, best := f.Trials[0], f.best()
	lr, steps := f.Config.Optimizer.LR, len(best.Losses)-1
	find := fault
	if f.Config.Model.Init != "" {
		find = note // trained weights may have little left to learn
	}
	change := func(factor float64) []Change { return try("optimizer.lr", number(lr*factor)) }
	switch fall := first.Fall(); {
	case fall >= enough:
		return nil
	case best.Fall() < little && !(fall < -little && best.Fall() > rounding):
		return find("cannot_learn", nil, "no learning rate tried, %s to %s, lowers the loss of one batch by more than %s in %d steps: the net does not learn what it is shown", number(lr*f.lowest()), number(lr*f.highest()), percent(max(0, best.Fall())), steps)
	case best.Factor >= 100 && best.Fall() > 10*fall && first.Update < 3*usual:
		return find("small_rate", change(best.Factor/10), "optimizer.lr = %s is too small: %d steps on one batch lower its loss by %s, with %s by %s; a step changes the weights by %s of themselves",
			number(lr), steps, percent(max(0, fall)), number(lr*best.Factor), percent(best.Fall()), short(first.Update))
	case best.Factor < 1 && best.Fall() > 10*fall:
		text := "lower its loss by " + percent(fall)
		switch {
		case math.IsInf(fall, -1):
			text = "end in a loss that is not finite"
		case fall < 0:
			text = "raise its loss by " + percent(-fall)
		}
		return find("large_rate", change(best.Factor/10), "optimizer.lr = %s is too large: %d steps on one batch %s, and with %s lower it by %s", number(lr), steps, text, number(lr*best.Factor), percent(best.Fall()))
	}
	return nil
}

// best is the trial whose loss fell the most.
func (f Figures) best() Trial {
	return slices.MaxFunc(f.Trials, func(a, b Trial) int { return cmp.Compare(a.Fall(), b.Fall()) })
}

func (f Figures) lowest() float64 {
	least := math.Inf(1)
	for _, t := range f.Trials {
		least = min(least, t.Factor)
	}
	return least
}

func (f Figures) highest() float64 {
	most := 0.0
	for _, t := range f.Trials {
		most = max(most, t.Factor)
	}
	return most
}
