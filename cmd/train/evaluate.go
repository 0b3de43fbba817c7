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
	"strings"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
)

func (p *program) evaluate() *cobra.Command {
	var checkpoints []string
	var split, dir, pictures, perImage, suspects string
	var how inference
	var asJSON bool
	var settings overrides
	var replace outputs
	cmd := &cobra.Command{
		Use:   "evaluate --checkpoint FILE",
		Short: "Measure a checkpoint on a split of its data",
		Long: `Measure a checkpoint on a split: IoU, Dice, precision and recall of each class,
from one confusion matrix over all images. Net, data and loss are those of the
configuration in the checkpoint. Images are measured at data.size as in training;
with --tile, at their own size, as predict --tile segments them. The probabilities of
several checkpoints, whose nets may differ, are averaged; data are those of the first.
With --tile, --tta or several checkpoints there is no loss.

--per-image writes a line for each image, in the order of the split, so that the
files of two checkpoints can be compared line by line: name, labelled pixels, mIoU,
and IoU and Dice of each class. A cell is empty where the image has no pixel of the
class and none is predicted, and such classes are left out of the image's mIoU. Of
an image that is measured in patches, the pixels of all patches count together.

--suspects looks for masks that are probably wrong: areas of three pixels or more,
each way, where the net is about as sure of another class as it is where it is
right. suspects.csv lists them, the greatest doubt first, and suspects.html shows
image, mask, prediction and doubt of the first 30. They are suspects of this net:
where it is wrong itself, and sure, the mask is right. The masks must be new to
the net, as those of a validation set are.`,
		Example: p.named("  PROGRAM evaluate --checkpoint runs/unet/checkpoints/best.safetensors --json"),
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "checkpoint"); err != nil {
				return err
			}
			if split != "train" && split != "val" && split != "test" {
				return usagef("--split %s: want val, train or test", split)
			}
			return p.runEvaluate(cmd.Context(), checkpoints, split, dir, pictures, perImage, suspects, settings, how, asJSON, replace)
		},
	}
	registerCheckpoints(cmd, &checkpoints)
	cmd.Flags().StringVar(&split, "split", "val", "what to measure on: `val|train|test`")
	cmd.Flags().StringVar(&dir, "data", "", "`DIR` to take the split from, with images/ and masks/ or images.npy and masks.npy, or the names of the training data")
	cmd.Flags().StringVar(&pictures, "pictures", "", "`DIR` for one picture per sample: image, mask and prediction side by side")
	cmd.Flags().StringVar(&perImage, "per-image", "", "CSV `FILE` for a line per image: mIoU, and IoU and Dice of each class")
	cmd.Flags().StringVar(&suspects, "suspects", "", "`DIR` for the masks that are probably wrong: a page, suspects.html, with its pictures, and a list, suspects.csv")
	how.register(cmd)
	settings.register(cmd, "data.max_pixels", "data.palette", "data.mask_values", "data.ignore_index", "data.images", "data.masks", "data.image_suffix", "data.mask_suffix", "data.cache", "train.batch_size")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	replace.register(cmd)
	return cmd
}

