package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/annotation"
)

func (p *program) importCommand() *cobra.Command {
	options := annotation.Options{MaxPixels: data.DefaultConfig().MaxPixels}
	var force bool
	cmd := &cobra.Command{
		Use:   "import --format coco|labelme|voc|cityscapes --data FILE|DIR --out DIR",
		Short: "Turn annotations into a folder data set",
		Long: `Turn annotations into a folder data set, which init --data takes: DIR/images has
copies of the images, DIR/masks a paletted PNG of class indices for each, and
DIR/classes.txt the names of the classes; or DIR/train, DIR/val and DIR/test have
images and masks. What was left out is told at the end, by reason.

coco: a JSON file of polygons or run lengths, or a folder with one per split
(instances_train.json, train/a.json). Images are looked for in --images, or beside
the file, in images/, and beside its annotations/ folder. Class 0 is background, the
categories follow in the order of their ids.

labelme: a folder of JSON files, with folders in it. Images are at their imagePath,
within --data or --images, or in imageData. Class 0 is background, the labels
follow as in --classes, or sorted; __ignore__ is void. Polygons, rectangles, circles
and masks are drawn; lines and points have no area and are left out.

voc: a folder with JPEGImages, SegmentationClass and ImageSets/Segmentation, in the
colours of PASCAL VOC, or with the classes of labelmap.txt or class_names.txt.

cityscapes: a folder with leftImg8bit and gtFine, to the 19 train ids; *_labelIds.png
is preferred to *_polygons.json.

A pixel belongs to a shape if its centre does. Where shapes overlap, the later in
the file covers the earlier. Pixels without a shape are background, in cityscapes
void; a shape of an unknown category is void, as is the box of an annotation that
has nothing else.`,
		Example: p.named(`  PROGRAM import --format coco --data instances.json --images photos --out set
  PROGRAM import --format labelme --data photos --classes labels.txt --out set
  PROGRAM import --format voc --data VOCdevkit/VOC2012 --out voc
  PROGRAM import --format cityscapes --data cityscapes --out streets`),
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "format", "data", "out"); err != nil {
				return err
			}
			switch options.Format {
			case "coco", "labelme", "voc", "cityscapes":
			default:
				return usagef("--format %s: want coco, labelme, voc or cityscapes", options.Format)
			}
			if options.Classes != "" && options.Format != "labelme" {
				return usagef("--classes: the classes of %s are in its files, want it with --format labelme only", options.Format)
			}
			if err := checkOut(options, force); err != nil {
				return err
			}
			return p.runImport(cmd.Context(), options)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.Format, "format", "", "of the annotations: `coco|labelme|voc|cityscapes`")
	flags.StringVar(&options.Data, "data", "", "`FILE` or folder of annotations")
	flags.StringVar(&options.Images, "images", "", "`DIR` of the images, if it is another than the format has")
	flags.StringVar(&options.Classes, "classes", "", "`FILE` of labels for labelme, one per line; others become void")
	flags.StringVar(&options.Out, "out", "", "`DIR` to write to, new or without files")
	flags.BoolVar(&options.KeepEmpty, "keep-empty", false, "keep images without annotation, all background")
	flags.BoolVar(&force, "force", false, "write into a folder that has files; those of the same names are replaced")
	return cmd
}

// checkOut refuses a folder that has files, unless forced, and always one that has
// the annotations or the images: what is imported is never written to.
func checkOut(o annotation.Options, force bool) error {
	target, err := realPath(o.Out)
	if err != nil {
		return usagef("--out %s: %w", o.Out, err)
	}
	for _, source := range []struct{ flag, path string }{{"data", o.Data}, {"images", o.Images}} {
		if source.path == "" {
			continue
		}
		real, err := realPath(source.path)
		if err != nil {
			return usagef("--%s %s: %w", source.flag, source.path, err)
		}
		if rel, err := filepath.Rel(target, real); err == nil && filepath.IsLocal(rel) {
			return usagef("--out %s: --%s %s is in it: choose another folder", o.Out, source.flag, source.path)
		}
	}
	entries, err := os.ReadDir(o.Out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return usagef("--out: %w", err)
	case len(entries) > 0 && !force:
		return usagef("--out %s: is not empty: choose another folder, or --force replaces files of the same names", o.Out)
	}
	return nil
}

// realPath is an absolute path without symbolic links, as far as it exists.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for rest := ""; ; {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if parent := filepath.Dir(path); errors.Is(err, fs.ErrNotExist) && parent != path {
			path, rest = parent, filepath.Join(filepath.Base(path), rest)
			continue
		}
		return "", err
	}
}

func (p *program) runImport(ctx context.Context, o annotation.Options) error {
	set, err := annotation.Read(o)
	if err != nil {
		return err
	}
	console := p.console(false)
	written, err := set.Write(ctx, o.Out, console.Progress("importing", "images"))
	console.Close()
	for _, line := range set.Report.Lines() {
		console.Warn("left out: %s", line)
	}
	if err != nil {
		return err
	}
	if n := len(written.Others); n > 0 {
		console.Warn("warning: %s has images or masks from before (%d, such as %s), which are now part of the data set: remove them if they should not be", o.Out, n, written.Others[0])
	}
	return describe(p.stdout, p.name, o.Out, set.Classes, written)
}

// describe says what was written, and what is next.
func describe(w io.Writer, program, out string, classes []string, written annotation.Written) error {
	var splits []string
	for _, split := range []string{"train", "val", "test"} {
		if n := written.Splits[split]; n > 0 {
			splits = append(splits, fmt.Sprintf("%d %s", n, split))
		}
	}
	count := fmt.Sprintf("%d images", written.Images)
	if len(splits) > 0 {
		count += " (" + strings.Join(splits, ", ") + ")"
	}
	_, err := fmt.Fprintf(w, "%s with masks of %d classes written to %s; next: %s init --data %s\n", count, len(classes), out, program, out)
	return err
}
