package report

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// page is what page.html shows.
type page struct {
	Title     string
	State     string // how far it has come, and why no further
	When      string
	Net       string
	Revision  string // of the program
	Findings  []finding
	Resumed   []resume
	Facts     []fact
	Curves    []chart
	Classes   []classRow
	Charts    []chart    // of the classes
	Counts    []countRow // the confusion matrix
	Layers    []layer
	Errors    []classRow // colours of what is wrong
	Samples   []sampleView
	Columns   []string // of metrics.csv, in words
	Epochs    [][]figure
	Config    string
	Reproduce string
}

// resume is where a run went on, and what had changed.
type resume struct {
	Where   string
	Changes []string
}

// figure is a value with all its digits and as it is shown.
type figure struct{ Value, Text string }

type fact struct {
	Name string
	figure
	Note string
}

type chart struct {
	Name string
	SVG  template.HTML
}

type classRow struct {
	Name    string
	Colour  template.CSS
	Figures []figure
}

// countRow is the pixels of a true class by predicted class.
type countRow struct {
	Name   string
	Counts []figure
}

// layer is a picture that is laid over a sample's image.
type layer struct{ ID, Name string }

type sampleView struct {
	Name   string
	Image  template.URL
	Layers []layerView
}

type layerView struct {
	ID      string
	Picture template.URL
}

// mostBars is the number of classes above which the page has no bars of them.
const mostBars = 40

func (p *Pages) writePage(h *history) error {
	view := page{
		Title:     filepath.Base(absolute(p.Dir)),
		State:     h.state(),
		When:      h.when(),
		Findings:  h.findings,
		Facts:     h.facts(),
		Classes:   p.classRows(h),
		Columns:   inWords(h.columns),
		Config:    string(p.Config),
		Reproduce: fmt.Sprintf("%s --config %s --out %s", quote(p.Program), quote(filepath.Join(p.Dir, "config.yaml")), quote(strings.TrimRight(p.Dir, "/")+"-again")),
	}
	if h.start != nil {
		view.Net, view.Revision = h.start.Net, h.start.Revision
	}
	for _, r := range h.resumes {
		view.Resumed = append(view.Resumed, resume{fmt.Sprintf("in epoch %d, after step %d", r.Epoch, r.Step), r.Changes})
	}
	for _, r := range h.rows {
		var cells []figure
		for i, cell := range r.cells {
			cells = append(cells, figure{cell, shown(h.columns, i, r.values[i])})
		}
		view.Epochs = append(view.Epochs, cells)
	}
	var panels []*panel
	if h.start != nil && len(p.Classes) <= mostBars { // the table has the same figures
		panels = append(panels, h.start.classes(p.Classes, p.Palette)...)
	}
	if h.last != nil {
		panels = append(panels, h.last.confusionPanels(p.Classes)...)
	}
	if h.last != nil && len(p.Classes) <= mostBars {
		for c, counts := range h.last.Confusion {
			row := countRow{Name: p.Classes[c]}
			for _, n := range counts {
				row.Counts = append(row.Counts, figure{strconv.FormatInt(n, 10), thousands(int(n))})
			}
			view.Counts = append(view.Counts, row)
		}
	}
	var err, errClasses error
	view.Curves, err = charts(h.curves(p.Classes, p.Palette))
	view.Charts, errClasses = charts(panels)
	if err := errors.Join(err, errClasses); err != nil {
		return err
	}
	if err := p.addSamples(&view, h); err != nil {
		return err
	}
	return p.write("report.html", func(w io.Writer) error { return pageTemplate.Execute(w, view) })
}

