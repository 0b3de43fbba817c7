package main

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
)

func (p *program) predict() *cobra.Command {
	var path, input, out string
	var o prediction
	cmd := &cobra.Command{
		Use:   "predict --checkpoint FILE --input FILE|DIR --out DIR",
		Short: "Segment images of any size",
		Long: `Segment an image or all images of a folder. For each NAME, NAME.png in the out
folder is an 8-bit paletted mask of class indices of the image's own size.`,
		Example: "  train predict --checkpoint best.safetensors --input photos --out masks --overlay",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "checkpoint", "input", "out"); err != nil {
				return err
			}
			return p.runPredict(cmd.Context(), path, input, out, o)
		},
	}
	cmd.Flags().StringVar(&path, "checkpoint", "", "checkpoint `FILE`")
	cmd.Flags().StringVar(&input, "input", "", "image `FILE` or folder of images")
	cmd.Flags().StringVar(&out, "out", "", "`DIR` for the masks")
	cmd.Flags().BoolVar(&o.overlay, "overlay", false, "write NAME.overlay.png too: the mask over the image")
	cmd.Flags().BoolVar(&o.probabilities, "probabilities", false, "write NAME.npy too: float32 (H, W, classes) at the net's size")
	return cmd
}

// prediction is what is written for an image besides its mask.
type prediction struct{ overlay, probabilities bool }

func (p *program) runPredict(ctx context.Context, path, input, out string, o prediction) error {
	ckpt, cfg, err := readCheckpoint(path)
	if err != nil {
		return err
	}
	files, err := data.ImageFiles(input)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := checkOverwrite(files, out, o); err != nil {
		return err
	}
	engine, params, err := loadNet(ckpt, cfg)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	size := cfg.Data.Size
	net, err := newNet(engine, params, 1, size[0], size[1])
	if err != nil {
		return err
	}
	console := p.console(false)
	progress := console.Progress("predicting")
	palette := data.Colors(cfg.Data)
	var errs []error // an image that cannot be read does not stop the others
	for i, file := range files {
		if ctx.Err() != nil {
			errs = append(errs, fmt.Errorf("%w after %d of %d images", ctx.Err(), i, len(files)))
			break
		}
		img, err := data.ReadImage(file, cfg.Data.MaxPixels)
		if err == nil {
			err = predictImage(net, img, size, palette, target(out, file), o)
		}
		if err != nil {
			errs = append(errs, err)
		}
		progress(i+1, len(files))
	}
	console.Close()
	_, err = fmt.Fprintf(p.stdout, "%d of %d masks written to %s\n", len(files)-len(errs), len(files), out)
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

// checkOverwrite refuses outputs that would take the place of an input or of each other.
func checkOverwrite(files []string, out string, o prediction) error {
	inputs := map[string]os.FileInfo{}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		inputs[filepath.Base(file)] = info
	}
	var errs []error
	from := map[string]string{}
	for _, file := range files {
		for _, path := range o.outputs(target(out, file)) {
			if other, ok := from[path]; ok {
				errs = append(errs, fmt.Errorf("%s and %s would both be written to %s", other, file, path))
			}
			from[path] = file
			info, err := os.Stat(path)
			if input := inputs[filepath.Base(path)]; err == nil && input != nil && os.SameFile(info, input) {
				errs = append(errs, fmt.Errorf("%s would be overwritten by a mask: choose another --out", path))
			}
		}
	}
	return usage(errors.Join(errs...))
}

// predictImage writes the outputs of an image. The net sees it at size; its
// probabilities are brought back to the image's own size before the best class is chosen.
func predictImage(net *net, img data.Image, size [2]int, palette color.Palette, target string, o prediction) error {
	probabilities, err := net.run(data.Resize(img.Pix, img.H, img.W, 3, size[0], size[1]))
	if err != nil {
		return err
	}
	classes := len(palette)
	own := data.Resize(probabilities, size[0], size[1], classes, img.H, img.W)
	mask := train.Argmax(nil, own, classes)
	if err := data.WriteMask(target+".png", mask, img.H, img.W, palette); err != nil {
		return err
	}
	if o.overlay {
		if err := report.WritePNG(target+".overlay.png", report.Overlay(img, mask, palette)); err != nil {
			return err
		}
	}
	if o.probabilities {
		return data.WriteNPY(target+".npy", []int{size[0], size[1], classes}, probabilities)
	}
	return nil
}