func (p *program) runEvaluate(ctx context.Context, checkpoints []string, split, dir, pictures, perImage, suspects string, settings overrides, how inference, asJSON bool, replace outputs) error {
	all, err := settings.read(checkpoints)
	if err != nil {
		return err
	}
	if err := all.Agree(how.tile); err != nil {
		return err
	}
	predictions := how.tile || how.tta || len(all) > 1 // are measured, and not what training measures
	saved, path := all[0], all.String()
	cfg := saved.Config
	if dir == "" && split == "val" {
		p.warnSeen(all)
	}
	if dir != "" {
		if split != "train" && sameFolder(dir, cfg.Data.Train) {
			wayOut := ""
			if split == "val" && cfg.Data.Val == "" {
				wayOut = "; without --data only those that were split off are measured"
			}
			p.console(false).Warn("warning: --data %s is the folder that the net was trained on: the figures tell little of images that it has not seen%s", dir, wayOut)
		}
		if err := useFolder(&cfg.Data, split, dir); err != nil {
			return err
		}
	}
	set, err := data.Open(cfg.Data, cfg.Seed, split)
	if err != nil {
		return err
	}
	if labelled, err := data.HasLabel(ctx, set); err != nil {
		return err
	} else if !labelled {
		return fmt.Errorf("%w; --split and --data choose others", cfg.Data.Unlabelled(split, set.Len()))
	}
	whole := predictions || cfg.Data.Patches == 0 // else in patches, which are void where they overlap
	if pictures != "" {
		n, name := set.Len(), set.Name
		if !whole {
			loader := data.NewLoader(set, data.LoaderConfig{BatchSize: 1})
			n, name = loader.Len(), loader.Name
		}
		paths := make([]string, n)
		for i := range paths {
			paths[i] = pictureOf(pictures, name(i))
		}
		if err := replace.check("--pictures", append(cfg.Data.Inputs(), inputsOf(all...)...), paths...); err != nil {
			return err
		}
	}
	if perImage != "" {
		if err := replace.check("--per-image", append(cfg.Data.Inputs(), inputsOf(all...)...), perImage); err != nil {
			return err
		}
	}
	search := run.SuspectSearch{
		All:     []run.Unseen{{Open: func() (predict.Net, error) { return all.Predictor(how.tile, how.tta) }, Set: set}},
		Classes: cfg.Data.Classes, Palette: report.Display(data.Colors(cfg.Data)), Dir: suspects,
	}
	if suspects != "" {
		if split == "train" && dir == "" {
			p.console(false).Warn("warning: --suspects --split train: the net has learnt these masks, and their mistakes with them; crossval has each image judged by a net that has not")
		}
		search.Console = p.console(false)
		if err := replace.check("--suspects", append(cfg.Data.Inputs(), inputsOf(all...)...), search.Paths()...); err != nil {
			return err
		}
	}
	var counts data.Counts
	images := metric.NewImages(len(cfg.Data.Classes))
	show := func(image int, name string, s data.Sample, predicted []uint8) error {
		if whole {
			counts.Add(set.Count(counts.Images, s))
		}
		if err := images.Add(image, set.Name(image), s.Mask, predicted); err != nil || pictures == "" {
			return err
		}
		path := pictureOf(pictures, name)
		if err := durable.MakeFolder(filepath.Dir(path)); err != nil {
			return err
		}
		return writePicture(path, s, predicted, report.Display(data.Colors(cfg.Data)))
	}
	console := p.console(false)
	progress := console.Progress("evaluating", "images")
	var confusion *metric.Confusion
	value := math.NaN()
	if predictions {
		confusion, err = all.EvaluatePredictions(ctx, set, how.tile, how.tta, progress, show)
	} else {
		confusion, value, err = saved.Evaluate(ctx, set, progress, show)
	}
	console.Close()
	if err != nil {
		return err
	}
	if whole {
		p.warnVoid(cfg, set, split, counts)
	}
	if perImage != "" {
		if err := report.WriteScores(perImage, cfg.Data.Classes, images.Scores()); err != nil {
			return err
		}
	}
	if suspects != "" {
		if err := search.Run(ctx); err != nil {
			return err
		}
	}
	r := confusion.Report(cfg.Data.Classes)
	r.Checkpoint, r.Split, r.Images = path, split, set.Len()
	r.Loss = metric.Number(value)
	if asJSON {
		return writeJSON(p.stdout, r)
	}
	of := split
	if dir != "" {
		of = dir
	}
	fmt.Fprintf(p.stdout, "%s, %d images of %s", path, set.Len(), of)
	if !predictions {
		fmt.Fprintf(p.stdout, ", loss %s", report.LossText(value))
	}
	fmt.Fprintln(p.stdout)
	return r.Table(p.stdout)
}

// warnSeen tells of checkpoints that were trained on another part of the data than
// the first, whose validation set they may have seen.
func (p *program) warnSeen(all run.Ensemble) {
	for _, saved := range all[1:] {
		if saved.Config.Data.Val == "" && saved.DataFingerprint() != all[0].DataFingerprint() {
			p.console(false).Warn("warning: %s was trained on other images than %s, perhaps on some of the latter's validation set; --data or --split test measures on images that none has seen", saved.Path, all[0].Path)
		}
	}
}

// pictureOf is the path of a sample's picture; a name in a sub-folder keeps it.
func pictureOf(dir, name string) string { return filepath.Join(dir, filepath.FromSlash(name)+".png") }

// warnVoid tells of classes that the figures of a split leave out. What training
// would refuse is a warning here.
func (p *program) warnVoid(cfg config.Config, set *data.Split, split string, counts data.Counts) {
	warnings, fault := survey.Judge(cfg, set, split, counts)
	if fault != nil {
		warnings = append(warnings, fault.Error())
	}
	for _, warning := range warnings {
		p.console(false).Warn("warning: %s", warning)
	}
}

// writePicture writes image, mask and prediction side by side.
func writePicture(path string, s data.Sample, predicted []uint8, palette color.Palette) error {
	return imagefile.WritePNG(path, report.SideBySide(
		report.Picture(imagefile.Image{Pix: s.Image, H: s.H, W: s.W}),
		report.MaskPicture(s.Mask, s.H, s.W, palette),
		report.MaskPicture(predicted, s.H, s.W, palette)))
}

// useFolder makes dir the folder of a split, as npy or folder source. Its files have
// the names of the training data, or else the usual ones.
func useFolder(cfg *data.Config, split, dir string) error {
	folder, npy := cfg.SourcesIn(dir)
	if !folder && !npy {
		usual := data.DefaultConfig()
		other := *cfg
		other.ImageFolder, other.MaskFolder, other.ImageSuffix, other.MaskSuffix = usual.ImageFolder, usual.MaskFolder, "", ""
		if folder, npy = other.SourcesIn(dir); folder || npy {
			*cfg = other
		}
	}
	if folder && npy {
		return usagef("--data %s: has %[2]s.npy and a folder %[2]s, want one of them", dir, cfg.ImageFolder)
	}
	cfg.Source = "folder"
	if npy || strings.EqualFold(filepath.Ext(dir), ".npz") {
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
	return nil
}

// sameFolder reports whether two paths are of one folder.
func sameFolder(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// writeJSON prints v as indented JSON.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
