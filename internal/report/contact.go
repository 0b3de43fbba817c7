package report

import (
	"fmt"
	"image"
	"image/color"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/unet-gorgonia/unet-gorgonia/data"
)

// Augmented is a training image and what the net sees of it in the first epochs.
type Augmented struct {
	Name   string
	Image  data.Sample
	Epochs []data.Sample // all of one size
}

// Sizes of a contact sheet in pixels.
const (
	contactGap     = 6
	contactLine    = 18  // of text
	contactLeast   = 128 // longest side of a picture
	contactLargest = 192
	fontSize       = 12
)

// contact is a contact sheet: for each image a row of pictures, and under it the
// same with the masks over them.
type contact struct {
	out     *image.RGBA
	face    font.Face
	cell    image.Point
	palette color.Palette
}

// ContactSheet draws images and what the net sees of them, each without and with
// its mask, and the classes with their colours. Class 0 leaves the image as it
// is, as in Overlay.
func ContactSheet(rows []Augmented, classes []string, palette color.Palette) (image.Image, error) {
	parsed, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, fmt.Errorf("report: font: %w", err)
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: fontSize, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, fmt.Errorf("report: font: %w", err)
	}
	c := contact{face: face, palette: palette}
	columns := 1
	for _, row := range rows {
		columns = 1 + len(row.Epochs)
		c.cell = contactCell(row.Epochs[0].H, row.Epochs[0].W)
	}
	width := contactGap + columns*(c.cell.X+contactGap)
	rowHeight := contactLine + 2*(c.cell.Y+contactGap)
	key, keyHeight := c.key(classes, width)
	c.out = image.NewRGBA(image.Rect(0, 0, width, contactLine+len(rows)*rowHeight+keyHeight+contactGap))
	draw.Draw(c.out, c.out.Bounds(), image.White, image.Point{}, draw.Src)

	for column := range columns {
		name := "image"
		if column > 0 {
			name = fmt.Sprintf("epoch %d", column)
		}
		c.write(c.x(column), 0, name)
	}
	y := contactLine
	for _, row := range rows {
		c.write(contactGap, y, row.Name)
		for column, s := range append([]data.Sample{row.Image}, row.Epochs...) {
			at := image.Pt(c.x(column), y+contactLine)
			img := data.Image{Pix: s.Image, H: s.H, W: s.W}
			c.put(at, Picture(img))
			c.put(at.Add(image.Pt(0, c.cell.Y+contactGap)), Overlay(img, s.Mask, palette))
		}
		y += rowHeight
	}
	for _, k := range key {
		box := image.Rect(0, 0, fontSize, fontSize).Add(k.at).Add(image.Pt(0, y+(contactLine-fontSize)/2))
		draw.Draw(c.out, box, image.Black, image.Point{}, draw.Src)
		draw.Draw(c.out, box.Inset(1), image.NewUniform(k.colour), image.Point{}, draw.Src)
		c.write(k.at.X+fontSize+contactGap, y+k.at.Y, k.name)
	}
	return c.out, nil
}

// contactCell is the size of the pictures: small samples are enlarged by a whole
// number, large ones made smaller.
func contactCell(h, w int) image.Point {
	longest := max(h, w)
	if up := contactLeast / longest; up > 1 {
		return image.Pt(w*up, h*up)
	}
	if longest > contactLargest {
		return image.Pt(max(1, w*contactLargest/longest), max(1, h*contactLargest/longest))
	}
	return image.Pt(w, h)
}

func (c contact) x(column int) int { return contactGap + column*(c.cell.X+contactGap) }

// put draws a picture in the cell at a point, as large as it may be there.
func (c contact) put(at image.Point, picture *image.RGBA) {
	size := picture.Bounds().Size()
	scaled := image.Pt(c.cell.X, max(1, size.Y*c.cell.X/size.X))
	if scaled.Y > c.cell.Y {
		scaled = image.Pt(max(1, size.X*c.cell.Y/size.Y), c.cell.Y)
	}
	var scaler draw.Scaler = draw.BiLinear // averages
	if scaled.X > size.X {
		scaler = draw.NearestNeighbor
	}
	place := image.Rectangle{Max: scaled}.Add(at).Add(c.cell.Sub(scaled).Div(2))
	scaler.Scale(c.out, place, picture, picture.Bounds(), draw.Src, nil)
}

// write draws a line of text whose upper left corner is (x, y).
func (c contact) write(x, y int, text string) {
	d := font.Drawer{Dst: c.out, Src: image.Black, Face: c.face, Dot: fixed.P(x, y+contactLine-5)}
	d.DrawString(text)
}

// keyed is the colour and name of a class at a place in the key.
type keyed struct {
	name   string
	colour color.Color
	at     image.Point
}

// key places the classes one after the other in lines of a width.
func (c contact) key(classes []string, width int) (all []keyed, height int) {
	at := image.Pt(contactGap, contactGap)
	for class, name := range classes {
		if class == 0 {
			name += " (not drawn over, nor is void)"
		}
		room := fontSize + contactGap + font.MeasureString(c.face, name).Ceil() + 3*contactGap
		if at.X > contactGap && at.X+room > width {
			at = image.Pt(contactGap, at.Y+contactLine)
		}
		all = append(all, keyed{name, c.palette[class], at})
		at.X += room
	}
	return all, at.Y + contactLine
}
