package checkpoint_test

import (
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
)

func someRun() checkpoint.Run {
	return checkpoint.Run{
		Config:      []byte("seed: 1\n"),
		Position:    checkpoint.Position{Epoch: 2, Sample: 24, Step: 17, BestIoU: 0.625, BestEpoch: 1, LossSum: 1e-7, LossImages: 20},
		Ended:       checkpoint.EarlyStop,
		Batch:       3,
		ClassCounts: []int64{1 << 40, 0}, ClassWeights: []float64{1.5, 0},
		DataFingerprint: "ab12",
		LabelDigest:     "ef56",
		ValClassCounts:  []int64{0, 3}, ValFingerprint: "cd34", ValLabelDigest: "ab78",
	}
}

// Files of other versions of the program have these keys and these forms of numbers.
func TestMetadata(t *testing.T) {
	want := map[string]string{
		"format": "unet-gorgonia/1", "config": "seed: 1\n", "epoch": "2", "step": "17", "batch_in_epoch": "3", "sample_in_epoch": "24",
		"class_counts": "[1099511627776, 0]", "class_weights": "[1.5, 0]", "best_miou": "0.625", "best_epoch": "1",
		"epoch_loss_sum": "1e-07", "data_fingerprint": "ab12",
		"epoch_loss_images": "20", "ended": "early_stop", "label_digest": "ef56", "val_label_digest": "ab78", "val_class_counts": "[0, 3]", "val_fingerprint": "cd34",
	}
	if got := someRun().Metadata(); !maps.Equal(got, want) {
		t.Errorf("metadata %v, want %v", got, want)
	}
}

func TestMetadataReadBack(t *testing.T) {
	run := someRun()
	c := &checkpoint.Checkpoint{Meta: run.Metadata()}
	if got, err := c.Position(); err != nil || got != run.Position {
		t.Errorf("position %+v, %v, want %+v", got, err, run.Position)
	}
	if got, err := c.ClassWeights(2); err != nil || !slices.Equal(got, run.ClassWeights) {
		t.Errorf("class weights %v, %v, want %v", got, err, run.ClassWeights)
	}
	if got := string(c.Config()); got != string(run.Config) {
		t.Errorf("config %q, want %q", got, run.Config)
	}
	if got := c.DataFingerprint(); got != run.DataFingerprint {
		t.Errorf("fingerprint %q, want %q", got, run.DataFingerprint)
	}
	if got := c.ClassCounts(); !slices.Equal(got, run.ClassCounts) {
		t.Errorf("class counts %v, want %v", got, run.ClassCounts)
	}
	if got := c.ValClassCounts(); !slices.Equal(got, run.ValClassCounts) {
		t.Errorf("class counts of the validation set %v, want %v", got, run.ValClassCounts)
	}
	if got, val := c.LabelDigest(), c.ValLabelDigest(); got != run.LabelDigest || val != run.ValLabelDigest {
		t.Errorf("label digests %q and %q, want %q and %q", got, val, run.LabelDigest, run.ValLabelDigest)
	}
	if got := c.ValFingerprint(); got != run.ValFingerprint {
		t.Errorf("fingerprint of the validation set %q, want %q", got, run.ValFingerprint)
	}
	run.BestIoU = math.NaN() // no validation yet
	c.Meta = run.Metadata()
	if got, err := c.Position(); err != nil || !math.IsNaN(got.BestIoU) {
		t.Errorf("best mIoU %v, %v, want NaN", got.BestIoU, err)
	}
}

// Files of older versions lack what was added since, and could call an undefined mean IoU the best.
func TestMetadataOfOlderFiles(t *testing.T) {
	run := someRun()
	run.BestIoU = math.NaN()
	c := &checkpoint.Checkpoint{Meta: run.Metadata()}
	for _, key := range []string{"epoch_loss_images", "ended", "val_class_counts", "val_fingerprint"} {
		delete(c.Meta, key)
	}
	got, err := c.Position()
	if err != nil || got.LossImages != got.Sample || got.BestEpoch != -1 {
		t.Errorf("position %+v, %v, want the loss of all %d images and no best epoch", got, err, got.Sample)
	}
	if got := c.ValClassCounts(); got != nil {
		t.Errorf("class counts of the validation set %v, want none", got)
	}
	if got := c.ValFingerprint(); got != "" {
		t.Errorf("fingerprint of the validation set %q, want none", got)
	}
}

