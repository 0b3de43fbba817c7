package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
)

// WriteScores writes a CSV file with a row for each image, and makes its folder:
//
//	name,pixels,miou,iou_<class>...,dice_<class>...
//
// A value that is undefined is an empty cell.
func WriteScores(path string, classes []string, scores []metric.Score) error {
	return writeScores(path, classes, scores, nil)
}

// WriteFoldScores writes the same of a cross-validation, in the order of the names,
// with the number of the fold that each image is in:
//
//	name,fold,pixels,miou,iou_<class>...,dice_<class>...
func WriteFoldScores(path string, classes []string, folds [][]metric.Score) error {
	var scores []metric.Score
	fold := map[string]int{}
	for i, f := range folds {
		scores = append(scores, f...)
		for _, s := range f {
			fold[s.Name] = i
		}
	}
	slices.SortFunc(scores, func(a, b metric.Score) int { return strings.Compare(a.Name, b.Name) })
	return writeScores(path, classes, scores, fold)
}

func writeScores(path string, classes []string, scores []metric.Score, fold map[string]int) error {
	header := []string{"name", "pixels", "miou"}
	for _, figure := range []string{"iou_", "dice_"} {
		for _, class := range classes {
			header = append(header, figure+class)
		}
	}
	if fold != nil {
		header = slices.Insert(header, 1, "fold")
	}
	rows := [][]string{header}
	for _, s := range scores {
		row := []string{s.Name, strconv.FormatInt(s.Pixels, 10), number(s.MeanIoU)}
		for _, figures := range [][]float64{s.IoU, s.Dice} {
			for _, x := range figures {
				row = append(row, number(x))
			}
		}
		if fold != nil {
			row = slices.Insert(row, 1, strconv.Itoa(fold[s.Name]))
		}
		rows = append(rows, row)
	}
	if err := durable.MakeFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return durable.WriteFile(path, encode(rows))
}

// WriteFolds writes a CSV file with the IoU of each class, and of their mean as the
// last row:
//
//	class,mean,std,all,fold0,fold1...
//
// A value that is undefined is an empty cell.
func WriteFolds(path string, r metric.FoldsReport) error {
	header := []string{"class", "mean", "std", "all"}
	for i := range r.MeanIoU.Folds {
		header = append(header, fmt.Sprintf("fold%d", i))
	}
	rows := [][]string{header}
	for _, c := range r.Rows() {
		row := []string{c.Name, number(float64(c.IoU.Mean)), number(float64(c.IoU.Std)), number(float64(c.IoU.All))}
		for _, x := range c.IoU.Folds {
			row = append(row, number(float64(x)))
		}
		rows = append(rows, row)
	}
	return durable.WriteFile(path, encode(rows))
}
