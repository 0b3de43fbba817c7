package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
)

// history is what the files of a run folder tell of its training.
type history struct {
	columns      []string  // of metrics.csv
	rows         []row     // of metrics.csv, one per epoch
	start        *start    // nil: log.jsonl does not have it
	findings     []finding // of the log, those that are not over
	resumes      []start   // those of the log after which the rows were trained, in order
	last         *evaluation
	evaluations  map[int]*evaluation // those of the log by epoch, without Confusion
	begun, heard time.Time           // of the first and the last line of the log that tells more than a step; zero: unknown
	ended        *string             // what ended it, as event.Ended; nil: the log does not say
	skipped      int                 // lines of the log that cannot be read
	fault        error               // of the first of them
	best         int                 // row with the greatest mIoU, the first of equals; -1: none has one
}

var errNoEpoch = errors.New("no epoch is finished yet")

// row is an epoch in metrics.csv.
type row struct {
	cells  []string
	values []float64 // NaN where the cell is empty
}

// Columns of metrics.csv. IoU of the classes and the last two follow.
const (
	epochColumn = iota
	stepColumn
	lrColumn
	trainLossColumn
	valLossColumn
	miouColumn
	accuracyColumn
	firstIoUColumn
)

func (r row) epoch() int { return int(r.values[epochColumn]) }

// start is what the log says when a run begins or is resumed.
type start struct {
	Epochs       int       `json:"epochs"`
	Epoch        int       `json:"epoch"`   // that it begins or goes on in, from 1
	Step         int64     `json:"step"`    // steps done before
	Changes      []string  `json:"changes"` // since the checkpoint that it goes on from
	TrainImages  int       `json:"train_images"`
	ValImages    int       `json:"val_images"`
	Net          string    `json:"net"`
	Revision     string    `json:"revision"` // of the program
	Parameters   int       `json:"parameters"`
	ClassCounts  []int64   `json:"class_counts"`
	ClassWeights []float64 `json:"class_weights"`
}

// finding is what the log says is wrong with the run.
type finding struct {
	Epoch int    `json:"epoch"` // from 1
	Step  int64  `json:"step"`
	Name  string `json:"name"`
	Text  string `json:"text"`
	Over  bool   `json:"over"`
}

// notice takes in a finding: it replaces the one of its name.
func (h *history) notice(f finding) {
	h.findings = slices.DeleteFunc(h.findings, func(g finding) bool { return g.Name == f.Name })
	if !f.Over {
		h.findings = append(h.findings, f)
	}
}

// evaluation is what only the log says of an epoch.
type evaluation struct {
	Epoch     int                  `json:"epoch"`
	Classes   []metric.ClassReport `json:"classes"`
	Confusion [][]int64            `json:"confusion"`    // rows: truth
	Samples   []string             `json:"samples"`      // names
	Ranks     []string             `json:"sample_ranks"` // event.Sample has what they mean
	IoU       []metric.Number      `json:"sample_miou"`
	Ending    string               `json:"ending"` // why it was the last
}

// readHistory reads metrics.csv and log.jsonl of a run folder. What the log lacks
// is left out, and there may be no log: the table alone is enough for the curves.
func readHistory(dir string, classes []string) (*history, error) {
	table := &Table{Path: filepath.Join(dir, "metrics.csv"), Classes: classes}
	cells, err := table.read()
	if err != nil {
		return nil, err
	}
	h := &history{columns: table.header(), evaluations: map[int]*evaluation{}, best: -1}
	for _, c := range cells {
		r := row{cells: c, values: make([]float64, len(c))}
		for i, cell := range c {
			if r.values[i], err = parse(cell); err != nil {
				return nil, fmt.Errorf("report: %s: epoch %s: %s: %w", table.Path, c[epochColumn], h.columns[i], err)
			}
		}
		if n := r.values[epochColumn]; !(n >= 1 && n < 1<<31) {
			return nil, fmt.Errorf("report: %s: epoch %q, want 1 or more", table.Path, c[epochColumn])
		}
		if iou := r.values[miouColumn]; !math.IsNaN(iou) && (h.best < 0 || iou > h.rows[h.best].values[miouColumn]) {
			h.best = len(h.rows)
		}
		h.rows = append(h.rows, r)
	}
	if len(h.rows) == 0 {
		return nil, fmt.Errorf("report: %s: %w", table.Path, errNoEpoch)
	}
	return h, h.readLog(filepath.Join(dir, "log.jsonl"), len(classes))
}

// parse reads what number has written.
func parse(cell string) (float64, error) {
	if cell == "" {
		return math.NaN(), nil
	}
	x, err := strconv.ParseFloat(cell, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, fmt.Errorf("%q, want a number or nothing", cell)
	}
	return x, nil
}

