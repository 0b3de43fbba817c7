package report

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"math"
	"strconv"
	"strings"

	xfont "golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// ink is the colour of text and axes. The page replaces it by its own ink, dark or
// light, so no class should have exactly this colour.
var (
	ink  = color.NRGBA{0x22, 0x23, 0x24, 0xff}
	grid = color.NRGBA{0x22, 0x23, 0x24, 0x28}
)

// panel is a plot with a title and a key above it.
type panel struct {
	title         string
	key           []line
	plot          *plot.Plot
	width, height vg.Length
	spots         []spot

	data draw.Canvas // of the values, once it is drawn
}

// line is how the values of one name are drawn.
type line struct {
	name   string
	colour color.Color
	dashes []vg.Length // of a thin line; nil: a wide one with an edge
}

// spot is a part of a plot, from (x0, y0) to (x1, y1) in the units of its axes, with
// what the page shows where someone points at it.
type spot struct {
	x0, y0, x1, y1 float64
	text           string
}

const (
	textSize   = 11
	lineWidth  = 1.8
	casing     = 0.6 // of lines, at each side, so that any colour is seen on any ground
	margin     = 8
	thumbWidth = 18
)

func newPanel(title string) *panel {
	p := plot.New()
	p.BackgroundColor = nil
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color = ink
		axis.Label.TextStyle = textStyle(textSize)
		axis.Tick.Label = textStyle(textSize)
		axis.Tick.Color = ink
		axis.Tick.Marker = ticks{most: 6}
	}
	p.X.Label.TextStyle.XAlign, p.X.Label.TextStyle.YAlign = draw.XCenter, draw.YBottom
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XCenter, draw.YTop
	p.Y.Label.TextStyle.XAlign, p.Y.Label.TextStyle.YAlign = draw.XCenter, draw.YBottom
	p.Y.Tick.Label.XAlign, p.Y.Tick.Label.YAlign = draw.XRight, draw.YCenter
	return &panel{title: title, plot: p, width: 380, height: 270}
}

// textStyle is that of text of a size in points.
func textStyle(size float64) text.Style {
	return text.Style{Color: ink, Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Length(size)}, Handler: plot.DefaultTextHandler}
}

// grid draws the lines of the axes' ticks behind the data.
func (p *panel) grid(vertical, horizontal bool) {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = grid, grid
	if !vertical {
		g.Vertical.Color = nil
	}
	if !horizontal {
		g.Horizontal.Color = nil
	}
	p.plot.Add(g)
}

// add draws values over the epochs; a NaN leaves a gap.
func (p *panel) add(l line, epochs, values []float64) {
	p.key = append(p.key, l)
	var points plotter.XYs
	flush := func() {
		if len(points) > 0 {
			p.plot.Add(curve{points, l})
		}
		points = nil
	}
	for i, y := range values {
		if math.IsNaN(y) {
			flush()
			continue
		}
		points = append(points, plotter.XY{X: epochs[i], Y: y})
	}
	flush()
}

// curve is a line without gaps.
type curve struct {
	plotter.XYs
	line line
}

// Plot draws the curve; a single point is a dot.
func (l curve) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	points := make([]vg.Point, len(l.XYs))
	for i, at := range l.XYs {
		points[i] = vg.Point{X: x(at.X), Y: y(at.Y)}
	}
	if len(points) == 1 {
		c.DrawGlyph(draw.GlyphStyle{Color: l.line.colour, Radius: 3, Shape: draw.CircleGlyph{}}, points[0])
		return
	}
	l.line.stroke(&c, c.ClipLinesXY(points)...)
}

// DataRange is the range of the points.
func (l curve) DataRange() (xmin, xmax, ymin, ymax float64) { return plotter.XYRange(l.XYs) }

// stroke draws lines in their colour.
func (l line) stroke(c *draw.Canvas, points ...[]vg.Point) {
	if l.dashes != nil {
		c.StrokeLines(draw.LineStyle{Color: l.colour, Width: 1.2, Dashes: l.dashes}, points...)
		return
	}
	c.StrokeLines(draw.LineStyle{Color: ink, Width: lineWidth + 2*casing}, points...)
	c.StrokeLines(draw.LineStyle{Color: l.colour, Width: lineWidth}, points...)
}

// draw draws title, key and plot from the top down.
func (p *panel) draw(c draw.Canvas) {
	c = draw.Crop(c, margin, -margin, margin, -margin)
	title := textStyle(textSize + 1)
	title.Font.Weight = xfont.WeightBold
	title.YAlign = draw.YTop
	c.FillText(title, vg.Point{X: c.Min.X, Y: c.Max.Y}, p.title)
	c.Max.Y -= 1.6 * (textSize + 1)
	c.Max.Y -= p.drawKey(c) + 4
	p.plot.Draw(c)
	p.data = p.plot.DataCanvas(c)
}

// drawKey draws the names of the lines at the canvas's top, in as many rows as
// they need, and returns their height.
func (p *panel) drawKey(c draw.Canvas) vg.Length {
	if len(p.key) == 0 {
		return 0
	}
	const rowHeight, gap = 1.5 * textSize, 12
	style := textStyle(textSize)
	style.YAlign = draw.YCenter
	x, y := c.Min.X, c.Max.Y-rowHeight/2
	for _, l := range p.key {
		width := thumbWidth + 4 + style.Width(l.name) + gap
		if x > c.Min.X && x+width-gap > c.Max.X {
			x, y = c.Min.X, y-rowHeight
		}
		l.stroke(&c, []vg.Point{{X: x, Y: y}, {X: x + thumbWidth, Y: y}})
		c.FillText(style, vg.Point{X: x + thumbWidth + 4, Y: y}, l.name)
		x += width
	}
	return c.Max.Y - y + rowHeight/2
}

