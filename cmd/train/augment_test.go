package main

import (
	"image"
	"image/color"
	"strings"
	"testing"
)

// cells cuts the pictures (128x128) out of a sheet of images of 16x16: by row and
// column, those of odd rows with masks over them.
func cells(t *testing.T, path string) [][]image.Image {
	t.Helper()
	img := picture(t, path)
	sheet := img.(interface {
		image.Image
		SubImage(image.Rectangle) image.Image
	})
	var rows [][]image.Image
	for y := 44; y+148 < sheet.Bounds().Max.Y; y += 148 {
		var row []image.Image
		for column := range 8 {
			at := image.Pt(8+column*136, y)
			row = append(row, sheet.SubImage(image.Rectangle{at, at.Add(image.Pt(128, 128))}))
		}
		rows = append(rows, row)
	}
	return rows
}

// at is pixel (x, y) of the 16x16 of a cell.
func at(cell image.Image, x, y int) color.Color {
	return cell.At(cell.Bounds().Min.X+8*x+4, cell.Bounds().Min.Y+8*y+4)
}

func TestAugment(t *testing.T) {
	inFolder(t)
	differ := func(a, b image.Image) int {
		n := 0
		for i := range 256 {
			if at(a, i%16, i/16) != at(b, i%16, i/16) {
				n++
			}
		}
		return n
	}
	for _, tc := range []struct {
		name, set string
		same      bool
	}{
		{"nothing", "data.augment.flip_horizontal=0", true},
		{"noise", "data.augment={flip_horizontal: 0, noise: 0.5}", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := must(t, "augment", "--config", "tiny.yaml", "--out", "look/"+tc.name, "--count", "2", "--set", tc.set)
			if !strings.HasPrefix(out, "look/"+tc.name+"/augment.png: 2 of 6 images") {
				t.Errorf("got %q", out)
			}
			rows := cells(t, "look/"+tc.name+"/augment.png")
			if len(rows) != 4 {
				t.Fatalf("%d rows of pictures, want 2 for each image", len(rows))
			}
			for _, row := range rows {
				for column := 1; column < 8; column++ {
					if n := differ(row[0], row[column]); (n == 0) != tc.same {
						t.Errorf("column %d differs from the image in %d pixels", column, n)
					}
				}
			}
			if n := differ(rows[0][0], rows[1][0]); n == 0 || n > 128 {
				t.Errorf("a mask covers %d pixels of 256", n)
			}
			if differ(rows[0][0], rows[2][0]) == 0 {
				t.Error("two images are the same")
			}
		})
	}
	check(t, command(t, "augment", "--config", "tiny.yaml"), 2, []string{"train: --out DIR is missing: DIR for augment.png"})
	check(t, command(t, "augment", "--config", "tiny.yaml", "--out", "x", "--count", "0"), 2, []string{"train: --count 0: want >= 1"})
}
