package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// ErrInterrupted means that the context ended and the run was saved.
var ErrInterrupted = errors.New("interrupted")

// Recorder is told what happens in a run. An error ends the run.
type Recorder interface{ Record(event.Event) error }

// Setup is everything that a run depends on.
type Setup struct {
	Seed        uint64
	Epochs      int     // passes over the training set, >= 1
	BatchSize   int     // images per batch, >= 1; the last batch of an epoch may be smaller
	EarlyStop   int     // epochs without a better validation that end the run; 0: never
	Accumulate  int     // batches per update; 0: 1. The last update of an epoch may have fewer
	EMA         float64 // decay of the averages of the weights that are evaluated and saved, [0, 1); 0: none, the weights themselves are
	Optimizer   solver.Config
	Schedule    solver.ScheduleConfig
	Checkpoint  checkpoint.Config
	Patches     int     // per training image and epoch, as data.Config.Patches
	RarePatches float64 // share of them, as data.Config.RarePatches
	Augment     data.AugmentConfig

	Engine     *kernel.Engine
	Params     *model.Parameters // the net with its first weights, which the run changes
	Train, Val *data.Split
	Loss       Loss
	Folder     checkpoint.Folder
	Resume     *checkpoint.Checkpoint // nil: start from Params
	Recorder   Recorder
	Now        func() time.Time // the clock of speeds and durations; nil is time.Now

	// World is the processes that train the net together, each with a Setup of its
	// own; nil: this one does. Of each batch they compute a part. Only the first one
	// reads Resume and Params, which it sends to the others, saves, and records.
	World world.World

	// For checkpoints.
	ConfigYAML             []byte
	TrainCounts, ValCounts data.Counts // of Train and Val
	ClassWeights           []float64

	Changes []string // of configuration and data since Resume, for the events
}

// Result is where a run ended.
type Result struct {
	Confusion *metric.Confusion // of the last validation; nil if there was none
	ValLoss   float64
	Epoch     int               // of that validation, from 0
	BestIoU   float64           // NaN: no validation had one
	BestEpoch int               // from 0; -1: none
	Ending    checkpoint.Ending // why it ended
}

// run is a training run under way.
type run struct {
	Setup
	graphs    *Graphs
	solver    *solver.Solver
	steps     map[int]*Step // by batch size: an epoch's last batch may be smaller
	evaluator *Evaluator
	loader    *data.Loader
	valLoader *data.Loader

	trained []solver.Param
	update  update // under way

	at      checkpoint.Position
	result  Result
	unsaved []snapshot // what the next save has to write first
	saveErr error      // of the last save
	unheard error      // of the recorder, which the other processes do not know of yet
}

// snapshot is a checkpoint on its way to the disk.
type snapshot struct {
	*checkpoint.Checkpoint
	step int64
	best bool
}

// Run trains until the last epoch, an early stop, an error or the end of ctx.
// At the end of ctx it finishes the batch, saves where the last update left the run, and
// returns ErrInterrupted. A checkpoint that cannot be written does not end the run; if it
// is the last one, it is the run's error.
//
// Of several processes, all return an error at the same point, a world.Agreed, or it is
// one that the others do not know of: then they wait, and have to be ended.
func Run(ctx context.Context, s Setup) (Result, error) {
	r, err := newRun(s)
	if err != nil {
		return Result{}, err
	}
	if err := r.agree(r.compile()); err != nil {
		return Result{}, err
	}
	if err := r.checkOrder(); err != nil {
		return Result{}, err
	}
	height, width := s.Train.Size()
	if err := r.record(event.Started{
		Epochs: s.Epochs, StepsPerEpoch: r.stepsIn(r.loader.Len()), TrainImages: s.Train.Len(), ValImages: s.Val.Len(),
		ValSteps: r.stepsIn(r.valLoader.Len()), Height: height, Width: width, Patches: s.Patches,
		ClassCounts: s.TrainCounts.Pixels, ClassWeights: s.ClassWeights,
		Net: s.Params.Config.Summary(), Parameters: s.Params.Count(), Frozen: s.Params.Frozen(), Memory: r.memory(),
		Epoch: r.at.Epoch, Step: r.at.Step, Batch: r.stepsIn(r.at.Sample), Changes: s.Changes,
	}); err != nil {
		return r.result, err
	}
	err = r.epochs(ctx)
	var agreed world.Agreed
	stranded := r.together() && err != nil && !errors.As(err, &agreed) // the others do not know of it
	if r.saveErr != nil && !stranded {
		err = errors.Join(err, fmt.Errorf("the last checkpoint was not written; earlier ones are intact: %w", r.saveErr))
	}
	ended := event.Ended{}
	switch {
	case errors.Is(err, ErrInterrupted):
		ended.Cause = "interrupted"
	case err != nil:
		ended.Cause = err.Error()
	}
	end := r.Recorder.Record(ended)
	if !stranded {
		end = r.agree(end)
	}
	return r.result, errors.Join(err, end)
}

