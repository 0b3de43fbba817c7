package scheme_test

import (
	"math"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/loss/scheme"
)

func withScheme(name string) scheme.Config {
	cfg := scheme.DefaultConfig()
	cfg.ClassWeights = scheme.ClassWeights{Scheme: name}
	return cfg
}

func givenWeights(values ...float64) scheme.Config {
	cfg := scheme.DefaultConfig()
	cfg.ClassWeights = scheme.ClassWeights{Values: values}
	return cfg
}

func TestWeights(t *testing.T) {
	camvid := []int64{1387704, 2284532, 1736162, 376550} // 5784948 in all
	small, smallImages := []int64{1, 2, 5}, []int64{4, 4, 8}
	beta := func(b float64) scheme.Config {
		cfg := withScheme("effective_number")
		cfg.Beta = b
		return cfg
	}
	absent := func(name string) scheme.Config {
		cfg := withScheme(name)
		cfg.AllowAbsentClasses = true
		return cfg
	}
	given := givenWeights(0.5, 0, 3)
	for _, tt := range []struct {
		name                string
		cfg                 scheme.Config
		pixels, imagePixels []int64
		want                []float64 // worked by hand from the formula of the scheme
	}{
		{"dataset", withScheme("dataset"), small, smallImages, []float64{8, 4, 1.6}},
		{"dataset is the default", scheme.DefaultConfig(), small, smallImages, []float64{8, 4, 1.6}},
		{"dataset, camvid", withScheme("dataset"), camvid, nil, []float64{4.168718977534114, 2.5322245431449417, 3.332032379466893, 15.363027486389589}},
		{"dataset, rarest possible", withScheme("dataset"), []int64{1, 1 << 40}, nil, []float64{1<<40 + 1, 1 + 1./(1<<40)}},
		{"balanced", withScheme("balanced"), small, smallImages, []float64{8. / 3, 4. / 3, 1.6 / 3}},
		{"balanced, camvid", withScheme("balanced"), camvid, nil, []float64{1.0421797443835286, 0.6330561357862354, 0.8330080948667232, 3.840756871597397}},
		// f = 1/4, 1/2, 5/8; median 1/2
		{"median_frequency", withScheme("median_frequency"), small, smallImages, []float64{2, 1, 0.8}},
		// f = 1/8, 1/4, 1/2, 1; median 3/8
		{"median_frequency, even number", withScheme("median_frequency"), []int64{1, 2, 4, 8}, []int64{8, 8, 8, 8}, []float64{3, 1.5, 0.75, 0.375}},
		// 1/ln 1.145, 1/ln 1.27, 1/ln 1.645
		{"enet", withScheme("enet"), small, smallImages, []float64{7.3852714508897455, 4.1838045679260345, 2.0090794954731988}},
		{"enet, camvid", withScheme("enet"), camvid, nil, []float64{4.328668101495878, 2.8812988174416345, 3.6007428789924205, 12.245273057074295}},
		// (1-b)/(1-b^n) = 1, 2/3, 16/31; their sum is 203/93
		{"effective_number, b 1/2", beta(0.5), small, smallImages, []float64{279. / 203, 186. / 203, 144. / 203}},
		{"effective_number, camvid: b^n is 0", beta(0.9999), camvid, nil, []float64{1, 1, 1, 1}},
		{"effective_number, camvid, b 1-1e-7", beta(1 - 1e-7), camvid, nil, []float64{0.67185986, 0.426242807, 0.546204234, 2.3556931}},
		// 1-b^n is n(1-b) here, so the weights are as 1 to 1/3
		{"effective_number, b within rounding of 1", beta(1 - 1e-15), []int64{1, 3}, nil, []float64{1.5, 0.5}},
		{"none", withScheme("none"), small, smallImages, []float64{1, 1, 1}},
		{"given", given, small, smallImages, []float64{0.5, 0, 3}},
		{"given 0 to an absent class", given, []int64{1, 0, 2}, nil, []float64{0.5, 0, 3}},
		{"per_batch evaluates by dataset", withScheme("per_batch"), small, smallImages, []float64{8, 4, 1.6}},

		{"absent class, dataset", absent("dataset"), []int64{1, 0, 3}, nil, []float64{4, 0, 4. / 3}},
		{"absent class, balanced", absent("balanced"), []int64{1, 0, 3}, nil, []float64{4. / 3, 0, 4. / 9}},
		{"absent class, median of the others", absent("median_frequency"), []int64{1, 0, 3}, []int64{4, 0, 4}, []float64{2, 0, 2. / 3}},
		{"absent class, enet", absent("enet"), []int64{1, 0, 1}, nil, []float64{1 / math.Log(1.52), 0, 1 / math.Log(1.52)}},
		{"absent class, effective_number", absent("effective_number"), []int64{7, 0, 7}, nil, []float64{1.5, 0, 1.5}},
		{"absent class, none", absent("none"), []int64{1, 0, 3}, nil, []float64{1, 0, 1}},
		{"absent class, per_batch", absent("per_batch"), []int64{1, 0, 3}, nil, []float64{4, 0, 4. / 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := scheme.Weights(tt.cfg, tt.pixels, tt.imagePixels, []string{"a", "b", "c", "d"}[:len(tt.pixels)])
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			for c, w := range tt.want {
				if !(math.Abs(got[c]-w) <= 1e-7*w) {
					t.Errorf("weight of class %d is %.10g, want %.10g", c, got[c], w)
				}
			}
		})
	}
}

