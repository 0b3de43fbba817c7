package suspect_test

import (
	"image"
	"math"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/suspect"
)

const void = 255

// Sure is what lacks at most 1.5 times as much to 1 as the mean over the pixels that
// are found; by hand.
func TestDoubts(t *testing.T) {
	c := suspect.NewConfidence(3)
	c.Add([]uint8{0, 0, 0, 1, void}, []float32{
		0.875, 0.125, 0, // found
		0.625, 0.25, 0.125, // found: class 0 lacks 0.25 on average, sure from 0.625 on
		0.25, 0.5, 0.25, // not found
		0.25, 0.5, 0.25, // found: class 1 lacks 0.5, sure from 0.25 on
		0, 0, 1, // no label: class 2 is never sure
	})
	for _, tc := range []struct {
		name          string
		truth         uint8
		probabilities []float32
		want          float32
	}{
		{"right", 0, []float32{1, 0, 0}, 0},
		{"right, not sure", 1, []float32{0.375, 0.375, 0.25}, 0}, // the first of equals is class 0
		{"sure of 0", 1, []float32{0.625, 0.125, 0.25}, 0.5},
		{"almost sure of 0", 1, []float32{0.5, 0.25, 0.25}, 0},
		{"sure of 1", 0, []float32{0.25, 0.5, 0.25}, 0.25},
		{"of a class that is never found", 0, []float32{0, 0, 1}, 0},
		{"no label", void, []float32{1, 0, 0}, 0},
	} {
		if got := c.Doubts([]float32{7}, []uint8{tc.truth}, tc.probabilities); !slices.Equal(got, []float32{7, tc.want}) {
			t.Errorf("%s: %v, want %v after 7", tc.name, got, tc.want)
		}
	}
}

// picture is a mask of class 0, its prediction and its doubts: a digit of drawing is
// the predicted class, in doubt by half.
func picture(drawing ...string) (truth, predicted []uint8, doubts []float32, h, w int) {
	for _, line := range drawing {
		for _, c := range line {
			truth = append(truth, 0)
			if c == '.' {
				predicted, doubts = append(predicted, 0), append(doubts, 0)
				continue
			}
			predicted, doubts = append(predicted, uint8(c-'0')), append(doubts, 0.5)
		}
	}
	return truth, predicted, doubts, len(drawing), len(drawing[0])
}

func TestAreas(t *testing.T) {
	for _, tc := range []struct {
		name    string
		drawing []string
		want    []suspect.Area // doubt: 1/16 for each pixel, times fill, by length
	}{
		{"none", []string{"....", "....", "...."}, nil},
		{"too narrow", []string{"11.....", "11..222", "11..222", "11....."}, nil},
		{"one with a tail, and corners that do not connect", []string{
			"111..1.",
			"111111.",
			"111....",
			"...1...",
		}, []suspect.Area{{Predicted: 1, Pixels: 13, Doubt: 13. / 16 * 13 / 18 / 6, Bounds: image.Rect(0, 0, 6, 3)}}},
		{"two classes side by side", []string{
			"111222",
			"111222",
			"111222",
		}, []suspect.Area{
			{Predicted: 1, Pixels: 9, Doubt: 9. / 16 / 3, Bounds: image.Rect(0, 0, 3, 3)},
			{Predicted: 2, Pixels: 9, Doubt: 9. / 16 / 3, Bounds: image.Rect(3, 0, 6, 3)},
		}},
	} {
		truth, predicted, doubts, h, w := picture(tc.drawing...)
		got := suspect.Areas(truth, predicted, doubts, h, w)
		for i, a := range got {
			if i < len(tc.want) && math.Abs(a.Doubt-tc.want[i].Doubt) < 1e-12 {
				got[i].Doubt = tc.want[i].Doubt // but for rounding
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// What many masks have counts less.
func TestRank(t *testing.T) {
	habit, rare := suspect.Area{Truth: 0, Predicted: 1, Doubt: 2}, suspect.Area{Truth: 1, Predicted: 0, Doubt: 1.5}
	masks := [][]suspect.Area{{habit, habit, rare}, {habit}, nil, {habit}}
	suspect.Rank(masks)
	got := masks[0]
	if got[0].Predicted != 0 || math.Abs(got[0].Doubt-1.5*math.Log(1+4./1)) > 1e-12 || math.Abs(got[1].Doubt-2*math.Log(1+4./3)) > 1e-12 {
		t.Errorf("got %+v, want the rare kind first", got)
	}
}
