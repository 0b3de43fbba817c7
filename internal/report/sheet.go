package report

import (
	"cmp"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"

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
// under each row, and the classes, and what else there is, with their colours.
func (s sheet) frame(title string, columns, captions, classes []string, palette color.Palette, more ...line) draw.Image {
	key := &panel{}
	for c, name := range classes {
		key.key = append(key.key, line{name: short(name, 24), colour: palette[c]})
	}
	key.key = append(key.key, line{name: "no label", colour: classColor(palette, data.Void)})
	key.key = append(key.key, more...)
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
func (s sheet) picture(title string, samples []event.Sample, classes []string, palette color.Palette, rank []int) image.Image {
	var names []string
	for _, sample := range samples {
		names = append(names, caption(sample))
	}
	out := s.frame(title, []string{"image", "truth", "prediction", "error"}, names, classes, palette,
		line{name: missedName, colour: missed}, line{name: falseName, colour: falsely})
	for row, sample := range samples {
		for column, picture := range s.pictures(sample, palette, rank) {
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
func (s sheet) pictures(sample event.Sample, palette color.Palette, rank []int) [sheetColumns]image.Image {
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
		errorColumn:      s.scale(errorPicture(img, sample.Truth, sample.Predicted, rank), draw.NearestNeighbor),
	}
}

func (s sheet) scale(img image.Image, scaler draw.Scaler) image.Image {
	out := image.NewRGBA(image.Rect(0, 0, s.w, s.h))
	scaler.Scale(out, out.Bounds(), img, img.Bounds(), draw.Src, nil)
	return out
}

// Colours of what is wrong, which stand out from grey pictures and, to the
// colour-blind too, from each other.
var (
	missed  = color.NRGBA{0xff, 0x4b, 0x00, 0xff} // vermilion
	falsely = color.NRGBA{0x00, 0xa0, 0xff, 0xff} // azure
)

// What they mean. Of the two classes of a wrong pixel, the rarer one is what is looked
// for: an object, where the other is background.
const (
	missedName = "missed: the true class is the rarer one"
	falseName  = "false: the predicted class is the rarer one"
)

// ranks are the places of classes by their pixels, the most frequent class first.
func ranks(counts []int64) []int {
	order := make([]int, len(counts))
	for c := range order {
		order[c] = c
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(counts[b], counts[a]) })
	rank := make([]int, len(counts))
	for place, c := range order {
		rank[c] = place
	}
	return rank
}

// errorPicture is the image without colour, dark where there is no truth, with what is
// wrong laid over it. rank are ranks of the classes.
func errorPicture(img *image.RGBA, truth, predicted []uint8, rank []int) *image.RGBA {
	out := image.NewRGBA(img.Rect)
	draw.Draw(out, out.Rect, greyed(img), image.Point{}, draw.Src)
	for i, class := range truth {
		pixel := out.Pix[i*4:][:4]
		switch {
		case class == data.Void:
			pixel[0], pixel[1], pixel[2] = pixel[0]/3, pixel[1]/3, pixel[2]/3
		case class == predicted[i]:
		case rank[class] > rank[predicted[i]]:
			blend(pixel, missed)
		default:
			blend(pixel, falsely)
		}
	}
	return out
}
