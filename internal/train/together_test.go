package train

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world/worldtest"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// two is a run of two steps of plain SGD, which does not enlarge rounding as Adam does
// where a gradient is nearly 0.
func two(t *testing.T, change func(*Setup, *model.Config)) (Setup, *events) {
	return tiny(t, func(s *Setup) {
		cfg := tinyNet
		s.Epochs, s.BatchSize = 1, 6 // of 11 images
		s.Optimizer.Name, s.Optimizer.LR = "sgd", 0.1
		s.Augment = data.AugmentConfig{Rotate: 20, Noise: 0.05}
		change(s, &cfg)
		s.Params = net(t, cfg)
	})
}

// trainTogether runs a setup in several processes, and returns the events of the first.
func trainTogether(t *testing.T, size int, setup func() (Setup, *events)) (Setup, *events, []error) {
	setups, recorders, errs := make([]Setup, size), make([]*events, size), make([]error, size)
	for rank := range size {
		setups[rank], recorders[rank] = setup()
	}
	worldtest.Run(t, size, func(w world.World) {
		s := setups[w.Rank()]
		s.World = w
		_, errs[w.Rank()] = Run(context.Background(), s)
	})
	for rank, s := range setups[1:] {
		if e := recorders[rank+1]; e.steps != nil || e.epochs != nil || e.saved != nil {
			t.Errorf("rank %d tells of its run", rank+1)
		}
		if entries, err := os.ReadDir(s.Folder.Dir); len(entries) > 0 || err != nil {
			t.Errorf("rank %d writes %v, %v", rank+1, entries, err)
		}
	}
	return setups[0], recorders[0], errs
}

// apart is the largest difference between two checkpoints' tensors, as a share of the
// largest value of the tensor where that is above 1.
func apart(t *testing.T, a, b *checkpoint.Checkpoint) (most float64, where string) {
	t.Helper()
	for i, x := range a.Tensors {
		largest := 1.0
		for _, v := range x.Data {
			largest = max(largest, math.Abs(float64(v)))
		}
		for j, v := range x.Data {
			d := math.Abs(float64(v-b.Tensors[i].Data[j])) / largest
			if d > most || math.IsNaN(d) {
				most, where = d, x.Name
			}
		}
	}
	return most, where
}

