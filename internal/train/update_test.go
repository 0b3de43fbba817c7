package train

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// watched tells of the sums of each batch that is trained on.
type watched struct {
	Loss
	see func(sums []float32)
}

func (w watched) Weight(sums []float32, images int) float64 {
	w.see(sums)
	return w.Loss.Weight(sums, images)
}

// Without norm, updates of several batches are those of larger batches, within
// rounding, whatever the mean is taken over.
func TestUpdateOfSeveralBatches(t *testing.T) {
	for _, reduction := range []string{"weighted_mean", "mean", "sum_per_image"} {
		run := func(size, accumulate int) (*model.Parameters, *events) {
			s, recorder := tiny(t, func(s *Setup) {
				cfg := tinyNet
				cfg.Norm = "none"
				s.Params = net(t, cfg)
				s.BatchSize, s.Accumulate = size, accumulate
				s.Optimizer.Name, s.Optimizer.LR, s.Optimizer.ClipNorm = "sgd", 0.1, 0.3
				s.Augment = data.AugmentConfig{Rotate: 180} // which leaves corners void
				lossConfig := loss.DefaultConfig()
				lossConfig.Reduction = reduction
				if reduction == "sum_per_image" {
					s.Optimizer.LR = 0.1 / 256
				}
				s.Loss = loss.New(lossConfig, s.ClassWeights)
			})
			if _, err := Run(context.Background(), s); err != nil {
				t.Fatal(err)
			}
			return s.Params, recorder
		}
		want, wantEvents := run(4, 1) // 4, 4, 3
		first := net(t, want.Config)
		for _, split := range [][2]int{{2, 2}, {1, 4}} {
			got, gotEvents := run(split[0], split[1])
			for i, w := range wantEvents.steps {
				g := gotEvents.steps[i]
				if g.Step != w.Step || g.Batch != w.Batch || g.Batches != w.Batches || g.Images != w.Images || g.LR != w.LR ||
					math.Abs(g.Loss-w.Loss) > 1e-4*w.Loss || math.Abs(g.GradNorm-w.GradNorm) > 1e-3*w.GradNorm {
					t.Errorf("%s, %d batches of %d: step %+v, want that of one batch, %+v", reduction, split[1], split[0], g, w)
				}
			}
			for i, w := range wantEvents.epochs {
				if g := gotEvents.epochs[i]; math.Abs(g.TrainLoss-w.TrainLoss) > 1e-4*w.TrainLoss || g.Step != w.Step {
					t.Errorf("%s, %d batches of %d: epoch %d at step %d with training loss %v, want step %d, loss %v", reduction, split[1], split[0], i, g.Step, g.TrainLoss, w.Step, w.TrainLoss)
				}
			}
			var moved, apart float64
			for i, w := range want.All() {
				for j, v := range w.Value {
					moved = max(moved, math.Abs(float64(v-first.All()[i].Value[j])))
					apart = max(apart, math.Abs(float64(v-got.All()[i].Value[j])))
				}
			}
			if !(apart < 1e-3*moved) {
				t.Errorf("%s, %d batches of %d: weights up to %v apart after moves of up to %v", reduction, split[1], split[0], apart, moved)
			}
		}
	}
}

