package main

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

func (p *program) predict() *cobra.Command {
	var out string
	var checkpoints, given []string
	var recursive bool
	var settings overrides
	var how inference
	var o prediction
	var replace outputs
	cmd := &cobra.Command{
		Use:   "predict --checkpoint FILE --input FILE|DIR --out DIR [FILE|DIR]...",
		Short: "Segment images of any size",
		Long: `Segment images: files, patterns such as 'photos/*.jpg', and the images of folders.
For each NAME, NAME.png in the out folder is an 8-bit paletted mask of class indices
at the image's own size; with --recursive it is in the same sub-folder as the image.
What is left out of a folder is named. The image is resized to data.size and its
probabilities back; with --tile, and always for a net that was trained on patches,
the image keeps its resolution. The probabilities of several checkpoints, whose nets
may differ, are averaged.`,
		Example: p.named(`  PROGRAM predict --checkpoint best.safetensors --input photos --out masks --overlay=contours
  PROGRAM predict --checkpoint best.safetensors --input photo.jpg --out masks --tile --tta
  PROGRAM predict --checkpoint best.safetensors --out masks --recursive photos more/*.jpg
  PROGRAM predict --checkpoint 'runs/unet/fold*/checkpoints/last.safetensors' --input photos --out masks`),
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args { // --input photos/*.jpg, which a shell expands
				if o.overlay == filled && slices.Contains(overlays, arg) {
					if _, err := os.Stat(arg); err != nil { // --overlay contours, which a flag that can stand alone does not take
						o.overlay = arg
						continue
					}
				}
				if err := cmd.Flags().Set("input", arg); err != nil {
					return err
				}
			}
			if err := required(cmd, "checkpoint", "input", "out"); err != nil {
				return err
			}
			switch {
			case o.overlay == "true": // of --overlay=true, as it was once
				o.overlay = filled
			case o.overlay == "false":
				o.overlay = ""
			case o.overlay != "" && !slices.Contains(overlays, o.overlay):
				return usagef("--overlay=%s: want %s", o.overlay, strings.Join(overlays, " or "))
			}
			return p.runPredict(cmd.Context(), checkpoints, given, recursive, out, settings, how, o, replace)
		},
	}
	registerCheckpoints(cmd, &checkpoints)
	cmd.Flags().StringArrayVar(&given, "input", nil, "image `FILE`, pattern or folder of images; may be repeated")
	cmd.Flags().BoolVar(&recursive, "recursive", false, "look into the folders below those given, too")
	cmd.Flags().StringVar(&out, "out", "", "`DIR` for the masks")
	cmd.Flags().StringVar(&o.overlay, "overlay", "", "write NAME.overlay.png too: the mask laid over the image, or the outlines of its classes with their names: `filled|contours`")
	cmd.Flags().Lookup("overlay").NoOptDefVal = filled
	cmd.Flags().BoolVar(&o.probabilities, "probabilities", false, "write NAME.npy too: float32 (H, W, classes) at data.size, or at the image's own size with --tile")
	how.register(cmd)
	settings.register(cmd, "data.max_pixels", "data.palette", "train.batch_size")
	replace.register(cmd)
	return cmd
}

// registerCheckpoints adds the flag for one checkpoint or several.
func registerCheckpoints(cmd *cobra.Command, paths *[]string) {
	cmd.Flags().StringArrayVar(paths, "checkpoint", nil, "checkpoint `FILE` or pattern; the probabilities of several are averaged")
}

// inference is how a net is applied to an image.
type inference struct{ tile, tta bool }

func (i *inference) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&i.tile, "tile", false, "keep the resolution of images: overlapping tiles of data.size, blended, instead of resizing")
	cmd.Flags().BoolVar(&i.tta, "tta", false, "average over the image and its mirror image, and both upside down if training flipped vertically or turned")
}

// prediction is what is written for an image besides its mask.
type prediction struct {
	overlay       string // one of overlays; "": none
	probabilities bool
}

// overlays are the ways to lay a mask over its image.
var overlays = []string{filled, contours}

const (
	filled   = "filled"
	contours = "contours"
)

