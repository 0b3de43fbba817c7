package report

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
)

// Lines that stand for no class: colours that none of the first classes has.
var (
	blue  = color.NRGBA{0x33, 0x66, 0xcc, 0xff}
	brown = color.NRGBA{0xb8, 0x5c, 0x2e, 0xff}
)

// series is a line over the epochs.
type series struct {
	line
	values []float64 // NaN where there is none
}

// curves are the panels of curves.png: losses, mIoU and pixel accuracy, IoU, precision
// and recall of the classes, learning rate. The best epoch is marked, and where a
// resumed run went on.
func (h *history) curves(classes []string, palette color.Palette) []*panel {
	of := func(title string, text func(float64) string, share bool, all ...series) *panel {
		p := h.overEpochs(title, text, all)
		if share {
			p.plot.Y.Min, p.plot.Y.Max = 0, 1
		}
		return p
	}
	each := func(values func(class int) []float64) []series {
		var all []series
		for c, name := range classes {
			all = append(all, series{line{name: short(name, 20), colour: palette[c]}, values(c)})
		}
		return all
	}
	rate := of("Learning rate", threeDigits, false, series{line{name: "at the epoch's end", colour: blue}, h.column(lrColumn)})
	rate.plot.Y.Min = 0
	panels := []*panel{
		of("Loss", LossText, false,
			series{line{name: "training", colour: blue}, h.column(trainLossColumn)},
			series{line{name: "validation", colour: brown}, h.column(valLossColumn)}),
		of("Validation", shareText, true,
			series{line{name: "mean IoU", colour: blue}, h.column(miouColumn)},
			series{line{name: "pixel accuracy", colour: brown}, h.column(accuracyColumn)}),
		of("IoU of each class", shareText, true, each(func(c int) []float64 { return h.column(firstIoUColumn + c) })...),
		rate,
	}
	if len(h.evaluations) == 0 {
		return panels
	}
	figure := func(of func(metric.ClassReport) metric.Number) func(c int) []float64 {
		return func(c int) []float64 {
			values := make([]float64, len(h.rows))
			for i, r := range h.rows {
				values[i] = math.NaN()
				if e := h.evaluations[r.epoch()]; e != nil {
					values[i] = float64(of(e.Classes[c]))
				}
			}
			return values
		}
	}
	return append(panels,
		of("Precision of each class", shareText, true, each(figure(func(r metric.ClassReport) metric.Number { return r.Precision }))...),
		of("Recall of each class", shareText, true, each(figure(func(r metric.ClassReport) metric.Number { return r.Recall }))...))
}

// mostLines is the number of lines above which a panel does not name them.
const mostLines = 12

// overEpochs is a panel of lines over the epochs; text writes a value of theirs.
func (h *history) overEpochs(title string, text func(float64) string, all []series) *panel {
	epochs := h.column(epochColumn)
	p := newPanel(title)
	p.plot.X.Label.Text = "epoch"
	p.plot.X.Tick.Marker = ticks{most: 8, whole: true}
	p.plot.X.Min, p.plot.X.Max = epochs[0], epochs[len(epochs)-1]
	p.grid(true, true)
	for _, r := range h.resumes {
		p.plot.Add(upright{float64(r.Epoch) - 0.5, resumedLine})
	}
	if h.best >= 0 {
		p.plot.Add(upright{epochs[h.best], bestLine})
	}
	for _, s := range all {
		p.add(s.line, epochs, s.values)
	}
	if len(all) > mostLines {
		p.key = nil // no room
	}
	if h.best >= 0 {
		best := bestLine
		best.name = fmt.Sprintf("best epoch %d", h.rows[h.best].epoch())
		p.key = append(p.key, best)
	}
	if len(h.resumes) > 0 {
		p.key = append(p.key, resumedLine)
	}
	for i, epoch := range epochs {
		lines := []string{fmt.Sprintf("epoch %.0f", epoch)}
		if i == h.best {
			lines[0] += ", the best"
		}
		for _, s := range all[:min(len(all), mostLines)] {
			lines = append(lines, fmt.Sprintf("%s %s", s.name, text(s.values[i])))
		}
		if len(all) > mostLines {
			lines = append(lines, fmt.Sprintf("and %d more", len(all)-mostLines))
		}
		p.spots = append(p.spots, spot{epoch - 0.5, math.Inf(-1), epoch + 0.5, math.Inf(1), strings.Join(lines, "\n")})
	}
	return p
}

// Lines from top to bottom.
var (
	bestLine    = line{name: "best epoch", colour: color.NRGBA{0x2e, 0x9e, 0x5b, 0xff}, dashes: []vg.Length{}}
	resumedLine = line{name: "resumed", colour: ink, dashes: []vg.Length{3, 3}}
)

// upright is a line from top to bottom, at an epoch.
type upright struct {
	epoch float64
	line  line
}

// Plot draws the line.
func (m upright) Plot(c draw.Canvas, p *plot.Plot) {
	transform, _ := p.Transforms(&c)
	if x := transform(m.epoch); c.ContainsX(x) {
		m.line.stroke(&c, []vg.Point{{X: x, Y: c.Min.Y}, {X: x, Y: c.Max.Y}})
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
		p.spots = append(p.spots, spot{math.Inf(-1), at - 0.5, math.Inf(1), at + 0.5, names[c] + "\n" + fmt.Sprintf(format, v)})
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

// confusionPanels show which share of a class's true pixels was predicted as which
// class, and which share of the pixels predicted as a class was of which; in numbers
// too, where there is room.
func (e *evaluation) confusionPanels(names []string) []*panel {
	n := len(names)
	truth, predicted := make([]int64, n), make([]int64, n)
	for t, counts := range e.Confusion {
		for p, count := range counts {
			truth[t] += count
			predicted[p] += count
		}
	}
	return []*panel{
		e.confusionPanel(names, fmt.Sprintf("Of the true pixels of each class: predicted as, %%; epoch %d", e.Epoch), truth, predicted, true),
		e.confusionPanel(names, fmt.Sprintf("Of the pixels predicted as each class: true class, %%; epoch %d", e.Epoch), truth, predicted, false),
	}
}

func (e *evaluation) confusionPanel(names []string, title string, truth, predicted []int64, byTruth bool) *panel {
	const numbers = 12 // most classes with numbers
	n := len(names)
	cell := max(5, 44-vg.Length(n))                         // points
	every := int(math.Ceil(1.3 * textSize / float64(cell))) // classes per name
	p := newPanel(title)
	p.height = vg.Length(n)*cell + 150
	p.width = max(p.width, p.height)
	p.plot.X.Label.Text, p.plot.Y.Label.Text = "predicted class", "true class"
	var across, down plot.ConstantTicks
	for t, counts := range e.Confusion {
		y := float64(n - 1 - t)
		if t%every == 0 {
			name := short(names[t], 16)
			across = append(across, plot.Tick{Value: float64(t), Label: name})
			down = append(down, plot.Tick{Value: y, Label: name})
		}
		for c, count := range counts {
			total := predicted[c]
			if byTruth {
				total = truth[t]
			}
			if total > 0 {
				p.plot.Add(square{float64(c), y, float64(count) / float64(total), n <= numbers})
			}
			if n <= mostBars {
				p.spots = append(p.spots, spot{float64(c) - 0.5, y - 0.5, float64(c) + 0.5, y + 0.5, fmt.Sprintf("true %s, predicted %s\n%s pixels\n%s of the true, %s of the predicted",
					names[t], names[c], thousands(int(count)), percent(count, truth[t]), percent(count, predicted[c]))})
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
