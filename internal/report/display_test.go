package report_test

import (
	"image"
	"image/color"
	"slices"
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

// Outlines are the pixels of a class that touch another, inside; a strip names the
// classes that are there.
func TestContours(t *testing.T) {
	const h, w = 170, 200
	palette := color.Palette{color.Black, color.NRGBA{200, 100, 0, 255}, color.NRGBA{0, 100, 200, 255}}
	classes := []string{"ground", "house", "tree"}
	white := imagefile.Image{H: h, W: w, Pix: slices.Repeat([]float32{1}, h*w*3)}
	mask := make([]uint8, h*w)
	if got := report.Contours(white, mask, classes, palette).Bounds(); got != image.Rect(0, 0, w, h) {
		t.Errorf("nothing to draw: the picture is %v, want that of the image", got)
	}
	for y := 10; y < 20; y++ {
		for x := range 30 { // to the left edge, where no other class begins
			mask[y*w+x] = 1
		}
	}
	out := report.Contours(white, mask, classes, palette)
	for _, tc := range []struct {
		x, y int
		want color.RGBA
	}{
		{15, 9, color.RGBA{255, 255, 255, 255}},
		{15, 10, color.RGBA{200, 100, 0, 255}},
		{15, 11, color.RGBA{255, 255, 255, 255}},
		{15, 19, color.RGBA{200, 100, 0, 255}},
		{29, 15, color.RGBA{200, 100, 0, 255}},
		{30, 15, color.RGBA{255, 255, 255, 255}},
		{0, 15, color.RGBA{255, 255, 255, 255}},
	} {
		if got := out.RGBAAt(tc.x, tc.y); got != tc.want {
			t.Errorf("pixel (%d, %d) is %v, want %v", tc.x, tc.y, got, tc.want)
		}
	}
	colours := map[color.RGBA]int{}
	for y := h; y < out.Rect.Max.Y; y++ {
		for x := range w {
			colours[out.RGBAAt(x, y)]++
		}
	}
	if colours[color.RGBA{200, 100, 0, 255}] < 10 || colours[color.RGBA{0, 100, 200, 255}] > 0 {
		t.Errorf("the strip has colours %v, want that of the one class alone", colours)
	}

	large := imagefile.Image{H: 1, W: 1300, Pix: slices.Repeat([]float32{1}, 1300*3)}
	row := make([]uint8, 1300)
	for x := 100; x < 200; x++ {
		row[x] = 2
	}
	out = report.Contours(large, row, classes, palette)
	for x, want := range map[int]bool{99: false, 100: true, 102: true, 103: false, 196: false, 197: true, 199: true, 200: false} {
		if got := out.RGBAAt(x, 0) == (color.RGBA{0, 100, 200, 255}); got != want {
			t.Errorf("pixel %d of a large image is drawn: %v, want %v", x, got, want)
		}
	}
}
