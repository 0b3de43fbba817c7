package report

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
)

// Table writes metrics.csv, one row per epoch:
//
//	epoch,step,lr,train_loss,val_loss,val_miou,val_pixel_accuracy,iou_<class>...,images_per_second,seconds
//
// Epochs count from 1. A value that is undefined is an empty cell. A resumed run drops the rows
// of the epochs that it goes through again. Rows that could not be written are
// tried again with the next one and at the end.
type Table struct {
	Path    string
	Classes []string

	rows lines
}

// Record takes event.Started, event.Evaluated, event.Saving and event.Ended.
func (t *Table) Record(e event.Event) error {
	switch e := e.(type) {
	case event.Started:
		return t.start(e.Epoch)
	case event.Evaluated:
		return t.rows.add(t.Path, encode([][]string{t.row(e)}))
	case event.Saving:
		return t.rows.trySync(t.Path)
	case event.Ended:
		return t.rows.sync(t.Path)
	}
	return nil
}

func (t *Table) header() []string {
	row := []string{"epoch", "step", "lr", "train_loss", "val_loss", "val_miou", "val_pixel_accuracy"}
	for _, class := range t.Classes {
		row = append(row, "iou_"+class)
	}
	return append(row, "images_per_second", "seconds")
}

// start writes the header and the rows of the epochs that an earlier run has done.
func (t *Table) start(epochs int) error {
	rows := [][]string{t.header()}
	if epochs > 0 {
		old, err := t.read()
		if err != nil {
			return err
		}
		for _, row := range old {
			if n, err := strconv.Atoi(row[epochColumn]); err == nil && n <= epochs {
				rows = append(rows, row)
			}
		}
	}
	if err := durable.WriteFile(t.Path, encode(rows)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// read is the rows of an earlier run that are whole: a kill may have cut the last one off.
func (t *Table) read() ([][]string, error) {
	text, err := os.ReadFile(t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("report: %s: %w", t.Path, err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	if !slices.Equal(rows[0], t.header()) {
		return nil, fmt.Errorf("report: %s has the columns %v, want %v; move the file away to continue", t.Path, rows[0], t.header())
	}
	return slices.DeleteFunc(rows[1:], func(row []string) bool { return len(row) != len(rows[0]) }), nil
}

func (t *Table) row(e event.Evaluated) []string {
	row := []string{strconv.Itoa(e.Epoch + 1), strconv.FormatInt(e.Step, 10), number(e.LR), number(e.TrainLoss), number(e.ValLoss),
		number(e.Confusion.MeanIoU()), number(e.Confusion.PixelAccuracy())}
	for class := range t.Classes {
		row = append(row, number(e.Confusion.IoU(class)))
	}
	return append(row, speed(e.ImagesPerSecond), fmt.Sprintf("%.1f", e.Duration.Seconds()))
}

// speed has two decimals; NaN and infinities are empty.
func speed(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return ""
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

func encode(rows [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.WriteAll(rows) // to memory: cannot fail
	return b.Bytes()
}

// number has six significant digits; NaN and infinities are empty.
func number(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return ""
	}
	return strconv.FormatFloat(x, 'g', 6, 64)
}