// pixelsPerInch is the resolution of pictures: 1.5 pixels per point.
const pixelsPerInch = 108

// picture draws panels of one size, as many side by side as columns.
func picture(panels []*panel, columns int) *vgimg.Canvas {
	rows := (len(panels) + columns - 1) / columns
	w, h := panels[0].width, panels[0].height
	img := vgimg.NewWith(vgimg.UseWH(w*vg.Length(columns), h*vg.Length(rows)), vgimg.UseDPI(pixelsPerInch))
	all := draw.New(img)
	for i, p := range panels {
		c := all
		c.Min.X = all.Min.X + w*vg.Length(i%columns)
		c.Max.Y = all.Max.Y - h*vg.Length(i/columns)
		c.Max.X, c.Min.Y = c.Min.X+w, c.Max.Y-h
		p.draw(c)
	}
	return img
}

// svg draws a panel as an element of an HTML page, on the page's own ground.
func (p *panel) svg() (template.HTML, error) {
	c := &outlined{Canvas: vgsvg.New(p.width, p.height)}
	p.draw(draw.NewCanvas(c, p.width, p.height))
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	text := b.String()
	text = text[max(0, strings.Index(text, "<svg")):] // without the file's header
	text = strings.ReplaceAll(text, "#222324", "currentColor")
	text = text[:max(0, strings.LastIndex(text, "</svg>"))] + p.spotted() + "</svg>"
	return template.HTML(text), errors.Join(c.err, err)
}

// spotted are the spots of a drawn panel as elements of an SVG, whose y points down.
func (p *panel) spotted() string {
	x, y := p.plot.Transforms(&p.data)
	within := func(v, low, high vg.Length) float64 { return min(max(v, low), high).Points() }
	var b strings.Builder
	for _, s := range p.spots {
		left, right := within(x(s.x0), p.data.Min.X, p.data.Max.X), within(x(s.x1), p.data.Min.X, p.data.Max.X)
		low, high := within(y(s.y0), p.data.Min.Y, p.data.Max.Y), within(y(s.y1), p.data.Min.Y, p.data.Max.Y)
		fmt.Fprintf(&b, `<rect class="spot" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`+"\n",
			left, p.height.Points()-high, right-left, high-low, html.EscapeString(s.text))
	}
	return b.String()
}

// outlined is an SVG whose text is drawn as paths: a reader that lacks the font
// would draw text of another width.
type outlined struct {
	*vgsvg.Canvas
	glyphs sfnt.Buffer
	err    error
}

// FillString draws a line of text from pt on.
func (c *outlined) FillString(face font.Face, pt vg.Point, text string) {
	size := fixed.Int26_6(face.Font.Size.Points() * 64)
	at := func(p fixed.Point26_6) vg.Point { // y points down in a font
		return vg.Point{X: pt.X + vg.Length(p.X)/64, Y: pt.Y - vg.Length(p.Y)/64}
	}
	var path vg.Path
	for _, letter := range text {
		index, err := face.Face.GlyphIndex(&c.glyphs, letter)
		if err != nil {
			c.err = err
			return
		}
		segments, err := face.Face.LoadGlyph(&c.glyphs, index, size, nil)
		if err != nil {
			c.err = err
			return
		}
		for _, s := range segments {
			switch s.Op {
			case sfnt.SegmentOpMoveTo:
				path.Move(at(s.Args[0]))
			case sfnt.SegmentOpLineTo:
				path.Line(at(s.Args[0]))
			case sfnt.SegmentOpQuadTo:
				path.QuadTo(at(s.Args[0]), at(s.Args[1]))
			case sfnt.SegmentOpCubeTo:
				path.CubeTo(at(s.Args[0]), at(s.Args[1]), at(s.Args[2]))
			}
		}
		advance, err := face.Face.GlyphAdvance(&c.glyphs, index, size, 0)
		if err != nil {
			c.err = err
			return
		}
		pt.X += vg.Length(advance) / 64
	}
	if len(path) > 0 {
		c.Fill(path)
	}
}

// ticks marks at most this many round numbers.
type ticks struct {
	most  int
	whole bool // no fractions
}

// Ticks are in steps of 1, 2 or 5 times a power of ten.
func (t ticks) Ticks(low, high float64) []plot.Tick {
	span := high - low
	if !(span > 0) || math.IsInf(span, 0) {
		return nil
	}
	power := math.Floor(math.Log10(span / float64(t.most)))
	if t.whole {
		power = max(power, 0)
	}
	step := math.Pow(10, power)
	for _, times := range []float64{1, 2, 5, 10} {
		if step = times * math.Pow(10, power); span/step < float64(t.most) {
			break
		}
	}
	var marks []plot.Tick
	for i := math.Ceil(low / step); i*step <= high && len(marks) <= t.most; i++ {
		// Rounded to the digits of the step: 3*0.1 is not quite 0.3.
		label := strconv.FormatFloat(i*step, 'f', max(0, int(-power)), 64)
		if power < -5 || power > 6 {
			label = strconv.FormatFloat(i*step, 'g', 3, 64)
		}
		marks = append(marks, plot.Tick{Value: i * step, Label: label})
	}
	return marks
}

// short cuts a name to one line of at most that many letters.
func short(name string, letters int) string {
	r := []rune(strings.Join(strings.Fields(name), " "))
	if len(r) > letters {
		r = append(r[:letters-1], '…')
	}
	return string(r)
}
