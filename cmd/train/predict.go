package main

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

func (p *program) predict() *cobra.Command {
	var path, input, out string
	var how inference
	var o prediction
	var replace outputs
	cmd := &cobra.Command{
		Use:   "predict --checkpoint FILE --input FILE|DIR --out DIR",
		Short: "Segment images of any size",
		Long: `Segment an image or all images of a folder. For each NAME, NAME.png in the out
folder is an 8-bit paletted mask of class indices at the image's own size. The
image is resized to data.size and its probabilities back; with --tile, and always
for a net that was trained on patches, the image keeps its resolution.`,
		Example: p.named(`  PROGRAM predict --checkpoint best.safetensors --input photos --out masks --overlay
  PROGRAM predict --checkpoint best.safetensors --input photo.jpg --out masks --tile --tta`),
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "checkpoint", "input", "out"); err != nil {
				return err
			}
			return p.runPredict(cmd.Context(), path, input, out, how, o, replace)
		},
	}
	cmd.Flags().StringVar(&path, "checkpoint", "", "checkpoint `FILE`")
	cmd.Flags().StringVar(&input, "input", "", "image `FILE` or folder of images")
	cmd.Flags().StringVar(&out, "out", "", "`DIR` for the masks")
	cmd.Flags().BoolVar(&o.overlay, "overlay", false, "write NAME.overlay.png too: the mask over the image")
	cmd.Flags().BoolVar(&o.probabilities, "probabilities", false, "write NAME.npy too: float32 (H, W, classes) at data.size, or at the image's own size with --tile")
	how.register(cmd)
	replace.register(cmd)
	return cmd
}

// inference is how a net is applied to an image.
type inference struct{ tile, tta bool }

func (i *inference) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&i.tile, "tile", false, "keep the resolution of images: overlapping tiles of data.size, blended, instead of resizing")
	cmd.Flags().BoolVar(&i.tta, "tta", false, "average over the image and its mirror image, and both upside down if training flipped vertically or turned")
}

// prediction is what is written for an image besides its mask.
type prediction struct{ overlay, probabilities bool }

func (p *program) runPredict(ctx context.Context, path, input, out string, how inference, o prediction, replace outputs) error {
	saved, err := run.Read(path)
	if err != nil {
		return err
	}
	files, err := imagefile.Files(input)
	if err != nil {
		return err
	}
	paths, err := o.paths(files, out)
	if err != nil {
		return err
	}
	if err := replace.check("--out", slices.Concat(files, labelsBeside(input), inputsOf(saved)), paths...); err != nil {
		return err
	}
	if err := durable.MakeFolder(out); err != nil {
		return err
	}
	net, err := saved.Predictor(how.tile, how.tta)
	if err != nil {
		return err
	}
	console := p.console(false)
	progress := console.Progress("predicting")
	palette := data.Colors(saved.Config.Data)
	var errs []error // an image that cannot be read does not stop the others
	written := 0
	for i, file := range files {
		if ctx.Err() != nil {
			break
		}
		img, err := imagefile.Read(file, saved.Config.Data.MaxPixels)
		if err == nil {
			err = predictImage(ctx, net, img, palette, target(out, file), o)
		}
		switch {
		case err == nil:
			written++
		case ctx.Err() == nil:
			errs = append(errs, err)
		}
		progress(i+1, len(files))
	}
	if ctx.Err() != nil {
		errs = append(errs, fmt.Errorf("%w after %d of %d images", ctx.Err(), written, len(files)))
	}
	console.Close()
	_, err = fmt.Fprintf(p.stdout, "%d of %d masks written to %s\n", written, len(files), out)
	return errors.Join(append(errs, err)...)
}

// target is the path of an input's outputs, without their extension.
func target(out, file string) string {
	name := filepath.Base(file)
	return filepath.Join(out, strings.TrimSuffix(name, filepath.Ext(name)))
}

// outputs are the files that are written for an input.
func (o prediction) outputs(target string) []string {
	paths := []string{target + ".png"}
	if o.overlay {
		paths = append(paths, target+".overlay.png")
	}
	if o.probabilities {
		paths = append(paths, target+".npy")
	}
	return paths
}

// paths are the outputs for all files. It is an error if two of them are one.
func (o prediction) paths(files []string, out string) (paths []string, err error) {
	var errs []error
	from := map[string]string{}
	for _, file := range files {
		for _, path := range o.outputs(target(out, file)) {
			if other, ok := from[path]; ok {
				errs = append(errs, fmt.Errorf("%s and %s would both be written to %s", other, file, path))
			}
			from[path] = file
			paths = append(paths, path)
		}
	}
	return paths, usage(errors.Join(errs...))
}

// labelsBeside is the folder of the masks that belong to a folder of images, if that
// is part of a data set.
func labelsBeside(input string) []string {
	if filepath.Base(input) != "images" {
		return nil
	}
	return []string{filepath.Join(filepath.Dir(input), "masks")}
}

// predictImage writes the outputs of an image.
func predictImage(ctx context.Context, net predict.Net, img imagefile.Image, palette color.Palette, target string, o prediction) error {
	mask, err := segment(ctx, net, img, target, o)
	if err != nil {
		return err
	}
	if err := imagefile.WriteMask(target+".png", mask, img.H, img.W, palette); err != nil {
		return err
	}
	if o.overlay {
		return imagefile.WritePNG(target+".overlay.png", report.Overlay(img, mask, palette))
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
