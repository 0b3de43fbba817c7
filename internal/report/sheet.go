package report

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"golang.org/x/image/draw"
	"gonum.org/v1/plot/vg"
	plotdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
)

// sheet is where pictures of one size stand in rows and columns. That of
// samples/epoch-NNN.png has a row for each sample, of image, truth, prediction
// and error; the page takes its pictures out of it.
type sheet struct{ h, w int } // of a picture, pixels

// Columns of samples.
const (
	imageColumn = iota
	truthColumn
	predictionColumn
	errorColumn
	sheetColumns
)

const (
	sheetGap    = 8
	sheetTop    = 44 // above the first row
	captionRoom = 20 // under each row
	smallest    = 128
	largest     = 256
)

// newSheet makes a sheet for images of a size: small ones are enlarged by a
// whole number, large ones are made smaller, so that it stays small itself.
func newSheet(h, w int) sheet {
	longest := max(h, w)
	if up := smallest / longest; up > 1 {
		return sheet{h * up, w * up}
	}
	if longest > largest {
		return sheet{max(1, h*largest/longest), max(1, w*largest/longest)}
	}
	return sheet{h, w}
}

// cell is the place of a picture.
func (s sheet) cell(row, column int) image.Rectangle {
	at := image.Pt(sheetGap+column*(s.w+sheetGap), sheetTop+row*(s.h+captionRoom))
	return image.Rectangle{at, at.Add(image.Pt(s.w, s.h))}
}

// frame is a sheet without its pictures: title, names of the columns, a caption
// under each row, and the classes with their colours.
func (s sheet) frame(title string, columns, captions, classes []string, palette color.Palette) draw.Image {
	key := &panel{}
	for c, name := range classes {
		key.key = append(key.key, line{name: short(name, 24), colour: palette[c]})
	}
	key.key = append(key.key, line{name: "no label", colour: classColor(palette, data.Void)})
	width := max(sheetGap+len(columns)*(s.w+sheetGap), 480)
	bottom := s.cell(len(captions), 0).Min.Y
	keyWidth := vg.Length(width - 2*sheetGap)
	keyHeight := key.drawKey(plotdraw.NewCanvas(&recorder.Canvas{}, keyWidth, 0))

	// One pixel per point.
	canvas := vgimg.NewWith(vgimg.UseWH(vg.Length(width), vg.Length(bottom)+keyHeight+sheetGap), vgimg.UseDPI(72))
	c := plotdraw.New(canvas)
	write := func(x, y int, text string) {
		style := textStyle(textSize + 1)
		style.YAlign = plotdraw.YTop
		c.FillText(style, vg.Point{X: vg.Length(x), Y: c.Max.Y - vg.Length(y)}, text)
	}
	write(sheetGap, 6, title)
	for column, name := range columns {
		write(s.cell(0, column).Min.X, 26, name)
	}
	for row, caption := range captions {
		write(sheetGap, s.cell(row, 0).Max.Y+2, short(caption, width/8))
	}
	key.drawKey(plotdraw.Crop(c, sheetGap, -sheetGap, 0, -vg.Length(bottom)))
	return canvas.Image()
}

// picture draws the samples with their names, and the classes with their colours.
func (s sheet) picture(title string, samples []event.Sample, classes []string, palette color.Palette) image.Image {
	var names []string
	for _, sample := range samples {
		names = append(names, caption(sample))
	}
	out := s.frame(title, []string{"image", "truth", "prediction", "error (white)"}, names, classes, palette)
	for row, sample := range samples {
		for column, picture := range s.pictures(sample, palette) {
			at := s.cell(row, column)
			draw.Draw(out, at, picture, image.Point{}, draw.Src)
		}
	}
	return out
}

// caption is the name of a sample with its place in the split and its mean IoU.
func caption(s event.Sample) string {
	text := s.Name
	if !math.IsNaN(s.MeanIoU) {
		text = fmt.Sprintf("mean IoU %.3f: %s", s.MeanIoU, text)
	}
	if s.Rank != "" {
		text = s.Rank + ", " + text
	}
	return text
}

// pictures are the columns of a sample at the sheet's size.
func (s sheet) pictures(sample event.Sample, palette color.Palette) [sheetColumns]image.Image {
	img := Picture(sample.Image)
	h, w := sample.Image.H, sample.Image.W
	var scaler draw.Scaler = draw.BiLinear // averages
	if s.h > h {
		scaler = draw.NearestNeighbor
	}
	return [sheetColumns]image.Image{
		imageColumn:      s.scale(img, scaler),
		truthColumn:      s.scale(MaskPicture(sample.Truth, h, w, palette), draw.NearestNeighbor),
		predictionColumn: s.scale(MaskPicture(sample.Predicted, h, w, palette), draw.NearestNeighbor),
		errorColumn:      s.scale(errorPicture(img, sample.Truth, sample.Predicted), draw.NearestNeighbor),
	}
}

func (s sheet) scale(img image.Image, scaler draw.Scaler) image.Image {
	out := image.NewRGBA(image.Rect(0, 0, s.w, s.h))
	scaler.Scale(out, out.Bounds(), img, img.Bounds(), draw.Src, nil)
	return out
}

// errorPicture is white where the prediction is wrong, mid-grey where there is no
// truth, and else the image, dark and without colour.
func errorPicture(img *image.RGBA, truth, predicted []uint8) *image.Gray {
	const void = 128
	out := image.NewGray(img.Bounds())
	for i, class := range truth {
		switch {
		case class == data.Void:
			out.Pix[i] = void
		case class != predicted[i]:
			out.Pix[i] = 255
		default:
			p := img.Pix[i*4:][:3]
			out.Pix[i] = uint8((int(p[0]) + int(p[1]) + int(p[2])) / 9)
		}
	}
	return out
}
