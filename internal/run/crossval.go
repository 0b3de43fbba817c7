package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

// Crossval is the result of a cross-validation, as crossval.json has it.
type Crossval struct {
	Images int    `json:"images"`
	Seed   uint64 `json:"seed"`
	Group  string `json:"group"` // data.group
	Folds  []Fold `json:"folds"`
	metric.FoldsReport
}

// Fold is one training of a cross-validation.
type Fold struct {
	Checkpoint  string `json:"checkpoint"` // in the folder of the cross-validation
	Epochs      int    `json:"epochs"`
	TrainImages int    `json:"train_images"`
	ValImages   int    `json:"val_images"`
}

// Files in the folder of a cross-validation, beside fold0, fold1 and so on.
const (
	crossvalLock    = "crossval.lock"
	crossvalJSON    = "crossval.json"
	crossvalCSV     = "crossval.csv"
	imagesCSV       = "images.csv"
	predictionsName = "predictions"
	suspectsName    = "suspects"
)

// fold is one training of a cross-validation that is to be run.
type fold struct {
	Training
	train, val *data.Split
	begun      bool
}

// Crossval trains a net for each of data.folds folds on the images of the others, in
// the folders fold0, fold1 and so on of the run folder, and has it predict those of the
// fold, at their own sizes, after its last epoch: the best one would be chosen by
// these very images. Resume is not read: trainings that were begun go on, and what
// has ended is left as it is. The results are written beside the run folders:
// crossval.json, crossval.csv, images.csv, predictions/ and, if they are asked for,
// suspects/.
func (t Training) Crossval(ctx context.Context) (result Crossval, err error) {
	cfg := t.Config
	if err := (durable.Outputs{Inputs: cfg.Data.Inputs(), Force: true}).Check(filepath.Join(cfg.Out, crossvalLock)); err != nil {
		return result, Usage(fmt.Errorf("out: %w", err))
	}
	if err := refuseOutputs(cfg.Out, crossvalLock, crossvalJSON, crossvalCSV, imagesCSV, predictionsName, suspectsName); err != nil {
		return result, err
	}
	folds := make([]fold, cfg.Data.Folds)
	for i := range folds {
		if folds[i], err = t.fold(i); err != nil {
			return result, err
		}
	}
	if slices.ContainsFunc(folds, func(f fold) bool { return !f.begun }) {
		if err := checkFolds(ctx, folds); err != nil {
			return result, err
		}
	}
	out, err := lockFolder(cfg.Out, crossvalLock)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for i, f := range folds {
		if err := f.goOn(ctx, fmt.Sprintf("fold%d (%d of %d)", i, i+1, len(folds))); err != nil {
			return result, err
		}
	}
	if result, err = t.score(ctx, folds); err != nil || !t.Suspects {
		return result, err
	}
	return result, t.suspects(ctx, folds)
}

// suspects looks for masks that are probably wrong, each by the net that has not
// learnt it.
func (t Training) suspects(ctx context.Context, folds []fold) error {
	search := SuspectSearch{Classes: t.Config.Data.Classes, Palette: report.Display(data.Colors(t.Config.Data)), Dir: filepath.Join(t.Config.Out, suspectsName), Console: folds[0].Console}
	for _, f := range folds {
		search.All = append(search.All, Unseen{func() (predict.Net, error) {
			saved, err := f.last()
			if err != nil {
				return predict.Net{}, err
			}
			return Ensemble{saved}.Predictor(false, false)
		}, f.val})
	}
	if err := search.removeHalfWritten(); err != nil {
		return fmt.Errorf("out: %w", err)
	}
	return search.Run(ctx)
}

// fold is the training of a fold, and its data.
func (t Training) fold(i int) (f fold, err error) {
	f.Training = t
	f.Config.Data.Fold = i
	f.Config.Out = filepath.Join(t.Config.Out, fmt.Sprintf("fold%d", i))
	f.Console = fresh(t.Console)
	cfg := f.Config.Data
	cfg.Cache = "off" // each image is read once
	if f.train, err = data.Open(cfg, f.Config.Seed, "train"); err != nil {
		return f, err
	}
	if f.val, err = data.Open(cfg, f.Config.Seed, "val"); err != nil {
		return f, err
	}
	saved, err := f.last()
	if err != nil {
		return f, err
	}
	f.begun = saved != nil
	return f, f.checkSame(saved)
}

