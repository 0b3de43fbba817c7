package report

import (
	"fmt"
	"image"
	"image/color"

	"golang.org/x/image/draw"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Augmented is a training image and what the net sees of it in the first epochs.
type Augmented struct {
	Name   string
	Image  data.Sample
	Epochs []data.Sample // at least one, all of one size
}

// ContactSheet draws images and what the net sees of them in as many epochs each,
// and under every row the same with the masks laid over.
func ContactSheet(images []Augmented, classes []string, palette color.Palette) image.Image {
	columns := []string{"image"}
	for epoch := range images[0].Epochs {
		columns = append(columns, fmt.Sprintf("epoch %d", epoch+1))
	}
	var captions []string
	for _, a := range images {
		captions = append(captions, a.Name, "with its mask")
	}
	first := images[0].Epochs[0]
	s := newSheet(first.H, first.W)
	out := s.frame("What the net sees of training images", columns, captions, classes, palette)
	for i, a := range images {
		for column, sample := range append([]data.Sample{a.Image}, a.Epochs...) {
			img := imagefile.Image{Pix: sample.Image, H: sample.H, W: sample.W}
			fit(out, s.cell(2*i, column), Picture(img))
			fit(out, s.cell(2*i+1, column), Overlay(img, sample.Mask, palette))
		}
	}
	return out
}

// fit draws a picture in the middle of a cell, as large as it may be there.
func fit(out draw.Image, cell image.Rectangle, picture image.Image) {
	from, room := picture.Bounds().Size(), cell.Size()
	size := image.Pt(room.X, max(1, from.Y*room.X/from.X))
	if size.Y > room.Y {
		size = image.Pt(max(1, from.X*room.Y/from.Y), room.Y)
	}
	var scaler draw.Scaler = draw.BiLinear // averages
	if size.X > from.X {
		scaler = draw.NearestNeighbor
	}
	at := cell.Min.Add(room.Sub(size).Div(2))
	scaler.Scale(out, image.Rectangle{at, at.Add(size)}, picture, picture.Bounds(), draw.Src, nil)
}
