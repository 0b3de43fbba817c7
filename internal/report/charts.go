package report

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Lines that stand for no class: colours that none of the first classes has.
var (
	blue  = color.NRGBA{0x33, 0x66, 0xcc, 0xff}
	brown = color.NRGBA{0xb8, 0x5c, 0x2e, 0xff}
)

// curves are the panels of curves.png: losses, mIoU and pixel accuracy, IoU of
// the classes, learning rate. A dashed line stands before an epoch in which a
// resumed run went on with something changed.
func (h *history) curves(classes []string, palette color.Palette) []*panel {
	epochs := h.column(epochColumn)
	over := func(title string, share bool) *panel {
		p := newPanel(title)
		p.plot.X.Label.Text = "epoch"
		p.plot.X.Tick.Marker = ticks{most: 8, whole: true}
		p.plot.X.Min, p.plot.X.Max = epochs[0], epochs[len(epochs)-1]
		if share {
			p.plot.Y.Min, p.plot.Y.Max = 0, 1
		}
		p.grid(true, true)
		for _, r := range h.resumes {
			if len(r.Changes) > 0 {
				p.plot.Add(resumeMark(float64(r.Epoch) - 0.5))
			}
		}
		return p
	}
	loss := over("Loss", false)
	loss.add(line{name: "training", colour: blue}, epochs, h.column(trainLossColumn))
	loss.add(line{name: "validation", colour: brown}, epochs, h.column(valLossColumn))
	quality := over("Validation", true)
	quality.add(line{name: "mean IoU", colour: blue}, epochs, h.column(miouColumn))
	quality.add(line{name: "pixel accuracy", colour: brown}, epochs, h.column(accuracyColumn))
	each := over("IoU of each class", true)
	for c, name := range classes {
		each.add(line{name: short(name, 20), colour: palette[c]}, epochs, h.column(firstIoUColumn+c))
	}
	if len(each.key) > 12 {
		each.key = nil // no room
	}
	rate := over("Learning rate", false)
	rate.plot.Y.Min = 0
	rate.add(line{name: "at the epoch's end", colour: blue}, epochs, h.column(lrColumn))
	return []*panel{loss, quality, each, rate}
}

// resumeMark is a dashed line from top to bottom, at an epoch.
type resumeMark float64

// Plot draws the line.
func (m resumeMark) Plot(c draw.Canvas, p *plot.Plot) {
	transform, _ := p.Transforms(&c)
	if x := transform(float64(m)); c.ContainsX(x) {
		c.StrokeLine2(draw.LineStyle{Color: ink, Width: 1, Dashes: []vg.Length{3, 3}}, x, c.Min.Y, x, c.Max.Y)
	}
}

// classes are the panels of classes.png: each class's share of the training
// pixels, and its weight.
func (s *start) classes(names []string, palette color.Palette) []*panel {
	var total int64
	for _, n := range s.ClassCounts {
		total += n
	}
	shares := make([]float64, len(names))
	for c, n := range s.ClassCounts {
		shares[c] = 100 * float64(n) / float64(max(total, 1))
	}
	return []*panel{
		bars("Share of the labelled training pixels, %", names, shares, palette, "%.2f %%"),
		bars("Weight in the loss", names, s.ClassWeights, palette, "%.4g"),
	}
}

// bars has one horizontal bar per class, the first at the top.
func bars(title string, names []string, values []float64, palette color.Palette, format string) *panel {
	const rowHeight, room = 24, 1.35 // for the numbers
	p := newPanel(title)
	p.height = vg.Length(70 + rowHeight*len(names))
	p.grid(true, false)
	ticks := make(plot.ConstantTicks, len(names))
	labels := plotter.XYLabels{}
	top := 0.0
	for c, v := range values {
		at := float64(len(names) - 1 - c)
		ticks[c] = plot.Tick{Value: at, Label: short(names[c], 24)}
		p.plot.Add(bar{at, v, palette[c]})
		labels.XYs = append(labels.XYs, plotter.XY{X: v, Y: at})
		labels.Labels = append(labels.Labels, fmt.Sprintf(format, v))
		top = max(top, v)
	}
	if top == 0 {
		top = 1
	}
	p.plot.X.Min, p.plot.X.Max, p.plot.Y.Padding = 0, top*room, 0
	p.plot.Y.Min, p.plot.Y.Max = -0.5, float64(len(names))-0.5
	p.plot.Y.Tick.Marker, p.plot.Y.Tick.Length = ticks, 0
	style := textStyle(textSize)
	style.YAlign = draw.YCenter
	p.plot.Add(&plotter.Labels{XYs: labels.XYs, Labels: labels.Labels, TextStyle: slices.Repeat([]text.Style{style}, len(names)), Offset: vg.Point{X: 5}})
	return p
}

