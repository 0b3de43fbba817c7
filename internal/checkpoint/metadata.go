package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Format is the `format` in the metadata of the checkpoints that a run saves.
const Format = "unet-gorgonia/1"

// OptimizerPrefix begins the names of the tensors that are the optimizer's state
// and no part of the net: optimizer.exp_avg.head.weight.
const OptimizerPrefix = "optimizer."

// TrainedPrefix begins the names of the weights and running statistics that the
// optimizer works on, where those of the net are averages of them.
const TrainedPrefix = OptimizerPrefix + "weights."

// Run is what the metadata of a run's checkpoint say. Metadata writes it; the
// methods of Checkpoint read it back, each only what it is asked for, so that a net
// can be used whose run cannot be resumed.
type Run struct {
	Config          []byte    // of the run, YAML
	Position                  // where the run stands
	Ended           Ending    // why training ended there; "" if it goes on
	Batch           int       // batches of the epoch done; for other programs, as Sample says it for any batch size
	ClassCounts     []int64   // labelled pixels of the training set, per class
	ClassWeights    []float64 // of the loss, per class
	DataFingerprint string    // of the training set
	LabelDigest     string    // of the training set's masks
	ValClassCounts  []int64   // as ClassCounts, of the validation set
	ValLabelDigest  string    // as LabelDigest, of the validation set
	ValFingerprint  string    // of the validation set
}

// Position is how far a run has come, and what it remembers of the way.
type Position struct {
	Epoch     int     // from 0
	Sample    int     // samples of the epoch's order that were trained on
	Step      int64   // updates done
	BestIoU   float64 // mean IoU of the best validation; NaN: none yet
	BestEpoch int     // epoch of BestIoU, from 0; -1: none yet
	// LossSum is the sum over the epoch's images so far of their step's loss, and
	// LossImages their number, without the steps in which no pixel has a label and a
	// weight: the epoch's training loss is LossSum / LossImages.
	LossSum    float64
	LossImages int
}

// Ending is why a run has nothing left to train; "" if it has.
type Ending string

// The reasons for a run to end.
const (
	AllEpochs Ending = "epochs"     // none is left
	EarlyStop Ending = "early_stop" // the last epochs, as many as the patience, had no better validation
)

// Ending is why training ends at the position, if a run has that many epochs and
// that much patience, in epochs; 0: endless.
func (p Position) Ending(epochs, patience int) Ending {
	switch {
	case p.Epoch >= epochs:
		return AllEpochs
	case patience > 0 && p.BestEpoch >= 0 && p.Epoch-1-p.BestEpoch >= patience:
		return EarlyStop
	}
	return ""
}

// Metadata are the strings that say so in a file.
func (r Run) Metadata() map[string]string {
	return map[string]string{
		"format":            Format,
		"config":            string(r.Config),
		"epoch":             strconv.Itoa(r.Epoch),
		"step":              strconv.FormatInt(r.Step, 10),
		"batch_in_epoch":    strconv.Itoa(r.Batch),
		"sample_in_epoch":   strconv.Itoa(r.Sample),
		"class_counts":      list(r.ClassCounts),
		"class_weights":     list(r.ClassWeights),
		"best_miou":         strconv.FormatFloat(r.BestIoU, 'g', -1, 64),
		"best_epoch":        strconv.Itoa(r.BestEpoch),
		"epoch_loss_sum":    strconv.FormatFloat(r.LossSum, 'g', -1, 64),
		"epoch_loss_images": strconv.Itoa(r.LossImages),
		"ended":             string(r.Ended),
		"data_fingerprint":  r.DataFingerprint,
		"label_digest":      r.LabelDigest,
		"val_class_counts":  list(r.ValClassCounts),
		"val_label_digest":  r.ValLabelDigest,
		"val_fingerprint":   r.ValFingerprint,
	}
}