// readLog takes from the log the last start, the resumes that led there, and the last
// evaluation of the table's last epoch. Lines that cannot be read are left out and counted.
func (h *history) readLog(path string, classes int) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // what a kill cut off is not looked at
		}
		if err != nil {
			return fmt.Errorf("report: %w", err)
		}
		if err := h.readEvent(line, classes); err != nil {
			if h.skipped++; h.skipped == 1 {
				h.fault = fmt.Errorf("%s:%d: %w", path, n, err)
			}
		}
	}
}

// readEvent takes in a line of the log. Most are of steps, which nothing here needs:
// of those only the ends are looked at.
func (h *history) readEvent(line []byte, classes int) error {
	switch {
	case !bytes.HasPrefix(line, []byte("{")) || !bytes.HasSuffix(line, []byte("}\n")):
		return fmt.Errorf("%.20q, want a line of JSON", line)
	case bytes.Contains(line, []byte(`"event":"started"`)):
		var started start
		if err := h.decode(line, &started); err != nil {
			return err
		}
		h.start, h.ended = nil, nil
		// Resumed from further back, a run goes through those steps again.
		h.findings = slices.DeleteFunc(h.findings, func(f finding) bool { return f.Step > started.Step })
		h.resumes = slices.DeleteFunc(h.resumes, func(r start) bool { return r.Step >= started.Step })
		if started.Step > 0 {
			h.resumes = append(h.resumes, started)
		}
		if len(started.ClassCounts) == classes && len(started.ClassWeights) == classes {
			h.start = &started
		}
	case bytes.Contains(line, []byte(`"event":"noticed"`)):
		var f finding
		if err := h.decode(line, &f); err != nil {
			return err
		}
		h.notice(f)
	case bytes.Contains(line, []byte(`"event":"epoch"`)):
		var e evaluation
		if err := h.decode(line, &e); err != nil {
			return err
		}
		if !e.fits(classes) {
			return nil
		}
		if e.Epoch == h.rows[len(h.rows)-1].epoch() {
			last := e
			h.last = &last
		}
		e.Confusion = nil
		h.evaluations[e.Epoch] = &e
	case bytes.Contains(line, []byte(`"event":"ended"`)):
		var ended struct{ Cause string }
		if err := h.decode(line, &ended); err != nil {
			return err
		}
		h.ended = &ended.Cause
	}
	return nil
}

// decode reads the data of a line of the log, and takes in its time.
func (h *history) decode(line []byte, data any) error {
	v := struct {
		Time string
		Data any
	}{Data: data}
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	if at, err := time.Parse(time.RFC3339Nano, v.Time); err == nil {
		if h.begun.IsZero() {
			h.begun = at
		}
		h.heard = at
	}
	return nil
}

// state says how far the run has come, and why it has not come further.
func (h *history) state() string {
	last := h.rows[len(h.rows)-1]
	text := fmt.Sprintf("Epoch %d", last.epoch())
	if h.start != nil {
		text += fmt.Sprintf(" of %d", h.start.Epochs)
	}
	ending := ""
	if h.last != nil {
		ending = h.last.Ending
	}
	switch {
	case h.ended != nil && *h.ended == "interrupted":
		return text + ", interrupted"
	case h.ended != nil && *h.ended != "":
		return text + ", failed: " + *h.ended
	case ending == "early_stop":
		text += ", stopped early"
		if h.best >= 0 {
			text += fmt.Sprintf(": no better mean IoU since epoch %d", h.rows[h.best].epoch())
		}
		return text
	case ending != "":
		return text + ", finished"
	case h.ended == nil && !h.heard.IsZero():
		return text + ", running at " + h.heard.UTC().Format("15:04 MST")
	}
	return text
}

// when is the time of the run, from its first start on.
func (h *history) when() string {
	if h.begun.IsZero() {
		return ""
	}
	const date, clock = "2 January 2006", "15:04"
	from, to := h.begun.UTC(), h.heard.UTC()
	if from.Format(date) == to.Format(date) {
		return from.Format(date+", "+clock) + " to " + to.Format(clock+" MST")
	}
	return from.Format(date+", "+clock) + " to " + to.Format(date+", "+clock+" MST")
}

// fits reports whether the evaluation has all that is drawn.
func (e *evaluation) fits(classes int) bool {
	for _, row := range e.Confusion {
		if len(row) != classes {
			return false
		}
	}
	return len(e.Confusion) == classes && len(e.Classes) == classes
}

// column is the values of a column of metrics.csv, one per epoch.
func (h *history) column(i int) []float64 {
	values := make([]float64, len(h.rows))
	for k, r := range h.rows {
		values[k] = r.values[i]
	}
	return values
}

// caption names a sample with its place in the split and its mean IoU, as far as the
// log has them.
func (e *evaluation) caption(i int) string {
	s := event.Sample{Name: e.Samples[i], MeanIoU: math.NaN()}
	if len(e.Ranks) == len(e.Samples) && len(e.IoU) == len(e.Samples) {
		s.Rank, s.MeanIoU = e.Ranks[i], float64(e.IoU[i])
	}
	return caption(s)
}
