package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
)

func (p *program) init() *cobra.Command {
	var dir, out, encoder string
	var schema bool
	var replace outputs
	cmd := &cobra.Command{
		Use:   "init --data DIR",
		Short: "Write a commented configuration for a folder of images and masks",
		Long: `Look through a folder of images and masks and write a commented configuration that
fits it, to stdout or a file: where the splits are, the classes or colours found
in the masks, an image size, a batch size. DIR has images/ and masks/ (or images.npy
and masks.npy), or train/, val/ and test/ with them; other usual names, masks with a
suffix and npz files are found too. Every file is read; a faulty one is named, and
nothing is written. Class names come from DIR/classes.txt or labels.txt. With
--encoder NAME the size fits that net, and model.init is imagenet.`,
		Example: p.named(`  PROGRAM init --data photos --out photos.yaml
  PROGRAM --config photos.yaml`),
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "data"); err != nil {
				return err
			}
			if encoders := valuesOf("model.encoder"); !slices.Contains(encoders, encoder) {
				return usagef("--encoder %s: want one of %s", encoder, strings.Join(encoders, ", "))
			}
			if schema && out == "" {
				return usagef("--schema: want --out FILE too: the schema is written beside it")
			}
			if out != "" {
				paths := []string{out}
				if path := schemaBeside(out); schema && !isSchema(path) {
					paths = append(paths, path)
				}
				replace.add = true // a configuration beside images/ and masks/
				if err := replace.check("--out", readByInit(dir), paths...); err != nil {
					return err
				}
			}
			if _, err := os.Stat(filepath.Dir(out)); err != nil {
				return usagef("--out %s: %w", out, err)
			}
			return p.runInit(cmd.Context(), dir, encoder, out, schema)
		},
	}
	cmd.Flags().StringVar(&dir, "data", "", "`DIR` of images and masks")
	cmd.Flags().StringVar(&out, "out", "", "configuration `FILE` to write, instead of stdout")
	cmd.Flags().StringVar(&encoder, "encoder", "unet", "model.encoder: a `NAME` other than unet starts from weights of ImageNet, which the training fetches")
	replace.register(cmd)
	cmd.Flags().BoolVar(&schema, "schema", false, "also write "+schemaFile+" beside the file, so that editors complete its keys")
	return cmd
}

const (
	schemaFile = "unet.schema.json"
	mostFaults = 100
)

func (p *program) runInit(ctx context.Context, dir, encoder, out string, schema bool) error {
	console := p.console(false)
	found, err := survey.Infer(ctx, filepath.Clean(dir), 0, console.Progress("looking through masks", "images"))
	console.Close()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "masks: %s\n", found.Masks)
	for _, note := range found.Notes {
		fmt.Fprintln(p.stderr, "note:", note)
	}
	checked, err := p.runCheck(ctx, p.stderr, survey.Own(found), mostFaults)
	if err != nil {
		return err
	}
	recipe, err := survey.Suggest(found, checked[0], dir, encoder)
	if err != nil {
		return err
	}
	for _, reason := range recipe.Reasons {
		fmt.Fprintln(p.stderr, reason)
	}
	cfg := recipe.Config
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
		if err := durable.WriteFile(schemaBeside(out), config.JSONSchema()); err != nil {
			return err
		}
	}
	if err := durable.WriteFile(out, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%s written; next: %s --config %s\n", out, p.name, out)
	return err
}

// readByInit are the files and folders that init may read.
func readByInit(dir string) []string {
	paths := []string{filepath.Join(dir, "classes.txt"), filepath.Join(dir, "labels.txt")}
	for _, part := range []string{"", "train", "val", "test"} {
		paths = append(paths, data.Config{Source: "folder", Train: filepath.Join(dir, part)}.Inputs()...)
	}
	return paths
}

// schemaBeside is the path of the schema beside a configuration file.
func schemaBeside(out string) string { return filepath.Join(filepath.Dir(out), schemaFile) }

// isSchema reports whether a file is the schema already.
func isSchema(path string) bool {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	text, err := os.ReadFile(path)
	return err == nil && bytes.Equal(text, config.JSONSchema())
}