// Several processes do what one does: the same images, the same augmentation and dropout,
// one batch norm, one loss, one validation.
func TestTogether(t *testing.T) {
	cases := map[string]func(*Setup, *model.Config){
		"plain":   func(*Setup, *model.Config) {},
		"dropout": func(_ *Setup, net *model.Config) { net.Dropout = 0.3 },
		// 1 image in the last batch, and 2 at most in all others.
		"fewer images than processes": func(s *Setup, _ *model.Config) { s.BatchSize, s.Optimizer.LR = 2, 0.001 },
		"no norm":                     func(_ *Setup, net *model.Config) { net.Norm = "none" },
		"nearest":                     func(_ *Setup, net *model.Config) { net.Up = "nearest" },
		"clipped, momentum":           func(s *Setup, _ *model.Config) { s.Optimizer.ClipNorm, s.Optimizer.Momentum = 0.5, 0.9 },
		"averages":                    func(s *Setup, _ *model.Config) { s.EMA = 0.9 },
		"two batches for an update":   func(s *Setup, _ *model.Config) { s.BatchSize, s.Accumulate = 3, 2 },
		"frozen encoder":              func(_ *Setup, net *model.Config) { net.Freeze = []string{"encoder"} },
		"patches":                     func(s *Setup, _ *model.Config) { s.Patches, s.BatchSize = 2, 11 },
		"weights of the batch":        lossOf(func(c *loss.Config) { c.ClassWeights.Scheme = "per_batch"; c.Reduction = "mean" }),
		"mean":                        lossOf(func(c *loss.Config) { c.Reduction = "mean" }),
		"sum per image": func(s *Setup, net *model.Config) {
			lossOf(func(c *loss.Config) { c.Reduction = "sum_per_image" })(s, net)
			s.Optimizer.LR = 1e-4
		},
		"focal, sum per image": func(s *Setup, net *model.Config) {
			lossOf(func(c *loss.Config) { c.FocalGamma = 2; c.Reduction = "sum_per_image" })(s, net)
			s.Optimizer.LR = 1e-4
		},
		"focal": lossOf(func(c *loss.Config) { c.FocalGamma = 2 }),
		"Dice":  lossOf(func(c *loss.Config) { c.Dice = 0.7 }),
		"Dice, two batches": func(s *Setup, net *model.Config) {
			lossOf(func(c *loss.Config) { c.Dice = 1 })(s, net)
			s.BatchSize, s.Accumulate = 3, 2
		},
		"Lovász": lossOf(func(c *loss.Config) { c.Lovasz = 0.6; c.Dice = 0.2 }),
		// Of one update: rounding changes the order of errors, and so a later gradient.
		"Lovász, six batches": func(s *Setup, net *model.Config) {
			lossOf(func(c *loss.Config) { c.Lovasz = 1 })(s, net)
			s.BatchSize, s.Accumulate = 2, 6
		},
		"deep supervision": func(s *Setup, net *model.Config) {
			lossOf(func(c *loss.Config) { c.Lovasz = 0.5 })(s, net)
			net.Depth, net.DeepSupervision = 3, true
		},
		"by prediction":      lossOf(func(c *loss.Config) { c.WeightBy = "prediction" }),
		"from probabilities": lossOf(func(c *loss.Config) { c.Kind = "weighted_cce_probabilities" }),
	}
	if !testing.Short() {
		cases["depthwise"] = func(s *Setup, net *model.Config) {
			*net = behind("mobilenetv2_100")
			s.Optimizer.LR = 0.001
			enlarge(t, s)
		}
	}
	if testing.Short() {
		few := []string{"plain", "dropout", "fewer images than processes", "weights of the batch", "Dice, two batches", "Lovász, six batches"}
		maps.DeleteFunc(cases, func(name string, _ func(*Setup, *model.Config)) bool { return !slices.Contains(few, name) })
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			setup := func() (Setup, *events) { return two(t, change) }
			alone, told := setup()
			if _, err := Run(context.Background(), alone); err != nil {
				t.Fatal(err)
			}
			want := last(t, alone)
			bound := 1e-5
			if name == "depthwise" { // a deep net enlarges also what another instruction set rounds otherwise
				other, _ := setup()
				other.Engine = engine(t, 1, "generic")
				if _, err := Run(context.Background(), other); err != nil {
					t.Fatal(err)
				}
				control, _ := apart(t, last(t, other), want)
				bound = 10 * control
			}
			sizes := []int{3}
			if name == "plain" || name == "fewer images than processes" {
				sizes = []int{2, 3, 4}
			}
			for _, size := range sizes {
				first, heard, errs := trainTogether(t, size, setup)
				if err := errors.Join(errs...); err != nil {
					t.Fatalf("%d processes: %v", size, err)
				}
				if d, where := apart(t, last(t, first), want); !(d < bound) {
					t.Errorf("%d processes: %s is %g from that of one, want less than %g", size, where, d, bound)
				}
				for i, w := range told.steps {
					if g := heard.steps[i]; g.Images != w.Images || math.Abs(g.Loss-w.Loss) > 1e-5*w.Loss || math.Abs(g.GradNorm-w.GradNorm) > max(10*bound, 1e-4)*w.GradNorm {
						t.Errorf("%d processes: step %+v, want %+v", size, g, w)
					}
				}
				w, g := told.epochs[0], heard.epochs[0]
				if fmt.Sprint(g.Confusion.Matrix()) != fmt.Sprint(w.Confusion.Matrix()) || math.Abs(g.ValLoss-w.ValLoss) > 1e-5*w.ValLoss || math.Abs(g.TrainLoss-w.TrainLoss) > 1e-5*w.TrainLoss {
					t.Errorf("%d processes: losses %v, %v, confusion %v, want %v, %v, %v", size, g.TrainLoss, g.ValLoss, g.Confusion, w.TrainLoss, w.ValLoss, w.Confusion)
				}
				for i, s := range w.Samples {
					if o := g.Samples[i]; o.Name != s.Name || o.Rank != s.Rank || o.MeanIoU != s.MeanIoU || !slices.Equal(o.Predicted, s.Predicted) {
						t.Errorf("%d processes: sample %d is %s, %s, want %s, %s", size, i, o.Rank, o.Name, s.Rank, s.Name)
					}
				}
			}
		})
	}
}

// lossOf changes the loss.
func lossOf(change func(*loss.Config)) func(*Setup, *model.Config) {
	return func(s *Setup, _ *model.Config) {
		cfg := loss.DefaultConfig()
		change(&cfg)
		s.Loss = loss.New(cfg, s.ClassWeights)
	}
}

