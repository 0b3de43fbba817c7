package survey_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
)

// Check measures the widths of classes and the difference of halves at the images' own
// sizes, also where the net sees others.
func TestCheckMeasures(t *testing.T) {
	const v = 255
	inf := math.Inf(1)
	for _, tc := range []struct {
		name    string
		masks   [][]uint8 // 4x3
		grey    [][2]uint8
		widths  []float64
		upright float64
	}{
		{"a strip of two columns", [][]uint8{{0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1}}, [][2]uint8{{0, 9}}, []float64{2, 4, inf, inf}, 0},
		{"beside void there is no edge", [][]uint8{{0, 1, v, 0, v, 2, v, v, v, 3, 3, 3}}, [][2]uint8{{0, 9}}, []float64{4, 2, inf, inf}, 0},
		// differences of colour -1/255, -3/255: mean 2, deviation sqrt(2)
		{"darker above", [][]uint8{make([]uint8, 12), make([]uint8, 12)}, [][2]uint8{{1, 2}, {3, 6}}, []float64{inf, inf, inf, inf}, math.Sqrt2},
		{"nothing above", [][]uint8{make([]uint8, 12), make([]uint8, 12), make([]uint8, 12)}, [][2]uint8{{3, 1}, {3, 5}, {3, 3}}, []float64{inf, inf, inf, inf}, 0},
		// share of class 1 in the lower half: 1/2 and 1
		{"a class below", [][]uint8{{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1}, {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}}, [][2]uint8{{5, 5}, {5, 5}}, []float64{5, 3, inf, inf}, 0.75 / math.Sqrt(1./8)},
	} {
		for _, size := range []int{2, 8} {
			t.Run(fmt.Sprintf("%s, resized to %d", tc.name, size), func(t *testing.T) {
				t.Chdir(t.TempDir())
				for i, mask := range tc.masks {
					name := string(rune('a'+i)) + ".png"
					upper, lower := slices.Repeat([]uint8{tc.grey[i][0]}, 6), slices.Repeat([]uint8{tc.grey[i][1]}, 6)
					filetest.Write(t, "images/"+name, filetest.Encode(t, ".png", filetest.Grey(4, 3, append(upper, lower...)...)))
					filetest.Write(t, "masks/"+name, filetest.Encode(t, ".png", filetest.Grey(4, 3, mask...)))
				}
				got, err := survey.Check(t.Context(), with(folderConfig(size, size), 1, 0), "train", nil)
				if err != nil || len(got.Faults) > 0 {
					t.Fatal(err, got.Faults)
				}
				if !slices.Equal(got.Widths, tc.widths) || math.Abs(got.Upright-tc.upright) > 1e-4 {
					t.Errorf("widths %v, upright %g, want %v, %g", got.Widths, got.Upright, tc.widths, tc.upright)
				}
			})
		}
	}
}

// A class that resizing makes too thin to see is warned of, where patches are not cut.
func TestCheckThin(t *testing.T) {
	strip := make([]uint8, 8*8)
	for i := range strip {
		if x := i % 8; x == 2 || x == 3 {
			strip[i] = 1
		}
	}
	for _, tc := range []struct {
		size, patches int
		want          string
	}{
		{4, 0, "train: class 1 (b) is 2.0 pixels wide in the files, and 1.0 in images resized to data.size, 4x4: data.patches keeps images at their own size"},
		{8, 0, ""}, {4, 1, ""},
	} {
		t.Run(fmt.Sprintf("size %d, patches %d", tc.size, tc.patches), func(t *testing.T) {
			t.Chdir(t.TempDir())
			filetest.Write(t, "images/a.png", filetest.Encode(t, ".png", filetest.RGB(8, 8)))
			filetest.Write(t, "masks/a.png", filetest.Encode(t, ".png", filetest.Grey(8, 8, strip...)))
			cfg := with(folderConfig(tc.size, tc.size), 1, 0)
			cfg.Data.Patches = tc.patches
			got, err := survey.Check(t.Context(), cfg, "train", nil)
			if err != nil || len(got.Faults) > 0 {
				t.Fatal(err, got.Faults)
			}
			thin := slices.ContainsFunc(got.Warnings, func(w string) bool { return strings.Contains(w, "pixels wide") })
			if thin != (tc.want != "") || thin && !slices.Contains(got.Warnings, tc.want) {
				t.Errorf("warnings %q, want %q", got.Warnings, tc.want)
			}
		})
	}
}
