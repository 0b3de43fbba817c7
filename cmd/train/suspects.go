package main

import (
	"context"
	"path/filepath"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

// mostSuspects bounds the pictures of evaluate --suspects.
const mostSuspects = 30

// suspectPaths are the files that writeSuspects may write.
func suspectPaths(dir string, set *data.Split) []string {
	paths := []string{filepath.Join(dir, "suspects.csv")}
	for i := range set.Len() {
		paths = append(paths, suspectPicture(dir, set.Name(i)))
	}
	return paths
}

func suspectPicture(dir, name string) string { return pictureOf(dir, name+".suspect") }

// writeSuspects writes the masks of a split that are probably wrong to dir: a list of
// all, and pictures of the first.
func (p *program) writeSuspects(ctx context.Context, all run.Ensemble, how inference, set *data.Split, cfg config.Config, dir string) error {
	net, err := all.Predictor(how.tile, how.tta)
	if err != nil {
		return err
	}
	console := p.console(false)
	suspects, err := run.Suspects(ctx, []run.Unseen{{Net: net, Set: set}}, console.Progress("looking for suspects", "images"))
	console.Close()
	if err != nil {
		return err
	}
	var rows []report.SuspectRow
	for i, s := range suspects {
		row := report.SuspectRow{Name: s.Name(), Areas: s.Areas}
		if i < mostSuspects {
			path := suspectPicture(dir, s.Name())
			if err := pictureSuspect(ctx, s, path, cfg); err != nil {
				return err
			}
			if row.Picture, err = filepath.Rel(dir, path); err != nil {
				return err
			}
		}
		rows = append(rows, row)
	}
	path := filepath.Join(dir, "suspects.csv")
	if err := report.WriteSuspects(path, cfg.Data.Classes, rows); err != nil {
		return err
	}
	return console.Note("%d of %d masks have areas where the net is sure of something else: see %s", len(suspects), set.Len(), path)
}

func pictureSuspect(ctx context.Context, s run.Suspect, path string, cfg config.Config) error {
	sample, predicted, doubts, err := s.Pixels(ctx)
	if err != nil {
		return err
	}
	if err := durable.MakeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	return imagefile.WritePNG(path, report.SuspectPicture(sample, predicted, doubts, s.Areas, report.Display(data.Colors(cfg.Data))))
}