// A run that is stopped between the batches of an update goes on with the first of
// them, and ends with the same bits.
func TestStoppedWithinAnUpdate(t *testing.T) {
	change := func(s *Setup) {
		cfg := tinyNet
		cfg.Dropout = 0.3
		s.Params = net(t, cfg)
		s.BatchSize, s.Accumulate, s.EMA = 2, 3, 0.9 // 6 batches in 2 updates an epoch
	}
	whole, wholeEvents := tiny(t, change)
	whole.Checkpoint.EverySteps = 1
	if _, err := Run(context.Background(), whole); err != nil {
		t.Fatal(err)
	}
	want := last(t, whole)
	for batch, step := range map[int]string{2: "0", 5: "1", 10: "3"} {
		s, before := tiny(t, change)
		ctx, cancel := context.WithCancel(context.Background())
		seen := 0
		s.Loss = watched{s.Loss, func([]float32) {
			if seen++; seen == batch {
				cancel()
			}
		}}
		if _, err := Run(ctx, s); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		if got := last(t, s).Meta["step"]; got != step {
			t.Errorf("stopped in batch %d: saved at step %s, want %s", batch, got, step)
		}
		resumed, after := tiny(t, change)
		resumed.Resume, resumed.Folder = last(t, s), s.Folder
		if _, err := Run(context.Background(), resumed); err != nil {
			t.Fatal(err)
		}
		got := last(t, resumed)
		for _, w := range want.Tensors {
			if g, _ := got.Tensor(w.Name); !slices.EqualFunc(g.Data, w.Data, sameBits) {
				t.Errorf("stopped in batch %d: %s differs from the uninterrupted run's", batch, w.Name)
			}
		}
		if n := len(before.steps) + len(after.steps); n != 6 {
			t.Errorf("stopped in batch %d: %d updates, want 6", batch, n)
		}
	}
	var steps []int64
	for _, e := range wholeEvents.saved {
		steps = append(steps, e.Step)
	}
	if !slices.Equal(steps, []int64{1, 2, 3, 4, 5, 6}) {
		t.Errorf("saved at steps %v, want each once", steps)
	}
}

// Dropout draws anew for each batch of an update.
func TestDropoutWithinAnUpdate(t *testing.T) {
	var losses []float32
	s, _ := tiny(t, func(s *Setup) {
		cfg := tinyNet
		cfg.Dropout = 0.5
		s.Params = net(t, cfg)
		s.Train = labelled(t, 1)
		s.Patches, s.BatchSize, s.Accumulate, s.Epochs = 3, 1, 3, 1 // patches as large as the image: all the same
		s.Loss = watched{s.Loss, func(sums []float32) { losses = append(losses, sums[0]) }}
	})
	if _, err := Run(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	slices.Sort(losses)
	if len(losses) != 3 || len(slices.Compact(losses)) != 3 {
		t.Errorf("losses of three equal batches: %v", losses)
	}
}

// Batches without a label, and with Dice those that have one, count for what they are.
func TestUndefinedBatchOfAnUpdate(t *testing.T) {
	for _, dice := range []float64{0, 0.5} {
		run := func(classes []uint8, accumulate int) (*model.Parameters, *events) {
			s, recorder := tiny(t, func(s *Setup) {
				cfg := tinyNet
				cfg.Norm = "none"
				s.Params = net(t, cfg)
				s.Train, s.BatchSize, s.Accumulate, s.Epochs = labelled(t, classes...), 1, accumulate, 1
				lossConfig := loss.DefaultConfig()
				lossConfig.Dice = dice
				s.Loss = loss.New(lossConfig, s.ClassWeights)
			})
			if _, err := Run(context.Background(), s); err != nil {
				t.Fatal(err)
			}
			return s.Params, recorder
		}
		want, wantEvents := run([]uint8{1}, 1)
		got, gotEvents := run([]uint8{1, data.Void, data.Void}, 3)
		if g, w := gotEvents.steps[0].Loss, wantEvents.steps[0].Loss; g != w {
			t.Errorf("Dice %v: loss %v, want that of the batch with a label, %v", dice, g, w)
		}
		for i, w := range want.All() {
			if !slices.EqualFunc(got.All()[i].Value, w.Value, sameBits) {
				t.Errorf("Dice %v: %s is not moved by the batch with a label", dice, w.Name)
			}
		}
		if _, none := run([]uint8{data.Void, data.Void}, 2); !math.IsNaN(none.steps[0].Loss) || none.steps[0].GradNorm != 0 {
			t.Errorf("Dice %v: loss %v and norm %v of batches without a label", dice, none.steps[0].Loss, none.steps[0].GradNorm)
		}
	}
}
