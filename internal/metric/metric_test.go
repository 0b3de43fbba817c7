package metric_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
)

var nan = math.NaN()

func confusion(t testing.TB, classes int, truth, predicted []uint8) *metric.Confusion {
	t.Helper()
	c := metric.NewConfusion(classes)
	if err := c.Add(truth, predicted); err != nil {
		t.Fatal(err)
	}
	return c
}

// All figures by hand.
func TestMeasures(t *testing.T) {
	type measures struct{ iou, dice, precision, recall []float64 }
	for _, test := range []struct {
		name                      string
		classes                   int
		truth, predicted          []uint8
		want                      measures
		meanIoU, meanDice, pixels float64
	}{
		{
			name: "all right", classes: 2,
			truth: []uint8{0, 1, 1}, predicted: []uint8{0, 1, 1},
			want:    measures{[]float64{1, 1}, []float64{1, 1}, []float64{1, 1}, []float64{1, 1}},
			meanIoU: 1, meanDice: 1, pixels: 1,
		},
		{
			// T = 4 2 1, P = 3 2 2, I = 3 1 1
			name: "mixed", classes: 3,
			truth: []uint8{0, 0, 0, 0, 1, 1, 2}, predicted: []uint8{0, 0, 0, 1, 1, 2, 2},
			want: measures{
				[]float64{3. / 4, 1. / 3, 1. / 2}, []float64{6. / 7, 2. / 4, 2. / 3},
				[]float64{1, 1. / 2, 1. / 2}, []float64{3. / 4, 1. / 2, 1},
			},
			meanIoU: 19. / 36, meanDice: 85. / 126, pixels: 5. / 7,
		},
		{
			name: "class 2 absent and not predicted", classes: 3,
			truth: []uint8{0, 0, 1, 1}, predicted: []uint8{0, 1, 1, 1},
			want: measures{
				[]float64{1. / 2, 2. / 3, nan}, []float64{2. / 3, 4. / 5, nan},
				[]float64{1, 2. / 3, nan}, []float64{1. / 2, 1, nan},
			},
			meanIoU: 7. / 12, meanDice: 11. / 15, pixels: 3. / 4,
		},
		{
			name: "class 1 absent but predicted", classes: 2,
			truth: []uint8{0, 0, 0, 0}, predicted: []uint8{0, 0, 0, 1},
			want:    measures{[]float64{3. / 4, 0}, []float64{6. / 7, 0}, []float64{1, 0}, []float64{3. / 4, nan}},
			meanIoU: 3. / 8, meanDice: 3. / 7, pixels: 3. / 4,
		},
		{
			name: "class 1 present but never predicted", classes: 2,
			truth: []uint8{0, 0, 0, 1}, predicted: []uint8{0, 0, 0, 0},
			want:    measures{[]float64{3. / 4, 0}, []float64{6. / 7, 0}, []float64{3. / 4, nan}, []float64{1, 0}},
			meanIoU: 3. / 8, meanDice: 3. / 7, pixels: 3. / 4,
		},
		{
			name: "void counts nowhere", classes: 2,
			truth: []uint8{255, 0, 255, 1}, predicted: []uint8{0, 0, 1, 1},
			want:    measures{[]float64{1, 1}, []float64{1, 1}, []float64{1, 1}, []float64{1, 1}},
			meanIoU: 1, meanDice: 1, pixels: 1,
		},
		{
			name: "only void", classes: 1,
			truth: []uint8{255}, predicted: []uint8{0},
			want:    measures{[]float64{nan}, []float64{nan}, []float64{nan}, []float64{nan}},
			meanIoU: nan, meanDice: nan, pixels: nan,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := confusion(t, test.classes, test.truth, test.predicted)
			for class := range test.classes {
				near(t, "IoU", c.IoU(class), test.want.iou[class])
				near(t, "Dice", c.Dice(class), test.want.dice[class])
				near(t, "precision", c.Precision(class), test.want.precision[class])
				near(t, "recall", c.Recall(class), test.want.recall[class])
			}
			near(t, "mean IoU", c.MeanIoU(), test.meanIoU)
			near(t, "mean Dice", c.MeanDice(), test.meanDice)
			near(t, "pixel accuracy", c.PixelAccuracy(), test.pixels)
		})
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-15 {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func TestCounts(t *testing.T) {
	c := confusion(t, 3, []uint8{0, 0, 1, 255}, []uint8{0, 2, 2, 1})
	if err := c.Add([]uint8{0}, []uint8{0}); err != nil { // a second batch
		t.Fatal(err)
	}
	if got, want := c.Matrix(), [][]int64{{2, 0, 1}, {0, 0, 1}, {0, 0, 0}}; !reflect.DeepEqual(got, want) {
		t.Errorf("matrix %v, want %v", got, want)
	}
	for class, want := range [][2]int64{{3, 2}, {1, 0}, {0, 2}} {
		if got := [2]int64{c.Pixels(class), c.PredictedPixels(class)}; got != want {
			t.Errorf("class %d: %v pixels, want %v", class, got, want)
		}
	}
	if c.Total() != 4 {
		t.Errorf("total %d, want 4", c.Total())
	}
	c.Matrix()[0][0] = 99
	if c.Matrix()[0][0] != 2 {
		t.Error("Matrix is not a copy")
	}
}

func TestMostClasses(t *testing.T) {
	c := confusion(t, 255, []uint8{254, 255, 0}, []uint8{254, 255, 254})
	near(t, "IoU of class 254", c.IoU(254), 0.5)
}

func TestAddRefuses(t *testing.T) {
	for _, test := range []struct {
		name, want       string
		truth, predicted []uint8
	}{
		{"lengths", "1 true pixels and 2 predicted", []uint8{0}, []uint8{0, 0}},
		{"truth out of range", "pixel 1 has true class 3, want 0..2 or void 255", []uint8{0, 3}, []uint8{0, 0}},
		{"prediction out of range", "pixel 1 has predicted class 255, want 0..2", []uint8{0, 1}, []uint8{0, 255}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := metric.NewConfusion(3)
			if err := c.Add(test.truth, test.predicted); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if c.Total() != 0 {
				t.Errorf("%d pixels were counted", c.Total())
			}
		})
	}
}

func report(t *testing.T) metric.Report {
	r := confusion(t, 3, []uint8{0, 0, 1, 1, 255}, []uint8{0, 1, 1, 1, 0}).Report([]string{"background", "straße", "sky"})
	r.Checkpoint, r.Split, r.Images, r.Loss = "best.safetensors", "val", 2, 0.5
	return r
}

func TestReportJSON(t *testing.T) {
	got, err := json.Marshal(report(t))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"checkpoint":"best.safetensors","split":"val","images":2,"pixels":4,"loss":0.5,` +
		`"miou":0.5833333333333333,"mean_dice":0.7333333333333334,"pixel_accuracy":0.75,"classes":[` +
		`{"name":"background","iou":0.5,"dice":0.6666666666666666,"precision":1,"recall":0.5,"pixels":2,"predicted_pixels":1},` +
		`{"name":"straße","iou":0.6666666666666666,"dice":0.8,"precision":0.6666666666666666,"recall":1,"pixels":2,"predicted_pixels":3},` +
		`{"name":"sky","iou":null,"dice":null,"precision":null,"recall":null,"pixels":0,"predicted_pixels":0}],` +
		`"confusion":[[1,1,0],[0,2,0],[0,0,0]]}`
	if string(got) != want {
		t.Errorf("JSON\n%s\nwant\n%s", got, want)
	}
	var back metric.Report
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	if !math.IsNaN(float64(back.Classes[2].IoU)) || back.MeanIoU != report(t).MeanIoU {
		t.Errorf("read back %+v", back)
	}
}

func TestReportJSONWithoutPixels(t *testing.T) {
	r := metric.NewConfusion(1).Report([]string{"a"})
	for _, loss := range []float64{nan, math.Inf(1), math.Inf(-1)} {
		r.Loss = metric.Number(loss)
		got, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if want := `"loss":null,"miou":null,"mean_dice":null,"pixel_accuracy":null`; !strings.Contains(string(got), want) {
			t.Errorf("loss %v: JSON %s, want one with %s", loss, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := report(t).Table(&b); err != nil {
		t.Fatal(err)
	}
	want := `class          IoU    Dice  precision  recall  true pixels  predicted
background  0.5000  0.6667     1.0000  0.5000       50.00%     25.00%
straße      0.6667  0.8000     0.6667  1.0000       50.00%     75.00%
sky              –       –          –       –        0.00%      0.00%
mIoU 0.5833  mean Dice 0.7333  pixel accuracy 0.7500
`
	if b.String() != want {
		t.Errorf("table\n%s\nwant\n%s", b.String(), want)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestTableReportsWriteErrors(t *testing.T) {
	if err := report(t).Table(full{}); err == nil || err.Error() != "disk full" {
		t.Errorf("error %v, want disk full", err)
	}
}

func BenchmarkAdd(b *testing.B) {
	truth, predicted := make([]uint8, 1<<20), make([]uint8, 1<<20)
	for i := range truth {
		truth[i], predicted[i] = uint8(i>>8%4), uint8(i>>9%4)
	}
	c := metric.NewConfusion(4)
	b.SetBytes(1 << 20)
	for b.Loop() {
		if err := c.Add(truth, predicted); err != nil {
			b.Fatal(err)
		}
	}
}

// Parts of an image count together; an image without a label has no figure.
func TestImages(t *testing.T) {
	images := metric.NewImages(3)
	for _, part := range []struct {
		position         int
		name             string
		truth, predicted []uint8
	}{
		{4, "a", []uint8{0, 0, 1, 255}, []uint8{0, 1, 1, 2}},
		{4, "a", []uint8{0, 1}, []uint8{0, 1}},
		{5, "b", []uint8{255, 255}, []uint8{0, 0}},
		{6, "c", []uint8{2}, []uint8{0}},
	} {
		if err := images.Add(part.position, part.name, part.truth, part.predicted); err != nil {
			t.Fatal(err)
		}
	}
	want := []metric.Score{ // by hand
		{Name: "a", Pixels: 5, MeanIoU: 2. / 3, IoU: []float64{2. / 3, 2. / 3, nan}, Dice: []float64{4. / 5, 4. / 5, nan}},
		{Name: "b", MeanIoU: nan, IoU: []float64{nan, nan, nan}, Dice: []float64{nan, nan, nan}},
		{Name: "c", Pixels: 1, IoU: []float64{0, nan, 0}, Dice: []float64{0, nan, 0}},
	}
	if got := images.Scores(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := images.Add(7, "d", []uint8{3}, []uint8{0}); err == nil {
		t.Error("a class that does not exist is counted")
	}
}
