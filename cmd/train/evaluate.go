package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

func (p *program) evaluate() *cobra.Command {
	var path, split, dir, pictures string
	var how inference
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "evaluate --checkpoint FILE",
		Short: "Measure a checkpoint on a split of its data",
		Long: `Measure a checkpoint on a split: IoU, Dice, precision and recall of each class,
from one confusion matrix over all images. Net, data and loss are those of the
configuration in the checkpoint. Images are measured at data.size as in training;
with --tile at their own size, from what predict --tile makes of them. --tile and
--tta give no loss.`,
		Example: p.named("  PROGRAM evaluate --checkpoint runs/unet/checkpoints/best.safetensors --json"),
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "checkpoint"); err != nil {
				return err
			}
			if split != "train" && split != "val" && split != "test" {
				return usagef("--split %s: want val, train or test", split)
			}
			return p.runEvaluate(cmd.Context(), path, split, dir, pictures, how, asJSON)
		},
	}
	cmd.Flags().StringVar(&path, "checkpoint", "", "checkpoint `FILE`")
	cmd.Flags().StringVar(&split, "split", "val", "what to measure on: `val|train|test`")
	cmd.Flags().StringVar(&dir, "data", "", "`DIR` to take the split from, with images/ and masks/ or images.npy and masks.npy")
	cmd.Flags().StringVar(&pictures, "pictures", "", "`DIR` to write a picture a sample to: image, mask and prediction side by side")
	how.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (p *program) runEvaluate(ctx context.Context, path, split, dir, pictures string, how inference, asJSON bool) error {
	saved, err := run.Read(path)
	if err != nil {
		return err
	}
	cfg := saved.Config
	if dir != "" {
		useFolder(&cfg.Data, split, dir)
	}
	set, err := data.Open(cfg.Data, cfg.Seed, split)
	if err != nil {
		return err
	}
	if pictures != "" {
		if err := os.MkdirAll(pictures, 0o755); err != nil {
			return err
		}
	}
	show := func(name string, s data.Sample, predicted []uint8) error {
		if pictures == "" {
			return nil
		}
		return writePicture(filepath.Join(pictures, name+".png"), s, predicted, data.Colors(cfg.Data))
	}
	console := p.console(false)
	progress := console.Progress("evaluating")
	var confusion *metric.Confusion
	value := math.NaN()
	if how.tile || how.tta {
		confusion, err = evaluatePredictions(ctx, saved, set, how, progress, show)
	} else {
		confusion, value, err = evaluateBatches(ctx, saved, set, progress, show)
	}
	console.Close()
	if err != nil {
		return err
	}
	r := confusion.Report(cfg.Data.Classes)
	r.Checkpoint, r.Split, r.Images = path, split, set.Len()
	r.Loss = metric.Number(value)
	if asJSON {
		return writeJSON(p.stdout, r)
	}
	fmt.Fprintf(p.stdout, "%s, %d images of %s", path, set.Len(), split)
	if !how.tile && !how.tta {
		fmt.Fprintf(p.stdout, ", loss %.4f", value)
	}
	fmt.Fprintln(p.stdout)
	return r.Table(p.stdout)
}

// evaluateBatches measures a net, and its loss, in batches, as training does. show
// sees each sample with its predicted mask.
func evaluateBatches(ctx context.Context, saved *run.Saved, set *data.Split, progress func(done, total int), show func(name string, s data.Sample, predicted []uint8) error) (*metric.Confusion, float64, error) {
	engine, params, err := saved.Net()
	if err != nil {
		return nil, 0, err
	}
	weights, err := saved.ClassWeights()
	if err != nil {
		return nil, 0, err
	}
	cfg := saved.Config
	graphs := &train.Graphs{Engine: engine, Params: params, Loss: loss.New(cfg.Loss, weights), Seed: cfg.Seed}
	loader := data.NewLoader(set, data.LoaderConfig{BatchSize: cfg.Train.BatchSize})
	return train.NewEvaluator(graphs).Run(ctx, loader, func(batch *data.Batch, predicted []uint8) error {
		progress(batch.First+batch.N, loader.Len())
		truth := train.Labels(nil, batch.Targets, batch.C)
		pixels := batch.H * batch.W
		for i, name := range batch.Names {
			s := data.Sample{Image: batch.Images[i*pixels*3:][:pixels*3], Mask: truth[i*pixels:][:pixels], H: batch.H, W: batch.W}
			if err := show(name, s, predicted[i*pixels:][:pixels]); err != nil {
				return err
			}
		}
		return nil
	})
}

// evaluatePredictions measures what predict makes of the images of a split: in
// tiles at their own size, or at the split's.
func evaluatePredictions(ctx context.Context, saved *run.Saved, set *data.Split, how inference, progress func(done, total int), show func(name string, s data.Sample, predicted []uint8) error) (*metric.Confusion, error) {
	net, err := saved.Predictor(how.tile, how.tta)
	if err != nil {
		return nil, err
	}
	confusion := metric.NewConfusion(net.Classes)
	load := set.Load
	if net.Tiled {
		load = set.LoadOwn
	}
	for i := range set.Len() {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s, err := load(i)
		if err != nil {
			return nil, err
		}
		predicted, err := net.Segment(ctx, imagefile.Image{Pix: s.Image, H: s.H, W: s.W}, nil)
		if err != nil {
			return nil, err
		}
		if err := confusion.Add(s.Mask, predicted); err != nil {
			return nil, err
		}
		if err := show(set.Name(i), s, predicted); err != nil {
			return nil, err
		}
		progress(i+1, set.Len())
	}
	return confusion, nil
}

// writePicture writes image, mask and prediction side by side.
func writePicture(path string, s data.Sample, predicted []uint8, palette color.Palette) error {
	return report.WritePNG(path, report.SideBySide(
		report.Picture(imagefile.Image{Pix: s.Image, H: s.H, W: s.W}),
		report.MaskPicture(s.Mask, s.H, s.W, palette),
		report.MaskPicture(predicted, s.H, s.W, palette)))
}

// useFolder makes dir the folder of a split, as npy or folder source.
func useFolder(cfg *data.Config, split, dir string) {
	cfg.Source = "folder"
	if _, err := os.Stat(filepath.Join(dir, "images.npy")); err == nil {
		cfg.Source = "npy"
	}
	switch split {
	case "val":
		cfg.Val = dir
	case "test":
		cfg.Test = dir
	}
	if split == "train" || cfg.Train == "" { // a folder source has a training set
		cfg.Train = dir
	}
}

// writeJSON prints v indented.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
