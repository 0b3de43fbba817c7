package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

// labelled opens one image of 16x16 pixels per class, of which all pixels have it.
func labelled(t *testing.T, classes ...uint8) *data.Split {
	t.Helper()
	dir := t.TempDir()
	for i, class := range classes {
		image, mask := make([]uint8, 256), slices.Repeat([]uint8{class}, 256)
		for p := range image {
			image[p] = uint8(i*40 + p*7)
		}
		for folder, values := range map[string][]uint8{"images": image, "masks": mask} {
			path := filepath.Join(dir, folder, fmt.Sprintf("%d.png", i))
			filetest.Write(t, path, filetest.Encode(t, "x.png", filetest.Grey(16, 16, values...)))
		}
	}
	cfg := data.DefaultConfig()
	cfg.Source, cfg.Train, cfg.Val, cfg.Size = "folder", dir, dir, [2]int{16, 16}
	split, err := data.Open(cfg, 1, "train")
	if err != nil {
		t.Fatal(err)
	}
	return split
}

// The training loss is the mean over the images of the batches that have one,
// also where a run was stopped and resumed.
func TestBatchWithoutLabelDoesNotLowerTheLoss(t *testing.T) {
	for _, reduction := range []string{"weighted_mean", "mean", "sum_per_image"} {
		for _, tc := range []struct {
			name    string
			classes []uint8
			dice    float64
			defined int // of the 5 batches of an epoch
		}{
			{"all have labels", []uint8{0, 1, 2, 1, 0}, 0, 5},
			{"two are void", []uint8{0, data.Void, 2, data.Void, 0}, 0, 3},
			{"one has no weight", []uint8{0, 1, 3, 1, 0}, 0, 4},
			{"Dice needs no weight", []uint8{0, 1, 3, data.Void, 0}, 0.5, 4},
			{"all are void", []uint8{data.Void, data.Void, data.Void, data.Void, data.Void}, 0, 0},
		} {
			change := func(s *Setup) {
				s.BatchSize, s.Epochs = 1, 1
				s.Train, s.Val = labelled(t, tc.classes...), labelled(t, 0, 1)
				cfg := loss.DefaultConfig()
				cfg.Reduction, cfg.Dice = reduction, tc.dice
				s.Loss = loss.New(cfg, []float64{1, 5, 5, 0})
			}
			s, whole := tiny(t, change)
			if _, err := Run(context.Background(), s); err != nil {
				t.Fatal(err)
			}
			sum, n := 0.0, 0
			for _, step := range whole.steps {
				if !math.IsNaN(step.Loss) {
					sum += step.Loss
					n++
				}
			}
			got := whole.epochs[0].TrainLoss
			if n != tc.defined || got != sum/float64(n) && n > 0 || math.IsNaN(got) != (n == 0) {
				t.Errorf("%s, %s: %d batches have a loss, want %d; training loss %v, want %v", reduction, tc.name, n, tc.defined, got, sum/float64(n))
			}

			if reduction != "mean" { // for the others it is the same sum
				continue
			}
			stopped, before := tiny(t, change)
			ctx, cancel := context.WithCancel(context.Background())
			before.stopAfter, before.stop = 3, cancel
			if _, err := Run(ctx, stopped); !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			resumed, after := tiny(t, change)
			resumed.Resume, resumed.Folder = last(t, stopped), stopped.Folder
			if _, err := Run(context.Background(), resumed); err != nil {
				t.Fatal(err)
			}
			if again := after.epochs[0].TrainLoss; math.Float64bits(again) != math.Float64bits(got) {
				t.Errorf("%s, %s: training loss %v when resumed, want %v", reduction, tc.name, again, got)
			}
		}
	}
}

// Of an epoch of which only the validation is left there is no speed.
func TestNoSpeedWithoutTraining(t *testing.T) {
	stopped, before := tiny(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	before.stopAfter, before.stop = 3, cancel // the last of its epoch
	if _, err := Run(ctx, stopped); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	resumed, after := tiny(t, nil)
	resumed.Resume, resumed.Folder = last(t, stopped), stopped.Folder
	if _, err := Run(context.Background(), resumed); err != nil {
		t.Fatal(err)
	}
	if got := after.epochs[0].ImagesPerSecond; !math.IsNaN(got) {
		t.Errorf("%v images per second, want NaN", got)
	}
	if got := after.epochs[1].ImagesPerSecond; !(got > 0) {
		t.Errorf("%v images per second in the next epoch, want more than 0", got)
	}
}

// A validation of which no pixel has a label has no loss and no mean IoU: it is not
// the best, and does not use up patience.
func TestValidationWithoutLabel(t *testing.T) {
	for _, reduction := range []string{"weighted_mean", "mean", "sum_per_image"} {
		s, recorder := tiny(t, func(s *Setup) {
			s.Epochs, s.EarlyStop = 3, 1
			s.Val = labelled(t, data.Void, data.Void)
			cfg := loss.DefaultConfig()
			cfg.Reduction = reduction
			s.Loss = loss.New(cfg, s.ClassWeights)
		})
		result, err := Run(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		if len(recorder.epochs) != 3 || result.BestEpoch != -1 || !math.IsNaN(result.BestIoU) {
			t.Errorf("%s: %d epochs, best %v after epoch %d, want 3 and none", reduction, len(recorder.epochs), result.BestIoU, result.BestEpoch)
		}
		for _, e := range recorder.epochs {
			if e.Best || !math.IsNaN(e.ValLoss) {
				t.Errorf("%s: epoch %d is best: %v, loss %v, want NaN and not the best", reduction, e.Epoch, e.Best, e.ValLoss)
			}
		}
		if last := last(t, s); last.Meta["ended"] != "epochs" {
			t.Errorf("ended by %q", last.Meta["ended"])
		}
	}
}
