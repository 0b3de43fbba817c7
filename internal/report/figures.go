package report

import (
	"fmt"
	"math"
	"path/filepath"
)

// Figures are what metrics.csv says of a run in few words.
type Figures struct {
	Epochs    int     // done
	BestIoU   float64 // greatest mean IoU of a validation; NaN: none has one
	BestEpoch int     // of BestIoU, from 1; 0: none
	LastIoU   float64 // of the last validation; NaN if it has none
}

// ReadFigures reads those of a run folder with these classes. There may be no epoch yet.
func ReadFigures(dir string, classes []string) (Figures, error) {
	f := Figures{BestIoU: math.NaN(), LastIoU: math.NaN()}
	t := &Table{Path: filepath.Join(dir, "metrics.csv"), Classes: classes}
	rows, err := t.read()
	if err != nil {
		return f, err
	}
	for _, cells := range rows {
		epoch, errEpoch := parse(cells[epochColumn])
		iou, err := parse(cells[miouColumn])
		if errEpoch != nil || err != nil || !(epoch >= 1 && epoch < 1<<31) {
			return f, fmt.Errorf("report: %s: epoch %q with val_miou %q, want numbers", t.Path, cells[epochColumn], cells[miouColumn])
		}
		f.Epochs, f.LastIoU = int(epoch), iou
		if iou > f.BestIoU || f.BestEpoch == 0 && !math.IsNaN(iou) {
			f.BestIoU, f.BestEpoch = iou, f.Epochs
		}
	}
	return f, nil
}
