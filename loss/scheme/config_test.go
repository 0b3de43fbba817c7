package scheme_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/unet-gorgonia/unet-gorgonia/loss/scheme"
)

func TestValidate(t *testing.T) {
	if err := scheme.DefaultConfig().Validate(4); err != nil {
		t.Errorf("the default: %v", err)
	}
	for _, name := range scheme.Schemes() {
		if err := withScheme(name).Validate(4); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := scheme.Config{Kind: "dice", WeightBy: "both", Reduction: "sum", Dice: 1.5, Lovasz: -1, FocalGamma: math.NaN(), Beta: 1}
	bad.ClassWeights.Scheme = "rare"
	err := bad.Validate(4)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`loss.kind = "dice", want one of weighted_cce, weighted_cce_probabilities`,
		`loss.class_weights = "rare", want one of dataset,`,
		`loss.weight_by = "both", want one of target, prediction`,
		`loss.reduction = "sum", want one of weighted_mean, mean, sum_per_image`,
		"loss.dice = 1.5, want 0..1",
		"loss.lovasz = -1, want 0..1",
		"loss.focal_gamma = NaN, want >= 0",
		"loss.beta = 1, want 0 < beta < 1",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q, want it to have %q", err, want)
		}
	}
	shares := scheme.DefaultConfig()
	shares.Dice, shares.Lovasz = 0.5, 0.75
	if err := shares.Validate(4); err == nil || !strings.Contains(err.Error(), "loss.dice + loss.lovasz = 0.5 + 0.75, want at most 1") {
		t.Errorf("shares of more than 1: error %v", err)
	}
	for _, tt := range []struct {
		name   string
		values []float64
		want   string // "" for none
	}{
		{"right", []float64{0, 1, 2}, ""},
		{"too few", []float64{1, 2}, "loss.class_weights has 2 numbers, want 3"},
		{"empty", []float64{}, "loss.class_weights has 0 numbers, want 3"},
		{"negative", []float64{1, -2, 3}, "loss.class_weights[1] = -2, want 0 or 1e-30 to 1e+30 (the loss is computed in float32)"},
		{"not a number", []float64{1, 2, math.NaN()}, "loss.class_weights[2] = NaN"},
		{"infinite", []float64{math.Inf(1), 2, 3}, "loss.class_weights[0] = +Inf"},
		{"beyond float32", []float64{1, 1e39, 1}, "loss.class_weights[1] = 1e+39, want 0 or 1e-30 to 1e+30"},
		{"all zero", []float64{0, 0, 0}, "loss.class_weights are all 0"},
	} {
		cfg := scheme.DefaultConfig()
		cfg.ClassWeights = scheme.ClassWeights{Values: tt.values}
		switch err := cfg.Validate(3); {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want it to have %q", tt.name, err, tt.want)
		}
	}
}

func TestClassWeightsYAML(t *testing.T) {
	for _, tt := range []struct {
		yaml string
		want scheme.ClassWeights
		name string
	}{
		{"class_weights: dataset\n", scheme.ClassWeights{Scheme: "dataset"}, "dataset"},
		{"class_weights: [1, 2.5, 0]\n", scheme.ClassWeights{Values: []float64{1, 2.5, 0}}, "given"},
	} {
		type section struct {
			ClassWeights scheme.ClassWeights `yaml:"class_weights"`
		}
		var got section
		if err := yaml.Unmarshal([]byte(tt.yaml), &got); err != nil {
			t.Errorf("%s: %v", tt.yaml, err)
			continue
		}
		if !reflect.DeepEqual(got.ClassWeights, tt.want) || got.ClassWeights.String() != tt.name {
			t.Errorf("%s is %+v (%s), want %+v (%s)", tt.yaml, got.ClassWeights, got.ClassWeights, tt.want, tt.name)
		}
		written, err := yaml.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var again section
		if err := yaml.Unmarshal(written, &again); err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%q was written as %q, which is %+v, %v", tt.yaml, written, again, err)
		}
	}
	var c scheme.ClassWeights
	if err := yaml.Unmarshal([]byte("{0: 1, 1: 2}"), &c); err == nil || !strings.Contains(err.Error(), "a list of numbers") {
		t.Errorf("a map gave %+v, %v", c, err)
	}
}