func newRun(s Setup) (*run, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.World == nil {
		s.World = world.Alone{}
	}
	rank, size := s.World.Rank(), s.World.Size()
	if rank > 0 {
		s.Recorder, s.Resume = silent{}, nil
	}
	r := &run{
		Setup:     s,
		graphs:    &Graphs{Engine: s.Engine, Params: s.Params, Loss: s.Loss, Seed: s.Seed, World: s.World},
		steps:     map[int]*Step{},
		loader:    data.NewLoader(s.Train, data.LoaderConfig{BatchSize: s.BatchSize, Shuffle: true, Patches: s.Patches, RarePatches: s.RarePatches, Augment: s.Augment, Seed: s.Seed, Part: rank, Parts: size}),
		valLoader: data.NewLoader(s.Val, data.LoaderConfig{BatchSize: s.BatchSize, Part: rank, Parts: size}),
		trained:   Trained(s.Params),
		at:        checkpoint.Position{BestIoU: math.NaN(), BestEpoch: -1},
	}
	r.evaluator = NewEvaluator(r.graphs)
	if err := r.agree(r.begin()); err != nil {
		return nil, err
	}
	return r, r.share()
}

// begin makes what the run starts from.
func (r *run) begin() (err error) {
	if r.solver, err = solver.New(r.Optimizer, r.trained, r.Engine); err != nil {
		return err
	}
	if r.EMA > 0 {
		r.graphs.Averages = r.Params.Copy()
	}
	if r.Resume != nil {
		return r.restore(r.Resume)
	}
	return nil
}

// Trained is the parameters that a solver changes: all but statistics and frozen parts.
func Trained(params *model.Parameters) []solver.Param {
	var trained []solver.Param
	for _, p := range params.All() {
		if p.Trained() {
			trained = append(trained, solver.Param{Name: p.Name, Value: p.Value, Grad: p.Grad})
		}
	}
	return trained
}

// epochs trains until no epoch is left or patience is used up.
func (r *run) epochs(ctx context.Context) error {
	for r.at.Ending(r.Epochs, r.EarlyStop) == "" {
		err := r.epoch(ctx)
		if err != nil && r.stopped(ctx, err) {
			r.update.undo(r.Params)
			if err := r.save(false); err != nil || r.saveErr != nil {
				return err
			}
			return world.All(ErrInterrupted)
		}
		if err != nil {
			return err
		}
	}
	r.result.Ending = r.at.Ending(r.Epochs, r.EarlyStop)
	r.result.BestIoU, r.result.BestEpoch = r.at.BestIoU, r.at.BestEpoch
	return nil
}