// checkFolds reports, before any is trained, folds without a label to measure on, and
// those whose other folds lack a class. Each mask is read once.
func checkFolds(ctx context.Context, folds []fold) error {
	cfg := folds[0].Config
	counts := make([]data.Counts, len(folds))
	images := 0
	for _, f := range folds {
		images += f.val.Len()
	}
	seen := 0
	progress := folds[0].Console.Progress("counting classes of all folds", "images")
	defer folds[0].Console.Close()
	var errs []error
	for i, f := range folds {
		var err error
		if counts[i], err = data.CountClasses(ctx, f.val, cfg.Threads, func(done, _ int) { progress(seen+done, images) }); err != nil {
			return err
		}
		seen += f.val.Len()
		if counts[i].Labelled() == 0 {
			errs = append(errs, fmt.Errorf("fold%d: %w", i, cfg.Data.Unlabelled("val", f.val.Len())))
		}
	}
	for i := range folds {
		pixels, imagePixels := make([]int64, len(cfg.Data.Classes)), make([]int64, len(cfg.Data.Classes))
		for k, c := range counts {
			for class := range pixels {
				if k != i {
					pixels[class] += c.Pixels[class]
					imagePixels[class] += c.ImagePixels[class]
				}
			}
		}
		if _, err := loss.Weights(cfg.Loss, pixels, imagePixels, cfg.Data.Classes); err != nil {
			errs = append(errs, fmt.Errorf("fold%d trains on the others: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// prediction is the file of an image's predicted mask.
func (t Training) prediction(name string) string {
	return filepath.Join(t.Config.Out, predictionsName, filepath.FromSlash(name)+".png")
}

// removeHalfWritten removes what a cross-validation that was killed left of its results.
func (t Training) removeHalfWritten(folds []fold) error {
	ours := map[string][]string{t.Config.Out: {crossvalJSON, crossvalCSV, imagesCSV}} // by folder
	for _, f := range folds {
		for k := range f.val.Len() {
			path := t.prediction(f.val.Name(k))
			ours[filepath.Dir(path)] = append(ours[filepath.Dir(path)], filepath.Base(path))
		}
	}
	for dir, names := range ours {
		slices.Sort(names)
		err := durable.RemoveStale(dir, func(name string) bool { _, ok := slices.BinarySearch(names, name); return ok })
		if err != nil {
			return fmt.Errorf("out: %w", err)
		}
	}
	return nil
}

// predict has the fold's last checkpoint, which it returns, predict each image of the
// fold at its own size.
func (f fold) predict(ctx context.Context, see func(i int, sample data.Sample, mask []uint8) error) (*Saved, error) {
	saved, err := f.last()
	if err != nil {
		return nil, err
	}
	net, err := Ensemble{saved}.Predictor(false, false)
	if err != nil {
		return nil, err
	}
	for i := range f.val.Len() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		sample, err := f.val.LoadOwn(i)
		if err != nil {
			return nil, err
		}
		mask, err := net.Segment(ctx, imagefile.Image{Pix: sample.Image, H: sample.H, W: sample.W}, nil)
		if err != nil {
			return nil, err
		}
		if err := see(i, sample, mask); err != nil {
			return nil, err
		}
	}
	return saved, nil
}

// score has the net of each fold predict the images of the fold, and writes what comes of it.
func (t Training) score(ctx context.Context, folds []fold) (result Crossval, err error) {
	cfg := t.Config
	result = Crossval{Seed: cfg.Seed, Group: cfg.Data.Group}
	palette := data.Colors(cfg.Data)
	if err := t.removeHalfWritten(folds); err != nil {
		return result, err
	}
	var confusions []*metric.Confusion
	var scores [][]metric.Score
	for i, f := range folds {
		confusion, images := metric.NewConfusion(len(cfg.Data.Classes)), metric.NewImages(len(cfg.Data.Classes))
		progress := f.Console.Progress(fmt.Sprintf("predicting fold%d", i), "images")
		saved, err := f.predict(ctx, func(k int, sample data.Sample, mask []uint8) error {
			progress(k+1, f.val.Len())
			name := f.val.Name(k)
			if err := errors.Join(confusion.Add(sample.Mask, mask), images.Add(k, name, sample.Mask, mask)); err != nil {
				return err
			}
			if err := durable.MakeFolder(filepath.Dir(t.prediction(name))); err != nil {
				return err
			}
			return imagefile.WriteMask(t.prediction(name), mask, sample.H, sample.W, palette)
		})
		f.Console.Close()
		if err != nil {
			return result, err
		}
		at, err := saved.Position()
		if err != nil {
			return result, fmt.Errorf("%s: %w", saved.Path, err)
		}
		path, err := filepath.Rel(cfg.Out, saved.Path)
		if err != nil {
			return result, err
		}
		result.Images += f.val.Len()
		result.Folds = append(result.Folds, Fold{filepath.ToSlash(path), at.Epoch, f.train.Len(), f.val.Len()})
		confusions, scores = append(confusions, confusion), append(scores, images.Scores())
	}
	result.FoldsReport = metric.Folds(confusions, cfg.Data.Classes)
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return result, err
	}
	return result, errors.Join(
		report.WriteFoldScores(filepath.Join(cfg.Out, imagesCSV), cfg.Data.Classes, scores),
		report.WriteFolds(filepath.Join(cfg.Out, crossvalCSV), result.FoldsReport),
		durable.WriteFile(filepath.Join(cfg.Out, crossvalJSON), append(text, '\n')))
}
