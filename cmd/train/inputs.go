package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

// input is an image, and the name of what is made of it: its path without extension,
// below the folder that was given.
type input struct{ file, name string }

// findInputs are the images that files, patterns and folders stand for, each once. It
// tells the console what it leaves out of folders; out is never looked into.
func findInputs(given []string, recursive bool, out string, console *report.Console) ([]input, error) {
	var inputs []input
	var errs []error
	seen := map[string]bool{}
	add := func(file, name string) {
		if file = filepath.Clean(file); !seen[file] {
			seen[file] = true
			inputs = append(inputs, input{file, strings.TrimSuffix(name, filepath.Ext(name))})
		}
	}
	for _, pattern := range given {
		paths, err := matches(pattern)
		if err != nil {
			errs = append(errs, fmt.Errorf("data: %w", err))
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil {
				errs = append(errs, fmt.Errorf("data: %w", err))
				continue
			}
			if !info.IsDir() {
				add(path, filepath.Base(path))
				continue
			}
			list, err := imagefile.List(path, recursive, out)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			leftOut := list.LeftOut()
			if len(list.Folders) > 0 && !recursive {
				leftOut += "; --recursive looks into folders"
			}
			if len(list.Images) == 0 {
				err := fmt.Errorf("data: %s has no images (%s)", path, strings.Join(imagefile.Extensions(), " "))
				if leftOut != "" {
					err = fmt.Errorf("%w, only %s", err, leftOut)
				}
				errs = append(errs, err)
				continue
			}
			for _, file := range list.Images {
				name, err := filepath.Rel(path, file)
				if err != nil {
					return nil, err
				}
				add(file, name)
			}
			if leftOut != "" {
				if err := console.Warn("left out: %s", leftOut); err != nil {
					return nil, err
				}
			}
		}
	}
	return inputs, errors.Join(errs...)
}

// matches are the path that is given, or, where there is none, the paths of a pattern.
func matches(pattern string) ([]string, error) {
	if _, err := os.Lstat(pattern); err == nil || !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}, nil
	}
	paths, err := filepath.Glob(pattern)
	if err == nil && len(paths) == 0 {
		err = errors.New("no file matches")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	return paths, nil
}

// readWith are the images and the folders of the masks that belong to them where
// they are part of a data set.
func readWith(inputs []input) []string {
	var paths []string
	for _, in := range inputs {
		paths = append(paths, in.file)
	}
	for _, folder := range foldersOf(paths) {
		if filepath.Base(folder) == "images" {
			paths = append(paths, filepath.Join(filepath.Dir(folder), "masks"))
		}
	}
	return paths
}

// foldersOf are the folders of files, each once.
func foldersOf(paths []string) []string {
	var folders []string
	for _, path := range paths {
		folders = append(folders, filepath.Dir(path))
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// overrides are the keys of a checkpoint's configuration that a command may be told to
// read otherwise: those that say how files are read, not what was learnt.
type overrides struct {
	set  []string
	keys []string
}

func (o *overrides) register(cmd *cobra.Command, keys ...string) {
	o.keys = keys
	cmd.Flags().StringArrayVar(&o.set, "set", nil, "set a key of the checkpoint's configuration: `KEY=VALUE`, of "+strings.Join(keys, ", ")+"; may be repeated")
	if err := cmd.Flags().SetAnnotation("set", keysAnnotation, keys); err != nil {
		panic(err) // the flag is there
	}
}

// keysAnnotation marks a --set flag with the keys that it takes.
const keysAnnotation = "keys"

// read reads the checkpoints of files and patterns, and overrides their configurations.
func (o overrides) read(given []string) (run.Ensemble, error) {
	for _, pair := range o.set {
		key, _, _ := strings.Cut(pair, "=")
		if key = strings.TrimSpace(key); !slices.Contains(o.keys, key) {
			return nil, usagef("--set %s: want one of %s; the rest is as the checkpoint was trained", pair, strings.Join(o.keys, ", "))
		}
	}
	var all run.Ensemble
	for _, pattern := range given {
		paths, err := matches(pattern)
		if err != nil {
			return nil, fmt.Errorf("checkpoint: %w", err)
		}
		for _, path := range paths {
			saved, err := run.Read(path)
			if err != nil {
				return nil, err
			}
			if saved.Config, err = config.Override(saved.Config, o.set); err != nil {
				return nil, usage(err)
			}
			all = append(all, saved)
		}
	}
	return all, nil
}