// list writes numbers as a JSON list.
func list[T int64 | float64](values []T) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = fmt.Sprint(v)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// ReadRun reads a checkpoint that a run saved, or that was exported from one. A
// file of another format and values that are not all finite are errors, which name
// the file.
func ReadRun(path string) (*Checkpoint, error) {
	c, err := Read(path)
	if err != nil {
		return nil, err
	}
	if format := c.Meta["format"]; format != Format {
		return nil, fmt.Errorf("%s: format = %q, want a checkpoint of this program (%s)", path, format, Format)
	}
	const maxConfig = 1 << 20 // as of a configuration file
	if n := len(c.Config()); n > maxConfig {
		return nil, fmt.Errorf("%s: config of %d bytes, want at most %d", path, n, maxConfig)
	}
	if err := c.Finite(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Config is the configuration of the run, YAML.
func (c *Checkpoint) Config() []byte { return []byte(c.Meta["config"]) }

// DataFingerprint is that of the run's training set.
func (c *Checkpoint) DataFingerprint() string { return c.Meta["data_fingerprint"] }

// ValFingerprint is that of the run's validation set; "" in older files.
func (c *Checkpoint) ValFingerprint() string { return c.Meta["val_fingerprint"] }

// LabelDigest is that of the masks of the run's training set; "" in older files.
func (c *Checkpoint) LabelDigest() string { return c.Meta["label_digest"] }

// ValLabelDigest is that of the validation set's; "" in older files.
func (c *Checkpoint) ValLabelDigest() string { return c.Meta["val_label_digest"] }

// ClassCounts are the labelled pixels of the run's training set, per class; nil if
// the file does not say.
func (c *Checkpoint) ClassCounts() []int64 { return c.counts("class_counts") }

// ValClassCounts are those of the validation set; nil in older files.
func (c *Checkpoint) ValClassCounts() []int64 { return c.counts("val_class_counts") }

func (c *Checkpoint) counts(key string) (counts []int64) {
	if json.Unmarshal([]byte(c.Meta[key]), &counts) != nil {
		return nil
	}
	return counts
}

// ClassWeights are those of the run's loss, one per class. Anything but a list of
// that many numbers is an error.
func (c *Checkpoint) ClassWeights(classes int) ([]float64, error) {
	var weights []float64
	if err := json.Unmarshal([]byte(c.Meta["class_weights"]), &weights); err != nil || len(weights) != classes {
		return nil, fmt.Errorf("class_weights = %q, want a list of %d numbers", c.Meta["class_weights"], classes)
	}
	return weights, nil
}

// Position is where the run stood. The error lists every value that is missing or
// is not a number.
func (c *Checkpoint) Position() (Position, error) {
	if f := c.Meta["format"]; f != Format {
		return Position{}, fmt.Errorf("checkpoint has format %q, want %q", f, Format)
	}
	var errs []error
	integer := func(key string) int64 {
		v, err := strconv.ParseInt(c.Meta[key], 10, 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("checkpoint metadata %s = %q, want a whole number", key, c.Meta[key]))
		}
		return v
	}
	float := func(key string) float64 {
		v, err := strconv.ParseFloat(c.Meta[key], 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("checkpoint metadata %s = %q, want a number", key, c.Meta[key]))
		}
		return v
	}
	p := Position{
		Epoch:     int(integer("epoch")),
		Sample:    int(integer("sample_in_epoch")),
		Step:      integer("step"),
		BestIoU:   float("best_miou"),
		BestEpoch: int(integer("best_epoch")),
		LossSum:   float("epoch_loss_sum"),
	}
	p.LossImages = p.Sample
	if _, ok := c.Meta["epoch_loss_images"]; ok { // older files counted all images
		p.LossImages = int(integer("epoch_loss_images"))
	}
	if math.IsNaN(p.BestIoU) { // in older files an undefined mean IoU could be the best
		p.BestEpoch = -1
	}
	return p, errors.Join(errs...)
}

// IsOptimizerState reports whether the tensor belongs to the optimizer, not to the net.
func (t Tensor) IsOptimizerState() bool { return strings.HasPrefix(t.Name, OptimizerPrefix) }

// HasOptimizerState reports whether the checkpoint holds the optimizer's state.
// Exported ones do not; nor does any of SGD without momentum, which has none.
func (c *Checkpoint) HasOptimizerState() bool {
	return slices.ContainsFunc(c.Tensors, Tensor.IsOptimizerState)
}

// DropOptimizerState leaves the net alone in the checkpoint: weights and running statistics.
func (c *Checkpoint) DropOptimizerState() {
	c.Tensors = slices.DeleteFunc(c.Tensors, Tensor.IsOptimizerState)
}