func TestWeightsErrors(t *testing.T) {
	allowed := withScheme("dataset")
	allowed.AllowAbsentClasses = true
	two := givenWeights(1, 2)
	nothing := givenWeights(0, 1, 0)
	nothing.AllowAbsentClasses = true
	road := givenWeights(0, 2, 0)
	for _, tt := range []struct {
		name   string
		cfg    scheme.Config
		pixels []int64
		want   []string
		absent string
	}{
		{"an absent class", withScheme("dataset"), []int64{5, 0, 7}, []string{"class 1 (road)", "loss.allow_absent_classes: true"}, "class 0"},
		{"two absent classes", withScheme("none"), []int64{0, 3, 0}, []string{"class 0 (sky)", "class 2 (car)"}, "class 1"},
		{"no pixel at all", allowed, []int64{0, 0, 0}, []string{"no labelled pixel"}, "class"},
		{"no pixel at all, given", givenWeights(1, 2, 3), []int64{0, 0, 0}, []string{"no labelled pixel"}, "class"},
		{"beyond float32", givenWeights(1, 1e39, 2), []int64{1, 1, 1}, []string{"class 1 (road) has weight 1e+39, want 0 or 1e-30 to 1e+30"}, "class 0"},
		{"a batch's sum beyond float32", givenWeights(1, 1e38, 2), []int64{1, 1, 1}, []string{"class 1 (road) has weight 1e+38"}, "class 0"},
		{"0 in float32", givenWeights(1, 2, 1e-50), []int64{1, 1, 1}, []string{"class 2 (car) has weight 1e-50"}, "class 0"},
		{"negative", givenWeights(-1, 2, 1), []int64{1, 1, 1}, []string{"class 0 (sky) has weight -1,"}, "class 1"},
		{"not a number", givenWeights(1, 2, math.NaN()), []int64{1, 1, 1}, []string{"class 2 (car) has weight NaN,"}, "class 1"},
		{"infinite", givenWeights(math.Inf(1), 2, 1), []int64{1, 1, 1}, []string{"class 0 (sky) has weight +Inf,"}, "class 1"},
		{"all zero", givenWeights(0, 0, 0), []int64{1, 1, 1}, []string{"weight 0 to every class that has a pixel in the training set (sky, road, car)", "nothing to train on"}, ""},
		{"zero where there are pixels", nothing, []int64{1, 0, 1}, []string{"weight 0 to every class that has a pixel in the training set (sky, car)"}, "road"},
		{"an absent class with a given weight", road, []int64{0, 0, 7}, []string{"class 1 (road)", "loss.allow_absent_classes: true"}, "class 0"},
		{"too few given", two, []int64{1, 1, 1}, []string{"loss.class_weights has 2 numbers, want 3"}, ""},
		{"unknown scheme", withScheme("datasets"), []int64{1, 1, 1}, []string{`loss.class_weights = "datasets"`, "median_frequency"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := scheme.Weights(tt.cfg, tt.pixels, []int64{9, 9, 9}, []string{"sky", "road", "car"})
			if err == nil {
				t.Fatalf("no error, weights %v", w)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want it to have %q", err, want)
				}
			}
			if tt.absent != "" && strings.Contains(err.Error(), tt.absent) {
				t.Errorf("error %q speaks of %q", err, tt.absent)
			}
		})
	}
}
