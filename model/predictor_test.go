package model_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// Probabilities are the softmax of the plain net's logits, in batches of any
// number and images of any size, by turns.
func TestPredictor(t *testing.T) {
	cfg := config(3, 2, "batch", "transpose")
	p := parameters(t, cfg, 3, 4, 1)
	shake(p, rand.New(rand.NewPCG(1, 1)))
	engine, err := model.NewEngine(2, "generic")
	if err != nil {
		t.Fatal(err)
	}
	predictor := model.NewPredictor(engine, p)
	plain := newPlainUNet(p, false)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []size{{2, 8, 12}, {1, 8, 12}, {3, 4, 4}, {2, 8, 12}} {
		images := make([]float32, s.n*s.h*s.w*3)
		for i := range images {
			images[i] = rng.Float32()
		}
		before := slices.Clone(images)
		got, err := predictor.Probabilities(images, s.n, s.h, s.w)
		if err != nil {
			t.Fatal(err)
		}
		want := plain.forward(grid{s.n, s.h, s.w, 3, widen(images)}).v
		for i := 0; i < len(want); i += 4 {
			sum := 0.0
			for c := range 4 {
				want[i+c] = math.Exp(want[i+c])
				sum += want[i+c]
			}
			for c := range 4 {
				want[i+c] /= sum
			}
		}
		checkValues(t, fmt.Sprint("probabilities of ", s), got, want, 2e-5)
		if !slices.Equal(images, before) {
			t.Errorf("%v: the images have changed", s)
		}
	}
}

func TestPredictorRefuses(t *testing.T) {
	engine, err := model.NewEngine(1, "generic")
	if err != nil {
		t.Fatal(err)
	}
	predictor := model.NewPredictor(engine, parameters(t, config(2, 2, "batch", "transpose"), 3, 2, 1))
	for _, tc := range []struct {
		name    string
		values  int
		n, h, w int
		want    string
	}{
		{"too few values", 47, 1, 4, 4, "model: 47 values for 1 images of 4 x 4 pixels and 3 channels, want 48"},
		{"no image", 0, 0, 4, 4, "model: 0 images of 4 x 4 pixels, want at least one of each"},
		{"a negative size", 48, 1, -4, -4, "model: 1 images of -4 x -4 pixels, want at least one of each"},
		{"no multiple of 4", 75, 1, 5, 5, "data.size = [5, 5], want multiples of 4 (2^model.depth), such as [4, 4]"},
	} {
		if _, err := predictor.Probabilities(make([]float32, tc.values), tc.n, tc.h, tc.w); err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		}
	}
}
