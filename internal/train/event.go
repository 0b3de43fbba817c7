package train

import (
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
)

// A Recorder hears what happens in a run: a Started, then for each step a
// Stepped, for each epoch an Evaluated, for each checkpoint a Saved or an
// Unwritten, and an Ended. An error ends the run.
type Recorder interface{ Record(event any) error }

// Started opens a run.
type Started struct {
	Epochs        int
	StepsPerEpoch int
	TrainImages   int
	ValImages     int
	ValBatches    int       // of a validation
	Height, Width int       // of what the net sees: images, or patches of them
	Patches       int       // of each training image an epoch; 0: the net sees whole images
	ClassCounts   []int64   // labelled pixels of the training set
	ClassWeights  []float64 // as the loss has them
	Parameters    int       // trained values
	Frozen        int       // values that model.freeze keeps from being trained
	Memory        int64     // bytes that the run will come to take, about
	Epoch         int       // the epoch the run goes on in, from 0
	Step          int64     // steps done before
	Batch         int       // batches of that epoch done before
}

// Stepped follows an update.
type Stepped struct {
	Epoch, Epochs   int   // Epoch from 0
	Batch, Batches  int   // of the epoch; Batch from 1
	Step            int64 // of the run, from 1
	Images          int
	Loss            float64 // before the update
	LR              float64
	GradNorm        float64 // before clipping
	ImagesPerSecond float64
}

// Evaluated follows the validation at an epoch's end.
type Evaluated struct {
	Epoch, Epochs   int // Epoch from 0
	Step            int64
	LR              float64 // of the last step
	TrainLoss       float64 // mean over the epoch's images
	ValLoss         float64
	Confusion       *metric.Confusion // of the validation split
	Samples         []Sample          // at most 6 of the validation split, the same in every epoch
	Best            bool
	ImagesPerSecond float64 // while training, without the validation
	Duration        time.Duration
}

// Saved follows a checkpoint.
type Saved struct {
	Step int64
	Best bool
}

// Unwritten tells that a checkpoint, or a record of the run, could not be
// written. The run goes on, and what comes next is tried in its turn.
type Unwritten struct{ Err error }

// Ended closes a run, also one that an error ends.
type Ended struct{}
