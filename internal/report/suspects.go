package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/draw"
	"io"
	"net/url"
	"path/filepath"
	"strconv"

	scale "golang.org/x/image/draw"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/suspect"
)

// inDoubt marks where a mask is in doubt: a colour that is rare in pictures.
var inDoubt = color.NRGBA{0xff, 0x00, 0xc8, 0xff}

// SuspectPicture is image, mask, prediction, and where the mask is in doubt, side by
// side: the image without colour, with its pixels in doubt, and a frame about each area.
func SuspectPicture(s data.Sample, predicted []uint8, doubts []float32, areas []suspect.Area, palette color.Palette) *image.RGBA {
	img := Picture(imagefile.Image{Pix: s.Image, H: s.H, W: s.W})
	marked := image.NewRGBA(img.Rect)
	draw.Draw(marked, marked.Rect, greyed(img), image.Point{}, draw.Src)
	for i, doubt := range doubts {
		if doubt > 0 {
			blend(marked.Pix[i*4:], inDoubt)
		}
	}
	for _, a := range areas {
		frame := a.Bounds.Inset(-2)
		for _, side := range []image.Rectangle{
			{frame.Min, image.Pt(frame.Max.X, frame.Min.Y+1)}, {image.Pt(frame.Min.X, frame.Max.Y-1), frame.Max},
			{frame.Min, image.Pt(frame.Min.X+1, frame.Max.Y)}, {image.Pt(frame.Max.X-1, frame.Min.Y), frame.Max},
		} {
			draw.Draw(marked, side, image.NewUniform(inDoubt), image.Point{}, draw.Src)
		}
	}
	pictures := []image.Image{img, MaskPicture(s.Mask, s.H, s.W, palette), MaskPicture(predicted, s.H, s.W, palette), marked}
	if longest := max(s.H, s.W); largest/longest > 1 { // small ones are enlarged
		size := sheet{s.H * (largest / longest), s.W * (largest / longest)}
		for i, picture := range pictures {
			pictures[i] = size.scale(picture, scale.NearestNeighbor)
		}
	}
	return SideBySide(pictures...)
}

// greyed is a picture without colour, by the luma of its pixels.
func greyed(img *image.RGBA) *image.Gray {
	out := image.NewGray(img.Rect)
	draw.Draw(out, out.Rect, img, image.Point{}, draw.Src)
	return out
}

// blend lays a colour over an opaque pixel: two parts of the one and one of the other.
func blend(pixel []uint8, c color.NRGBA) {
	for i, v := range [3]uint8{c.R, c.G, c.B} {
		pixel[i] = uint8((int(pixel[i]) + 2*int(v)) / 3)
	}
}

// SuspectRow is a mask in doubt, with its areas, as WriteSuspects lists it.
type SuspectRow struct {
	Name    string
	Areas   []suspect.Area // at least one, the greatest doubt first
	Picture string         // file in the folder of the list; "" if there is none
}

// WriteSuspects writes a CSV file with a row for each mask in doubt and the area of its
// greatest doubt, and makes its folder:
//
//	rank,name,doubt,areas,label,prediction,pixels,x,y,width,height,picture
//
// Label and prediction are names of classes; x and y are the left and the upper edge of
// the area, in pixels of the mask as the net saw it.
func WriteSuspects(path string, classes []string, suspects []SuspectRow) error {
	rows := [][]string{{"rank", "name", "doubt", "areas", "label", "prediction", "pixels", "x", "y", "width", "height", "picture"}}
	for i, s := range suspects {
		a := s.Areas[0]
		rows = append(rows, []string{strconv.Itoa(i + 1), s.Name, number(a.Doubt), strconv.Itoa(len(s.Areas)), classes[a.Truth], classes[a.Predicted], strconv.Itoa(a.Pixels),
			strconv.Itoa(a.Bounds.Min.X), strconv.Itoa(a.Bounds.Min.Y), strconv.Itoa(a.Bounds.Dx()), strconv.Itoa(a.Bounds.Dy()), s.Picture})
	}
	if err := durable.MakeFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return durable.WriteFile(path, encode(rows))
}

//go:embed suspects.html
var suspectsHTML string

var suspectsTemplate = template.Must(template.New("suspects").Parse(suspectsHTML))

// suspectView is a mask in doubt on the page of WriteSuspectsPage.
type suspectView struct {
	Rank                    int
	Name, Label, Prediction string
	Pixels                  string
	X, Y                    int
	More                    int // areas
	Picture                 string
}

// WriteSuspectsPage writes an HTML page of the suspects that have pictures, which it
// refers to; masks is how many were looked at.
func WriteSuspectsPage(path string, classes []string, palette color.Palette, suspects []SuspectRow, masks int) error {
	view := struct {
		Found, Masks int
		Classes      []classRow
		Doubt        template.CSS
		Rows         []suspectView
	}{Found: len(suspects), Masks: masks, Doubt: css(inDoubt)}
	for c, name := range classes {
		view.Classes = append(view.Classes, classRow{Name: name, Colour: css(palette[c])})
	}
	for i, s := range suspects {
		if s.Picture == "" {
			break
		}
		a := s.Areas[0]
		address := url.URL{Path: "./" + filepath.ToSlash(s.Picture)}
		view.Rows = append(view.Rows, suspectView{i + 1, s.Name, classes[a.Truth], classes[a.Predicted], thousands(a.Pixels), a.Bounds.Min.X, a.Bounds.Min.Y, len(s.Areas) - 1, address.String()})
	}
	return durable.Write(path, func(w io.Writer) error { return suspectsTemplate.Execute(w, view) })
}
