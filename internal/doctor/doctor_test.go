package doctor_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/doctor"
)

// sound are figures of a training that nothing is wrong with.
func sound() doctor.Figures {
	cfg := config.Default()
	return doctor.Figures{
		Config: cfg, Pixels: []int64{8000, 800, 800, 400}, Weights: []float64{1.25, 12.5, 12.5, 25},
		Images: &doctor.Images{Number: 8, Largest: 1, Mean: 0.5, Deviation: 0.2, Between: 0.2, Grey: true},
		Edges:  &doctor.Edges{Number: 8, Own: 1.5, Other: 1, P: 0.001},
		Trials: []doctor.Trial{trial(1, 0.3)},
	}
}

// trial is one whose loss falls by a share.
func trial(factor, fall float64) doctor.Trial {
	return doctor.Trial{Factor: factor, Losses: []float64{2, 2 - 2*fall}, GradNorm: 1, Update: 5e-4 * factor}
}

// run are figures of a run with these epochs; nothing is known but what it measures.
func run(epochs ...doctor.Epoch) doctor.Figures {
	f := sound()
	f.Images, f.Edges, f.Trials = nil, nil, nil
	f.FirstLoss, f.Epochs = 1.4, epochs
	return f
}

// epochs are of 50 steps each; predicted are pixels of the four classes.
func epochs(losses []float64, predicted ...[]int64) (all []doctor.Epoch) {
	for i, loss := range losses {
		all = append(all, doctor.Epoch{Steps: int64(50 * (i + 1)), TrainLoss: loss, ValLoss: loss, Truth: []int64{80, 8, 8, 4}, Predicted: predicted[min(i, len(predicted)-1)], Update: math.NaN()})
	}
	return all
}

// names are those of findings, with "?" after a note, and the changes.
func names(findings []doctor.Finding) string {
	var all []string
	for _, f := range findings {
		words := []string{f.Name}
		if !f.Fault {
			words[0] += "?"
		}
		words = append(words, f.Classes...)
		for _, c := range f.Changes {
			words = append(words, c.Key+"="+c.Value)
		}
		all = append(all, strings.Join(words, " "))
	}
	return strings.Join(all, ", ")
}

