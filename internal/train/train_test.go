package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// events keeps what a run tells, and stops it after a step.
type events struct {
	stopAfter int64 // 0: never
	stop      func()

	steps  []event.Stepped
	epochs []event.Evaluated
	saved  []event.Saved
}

func (e *events) Record(v event.Event) error {
	switch v := v.(type) {
	case event.Stepped:
		e.steps = append(e.steps, v)
		if v.Step == e.stopAfter {
			e.stop()
		}
	case event.Evaluated:
		e.epochs = append(e.epochs, v)
	case event.Saved:
		e.saved = append(e.saved, v)
	}
	return nil
}

var tinyNet = model.Config{BaseChannels: 4, Depth: 2, Norm: "batch", Up: "transpose"}

// net makes the first weights of a net for 4 classes.
func net(t *testing.T, cfg model.Config) *model.Parameters {
	t.Helper()
	params, err := model.NewParameters(cfg, 3, 4, rand.New(rand.NewPCG(7, 0)))
	if err != nil {
		t.Fatal(err)
	}
	return params
}

// tiny is a run of 3 epochs of 11 images in batches of 4, so that each epoch ends with a smaller batch.
func tiny(t *testing.T, change func(*Setup)) (Setup, *events) {
	t.Helper()
	cfg := data.DefaultConfig()
	cfg.Size = [2]int{16, 16}
	cfg.Synthetic = data.SyntheticConfig{Train: 11, Val: 5}
	train, err := data.Open(cfg, 1, "train")
	if err != nil {
		t.Fatal(err)
	}
	val, err := data.Open(cfg, 1, "val")
	if err != nil {
		t.Fatal(err)
	}
	engine, err := kernel.NewEngine(2, "auto")
	if err != nil {
		t.Fatal(err)
	}
	recorder := &events{}
	s := Setup{
		Seed:   7,
		Epochs: 3, BatchSize: 4,
		Params:     net(t, tinyNet),
		Optimizer:  solver.DefaultConfig(),
		Schedule:   solver.DefaultScheduleConfig(),
		Checkpoint: checkpoint.DefaultConfig(),
		Engine:     engine,
		Train:      train, Val: val,
		Loss:         loss.New(loss.DefaultConfig(), []float64{1, 5, 5, 50}),
		Folder:       checkpoint.Folder{Dir: t.TempDir(), Keep: 2},
		Recorder:     recorder,
		TrainCounts:  data.Counts{Pixels: []int64{1, 2, 3, 4}},
		ClassWeights: []float64{1, 5, 5, 50},
	}
	if change != nil {
		change(&s)
	}
	return s, recorder
}