func engine(t *testing.T, threads int, isa string) *kernel.Engine {
	e, err := kernel.NewEngine(threads, isa)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// behind is a small decoder behind an encoder.
func behind(encoder string) model.Config {
	cfg := arch.DefaultConfig()
	cfg.Encoder, cfg.DecoderChannels = encoder, [5]int{8, 8, 8, 8, 8}
	return cfg
}

// enlarge makes the images as large as encoders want them.
func enlarge(t *testing.T, s *Setup) {
	cfg := data.DefaultConfig()
	cfg.Size = [2]int{32, 32}
	cfg.Synthetic = data.SyntheticConfig{Train: 8, Val: 3}
	s.BatchSize = 4
	for split, to := range map[string]**data.Split{"train": &s.Train, "val": &s.Val} {
		set, err := data.Open(cfg, 1, split)
		if err != nil {
			t.Fatal(err)
		}
		*to = set
	}
}

// The same number of processes gives the same bits, also in the optimizer's state.
func TestTogetherTwice(t *testing.T) {
	setup := func() (Setup, *events) { return tiny(t, nil) }
	first, _, errs := trainTogether(t, 3, setup)
	second, _, more := trainTogether(t, 3, setup)
	if err := errors.Join(slices.Concat(errs, more)...); err != nil {
		t.Fatal(err)
	}
	got, want := last(t, second), last(t, first)
	for i, w := range want.Tensors {
		if !slices.EqualFunc(got.Tensors[i].Data, w.Data, sameBits) {
			t.Errorf("%s differs", w.Name)
		}
	}
}

// A run goes on with another number of processes in the middle of an epoch: 2, 4, 1.
func TestTogetherResumed(t *testing.T) {
	setup := func(epochs int) (Setup, *events) {
		s, e := two(t, func(s *Setup, net *model.Config) {
			s.BatchSize, net.Dropout, s.EMA, s.Optimizer.Momentum, s.Optimizer.LR = 4, 0.3, 0.9, 0.9, 0.001
			s.Epochs = epochs
		})
		return s, e
	}
	alone, _ := setup(1)
	if _, err := Run(context.Background(), alone); err != nil {
		t.Fatal(err)
	}
	var saved *checkpoint.Checkpoint
	for part, size := range []int{2, 4} {
		var stop int64 = int64(part + 1)
		setups := make([]Setup, size)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for rank := range size {
			s, e := setup(1)
			e.stopAfter, e.stop = stop, cancel // the signal reaches all; here, after a step of the first
			s.Resume = saved
			setups[rank] = s
		}
		errs := make([]error, size)
		worldtest.Run(t, size, func(w world.World) {
			s := setups[w.Rank()]
			s.World = w
			own := context.Background()
			if w.Rank() == 0 {
				own = ctx // the others hear of it
			}
			_, errs[w.Rank()] = Run(own, s)
		})
		for rank, err := range errs {
			if !errors.Is(err, ErrInterrupted) {
				t.Fatalf("rank %d: %v, want %v", rank, err, ErrInterrupted)
			}
		}
		saved = last(t, setups[0])
		if at, err := saved.Position(); err != nil || at.Step != stop || at.Sample != int(stop)*4 {
			t.Fatalf("saved at %+v, %v", at, err)
		}
	}
	end, _ := setup(1)
	end.Resume = saved
	if _, err := Run(context.Background(), end); err != nil {
		t.Fatal(err)
	}
	if d, where := apart(t, last(t, end), last(t, alone)); !(d < 1e-5) {
		t.Errorf("%s is %g from that of an uninterrupted run of one process", where, d)
	}
}

// An error of one process is one of all.
func TestTogetherErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(rank int, s *Setup)
		want   string
	}{
		"a loss that is not finite": {func(rank int, s *Setup) { s.Params.All()[0].Value[0] = float32(math.NaN()) }, "step 1 (epoch 1): the loss is NaN, first seen in encoder.0.conv1.weight"},
		"a net of other layers": {func(rank int, s *Setup) { // the same parameters
			if rank == 2 {
				cfg := tinyNet
				cfg.Dropout = 0.1
				s.Params = net(t, cfg)
			}
		}, "rank 2 on " + world.Host() + ": another order of the training graph's ops than that of rank 0 on " + world.Host()},
		"a learning rate of its own": {func(rank int, s *Setup) {
			if rank == 1 {
				s.Optimizer.LR *= 2
			}
		}, "rank 1 on " + world.Host() + ": another net or optimizer's state after step 3 than that of rank 0 on " + world.Host()},
		"a folder that is none": {func(rank int, s *Setup) {
			s.Folder.Dir = filepath.Join(s.Folder.Dir, "file")
			if err := os.WriteFile(s.Folder.Dir, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "the last checkpoint was not written"},
	} {
		t.Run(name, func(t *testing.T) {
			rank := 0
			setups := make([]Setup, 3)
			for rank = range setups {
				setups[rank], _ = tiny(t, func(s *Setup) { tc.change(rank, s) })
			}
			worldtest.Run(t, 3, func(w world.World) {
				s := setups[w.Rank()]
				s.World = w
				_, err := Run(context.Background(), s)
				var agreed world.Agreed
				if !errors.As(err, &agreed) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("rank %d: %v, want %q of all", w.Rank(), err, tc.want)
				}
			})
		})
	}
}
