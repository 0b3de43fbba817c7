package metric

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

// Spread is a figure over the folds of a cross-validation.
type Spread struct {
	Mean  Number   `json:"mean"`  // over the folds that have the figure
	Std   Number   `json:"std"`   // their sample standard deviation; undefined for fewer than two
	All   Number   `json:"all"`   // of one confusion matrix over the images of all folds
	Folds []Number `json:"folds"` // of each fold, in order
}

// FoldsReport is what the folds of a cross-validation score.
type FoldsReport struct {
	MeanIoU Spread       `json:"miou"`
	Classes []ClassFolds `json:"classes"`
}

// ClassFolds is the part of a FoldsReport about one class.
type ClassFolds struct {
	Name string `json:"name"`
	IoU  Spread `json:"iou"`
}

// Folds sums up the confusion matrices of the folds, one each, at least one; names[c]
// is the name of class c.
func Folds(folds []*Confusion, names []string) FoldsReport {
	all := NewConfusion(folds[0].classes)
	for _, f := range folds {
		for i, n := range f.cells {
			all.cells[i] += n
		}
	}
	spread := func(of func(c *Confusion) float64) Spread {
		s := Spread{All: Number(of(all))}
		var values []float64
		for _, f := range folds {
			values = append(values, of(f))
			s.Folds = append(s.Folds, Number(of(f)))
		}
		mean, std := MeanStd(values)
		s.Mean, s.Std = Number(mean), Number(std)
		return s
	}
	r := FoldsReport{MeanIoU: spread((*Confusion).MeanIoU)}
	for class, name := range names {
		r.Classes = append(r.Classes, ClassFolds{name, spread(func(c *Confusion) float64 { return c.IoU(class) })})
	}
	return r
}

// MeanStd is the mean of those values that are not NaN, and their sample standard
// deviation; NaN of none, and the deviation of fewer than two.
func MeanStd(values []float64) (mean, std float64) {
	var sum, squares, n float64
	for _, x := range values {
		if !math.IsNaN(x) {
			sum += x
			n++
		}
	}
	mean = sum / n // 0/0 is NaN
	for _, x := range values {
		if d := x - mean; !math.IsNaN(d) {
			squares += d * d
		}
	}
	if n < 2 {
		return mean, math.NaN()
	}
	return mean, math.Sqrt(squares / (n - 1))
}

// Rows are the name and the figures of each class and of their mean.
func (r FoldsReport) Rows() []ClassFolds {
	return append(r.Classes[:len(r.Classes):len(r.Classes)], ClassFolds{"mIoU", r.MeanIoU})
}

// Table writes a row for each class, and one for their mean, for the terminal; a value
// that is undefined is a dash.
func (r FoldsReport) Table(w io.Writer) error {
	width := len("class")
	for _, class := range r.Classes {
		width = max(width, utf8.RuneCountInString(class.Name))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%-*s  %6s  %6s  %6s", width, "IoU", "mean", "std", "all")
	for i := range r.MeanIoU.Folds {
		fmt.Fprintf(&b, "  %6s", fmt.Sprintf("fold%d", i))
	}
	b.WriteByte('\n')
	for _, row := range r.Rows() {
		fmt.Fprintf(&b, "%-*s  %6s  %6s  %6s", width, row.Name, row.IoU.Mean.cell(), row.IoU.Std.cell(), row.IoU.All.cell())
		for _, x := range row.IoU.Folds {
			fmt.Fprintf(&b, "  %6s", x.cell())
		}
		b.WriteByte('\n')
	}
	_, err := b.WriteTo(w)
	return err
}
