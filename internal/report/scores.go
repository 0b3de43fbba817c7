package report

import (
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
)

// WriteScores writes a CSV file with a row for each image, and makes its folder:
//
//	name,pixels,miou,iou_<class>...,dice_<class>...
//
// A value that is undefined is an empty cell.
func WriteScores(path string, classes []string, scores []metric.Score) error {
	header := []string{"name", "pixels", "miou"}
	for _, figure := range []string{"iou_", "dice_"} {
		for _, class := range classes {
			header = append(header, figure+class)
		}
	}
	rows := [][]string{header}
	for _, s := range scores {
		row := []string{s.Name, strconv.FormatInt(s.Pixels, 10), number(s.MeanIoU)}
		for _, figures := range [][]float64{s.IoU, s.Dice} {
			for _, x := range figures {
				row = append(row, number(x))
			}
		}
		rows = append(rows, row)
	}
	if err := durable.MakeFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return durable.WriteFile(path, encode(rows))
}