// facts are the figures at the top of the page.
func (h *history) facts() []fact {
	last := h.rows[len(h.rows)-1]
	of := func(r row, column int) figure {
		return figure{r.cells[column], shown(h.columns, column, r.values[column])}
	}
	var facts []fact
	if h.best >= 0 {
		best := h.rows[h.best]
		facts = append(facts, fact{"best mean IoU", of(best, miouColumn), fmt.Sprintf("epoch %d", best.epoch())})
	}
	facts = append(facts,
		fact{"mean IoU", of(last, miouColumn), "last epoch"},
		fact{"pixel accuracy", of(last, accuracyColumn), "last epoch"},
		fact{"validation loss", of(last, valLossColumn), "last epoch"},
		fact{"training loss", of(last, trainLossColumn), "last epoch"})
	speed, seconds := len(h.columns)-2, 0.0
	for _, s := range h.column(speed + 1) {
		if !math.IsNaN(s) {
			seconds += s
		}
	}
	facts = append(facts,
		fact{"images per second", of(last, speed), "training, last epoch"},
		fact{"time", figure{fmt.Sprintf("%.1f", seconds), duration(seconds)}, "all epochs"})
	if h.start != nil {
		count := func(n int) figure { return figure{strconv.Itoa(n), thousands(n)} }
		facts = append(facts,
			fact{"training images", count(h.start.TrainImages), ""},
			fact{"validation images", count(h.start.ValImages), ""},
			fact{"parameters", count(h.start.Parameters), h.start.Net})
	}
	return facts
}

// classRows are the table of classes: IoU by metrics.csv, the rest by the log.
func (p *Pages) classRows(h *history) []classRow {
	last := h.rows[len(h.rows)-1]
	var counted, labelled int64
	if h.start != nil {
		for _, n := range h.start.ClassCounts {
			counted += n
		}
	}
	if h.last != nil {
		for _, class := range h.last.Classes {
			labelled += class.Pixels
		}
	}
	share := func(n, total int64) figure {
		if total == 0 {
			return figure{}
		}
		return figure{number(float64(n) / float64(total)), percent(n, total)}
	}
	ratio := func(x float64) figure { return figure{number(x), shareText(x)} }
	var rows []classRow
	for c, name := range p.Classes {
		r := classRow{Name: name, Colour: css(p.Palette[c])}
		column := firstIoUColumn + c
		r.Figures = append(r.Figures, figure{last.cells[column], shareText(last.values[column])})
		dice, precision, recall, truth, predicted := figure{}, figure{}, figure{}, figure{}, figure{}
		if h.last != nil {
			class := h.last.Classes[c]
			dice, precision, recall = ratio(float64(class.Dice)), ratio(float64(class.Precision)), ratio(float64(class.Recall))
			truth, predicted = share(class.Pixels, labelled), share(class.PredictedPixels, labelled)
		}
		r.Figures = append(r.Figures, dice, precision, recall, truth, predicted)
		training, weight := figure{}, figure{}
		if h.start != nil {
			training = share(h.start.ClassCounts[c], counted)
			weight = figure{number(h.start.ClassWeights[c]), fmt.Sprintf("%.4g", h.start.ClassWeights[c])}
		}
		rows = append(rows, classRow{r.Name, r.Colour, append(r.Figures, training, weight)})
	}
	return rows
}

// addSamples takes the samples of the last and of the best epoch out of their sheets.
func (p *Pages) addSamples(view *page, h *history) error {
	if h.last == nil || len(h.last.Samples) == 0 {
		return nil
	}
	sheet := newSheet(p.Size[0], p.Size[1])
	img, err := p.readSheet(sheet, h.last.Epoch, len(h.last.Samples))
	if err != nil || img == nil {
		return err
	}
	view.Layers = []layer{{"truth", "truth"}, {"prediction", fmt.Sprintf("prediction, epoch %d", h.last.Epoch)}, {"error", fmt.Sprintf("error, epoch %d", h.last.Epoch)}}
	var best draws
	var bestSamples []string
	if h.best >= 0 && h.rows[h.best].epoch() != h.last.Epoch {
		epoch := h.rows[h.best].epoch()
		if e := h.evaluations[epoch]; e != nil && slices.ContainsFunc(e.Samples, func(name string) bool { return slices.Contains(h.last.Samples, name) }) {
			bestSamples = e.Samples
			if best, err = p.readSheet(sheet, epoch, len(bestSamples)); err != nil {
				return err
			}
		}
		if best != nil {
			view.Layers = append(view.Layers, layer{"best", fmt.Sprintf("prediction, best epoch %d", epoch)})
		}
	}
	view.Errors = []classRow{{Name: missedName, Colour: css(missed)}, {Name: falseName, Colour: css(falsely)}}
	for row, name := range h.last.Samples {
		cut := func(img draws, row, column int) template.URL {
			var b bytes.Buffer
			encoder.Encode(&b, img.SubImage(sheet.cell(row, column))) // in memory, of a size > 0
			return dataURI("image/png", b.Bytes())
		}
		s := sampleView{Name: h.last.caption(row), Image: cut(img, row, imageColumn), Layers: []layerView{
			{"truth", cut(img, row, truthColumn)}, {"prediction", cut(img, row, predictionColumn)}, {"error", cut(img, row, errorColumn)},
		}}
		if at := slices.Index(bestSamples, name); best != nil && at >= 0 {
			s.Layers = append(s.Layers, layerView{"best", cut(best, at, predictionColumn)})
		}
		view.Samples = append(view.Samples, s)
	}
	return nil
}