// epoch trains on the rest of the epoch, validates and saves.
func (r *run) epoch(ctx context.Context) error {
	start, first := r.Now(), r.at.Sample
	for batch, err := range r.loader.Epoch(ctx, r.at.Epoch, r.at.Sample) {
		if err == nil {
			err = ctx.Err()
		}
		if err := r.agree(err); err != nil {
			return err
		}
		updated, err := r.step(batch)
		if err != nil {
			return err
		}
		if every := int64(r.Checkpoint.EverySteps); updated && every > 0 && r.at.Step%every == 0 && r.at.Sample < r.loader.Len() {
			if err := r.save(false); err != nil {
				return err
			}
		}
	}
	if err := r.agree(ctx.Err()); err != nil {
		return err
	}
	trained := r.Now().Sub(start)

	sampler := newSampler(r.Val, r.Params.Classes, r.World)
	confusion, valLoss, err := r.evaluator.Run(ctx, r.valLoader, sampler.see)
	if err != nil {
		return err
	}
	samples, err := r.samples(sampler)
	if err := r.agree(err); err != nil {
		return err
	}
	iou := confusion.MeanIoU()
	best := iou > r.at.BestIoU || math.IsNaN(r.at.BestIoU) && !math.IsNaN(iou)
	if best {
		r.at.BestIoU, r.at.BestEpoch = iou, r.at.Epoch
	}
	r.result = Result{Confusion: confusion, ValLoss: valLoss, Epoch: r.at.Epoch}
	speed := math.NaN() // a resumed run may have nothing but the validation left of an epoch
	if images := r.at.Sample - first; images > 0 {
		speed = float64(images) / trained.Seconds()
	}
	done := r.at
	done.Epoch++
	// Before save: a resumed run writes the row of an unsaved epoch again, but not one that is missing.
	if err := r.record(event.Evaluated{
		Epoch: r.at.Epoch, Epochs: r.Epochs, Step: r.at.Step, LR: r.learningRate(),
		TrainLoss: r.at.LossSum / float64(r.at.LossImages), ValLoss: valLoss, Confusion: confusion, Samples: samples, Best: best, Ending: string(done.Ending(r.Epochs, r.EarlyStop)),
		ImagesPerSecond: speed, Duration: r.Now().Sub(start),
	}); err != nil {
		return err
	}
	r.at.Epoch, r.at.Sample, r.at.LossSum, r.at.LossImages = r.at.Epoch+1, 0, 0, 0
	return r.save(best)
}

// learningRate is that of the next step. It depends on the position in epochs, so
// that a resumed run may change the batch size.
func (r *run) learningRate() float64 {
	position := float64(r.at.Epoch) + float64(r.at.Sample)/float64(r.loader.Len())
	return r.Optimizer.LR * r.Schedule.Factor(position, float64(r.Epochs))
}

// save writes a checkpoint of where the run stands, in the first process. A failed write
// is no error, but is in saveErr. Weights that differ between the processes are one.
func (r *run) save(best bool) error {
	if err := r.checkSame(); err != nil {
		return err
	}
	var err error
	if r.World.Rank() == 0 {
		err = r.write(best)
	}
	if err := r.agree(err); err != nil {
		return err
	}
	r.saveErr = world.Agree(r.World, r.saveErr)
	return nil
}

// write writes a checkpoint of where the run stands, after a best one that could
// not be written earlier. A failed write is recorded and is no error. Weights that
// are not finite are an error: they must not replace good ones.
func (r *run) write(best bool) error {
	now := snapshot{r.capture(), r.at.Step, best}
	if err := now.Finite(); err != nil {
		return fmt.Errorf("step %d is not saved: %w; a lower optimizer.lr, or smaller loss.class_weights, may keep them finite", now.step, err)
	}
	if best {
		r.unsaved = nil // this one replaces it
	}
	// Delete, unlike r.unsaved[1:], lets go of the snapshot, which is as large as the net and its averages.
	for r.unsaved = append(r.unsaved, now); len(r.unsaved) > 0; r.unsaved = slices.Delete(r.unsaved, 0, 1) {
		s := r.unsaved[0]
		if err := r.Recorder.Record(event.Saving{}); err != nil {
			return err
		}
		if r.saveErr = r.Folder.Save(s.Checkpoint, s.step, s.best); r.saveErr != nil {
			r.unsaved = slices.DeleteFunc(r.unsaved, func(s snapshot) bool { return !s.best })
			return r.Recorder.Record(event.Unwritten{Err: r.saveErr})
		}
		if err := r.Recorder.Record(event.Saved{Step: s.step, Best: s.best}); err != nil {
			return err
		}
	}
	return nil
}

// batchesIn is the number of batches of that many images.
func (r *run) batchesIn(images int) int {
	return (images + r.BatchSize - 1) / r.BatchSize
}

// stepsIn is the number of updates that so many images of an epoch make.
func (r *run) stepsIn(images int) int {
	batches := r.batchesIn(images)
	k := max(min(r.Accumulate, batches), 1)
	return (batches + k - 1) / k
}
