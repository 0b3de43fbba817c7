package report_test

import (
	"image/color"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

// Masks of 0 and 255 are shown in colour; colours that stand out stay.
func TestDisplay(t *testing.T) {
	for _, tc := range []struct {
		name    string
		palette [][3]int
		changed []bool
	}{
		{"0 and 255", [][3]int{{0, 0, 0}, {255, 255, 255}}, []bool{false, true}},
		{"greys", [][3]int{{0, 0, 0}, {1, 1, 1}, {128, 128, 128}, {250, 255, 250}}, []bool{false, true, true, true}},
		{"colours", [][3]int{{0, 0, 0}, {255, 0, 0}, {230, 159, 0}}, []bool{false, false, false}},
		{"a grey and the colour it would get", [][3]int{{9, 9, 9}, {255, 255, 255}, {230, 159, 0}}, []bool{false, true, false}},
		{"the default", nil, make([]bool, 255)},
	} {
		palette := imagefile.Colors(len(tc.changed), tc.palette)
		seen := map[color.Color]int{}
		for c, got := range report.Display(palette) {
			if (got != palette[c]) != tc.changed[c] {
				t.Errorf("%s: class %d of %v is shown as %v", tc.name, c, palette[c], got)
			}
			if other, ok := seen[got]; ok && tc.palette != nil {
				t.Errorf("%s: classes %d and %d are both shown as %v", tc.name, other, c, got)
			}
			seen[got] = c
		}
	}
}