// bar is a horizontal bar from 0 to x.
type bar struct {
	at, x float64
	fill  color.Color
}

// Plot draws the bar.
func (b bar) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	left, right, low, high := x(0), x(b.x), y(b.at-0.35), y(b.at+0.35)
	corners := []vg.Point{{X: left, Y: low}, {X: right, Y: low}, {X: right, Y: high}, {X: left, Y: high}}
	c.FillPolygon(b.fill, corners)
	c.StrokeLines(draw.LineStyle{Color: ink, Width: 0.8}, append(corners, corners[0]))
}

// confusionPanel shows which share of a class's true pixels was predicted as
// which class; in numbers too, where there is room.
func (e *evaluation) confusionPanel(names []string) *panel {
	const numbers = 12 // most classes with numbers
	n := len(names)
	cell := max(5, 44-vg.Length(n))                         // points
	every := int(math.Ceil(1.3 * textSize / float64(cell))) // classes per name
	p := newPanel(fmt.Sprintf("Share of a class's pixels predicted as each class, %%; epoch %d", e.Epoch))
	p.height = vg.Length(n)*cell + 150
	p.width = max(p.width, p.height)
	p.plot.X.Label.Text, p.plot.Y.Label.Text = "predicted class", "true class"
	var across, down plot.ConstantTicks
	for truth, counts := range e.Confusion {
		if truth%every == 0 {
			name := short(names[truth], 16)
			across = append(across, plot.Tick{Value: float64(truth), Label: name})
			down = append(down, plot.Tick{Value: float64(n - 1 - truth), Label: name})
		}
		var total int64
		for _, count := range counts {
			total += count
		}
		for predicted, count := range counts {
			if total > 0 {
				p.plot.Add(square{float64(predicted), float64(n - 1 - truth), float64(count) / float64(total), n <= numbers})
			}
		}
	}
	edge := float64(n) - 0.5
	p.plot.X.Min, p.plot.X.Max, p.plot.Y.Min, p.plot.Y.Max = -0.5, edge, -0.5, edge
	p.plot.X.Padding, p.plot.Y.Padding = 0, 0
	p.plot.X.Tick.Marker, p.plot.Y.Tick.Marker = across, down
	p.plot.X.Tick.Label.Rotation, p.plot.X.Tick.Label.XAlign = math.Pi/6, draw.XRight
	if n > numbers {
		p.plot.X.Tick.Label.Rotation, p.plot.X.Tick.Label.YAlign = math.Pi/2, draw.YCenter
	}
	return p
}

// square is a cell of a confusion matrix, the deeper the greater its share, 0..1.
type square struct {
	x, y, share float64
	number      bool
}

// Plot draws the cell and perhaps its share.
func (s square) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	if alpha := uint8(math.Round(255 * s.share)); alpha > 0 {
		left, right, low, high := x(s.x-0.5), x(s.x+0.5), y(s.y-0.5), y(s.y+0.5)
		c.FillPolygon(color.NRGBA{0x1a, 0x5f, 0xb4, alpha}, []vg.Point{{X: left, Y: low}, {X: right, Y: low}, {X: right, Y: high}, {X: left, Y: high}})
	}
	if !s.number {
		return
	}
	style := textStyle(textSize)
	style.XAlign, style.YAlign = draw.XCenter, draw.YCenter
	if s.share > 0.75 {
		style.Color = color.White
	}
	c.FillText(style, vg.Point{X: x(s.x), Y: y(s.y)}, fmt.Sprintf("%.1f", 100*s.share))
}
