package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
)

// The averages follow the weights and running statistics of every step by the formula,
// and are what is saved and evaluated; what is trained is as it would be without them.
func TestAverages(t *testing.T) {
	const decay = 0.6 // the warm-up is below it at first, and later above
	every := func(ema float64) (Setup, *events) {
		return tiny(t, func(s *Setup) {
			cfg := tinyNet
			cfg.Freeze = []string{"encoder.1"}
			s.Params = net(t, cfg)
			s.EMA, s.Checkpoint.EverySteps, s.Folder.Keep = ema, 1, 100
		})
	}
	s, recorder := every(decay)
	averages := map[string][]float32{}
	for _, p := range s.Params.All() {
		averages[p.Name] = p.ToTorch(p.Value)
	}
	result, err := Run(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	plain, plainEvents := every(0)
	if _, err := Run(context.Background(), plain); err != nil {
		t.Fatal(err)
	}
	for step := 1; step <= 9; step++ {
		read := func(s Setup) *checkpoint.Checkpoint {
			c, err := checkpoint.Read(filepath.Join(s.Folder.Dir, fmt.Sprintf("step-%08d.safetensors", step)))
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		got, want := read(s), read(plain)
		d := min(decay, float64(1+step)/float64(10+step))
		for _, w := range want.Tensors {
			if w.IsOptimizerState() {
				if g, _ := got.Tensor(w.Name); !slices.EqualFunc(g.Data, w.Data, sameBits) {
					t.Errorf("step %d: %s is not that of a run without averages", step, w.Name)
				}
				continue
			}
			a := averages[w.Name]
			for i, v := range w.Data {
				a[i] += float32(float32(1-d) * (v - a[i]))
			}
			if g, _ := got.Tensor(w.Name); !slices.EqualFunc(g.Data, a, sameBits) {
				t.Errorf("step %d: %s is no average of the weights", step, w.Name)
			}
			trained, ok := got.Tensor("optimizer.weights." + w.Name)
			if ok == strings.HasPrefix(w.Name, "encoder.1.") || ok && !slices.EqualFunc(trained.Data, w.Data, sameBits) {
				t.Errorf("step %d: the weights that are trained, %s, are not those of a run without averages", step, w.Name)
			}
		}
	}

	shown := net(t, s.Params.Config)
	if err := LoadWeights(shown, last(t, s)); err != nil {
		t.Fatal(err)
	}
	_, loss, err := NewEvaluator(&Graphs{Engine: s.Engine, Params: shown, Loss: s.Loss}).Run(context.Background(), data.NewLoader(s.Val, data.LoaderConfig{BatchSize: s.BatchSize}), nil)
	if err != nil || loss != result.ValLoss || loss == plainEvents.epochs[2].ValLoss {
		t.Errorf("the last validation's loss was %v, without averages %v, want that of the averages, %v (%v)", result.ValLoss, plainEvents.epochs[2].ValLoss, loss, err)
	}
	if a, b := recorder.epochs[2].TrainLoss, plainEvents.epochs[2].TrainLoss; a != b || math.IsNaN(a) {
		t.Errorf("training losses %v and %v, want the same", a, b)
	}
}

// A resumed run may begin to average, from the weights of the checkpoint on, and cease
// to; the weights that are trained go on in either case.
func TestAveragesOnAndOff(t *testing.T) {
	straight, _ := tiny(t, nil)
	if _, err := Run(context.Background(), straight); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ before, after float64 }{{0.9, 0}, {0, 0.9}} {
		s, recorder := tiny(t, func(s *Setup) { s.EMA = tt.before })
		ctx, cancel := context.WithCancel(context.Background())
		recorder.stopAfter, recorder.stop = 4, cancel
		if _, err := Run(ctx, s); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		resumed, _ := tiny(t, func(s *Setup) { s.EMA = tt.after })
		resumed.Resume, resumed.Folder = last(t, s), s.Folder
		if _, err := Run(context.Background(), resumed); err != nil {
			t.Fatal(err)
		}
		got := last(t, resumed)
		for _, w := range last(t, straight).Tensors {
			if w.IsOptimizerState() {
				continue
			}
			_, trained, _ := got.LookupTrained(w.Name)
			if !slices.EqualFunc(trained, w.Data, sameBits) {
				t.Errorf("averages %v, then %v: %s is not that of a run without averages", tt.before, tt.after, w.Name)
			}
			average, _ := got.Tensor(w.Name)
			if same := slices.EqualFunc(average.Data, w.Data, sameBits); same != (tt.after == 0) {
				t.Errorf("averages %v, then %v: %s as trained: %v", tt.before, tt.after, w.Name, same)
			}
		}
	}
}