func last(t *testing.T, s Setup) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.Read(filepath.Join(s.Folder.Dir, "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestResumedRunEndsWithTheSameBits(t *testing.T) {
	variants := map[string]func(*Setup, *model.Config){
		"sgd": func(s *Setup, _ *model.Config) {
			s.Optimizer.Name, s.Optimizer.LR = "sgd", 0.05
		},
		"adamw": func(*Setup, *model.Config) {},
		"averages over updates of two batches": func(s *Setup, net *model.Config) {
			s.EMA, s.BatchSize, s.Accumulate, net.Freeze = 0.9, 2, 2, []string{"encoder.1"}
		},
		"deep supervision": func(_ *Setup, net *model.Config) { net.Depth, net.DeepSupervision = 3, true },
		"averages and deep supervision": func(s *Setup, net *model.Config) {
			s.EMA, net.Depth, net.DeepSupervision = 0.9, 3, true
		},
		"frozen parts": func(_ *Setup, net *model.Config) { net.Freeze = []string{"encoder.1", "up"} },
	}
	for name, choose := range variants {
		// 3 steps per epoch: 2 is mid-epoch, 3 is before the validation, 4 is after it.
		for _, stop := range []int64{1, 2, 3, 4, 8} {
			change := func(s *Setup) {
				cfg := tinyNet
				cfg.Dropout = 0.3
				choose(s, &cfg)
				s.Params = net(t, cfg)
				s.Optimizer.ClipNorm = 1
				s.Augment = data.AugmentConfig{
					FlipHorizontal: 0.5, FlipVertical: 0.5, Turn90: 0.5, Crop: 0.2, Scale: [2]float64{0.8, 1.2}, Rotate: 20, Shift: 0.1, Elastic: 1,
					Brightness: 0.2, Contrast: 0.2, Gamma: [2]float64{0.8, 1.2}, Saturation: 0.2, Hue: 0.1, Blur: 0.5, Noise: 0.05,
				}
			}
			whole, wholeEvents := tiny(t, change)
			if _, err := Run(context.Background(), whole); err != nil {
				t.Fatal(err)
			}

			s, before := tiny(t, change)
			ctx, cancel := context.WithCancel(context.Background())
			before.stopAfter, before.stop = stop, cancel
			if _, err := Run(ctx, s); !errors.Is(err, ErrInterrupted) {
				t.Fatalf("%s stopped after step %d: error %v, want %v", name, stop, err, ErrInterrupted)
			}
			resumed, after := tiny(t, change)
			resumed.Resume, resumed.Folder = last(t, s), s.Folder
			if _, err := Run(context.Background(), resumed); err != nil {
				t.Fatal(err)
			}

			want, got := last(t, whole), last(t, s)
			for i, w := range want.Tensors {
				g := got.Tensors[i]
				if g.Name != w.Name || !slices.EqualFunc(g.Data, w.Data, sameBits) {
					t.Errorf("%s stopped after step %d: tensor %s differs from the uninterrupted run's", name, stop, w.Name)
				}
			}
			for _, key := range []string{"epoch", "step", "batch_in_epoch", "best_miou", "best_epoch"} {
				if got.Meta[key] != want.Meta[key] {
					t.Errorf("%s stopped after step %d: %s = %s, want %s", name, stop, key, got.Meta[key], want.Meta[key])
				}
			}
			epochs := append(before.epochs, after.epochs...)
			if len(epochs) != len(wholeEvents.epochs) {
				t.Fatalf("%s stopped after step %d: %d epochs were validated, want %d", name, stop, len(epochs), len(wholeEvents.epochs))
			}
			for i, w := range wholeEvents.epochs {
				g := epochs[i]
				if g.TrainLoss != w.TrainLoss || g.ValLoss != w.ValLoss || g.LR != w.LR || g.Best != w.Best {
					t.Errorf("%s stopped after step %d: epoch %d is %+v, want %+v", name, stop, i, g, w)
				}
			}
		}
	}
}

// A run leaves all of a frozen part as it was and keeps no optimizer state of it;
// the rest is trained as if nothing else were there to decay or to clip.
func TestFrozenPartsStayAsTheyAre(t *testing.T) {
	s, _ := tiny(t, func(s *Setup) {
		cfg := tinyNet
		cfg.Freeze = []string{"encoder", "up.1"}
		s.Params = net(t, cfg)
		s.Optimizer.WeightDecay, s.Optimizer.ClipNorm = 0.1, 1
	})
	if _, err := Run(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	c := last(t, s)
	state := 0
	for _, q := range net(t, tinyNet).All() {
		frozen := strings.HasPrefix(q.Name, "encoder.") || strings.HasPrefix(q.Name, "up.1.")
		tensor, _ := c.Tensor(q.Name)
		if same := slices.EqualFunc(tensor.Data, q.ToTorch(q.Value), sameBits); same != frozen {
			t.Errorf("%s: unchanged is %v, want %v", q.Name, same, frozen)
		}
		_, moved := c.Tensor("optimizer.exp_avg." + q.Name)
		if want := !frozen && q.Trained(); moved != want {
			t.Errorf("%s: optimizer state is %v, want %v", q.Name, moved, want)
		}
		if moved {
			state++
		}
	}
	if state == 0 {
		t.Error("no optimizer state at all")
	}
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

func TestSmallerLastBatchIsTrainedOn(t *testing.T) {
	s, recorder := tiny(t, nil)
	if _, err := Run(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, step := range recorder.steps[:3] {
		sizes = append(sizes, step.Images)
	}
	if !slices.Equal(sizes, []int{4, 4, 3}) {
		t.Errorf("batches of %v images, want [4 4 3]", sizes)
	}
}

func TestChangedBatchSizeGoesOnAtTheSameImage(t *testing.T) {
	s, recorder := tiny(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	recorder.stopAfter, recorder.stop = 2, cancel // 8 of 11 images
	if _, err := Run(ctx, s); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	s.Resume = last(t, s)
	s.BatchSize = 2
	after := &events{}
	s.Recorder = after
	if _, err := Run(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, step := range after.steps[:3] {
		sizes = append(sizes, step.Images)
	}
	if !slices.Equal(sizes, []int{2, 1, 2}) {
		t.Errorf("batches of %v images, want the epoch's last 3 as 2 and 1, then 2", sizes)
	}
}

func TestCheckpointsEverySoManySteps(t *testing.T) {
	s, recorder := tiny(t, func(s *Setup) { s.Checkpoint.EverySteps = 2 })
	if _, err := Run(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	var steps []int64
	for _, saved := range recorder.saved {
		steps = append(steps, saved.Step)
	}
	if want := []int64{2, 3, 4, 6, 8, 9}; !slices.Equal(steps, want) {
		t.Errorf("saved at steps %v, want %v: every second and each epoch's end", steps, want)
	}
}

func TestNonFiniteLossStopsAndKeepsTheLastGoodCheckpoint(t *testing.T) {
	s, _ := tiny(t, nil)
	broken := &brokenLoss{Loss: s.Loss}
	s.Loss = broken
	recorder := &events{stopAfter: 5, stop: func() { broken.nan = true }} // in the second epoch
	s.Recorder = recorder
	_, err := Run(context.Background(), s)
	if err == nil || !strings.Contains(err.Error(), "step 6 (epoch 2): the loss is NaN, first seen in broken") {
		t.Fatalf("error %v, want one that names step 6 (epoch 2), NaN and the node broken", err)
	}
	c := last(t, s)
	if c.Meta["step"] != "3" {
		t.Errorf("the last checkpoint is of step %s, want 3, the end of the first epoch", c.Meta["step"])
	}
	for _, tensor := range c.Tensors {
		for _, v := range tensor.Data {
			if v != v {
				t.Fatalf("tensor %s of the last checkpoint has a NaN", tensor.Name)
			}
		}
	}
}

func TestExplodedGradientStopsTheRun(t *testing.T) {
	s, _ := tiny(t, func(s *Setup) {
		s.Optimizer.Name, s.Optimizer.LR = "sgd", 1e30
		cfg := tinyNet
		cfg.Norm = "none"
		s.Params = net(t, cfg)
		s.Schedule.Name, s.Schedule.WarmupEpochs = "constant", 0
	})
	_, err := Run(context.Background(), s)
	if err == nil || !strings.Contains(err.Error(), "step 2 (epoch 1): the loss is") || !strings.Contains(err.Error(), "first seen in encoder.") {
		t.Fatalf("error %v, want one that names step 2 (epoch 1) and a layer of the encoder", err)
	}
}

func TestWeightsThatAreNotFiniteAreNotSaved(t *testing.T) {
	s, recorder := tiny(t, func(s *Setup) {
		s.Optimizer.Name, s.Optimizer.LR = "sgd", math.MaxFloat32
		s.Optimizer.Momentum = 0
		s.Schedule.Name, s.Schedule.WarmupEpochs = "constant", 0
		s.Epochs, s.BatchSize = 1, 11 // one step: no later loss tells of it
		// A gradient above 1 takes a weight beyond what float32 holds.
		s.Loss = loss.New(loss.Config{Kind: "weighted_cce", WeightBy: "target", Reduction: "sum_per_image"}, []float64{1, 5, 5, 50})
	})
	_, err := Run(context.Background(), s)
	if err == nil || !strings.Contains(err.Error(), "step 1 is not saved") {
		t.Fatalf("error %v, want one that step 1 is not saved", err)
	}
	if len(recorder.saved) != 0 {
		t.Errorf("%d checkpoints were saved, want none", len(recorder.saved))
	}
}

func TestEarlyStop(t *testing.T) {
	s, recorder := tiny(t, func(s *Setup) {
		s.Epochs, s.BatchSize, s.EarlyStop = 50, 4, 2
		s.Optimizer.LR, s.Optimizer.WeightDecay = 1e-30, 0 // nothing is learnt; only the running statistics move
	})
	result, err := Run(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(recorder.epochs); result.Ending != checkpoint.EarlyStop || n != result.BestEpoch+3 {
		t.Errorf("ended by %q after %d epochs, best epoch %d, want a stop 2 epochs after the best", result.Ending, n, result.BestEpoch)
	}
}

func TestEvaluationDoesNotDependOnTheBatchSize(t *testing.T) {
	for _, scheme := range []string{"dataset", "per_batch"} {
		for _, reduction := range []string{"weighted_mean", "mean", "sum_per_image"} {
			cfg := loss.DefaultConfig()
			cfg.ClassWeights.Scheme, cfg.Reduction, cfg.Dice = scheme, reduction, 0.5
			s, _ := tiny(t, func(s *Setup) { s.Loss = loss.New(cfg, s.ClassWeights) })
			r, err := newRun(s)
			if err != nil {
				t.Fatal(err)
			}
			evaluate := func(batchSize int) ([][]int64, float64) {
				confusion, value, err := NewEvaluator(r.graphs).Run(context.Background(), data.NewLoader(s.Val, data.LoaderConfig{BatchSize: batchSize}), nil)
				if err != nil {
					t.Fatal(err)
				}
				return confusion.Matrix(), value
			}
			matrix, value := evaluate(1)
			for _, n := range []int{2, 3, 5, 8} {
				m, v := evaluate(n)
				if !slices.EqualFunc(m, matrix, slices.Equal) || math.Abs(v-value) > 1e-6*math.Abs(value) {
					t.Errorf("%s, %s: batches of %d give loss %v and %v, of 1 %v and %v", scheme, reduction, n, v, m, value, matrix)
				}
			}
		}
	}
}

func TestLearnsShapes(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	s, recorder := tiny(t, func(s *Setup) {
		cfg := data.DefaultConfig()
		cfg.Size = [2]int{32, 32}
		cfg.Synthetic = data.SyntheticConfig{Train: 128, Val: 16}
		var err error
		if s.Train, err = data.Open(cfg, 1, "train"); err != nil {
			t.Fatal(err)
		}
		if s.Val, err = data.Open(cfg, 1, "val"); err != nil {
			t.Fatal(err)
		}
		s.Epochs, s.BatchSize = 8, 8
		wider := tinyNet
		wider.BaseChannels = 8
		s.Params = net(t, wider)
		s.Optimizer.LR = 0.01
	})
	if _, err := Run(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	first, final := recorder.epochs[0], recorder.epochs[len(recorder.epochs)-1]
	if final.ValLoss > 0.7*first.ValLoss {
		t.Errorf("validation loss fell from %v to %v only", first.ValLoss, final.ValLoss)
	}
	// Disc and square are 8 % of the pixels each: guessing finds an IoU below 0.1.
	for c := 1; c <= 2; c++ {
		if iou := final.Confusion.IoU(c); iou < 0.3 {
			t.Errorf("class %d has IoU %.3f after training, want at least 0.3", c, iou)
		}
	}
}

func TestMemoryDoesNotGrowFromStepToStep(t *testing.T) {
	s, _ := tiny(t, nil)
	r, err := newRun(s)
	if err != nil {
		t.Fatal(err)
	}
	step, err := r.graphs.NewStep(Shape{4, 64, 64})
	if err != nil {
		t.Fatal(err)
	}
	images, targets := make([]float32, 4*64*64*3), make([]float32, 4*64*64*4)
	for i := 0; i < len(targets); i += 4 {
		targets[i+i/4%4] = 1
	}
	// Scratch memory grows when a thread first gets the work that needs it, which may be
	// in any step: the median step is one of those where nothing grew.
	allocated := make([]uint64, 20)
	for i := range allocated {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := step.Run(images, targets, int64(i)); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		allocated[i] = after.TotalAlloc - before.TotalAlloc
	}
	slices.Sort(allocated)
	// One activation at full resolution has 4*64*64*4 values: 256 KiB.
	if bytes := allocated[len(allocated)/2]; bytes > 200<<10 {
		t.Errorf("a step allocates %d KiB, want less than the smallest activation", bytes>>10)
	}
}

// A checkpoint that is on the disk is let go of: it is as large as the net and its averages.
func TestSavedCheckpointIsLetGo(t *testing.T) {
	s, _ := tiny(t, func(s *Setup) {
		cfg := tinyNet
		cfg.BaseChannels = 64
		s.Params = net(t, cfg)
	})
	r, err := newRun(s)
	if err != nil {
		t.Fatal(err)
	}
	held := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := held()
	if err := r.save(false); err != nil {
		t.Fatal(err)
	}
	if more, limit := held()-before, int64(4*s.Params.Count()); more > limit {
		t.Errorf("%d bytes more are held after a save, want less than %d, those of the weights", more, limit)
	}
	runtime.KeepAlive(r)
}
