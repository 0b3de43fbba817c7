// Package doctor says in words why a training fails, or will: each of its rules is
// one function from figures that were measured to what is wrong, with the key to
// change and the value to try. The figures are of a few steps on a few images before
// a training, or of the epochs of one under way; a rule is silent where a figure that
// it needs is not known.
package doctor

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
)

// Figures are what was measured. What is nil was not.
type Figures struct {
	Config config.Config

	// Of the data.
	Faults   []string  // for which no training can begin
	Warnings []string  // of what training would put up with
	Samples  int       // of an epoch
	Pixels   []int64   // labelled pixels of the training set, per class
	Void     int64     // its pixels without a label
	Weights  []float64 // of the loss, per class
	Images   *Images   // the values of some of its images
	Edges    *Edges    // how some of its masks lie on their images

	Trials []Trial // steps on one batch, with optimizer.lr as it is first

	// Of a run under way.
	FirstLoss float64 // of its first step; 0: unknown, as of a run that goes on from other weights
	Epochs    []Epoch // so far, in order
}

// Trial is some steps on one batch, from the first weights on.
type Trial struct {
	Factor    float64   // of optimizer.lr
	Losses    []float64 // before the first step and after each; the last is not finite if it came to that
	GradNorm  float64   // of the first step, before clipping
	Update    float64   // norm of a step's change of the weights over that of the weights: the median of the steps; NaN: there was none
	Truth     []float64 // share of the batch's labelled pixels that are of each class
	Predicted []float64 // share of them predicted as each class after the last step; nil where the loss is not finite
}

// Fall is the share of the loss that the steps took away, negative where it rose,
// -Inf where it is no longer finite.
func (t Trial) Fall() float64 {
	first, last := t.Losses[0], t.Losses[len(t.Losses)-1]
	if !finite(last) {
		return math.Inf(-1)
	}
	return (first - last) / first
}

// Epoch is what an epoch of a run has found.
type Epoch struct {
	Steps     int64   // since the run began
	TrainLoss float64 // NaN: undefined
	ValLoss   float64 // NaN: undefined
	Truth     []int64 // labelled pixels of the validation set, per class
	Predicted []int64 // of these, those predicted as each class
	Update    float64 // size of a step against the weights, as in Trial; NaN: unknown
}

// Finding is something that is wrong.
type Finding struct {
	Name    string   `json:"name"`              // of the rule, for programs
	Fault   bool     `json:"fault"`             // training will not give what is wanted; else a note
	Text    string   `json:"text"`              // what is wrong, with figures
	Classes []string `json:"classes,omitempty"` // that it is about; none: it is not about some
	Changes []Change `json:"changes,omitempty"` // each mends it alone; the best first
}

// Change is a key of the configuration and the value to try.
type Change struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// String is the finding in one line, with what to change.
func (f Finding) String() string {
	if len(f.Changes) == 0 {
		return f.Text
	}
	var all []string
	for _, c := range f.Changes {
		all = append(all, c.Key+": "+c.Value)
	}
	return f.Text + "; try " + strings.Join(all, ", or ")
}

// A rule looks at figures.
type rule func(Figures) []Finding

// symptoms are what a run under way suffers from.
var symptoms = []rule{stillLoss, collapsed, neverPredicted}

// causes are why a training fails.
var causes = []rule{
	badData, constantImages, sameImages, foreignMasks,
	predictionWeights, rareClasses, wideWeights,
	vanishingWeights, summedLoss, smallUpdates, risenLoss, learningRate,
}

// notes are what may matter, and what cannot be known.
var notes = []rule{warnings, lastBatch, unknownMasks, channelOrder}

func apply(f Figures, rules []rule) (all []Finding) {
	for _, r := range rules {
		all = append(all, r(f)...)
	}
	return all
}

// Examine is the findings before a training, faults first.
func Examine(f Figures) []Finding {
	all := apply(f, slices.Concat(causes, notes))
	slices.SortStableFunc(all, func(a, b Finding) int {
		switch {
		case a.Fault == b.Fault:
			return 0
		case a.Fault:
			return -1
		}
		return 1
	})
	return all
}

// Watch is what a run under way suffers from, and why. Without a symptom there is no why.
func Watch(f Figures) (suffers, why []Finding) {
	if suffers = apply(f, symptoms); suffers == nil {
		return nil, nil
	}
	if why = apply(f, causes); why == nil {
		last := &suffers[len(suffers)-1]
		last.Text += "; what a run measures does not say why: the doctor command looks further"
	}
	return suffers, why
}

// Faults is how many findings are faults.
func Faults(findings []Finding) (n int) {
	for _, f := range findings {
		if f.Fault {
			n++
		}
	}
	return n
}

func fault(name string, changes []Change, format string, args ...any) []Finding {
	return []Finding{{Name: name, Fault: true, Text: fmt.Sprintf(format, args...), Changes: changes}}
}

func note(name string, changes []Change, format string, args ...any) []Finding {
	return []Finding{{Name: name, Text: fmt.Sprintf(format, args...), Changes: changes}}
}

// try lists changes: keys and values in turn.
func try(keysAndValues ...string) (changes []Change) {
	for pair := range slices.Chunk(keysAndValues, 2) {
		changes = append(changes, Change{pair[0], pair[1]})
	}
	return changes
}

// number is one with few digits, as a configuration has it.
func number(x float64) string { return fmt.Sprintf("%.4g", x) }

// short is a number with two digits, to be read only.
func short(x float64) string { return fmt.Sprintf("%.2g", x) }

// percent is a share with two digits or more.
func percent(x float64) string {
	if x >= 0.1 {
		return fmt.Sprintf("%.1f %%", 100*x)
	}
	return fmt.Sprintf("%.2g %%", 100*x)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func sum[T int64 | float64](values []T) (total T) {
	for _, v := range values {
		total += v
	}
	return total
}

// classes are those for which which holds: their names, and a list of them, each with
// what is said about it.
func (f Figures) classes(which func(class int) bool, about func(class int) string) (names []string, list string) {
	var all []string
	for c, name := range f.Config.Data.Classes {
		if which(c) {
			names, all = append(names, name), append(all, name+" ("+about(c)+")")
		}
	}
	return names, join(all)
}

// of says which classes a finding is about.
func of(classes []string, findings []Finding) []Finding {
	findings[0].Classes = classes
	return findings
}
