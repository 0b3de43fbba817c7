// Package event is what a training run tells those who watch it: a Started,
// then a Stepped per step, a Noticed per finding, an Evaluated per epoch, a Saving and
// a Saved or an Unwritten per checkpoint, and an Ended. Package train sends them, but
// for Noticed, which package run adds; package report shows them.
package event

import (
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
)

// Event is one of the types of this package; no other can be one.
type Event interface{ event() }

func (Started) event()   {}
func (Stepped) event()   {}
func (Noticed) event()   {}
func (Evaluated) event() {}
func (Saving) event()    {}
func (Saved) event()     {}
func (Unwritten) event() {}
func (Ended) event()     {}

// Started opens a run.
type Started struct {
	Epochs        int
	StepsPerEpoch int
	TrainImages   int
	ValImages     int
	ValSteps      int       // of a validation, with as many images each
	Height, Width int       // pixels of what the net sees: images, or patches of them
	Patches       int       // per training image and epoch; 0: the net sees whole images
	ClassCounts   []int64   // labelled pixels of the training set, per class
	ClassWeights  []float64 // of the loss, per class
	Net           string    // which one, in a few words
	Parameters    int       // trained values
	Frozen        int       // values that model.freeze keeps from being trained
	Memory        int64     // bytes that the run will need, an estimate
	Epoch         int       // the epoch that the run begins or goes on in, from 0
	Step          int64     // steps done before
	Batch         int       // steps of that epoch done before
	Changes       []string  // of configuration and data since the checkpoint that the run goes on from
}

// Stepped follows an update of the weights.
type Stepped struct {
	Epoch, Epochs   int     // Epoch from 0
	Batch, Batches  int     // of the epoch, those of one update as one; Batch from 1
	Step            int64   // of the run, from 1
	Images          int     // of the batches of the update
	Loss            float64 // before the update; NaN if no pixel has a label and a weight
	LR              float64
	GradNorm        float64 // before clipping
	ImagesPerSecond float64
}

// Noticed says that something is wrong with the run, or no longer is. It comes before
// the Evaluated of the epoch that shows it.
type Noticed struct {
	Epoch   int // from 0
	Step    int64
	Name    string   // of the finding; see package doctor
	Classes []string // that it is about; none: it is not about some
	Text    string   // in one line, with what to change
	Cause   bool     // it says why, of others that were told before it
	Over    bool     // what was told by this name no longer holds
}

// Evaluated follows the validation at an epoch's end.
type Evaluated struct {
	Epoch, Epochs   int // Epoch from 0
	Step            int64
	LR              float64           // of the next step
	TrainLoss       float64           // mean over the epoch's images, without the batches that have no loss; NaN if none has
	ValLoss         float64           // NaN if no pixel has a label and a weight
	Confusion       *metric.Confusion // of the validation split
	Samples         []Sample          // at most 6 of the validation split, from the worst to the best of this epoch
	Best            bool              // no earlier validation had so high a mean IoU
	Ending          string            // why this epoch is the last: "epochs" or "early_stop"; "" if it is not
	ImagesPerSecond float64           // while training, without the validation; NaN if nothing was left to train on
	Duration        time.Duration     // of the epoch, with its validation
}

// Sample is a validation image, or the patch of it with the most wrong pixels, and what
// the net makes of it.
type Sample struct {
	Name             string
	Rank             string          // of the image in the split by its mean IoU: "worst", "lower median", "best", ...
	MeanIoU          float64         // of the image
	Image            imagefile.Image // (H,W,3) in 0..1
	Truth, Predicted []uint8         // (H,W) class indices; Truth is 255 where a pixel has no label
}

// Saving comes before a checkpoint. A run that goes on from there does not tell
// again what it told before: that must be durable first.
type Saving struct{}

// Saved follows a checkpoint.
type Saved struct {
	Step int64
	Best bool
}

// Unwritten says that a checkpoint, or a record of the run, could not be
// written. The run goes on and tries again.
type Unwritten struct{ Err error }

// Ended closes a run.
type Ended struct {
	Cause string // "": its last epoch, or an early stop; "interrupted"; or the error that ended it
}
