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
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "import --format coco --data FILE --out DIR",
		Short: "Turn annotations into a folder data set",
		Long: `Turn annotations into a folder data set, which init --data takes: DIR/images has
copies of the images, DIR/masks a paletted PNG of class indices for each, and
DIR/classes.txt the names of the classes. What was left out is told at the end.

coco: --data is a JSON file with polygons or run lengths. Images are looked for in
--images, or beside the file, in images/, and beside its annotations/ folder. Class
0 is background, the categories follow in the order of their ids.

A pixel belongs to a shape if its centre does. Where shapes overlap, the later in
the file covers the earlier; a shape of an unknown category is void.`,
		Example: p.named("  PROGRAM import --format coco --data instances.json --images photos --out set\n  PROGRAM init --data set --out set.yaml"),
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "format", "data", "out"); err != nil {
				return err
			}
			if options.Format != "coco" {
				return usagef("--format %s: want coco", options.Format)
			}
			if err := checkOut(out, options, force); err != nil {
				return err
			}
			return p.runImport(cmd.Context(), options, out)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.Format, "format", "", "of the annotations: `coco`")
	flags.StringVar(&options.Data, "data", "", "`FILE` of annotations")
	flags.StringVar(&options.Images, "images", "", "`DIR` of the images, if it is another than the format has")
	flags.StringVar(&out, "out", "", "`DIR` to write to, new or without files")
	flags.BoolVar(&options.KeepEmpty, "keep-empty", false, "keep images without annotation, all background")
	flags.BoolVar(&force, "force", false, "write into a folder that has files; those of the same names are replaced")
	return cmd
}

// checkOut refuses a folder that has files, unless forced, and always one that has
// the annotations or the images: what is imported is never written to.
func checkOut(out string, o annotation.Options, force bool) error {
	target, err := realPath(out)
	if err != nil {
		return usagef("--out %s: %w", out, err)
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
			return usagef("--out %s: --%s %s is in it: choose another folder", out, source.flag, source.path)
		}
	}
	entries, err := os.ReadDir(out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return usagef("--out: %w", err)
	case len(entries) > 0 && !force:
		return usagef("--out %s: is not empty: choose another folder, or --force replaces files of the same names", out)
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

func (p *program) runImport(ctx context.Context, o annotation.Options, out string) error {
	set, err := annotation.Read(o)
	if err != nil {
		return err
	}
	console := p.console(false)
	written, err := set.Write(ctx, out, console.Progress("importing"))
	console.Close()
	for _, line := range set.Report.Lines() {
		fmt.Fprintf(p.stderr, "left out: %s\n", line)
	}
	if err != nil {
		return err
	}
	return describe(p.stdout, p.name, out, set.Classes, written)
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
