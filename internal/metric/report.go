package metric

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

// Report is what `evaluate --json` prints. Confusion.Report fills in what
// follows from the matrix; Checkpoint, Split, Images and Loss are the caller's.
type Report struct {
	Checkpoint    string        `json:"checkpoint"`
	Split         string        `json:"split"`
	Images        int           `json:"images"`
	Pixels        int64         `json:"pixels"` // labelled ones
	Loss          Number        `json:"loss"`
	MeanIoU       Number        `json:"miou"`
	MeanDice      Number        `json:"mean_dice"`
	PixelAccuracy Number        `json:"pixel_accuracy"`
	Classes       []ClassReport `json:"classes"`
	Confusion     [][]int64     `json:"confusion"` // rows: truth
}

// ClassReport is the part of a Report about one class.
type ClassReport struct {
	Name            string `json:"name"`
	IoU             Number `json:"iou"`
	Dice            Number `json:"dice"`
	Precision       Number `json:"precision"`
	Recall          Number `json:"recall"`
	Pixels          int64  `json:"pixels"`
	PredictedPixels int64  `json:"predicted_pixels"`
}

// Number is a float64 that is null in JSON where it is NaN or infinite, which
// JSON cannot express. null reads back as NaN.
type Number float64

// MarshalJSON writes the number or null.
func (n Number) MarshalJSON() ([]byte, error) {
	if x := float64(n); math.IsNaN(x) || math.IsInf(x, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads a number or null.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

// Report sums up the matrix; names[c] is the name of class c.
func (c *Confusion) Report(names []string) Report {
	r := Report{
		Pixels:        c.Total(),
		Loss:          Number(math.NaN()),
		MeanIoU:       Number(c.MeanIoU()),
		MeanDice:      Number(c.MeanDice()),
		PixelAccuracy: Number(c.PixelAccuracy()),
		Classes:       make([]ClassReport, c.classes),
		Confusion:     c.Matrix(),
	}
	for i := range r.Classes {
		name := fmt.Sprintf("class %d", i)
		if i < len(names) {
			name = names[i]
		}
		r.Classes[i] = ClassReport{
			Name:            name,
			IoU:             Number(c.IoU(i)),
			Dice:            Number(c.Dice(i)),
			Precision:       Number(c.Precision(i)),
			Recall:          Number(c.Recall(i)),
			Pixels:          c.Pixels(i),
			PredictedPixels: c.PredictedPixels(i),
		}
	}
	return r
}

// Table writes a row for each class and a closing line for the terminal; a
// value that is undefined is a dash.
func (r Report) Table(w io.Writer) error {
	width := len("class")
	for _, class := range r.Classes {
		width = max(width, utf8.RuneCountInString(class.Name))
	}
	var b bytes.Buffer
	row := func(name string, cells ...any) {
		fmt.Fprintf(&b, "%-*s", width, name)
		fmt.Fprintf(&b, "  %6s  %6s  %9s  %6s  %11s  %9s\n", cells...)
	}
	row("class", "IoU", "Dice", "precision", "recall", "true pixels", "predicted")
	for _, class := range r.Classes {
		row(class.Name, class.IoU.cell(), class.Dice.cell(), class.Precision.cell(), class.Recall.cell(),
			share(class.Pixels, r.Pixels), share(class.PredictedPixels, r.Pixels))
	}
	fmt.Fprintf(&b, "mIoU %s  mean Dice %s  pixel accuracy %s\n", r.MeanIoU.cell(), r.MeanDice.cell(), r.PixelAccuracy.cell())
	_, err := b.WriteTo(w)
	return err
}

// undefined stands for a figure that is undefined.
const undefined = "–"

func (n Number) cell() string {
	if math.IsNaN(float64(n)) {
		return undefined
	}
	return fmt.Sprintf("%.4f", float64(n))
}

func share(pixels, total int64) string {
	if total == 0 {
		return undefined
	}
	return fmt.Sprintf("%.2f%%", 100*float64(pixels)/float64(total))
}