func TestEnding(t *testing.T) {
	at := func(epoch, best int) checkpoint.Position { return checkpoint.Position{Epoch: epoch, BestEpoch: best} }
	for _, tc := range []struct {
		name             string
		at               checkpoint.Position
		epochs, patience int
		want             checkpoint.Ending
	}{
		{"under way", at(2, 1), 3, 0, ""},
		{"all epochs", at(3, 1), 3, 0, checkpoint.AllEpochs},
		{"patience left", at(3, 1), 9, 2, ""},
		{"patience used up", at(4, 1), 9, 2, checkpoint.EarlyStop},
		{"more epochs do not help", at(4, 1), 90, 2, checkpoint.EarlyStop},
		{"a larger patience goes on", at(4, 1), 9, 3, ""},
		{"endless patience goes on", at(4, 1), 9, 0, ""},
		{"no validation had an mIoU", at(8, -1), 9, 2, ""},
		{"both", at(9, 1), 9, 2, checkpoint.AllEpochs},
	} {
		if got := tc.at.Ending(tc.epochs, tc.patience); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestMetadataErrors(t *testing.T) {
	position := func(c *checkpoint.Checkpoint) error { _, err := c.Position(); return err }
	weights := func(c *checkpoint.Checkpoint) error { _, err := c.ClassWeights(2); return err }
	for _, tc := range []struct {
		name, key, value string
		read             func(*checkpoint.Checkpoint) error
		want             string
	}{
		{"format", "format", "other/1", position, `checkpoint has format "other/1", want "unet-gorgonia/1"`},
		{"no step", "step", "", position, `checkpoint metadata step = "", want a whole number`},
		{"fraction", "sample_in_epoch", "1.5", position, `checkpoint metadata sample_in_epoch = "1.5", want a whole number`},
		{"no number", "best_miou", "high", position, `checkpoint metadata best_miou = "high", want a number`},
		{"no list", "class_weights", "1", weights, `class_weights = "1", want a list of 2 numbers`},
		{"too many weights", "class_weights", "[1, 2, 3]", weights, `class_weights = "[1, 2, 3]", want a list of 2 numbers`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &checkpoint.Checkpoint{Meta: someRun().Metadata()}
			c.Meta[tc.key] = tc.value
			if err := tc.read(c); err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
	all := &checkpoint.Checkpoint{Meta: map[string]string{"format": checkpoint.Format}}
	err := position(all)
	for _, key := range []string{"epoch", "sample_in_epoch", "step", "best_miou", "best_epoch", "epoch_loss_sum"} {
		if err == nil || !strings.Contains(err.Error(), "checkpoint metadata "+key+" =") {
			t.Errorf("error %v, want it to tell of %s too", err, key)
		}
	}
}

func TestReadRun(t *testing.T) {
	for _, tc := range []struct {
		name   string
		format string
		value  float32
		want   string // "": it is read
	}{
		{"whole", checkpoint.Format, 1, ""},
		{"of another program", "pt", 1, `: format = "pt", want a checkpoint of this program (unet-gorgonia/1)`},
		{"not finite", checkpoint.Format, float32(math.Inf(1)), `: tensor "w" has +Inf as value 0`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.safetensors")
			c := &checkpoint.Checkpoint{Meta: map[string]string{"format": tc.format}, Tensors: []checkpoint.Tensor{{Name: "w", Shape: []int{1}, Data: []float32{tc.value}}}}
			if err := checkpoint.Write(path, c); err != nil {
				t.Fatal(err)
			}
			got, err := checkpoint.ReadRun(path)
			if tc.want == "" {
				if err != nil || difference(got, c) != "" {
					t.Errorf("error %v, %s", err, difference(got, c))
				}
			} else if err == nil || !strings.HasPrefix(err.Error(), path+tc.want) {
				t.Errorf("error %v, want %s%s", err, path, tc.want)
			}
		})
	}
}

func TestOptimizerState(t *testing.T) {
	c := &checkpoint.Checkpoint{Tensors: []checkpoint.Tensor{{Name: "head.bias"}, {Name: "optimizer.exp_avg.head.bias"}, {Name: "head.weight"}}}
	if !c.HasOptimizerState() {
		t.Error("the optimizer's state was not found")
	}
	c.DropOptimizerState()
	var names []string
	for _, tensor := range c.Tensors {
		names = append(names, tensor.Name)
	}
	if want := []string{"head.bias", "head.weight"}; !reflect.DeepEqual(names, want) || c.HasOptimizerState() {
		t.Errorf("tensors %v, want %v", names, want)
	}
}