func (p *program) runPredict(ctx context.Context, checkpoints, given []string, recursive bool, out string, settings overrides, how inference, o prediction, replace outputs) error {
	saved, err := settings.read(checkpoints)
	if err != nil {
		return err
	}
	if err := saved.Agree(how.tile); err != nil {
		return err
	}
	console := p.console(false)
	inputs, err := findInputs(given, recursive, out, console)
	if err != nil {
		return err
	}
	paths, err := o.paths(inputs, out)
	if err != nil {
		return err
	}
	if err := replace.check("--out", slices.Concat(readWith(inputs), inputsOf(saved...)), paths...); err != nil {
		return err
	}
	for _, folder := range foldersOf(paths) {
		if err := durable.MakeFolder(folder); err != nil {
			return err
		}
	}
	net, err := saved.Predictor(how.tile, how.tta)
	if err != nil {
		return err
	}
	progress := console.Progress("predicting", "images")
	images := saved[0].ImageFormat()
	classes, palette := saved[0].Config.Data.Classes, data.Colors(saved[0].Config.Data)
	var remarks imagefile.Remarks
	var errs []error // an image that cannot be read does not stop the others
	read, written := 0, 0
	for i, in := range inputs {
		if ctx.Err() != nil {
			break
		}
		img, err := images.Read(in.file)
		if err != nil {
			errs = append(errs, err)
			progress(i+1, len(inputs))
			continue
		}
		read++
		remarks.Add(images.Normalize.Remark(in.name, img))
		if err := predictImage(ctx, net, img, classes, palette, filepath.Join(out, in.name), o); err != nil {
			if ctx.Err() == nil {
				errs = append(errs, err) // of the net or the disk: the next image would fare no better
			}
			break
		}
		written++
		progress(i+1, len(inputs))
	}
	errs = imagefile.Fold(errs)
	if ctx.Err() != nil {
		errs = append(errs, fmt.Errorf("%w after %d of %d images", ctx.Err(), written, len(inputs)))
	}
	console.Close()
	for _, remark := range remarks.Lines(read) {
		console.Warn("warning: %s", remark)
	}
	_, err = fmt.Fprintf(p.stdout, "%d of %d masks written to %s\n", written, len(inputs), out)
	return errors.Join(append(errs, err)...)
}

// outputs are the files that are written for an input.
func (o prediction) outputs(target string) []string {
	paths := []string{target + ".png"}
	if o.overlay != "" {
		paths = append(paths, target+".overlay.png")
	}
	if o.probabilities {
		paths = append(paths, target+".npy")
	}
	return paths
}

// paths are the outputs for all inputs. It is an error if two of them are one.
func (o prediction) paths(inputs []input, out string) (paths []string, err error) {
	var errs []error
	from := map[string]string{}
	for _, in := range inputs {
		for _, path := range o.outputs(filepath.Join(out, in.name)) {
			if other, ok := from[path]; ok {
				errs = append(errs, fmt.Errorf("%s and %s would both be written to %s: predict them into two folders", other, in.file, path))
			}
			from[path] = in.file
			paths = append(paths, path)
		}
	}
	return paths, usage(errors.Join(errs...))
}

// predictImage writes the outputs of an image.
func predictImage(ctx context.Context, net predict.Net, img imagefile.Image, classes []string, palette color.Palette, target string, o prediction) error {
	mask, err := segment(ctx, net, img, target, o)
	if err != nil {
		return err
	}
	if err := imagefile.WriteMask(target+".png", mask, img.H, img.W, palette); err != nil {
		return err
	}
	switch o.overlay {
	case filled:
		return imagefile.WritePNG(target+".overlay.png", report.Overlay(img, mask, report.Display(palette)))
	case contours:
		return imagefile.WritePNG(target+".overlay.png", report.Contours(img, mask, classes, report.Display(palette)))
	}
	return nil
}

// segment is the mask of an image. It writes the probabilities if they are asked for.
func segment(ctx context.Context, net predict.Net, img imagefile.Image, target string, o prediction) (mask []uint8, err error) {
	if !o.probabilities {
		return net.Segment(ctx, img, nil)
	}
	err = imagefile.StreamNPY(target+".npy", net.Shape(img), func(write func([]float32) error) error {
		mask, err = net.Segment(ctx, img, write)
		return err
	})
	return mask, err
}
