package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
)

func (p *program) init() *cobra.Command {
	var dir, out string
	var force, schema bool
	cmd := &cobra.Command{
		Use:   "init --data DIR",
		Short: "Write a commented configuration for a folder of images and masks",
		Long: `Look through a folder of images and masks and write a commented configuration that
fits it, to stdout or a file: where the splits are, the classes or colours that are
in the masks, an image size, a batch size. DIR has images/ and masks/ (or images.npy
and masks.npy), or train/, val/ and test/ with them. Every file is read; a faulty one
is named, and nothing is written. Class names come from DIR/classes.txt or labels.txt.`,
		Example: p.named(`  PROGRAM init --data photos --out photos.yaml
  PROGRAM --config photos.yaml`),
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "data"); err != nil {
				return err
			}
			if schema && out == "" {
				return usagef("--schema: want --out FILE too, beside which the schema is written")
			}
			if _, err := os.Stat(out); err == nil && !force {
				return usagef("--out %s: exists already, --force overwrites it", out)
			}
			if _, err := os.Stat(filepath.Dir(out)); err != nil {
				return usagef("--out %s: %w", out, err)
			}
			return p.runInit(cmd.Context(), dir, out, schema)
		},
	}
	cmd.Flags().StringVar(&dir, "data", "", "`DIR` of images and masks")
	cmd.Flags().StringVar(&out, "out", "", "configuration `FILE` to write, instead of stdout")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the file")
	cmd.Flags().BoolVar(&schema, "schema", false, "write "+schemaFile+" beside the file too, by which editors complete its keys")
	return cmd
}

const (
	schemaFile = "unet.schema.json"
	mostFaults = 100
)

func (p *program) runInit(ctx context.Context, dir, out string, schema bool) error {
	console := p.console(false)
	found, err := data.Infer(ctx, filepath.Clean(dir), 0, console.Progress("looking through masks"))
	console.Close()
	if err != nil {
		return err
	}
	cfg, err := suggest(found, dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "masks: %s\n", found.Masks)
	for _, note := range found.Notes {
		fmt.Fprintln(p.stderr, "note:", note)
	}
	checked, err := p.runCheck(ctx, p.stderr, cfg, mostFaults)
	if err != nil {
		return err
	}
	cfg.Loss.AllowAbsentClasses = slices.Contains(checked[0].Pixels, 0) // of the training set
	name := cmp.Or(out, "FILE")
	title := fmt.Sprintf("A UNet for the images in %[1]s, by %[2]s init.\n\n  %[2]s check --config %[3]s     is every file right?\n  %[2]s --config %[3]s\n", dir, p.name, name)
	if schema {
		title = "yaml-language-server: $schema=" + schemaFile + "\n" + title
	}
	text := cfg.Commented(title)
	if _, err := config.Parse(name, text); err != nil { // the name of a folder may be anything
		return err
	}
	if out == "" {
		_, err := p.stdout.Write(text)
		return err
	}
	if schema {
		if err := durable.WriteFile(filepath.Join(filepath.Dir(out), schemaFile), config.JSONSchema()); err != nil {
			return err
		}
	}
	if err := durable.WriteFile(out, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%s written; next: %s --config %s\n", out, p.name, out)
	return err
}

const (
	largestSide = 256 // of the net's images, in pixels, so that an epoch on CPUs ends soon
	largeBatch  = 8
	smallBatch  = 4 // for images of more than largeImage pixels
	largeImage  = 128 * 128
)

// suggest is a configuration for a data set: the defaults, but for a net half as
// wide, and what the images ask for.
func suggest(found data.Inferred, dir string) (config.Config, error) {
	cfg := config.Default()
	cfg.Data = found.Config
	path, err := filepath.Abs(dir)
	if err != nil {
		return cfg, err
	}
	cfg.Out = filepath.Join("runs", filepath.Base(path))
	cfg.Model.BaseChannels = 16
	cfg.Train.Epochs = 20
	cfg.Loss.AllowAbsentClasses = true // while they are counted

	h, w := medianSize(found.Sizes)
	scale := min(1, largestSide/float64(max(h, w)))
	h, w = int(float64(h)*scale), int(float64(w)*scale)
	const smallest = 4 // side at the bottom of the net
	for cfg.Model.Depth > 1 && min(h, w)>>cfg.Model.Depth < smallest {
		cfg.Model.Depth--
	}
	step := 1 << cfg.Model.Depth
	round := func(side int) int { return max(step, (side+step/2)/step*step) }
	cfg.Data.Size = [2]int{round(h), round(w)}

	cfg.Train.BatchSize = largeBatch
	if cfg.Data.Size[0]*cfg.Data.Size[1] > largeImage {
		cfg.Train.BatchSize = smallBatch
	}
	return cfg, cfg.Validate()
}

// medianSize is the median of the heights and of the widths.
func medianSize(sizes map[[2]int]int) (h, w int) {
	median := func(axis int) int {
		var all []int
		for size, n := range sizes {
			all = append(all, slices.Repeat([]int{size[axis]}, n)...)
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return median(0), median(1)
}
