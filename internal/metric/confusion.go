// Package metric measures a segmentation from one confusion matrix over all
// of its pixels, never from averages over batches. With T the true pixels of
// a class, P its predicted pixels and I those that are both:
//
//	IoU = I / (T + P - I)    Dice = 2I / (T + P)    precision = I / P    recall = I / T
//
// A class that is neither present nor predicted has no IoU and no Dice (NaN)
// and is left out of their means; one that is absent but predicted has 0.
package metric

import (
	"fmt"
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Confusion counts pixels by true and predicted class.
type Confusion struct {
	classes int
	cells   []int64 // (classes, classes), rows: truth
}

// NewConfusion makes an empty matrix for 1..255 classes.
func NewConfusion(classes int) *Confusion {
	return &Confusion{classes, make([]int64, classes*classes)}
}

// Add counts the pixels of an image or a batch: truth[i] is 0..classes-1 or
// imagefile.Void, predicted[i] is 0..classes-1 and is not looked at where the
// truth is void. On an error nothing has been counted.
func (c *Confusion) Add(truth, predicted []uint8) error {
	if len(truth) != len(predicted) {
		return fmt.Errorf("metric: %d true pixels and %d predicted", len(truth), len(predicted))
	}
	n := uint8(c.classes)
	for i, t := range truth {
		if t == imagefile.Void {
			continue
		}
		if t >= n {
			return fmt.Errorf("metric: pixel %d has true class %d, want 0..%d or void %d", i, t, n-1, imagefile.Void)
		}
		if predicted[i] >= n {
			return fmt.Errorf("metric: pixel %d has predicted class %d, want 0..%d", i, predicted[i], n-1)
		}
	}
	for i, t := range truth {
		if t != imagefile.Void {
			c.cells[int(t)*c.classes+int(predicted[i])]++
		}
	}
	return nil
}

// Cells are the counts themselves, (classes, classes), row by row; rows are the truth.
func (c *Confusion) Cells() []int64 { return c.cells }

// Matrix is a copy of the counts, (classes, classes); rows are the truth,
// columns the prediction.
func (c *Confusion) Matrix() [][]int64 {
	rows := make([][]int64, c.classes)
	for t := range rows {
		rows[t] = append([]int64{}, c.cells[t*c.classes:(t+1)*c.classes]...)
	}
	return rows
}

// Pixels is the number of true pixels of a class.
func (c *Confusion) Pixels(class int) int64 {
	var n int64
	for p := range c.classes {
		n += c.cells[class*c.classes+p]
	}
	return n
}

// PredictedPixels is the number of labelled pixels that were predicted as a class.
func (c *Confusion) PredictedPixels(class int) int64 {
	var n int64
	for t := range c.classes {
		n += c.cells[t*c.classes+class]
	}
	return n
}

// Total is the number of labelled pixels.
func (c *Confusion) Total() int64 {
	var n int64
	for _, cell := range c.cells {
		n += cell
	}
	return n
}

// Wrong is the number of labelled pixels that were predicted as another class.
func (c *Confusion) Wrong() int64 {
	n := c.Total()
	for class := range c.classes {
		n -= c.hits(class)
	}
	return n
}

func (c *Confusion) hits(class int) int64 { return c.cells[class*c.classes+class] }

// IoU is the intersection over union of a class, NaN where both are empty.
func (c *Confusion) IoU(class int) float64 {
	hits := c.hits(class)
	return ratio(hits, c.Pixels(class)+c.PredictedPixels(class)-hits)
}

// Dice is the Dice coefficient (F1) of a class, NaN where it is neither
// present nor predicted.
func (c *Confusion) Dice(class int) float64 {
	return ratio(2*c.hits(class), c.Pixels(class)+c.PredictedPixels(class))
}

// Precision is the share of a class's predicted pixels that are right, NaN
// where it is never predicted.
func (c *Confusion) Precision(class int) float64 {
	return ratio(c.hits(class), c.PredictedPixels(class))
}

// Recall is the share of a class's true pixels that were found, NaN where it
// is absent.
func (c *Confusion) Recall(class int) float64 {
	return ratio(c.hits(class), c.Pixels(class))
}

// MeanIoU is the mean over the classes that have an IoU; NaN if none has.
func (c *Confusion) MeanIoU() float64 { return c.mean(c.IoU) }

// MeanDice is the mean over the classes that have a Dice; NaN if none has.
func (c *Confusion) MeanDice() float64 { return c.mean(c.Dice) }

// PixelAccuracy is the share of labelled pixels that are right; NaN if there
// are none.
func (c *Confusion) PixelAccuracy() float64 {
	var hits int64
	for class := range c.classes {
		hits += c.hits(class)
	}
	return ratio(hits, c.Total())
}

func (c *Confusion) mean(of func(class int) float64) float64 {
	sum, n := 0.0, 0
	for class := range c.classes {
		if x := of(class); !math.IsNaN(x) {
			sum += x
			n++
		}
	}
	return sum / float64(n) // 0/0 is NaN
}

func ratio(a, b int64) float64 { return float64(a) / float64(b) } // 0/0 is NaN