func TestExamine(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(f *doctor.Figures)
		want   string
	}{
		{"sound", func(*doctor.Figures) {}, ""},
		{"nothing measured", func(f *doctor.Figures) { *f = doctor.Figures{Config: f.Config} }, ""},
		{"bad data", func(f *doctor.Figures) { f.Faults = []string{"a", "b"} }, "bad_data, bad_data"},
		{"doubtful data", func(f *doctor.Figures) { f.Warnings = []string{"a"} }, "data?"},
		{"faults come first", func(f *doctor.Figures) {
			f.Warnings, f.Images.Grey, f.Config.Loss.WeightBy = []string{"a"}, false, "prediction"
		}, "prediction_weights loss.weight_by=target, data?, channel_order?"},
		{"some images of one value", func(f *doctor.Figures) { f.Images.Constant = 3 }, "constant_images?"},
		{"most images of one value", func(f *doctor.Figures) {
			f.Images.Constant, f.Images.Between, f.Images.Deviation, f.Edges = 8, 0, 0, nil
		}, "constant_images"},
		{"most patches of one value", func(f *doctor.Figures) { f.Images.Constant, f.Config.Data.Patches = 7, 4 }, ""},
		{"all patches of one value", func(f *doctor.Figures) {
			f.Images.Constant, f.Images.Between, f.Images.Deviation, f.Edges, f.Config.Data.Patches = 8, 0, 0, nil, 4
		}, "constant_images"},
		{"one image", func(f *doctor.Figures) { f.Images.Between = 1e-4 }, "same_images"},
		{"a last batch of one image", func(f *doctor.Figures) { f.Samples = 41 }, "last_batch? train.batch_size=9"},
		{"a last batch of two images", func(f *doctor.Figures) { f.Samples = 42 }, ""},
		{"a last batch of one image, no batch norm", func(f *doctor.Figures) { f.Samples, f.Config.Model.Norm = 41, "none" }, ""},
		{"one batch of one image", func(f *doctor.Figures) { f.Samples, f.Config.Train.BatchSize = 1, 1 }, ""},
		{"a last batch of one image, of an encoder", func(f *doctor.Figures) {
			f.Samples, f.Config.Model.Encoder, f.Config.Model.Norm = 9, "resnet18", "none"
		}, "last_batch? train.batch_size=9"},
		{"masks of others", func(f *doctor.Figures) { f.Edges.P = 0.02 }, "foreign_masks"},
		{"masks of the image after", func(f *doctor.Figures) { f.Edges.Pairs, f.Edges.After = 10, 8 }, "foreign_masks"},
		{"some fit the image after", func(f *doctor.Figures) { f.Edges.Pairs, f.Edges.After = 10, 7 }, ""},
		{"too few to say", func(f *doctor.Figures) { f.Edges.Pairs, f.Edges.After = 4, 4 }, ""},
		{"masks without edges", func(f *doctor.Figures) { f.Edges = nil }, "unknown_masks?"},
		{"coloured", func(f *doctor.Figures) { f.Images.Grey = false }, "channel_order?"},
		{"weights by prediction", func(f *doctor.Figures) { f.Config.Loss.WeightBy = "prediction" }, "prediction_weights loss.weight_by=target"},
		{"a rare class", func(f *doctor.Figures) { f.Pixels, f.Weights = []int64{9000, 900, 91, 9}, []float64{1, 1, 1, 0.5} },
			"rare_classes square triangle loss.class_weights=dataset loss.class_weights=enet"},
		{"a rare class, with Dice", func(f *doctor.Figures) {
			f.Pixels, f.Weights, f.Config.Loss.Dice = []int64{9000, 900, 200, 50}, []float64{1, 1, 1, 1}, 0.5
		}, "rare_classes? triangle loss.class_weights=dataset loss.class_weights=enet"},
		{"an absent class", func(f *doctor.Figures) { f.Pixels[3], f.Weights[3] = 0, 0 }, ""},
		{"a class that is not to weigh", func(f *doctor.Figures) { f.Weights[3] = 0 }, ""},
		{"wide weights", func(f *doctor.Figures) {
			f.Pixels, f.Weights = []int64{90000, 900, 900, 9}, []float64{1, 100, 100, 10000}
		},
			"wide_weights? triangle loss.class_weights=enet loss.class_weights=median_frequency"},
		{"weights as published", published(8e-8), "vanishing_weights optimizer.lr=163.8 loss.class_weights=dataset"},
		{"weights as published, steps large enough", published(1e-3), ""},
		{"weights as published, weighted mean", func(f *doctor.Figures) { published(8e-8)(f); f.Config.Loss.Reduction = "weighted_mean" }, "cannot_learn"},
		{"weights as published, Adam", func(f *doctor.Figures) { published(8e-8)(f); f.Config.Optimizer.Name = "adam" }, "cannot_learn"},
		{"too small", func(f *doctor.Figures) {
			f.Trials = []doctor.Trial{trial(1, 0.002), trial(10, 0.02), trial(100, 0.2), trial(1000, 0.1)}
		}, "small_rate optimizer.lr=0.01"},
		{"slow, by steps of the usual size", func(f *doctor.Figures) {
			f.Trials = []doctor.Trial{trial(1, 0.002), trial(10, 0.02), trial(100, 0.2), trial(1000, 0.1)}
			f.Trials[0].Update = 0.005
		}, ""},
		{"slow, and not much faster", func(f *doctor.Figures) {
			f.Trials = []doctor.Trial{trial(1, 0.03), trial(10, 0.1), trial(100, 0.2), trial(1000, 0)}
		}, ""},
		{"slow, but a tenth of what falls most", func(f *doctor.Figures) { f.Trials = []doctor.Trial{trial(1, 0.002), trial(10, 0.3), trial(100, 0.1)} }, ""},
		{"too large", func(f *doctor.Figures) { f.Trials = []doctor.Trial{trial(1, -3), trial(0.1, 0.3)} }, "large_rate optimizer.lr=1e-05"},
		{"infinite", func(f *doctor.Figures) {
			f.Trials = []doctor.Trial{trial(1, math.NaN()), trial(0.1, -0.1), trial(0.01, 0.2)}
		}, "large_rate optimizer.lr=1e-06"},
		{"nothing helps", func(f *doctor.Figures) { f.Trials = []doctor.Trial{trial(1, 0), trial(10, -1), trial(0.1, 0)} }, "cannot_learn"},
		{"only much less is not too much", func(f *doctor.Figures) { f.Trials = []doctor.Trial{trial(1, -3), trial(0.1, -2), trial(0.01, 0.005)} }, "large_rate optimizer.lr=1e-06"},
		{"summed", summed(-8), "summed_loss loss.reduction=weighted_mean optimizer.lr=6.104e-07"},
		{"summed, and it learns", summed(0.2), ""},
		{"summed, of weights that divide", func(f *doctor.Figures) { summed(-8)(f); f.Config.Loss.ClassWeights.Scheme = "per_batch" }, "cannot_learn"},
		{"weights as published, steps far too large", func(f *doctor.Figures) {
			published(0)(f)
			f.Trials[0].Losses[1] = 1
			f.Trials = append(f.Trials, trial(0.1, 0.2))
		}, "large_rate optimizer.lr=0.0001"},
		{"trained weights have little to learn", func(f *doctor.Figures) {
			f.Trials, f.Config.Model.Init = []doctor.Trial{trial(1, 0), trial(10, -1), trial(0.1, 0)}, "best.safetensors"
		}, "cannot_learn?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := sound()
			tc.change(&f)
			if got := names(doctor.Examine(f)); got != tc.want {
				t.Errorf("got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// published is the loss of the question that this program was built from, with steps of
// this size.
func published(update float64) func(f *doctor.Figures) {
	return func(f *doctor.Figures) {
		l, o := &f.Config.Loss, &f.Config.Optimizer
		l.Kind, l.ClassWeights.Scheme, l.Reduction = "weighted_cce_probabilities", "per_batch", "mean"
		o.Name, o.LR, o.Momentum = "sgd", 0.01, 0
		fall := 0.0
		if update >= 1e-3 {
			fall = 0.2
		}
		f.Trials = []doctor.Trial{{Factor: 1, Losses: []float64{1e-3, 1e-3 * (1 - fall)}, Update: update}}
	}
}

// summed is a loss summed over pixels, which steps of SGD lower by a share.
func summed(fall float64) func(f *doctor.Figures) {
	return func(f *doctor.Figures) {
		f.Config.Loss.Reduction = "sum_per_image"
		f.Config.Optimizer.Name, f.Config.Optimizer.LR = "sgd", 0.01
		f.Trials = []doctor.Trial{trial(1, fall)}
	}
}

func TestWatch(t *testing.T) {
	all := []int64{70, 10, 10, 10}
	background, no := []int64{100, 0, 0, 0}, []int64{90, 5, 5, 0}
	falling, still := []float64{1, 0.9, 0.8, 0.7}, []float64{1, 1.001, 0.999, 1}
	const unexplained = "the doctor command looks further"
	for _, tc := range []struct {
		name   string
		epochs []doctor.Epoch
		change func(f *doctor.Figures)
		want   string
	}{
		{"sound", epochs(falling, all), nil, ""},
		{"sound, with a fault in the configuration", epochs(falling, all), func(f *doctor.Figures) { f.Config.Loss.WeightBy = "prediction" }, ""},
		{"still", epochs(still, all), nil, "still_loss"},
		{"still, of a run that goes on", epochs(still, all), func(f *doctor.Figures) { f.FirstLoss = 0 }, ""},
		{"still, for a few steps", epochs(still[:2], all), nil, ""},
		{"few steps in many epochs", epochs(still, all), func(f *doctor.Figures) {
			for i := range f.Epochs {
				f.Epochs[i].Steps = int64(20 * i)
			}
		}, ""},
		{"moves now", epochs([]float64{1, 1, 1, 0.99}, all), nil, ""},
		{"has moved, and has come to rest", epochs([]float64{1, 0.9, 0.9, 0.9}, all), nil, ""},
		{"drifts", epochs([]float64{1, 0.9993, 0.9986, 0.9979, 0.9972}, all), nil, "still_loss"},
		{"loss undefined", epochs([]float64{math.NaN(), math.NaN(), math.NaN()}, all), nil, ""},
		{"still, by published weights", epochs(still, all), func(f *doctor.Figures) { published(0)(f); f.Trials, f.Epochs[3].Update = nil, 8e-8 },
			"still_loss, vanishing_weights optimizer.lr=163.8 loss.class_weights=dataset"},
		{"still, by small steps", epochs(still, all), func(f *doctor.Figures) { f.Epochs[3].Update = 2e-7 }, "still_loss, small_updates optimizer.lr=1"},
		{"risen", epochs([]float64{9, 9, 9, 9}, all), nil, "still_loss, risen_loss optimizer.lr=1e-05 optimizer.clip_norm=1"},
		{"risen, and dead", epochs([]float64{9, 9, 9, 9}, all), func(f *doctor.Figures) { f.Epochs[3].Update = 0 }, "still_loss, risen_loss optimizer.lr=1e-05 optimizer.clip_norm=1"},
		{"risen, summed", epochs([]float64{9, 9, 9, 9}, all), func(f *doctor.Figures) { summed(0)(f); f.Trials = nil }, "still_loss, summed_loss loss.reduction=weighted_mean optimizer.lr=6.104e-07"},
		{"one class", epochs(falling, all, background), func(f *doctor.Figures) { f.Config.Loss.WeightBy = "prediction" }, "one_class background, prediction_weights loss.weight_by=target"},
		{"one class at first", epochs(falling, background, background, all), nil, ""},
		{"one class, and it is all there is", epochs(falling, background), func(f *doctor.Figures) {
			for i := range f.Epochs {
				f.Epochs[i].Truth = background
			}
		}, ""},
		{"never predicted", epochs(falling, no), func(f *doctor.Figures) { f.Pixels[3], f.Weights[3] = 10, 1 },
			"never_predicted triangle, rare_classes triangle loss.class_weights=dataset loss.class_weights=enet"},
		{"predicted in one of three epochs", epochs(falling, no, no, all, no), nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := run(tc.epochs...)
			if tc.change != nil {
				tc.change(&f)
			}
			suffers, why := doctor.Watch(f)
			findings := slices.Concat(suffers, why)
			if got := names(findings); got != tc.want {
				t.Errorf("got %s\nwant %s", got, tc.want)
			}
			if n := len(findings); n > 0 && strings.Contains(findings[0].Text, unexplained) != (n == 1) {
				t.Errorf("%d findings, the first is %s", n, findings[0].Text)
			}
		})
	}
}

// The rates that are tried, by how much of the loss each takes away.
func TestNextFactor(t *testing.T) {
	for _, tc := range []struct {
		name string
		fall func(factor float64) float64
		want []float64
	}{
		{"enough", func(float64) float64 { return 0.3 }, []float64{1}},
		{"too small", func(f float64) float64 { return map[bool]float64{true: 0.001 * f, false: -1}[f <= 100] }, []float64{1, 10, 100, 1000}},
		{"too large", func(f float64) float64 { return map[bool]float64{true: 0.2, false: -1}[f <= 0.01] }, []float64{1, 0.1, 0.01}},
		{"not finite", func(f float64) float64 { return map[bool]float64{true: 0.2, false: math.NaN()}[f <= 0.01] }, []float64{1, 0.1, 0.01}},
		{"steps without effect", func(f float64) float64 { return map[bool]float64{true: 0.2, false: 0}[f > 1e5] }, []float64{1, 10, 0.1, 0.01, 0.001, 1e-4}},
		{"nothing helps", func(float64) float64 { return 0 }, []float64{1, 10, 0.1, 0.01, 0.001, 1e-4}},
		{"always better", func(f float64) float64 { return 1e-9 * f }, []float64{1, 10, 100, 1000, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var f doctor.Figures
			var got []float64
			for range 20 {
				factor, ok := doctor.NextFactor(f)
				if !ok {
					break
				}
				f.Trials = append(f.Trials, trial(factor, tc.fall(factor)))
				got = append(got, factor)
			}
			if !slices.EqualFunc(got, tc.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9*b }) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// While steps are too small for any effect, larger ones are tried.
func TestNextFactorOfTinySteps(t *testing.T) {
	f := doctor.Figures{Trials: []doctor.Trial{trial(1, 0), trial(10, 0)}}
	f.Trials[1].Update = 1e-9
	if factor, ok := doctor.NextFactor(f); !ok || factor != 100 {
		t.Errorf("got %v, %v, want 100", factor, ok)
	}
}

// Where the factor is known, it is the only one that is tried.
func TestNextFactorOfPublishedWeights(t *testing.T) {
	f := sound()
	published(8e-8)(&f)
	if factor, ok := doctor.NextFactor(f); !ok || factor != 128*128 {
		t.Errorf("got %v, %v, want the pixels of an image", factor, ok)
	}
	f.Trials = append(f.Trials, trial(128*128, 0.01))
	if factor, ok := doctor.NextFactor(f); ok {
		t.Errorf("then %v, want no more", factor)
	}
}

// squares are images with a square somewhere, and its mask.
func squares(n int) (samples []data.Sample) {
	const side = 24
	rng := rand.New(rand.NewPCG(1, 2))
	for range n {
		s := data.Sample{Image: make([]float32, 3*side*side), Mask: make([]uint8, side*side), H: side, W: side}
		y, x, size := 1+rng.IntN(12), 1+rng.IntN(12), 4+rng.IntN(6)
		for p := range s.Mask {
			inside := p/side >= y && p/side < y+size && p%side >= x && p%side < x+size
			value := 0.2 + 0.1*rng.Float32()
			if inside {
				s.Mask[p], value = 1, value+0.4
			}
			for c := range 3 {
				s.Image[3*p+c] = value
			}
		}
		samples = append(samples, s)
	}
	return samples
}

func TestMeasureEdges(t *testing.T) {
	measure := func(samples []data.Sample) *doctor.Edges {
		positions := []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13}
		return doctor.MeasureEdges(samples, positions[:len(samples)], rand.New(rand.NewPCG(3, 4)))
	}
	own := squares(12)
	if e := measure(own); e == nil || e.Number != 12 || e.Pairs != 9 || e.Before > 0 || e.After > 0 || e.P > 0.002 || e.Own < 1.5*e.Other {
		t.Errorf("own masks: %+v", e)
	}
	swapped := slices.Clone(own)
	for i := range swapped {
		swapped[i].Mask = own[(i+1)%len(own)].Mask
	}
	if e := measure(swapped); e == nil || e.P < 0.05 || e.Before != 9 || e.After > 7 {
		t.Errorf("masks of others: %+v", e)
	}
	if e := measure(own[:5]); e != nil {
		t.Errorf("five images: %+v, want none", e)
	}
	void := slices.Clone(own)
	for i := range void {
		void[i].Mask = slices.Repeat([]uint8{data.Void}, len(own[i].Mask))
		void[i].Mask[30] = 1
	}
	if e := measure(void); e != nil {
		t.Errorf("no edges but with void: %+v, want none", e)
	}
}

func TestMeasureImages(t *testing.T) {
	image := func(values ...float32) data.Sample { return data.Sample{Image: values, H: 1, W: len(values) / 3} }
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }
	im := doctor.MeasureImages([]data.Sample{image(0, 0, 0, 1, 1, 1), image(0.5, 0.5, 0.5, 0.5, 0.5, 0.5)})
	// By hand: deviations within are 0.5 and 0; each pixel has 0.25 from image to image.
	if im.Number != 2 || im.Constant != 1 || !im.Grey || im.Least != 0 || im.Largest != 1 || !near(im.Mean, 0.5) || !near(im.Deviation, 0.25) || !near(im.Between, 0.25) {
		t.Errorf("got %+v", im)
	}
	if im := doctor.MeasureImages([]data.Sample{image(0, 0, 0.5)}); im.Grey || im.Constant != 0 {
		t.Errorf("blue: %+v", im)
	}
	if im := doctor.MeasureImages(nil); im != nil {
		t.Errorf("no image: %+v", im)
	}
}