// draws is an image that can be cut.
type draws interface {
	image.Image
	SubImage(r image.Rectangle) image.Image
}

// readSheet is the sheet of an epoch, nil where there is none.
func (p *Pages) readSheet(s sheet, epoch, samples int) (draws, error) {
	path := filepath.Join(p.Dir, samplePath(epoch))
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	defer f.Close()
	size, err := png.DecodeConfig(f)
	if err != nil {
		return nil, fmt.Errorf("report: %s: %w", path, err)
	}
	most := s.cell(samples-1, sheetColumns-1).Max
	if size.Width < most.X || size.Height < most.Y || size.Width > 1<<13 || size.Height > 1<<14 {
		return nil, fmt.Errorf("report: %s is %dx%d, which is not a picture of %d samples of %dx%d; remove it", path, size.Width, size.Height, samples, p.Size[1], p.Size[0])
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	img, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("report: %s: %w", path, err)
	}
	cuttable, ok := img.(draws)
	if !ok {
		return nil, fmt.Errorf("report: %s is a %T", path, img)
	}
	return cuttable, nil
}

func charts(panels []*panel) ([]chart, error) {
	var all []chart
	for _, p := range panels {
		svg, err := p.svg()
		if err != nil {
			return nil, fmt.Errorf("report: %s: %w", p.title, err)
		}
		all = append(all, chart{p.title, svg})
	}
	return all, nil
}

func dataURI(kind string, file []byte) template.URL {
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(file))
}

func css(c color.Color) template.CSS {
	r, g, b, _ := c.RGBA()
	return template.CSS(fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8))
}

// undefined stands for a figure that is undefined.
const undefined = "–"

// shown is a value of a column of metrics.csv in few digits, a dash where it is
// undefined.
func shown(columns []string, column int, x float64) string {
	switch {
	case math.IsNaN(x):
		return undefined
	case column == epochColumn || column == stepColumn:
		return thousands(int(x))
	case column == lrColumn:
		return threeDigits(x)
	case column == trainLossColumn || column == valLossColumn:
		return LossText(x)
	case column == len(columns)-2:
		return rateText(x)
	case column == len(columns)-1:
		return duration(x)
	}
	return shareText(x)
}

// inWords are the columns of metrics.csv for a person.
func inWords(columns []string) []string {
	words := []string{"epoch", "step", "learning rate", "training loss", "validation loss", "mean IoU", "pixel accuracy"}
	for _, class := range columns[firstIoUColumn : len(columns)-2] {
		words = append(words, "IoU of "+strings.TrimPrefix(class, "iou_"))
	}
	return append(words, "images per second", "time")
}

// shareText is a share such as an IoU: a difference of less than a thousandth says
// nothing.
func shareText(x float64) string {
	if math.IsNaN(x) {
		return undefined
	}
	return fmt.Sprintf("%.3f", x)
}

// threeDigits are those of x, a dash where it is undefined.
func threeDigits(x float64) string {
	if math.IsNaN(x) {
		return undefined
	}
	return fmt.Sprintf("%.3g", x)
}

// percent is n of total, a dash where that is 0.
func percent(n, total int64) string {
	if total == 0 {
		return undefined
	}
	return fmt.Sprintf("%.2f %%", 100*float64(n)/float64(total))
}

// decimals are four of x, a dash where it is undefined.
func decimals(x float64) string {
	if math.IsNaN(x) {
		return undefined
	}
	return fmt.Sprintf("%.4f", x)
}

// thousands groups the digits of n >= 0.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// duration is a time in two units.
func duration(seconds float64) string {
	s := int(math.Round(seconds))
	switch {
	case s < 60:
		return fmt.Sprintf("%.1f s", seconds)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
}

// quote is a word of a POSIX shell.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// absolute is the path with the names that "." and ".." stand for.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
