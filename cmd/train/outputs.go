package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

// outputs are what a command may replace where it writes.
type outputs struct {
	force bool
	add   bool // lets files be added to the folders that the command reads
}

func (o *outputs) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.force, "force", false, "replace files that exist")
}

// check refuses files that a flag leads to, before any work is done: those that
// exist, without --force; and always what the command reads, and what is no file.
// Otherwise it removes what a killed process left half-written of them.
func (o outputs) check(flag string, inputs []string, paths ...string) error {
	if err := (durable.Outputs{Inputs: inputs, Force: o.force, Add: o.add}).Check(paths...); err != nil {
		var errs []error
		for _, problem := range config.Problems(err) {
			errs = append(errs, fmt.Errorf("%s: %w", flag, problem))
		}
		return usage(errors.Join(errs...))
	}
	names := map[string]map[string]bool{} // by folder
	for _, path := range paths {
		dir := filepath.Dir(path)
		if names[dir] == nil {
			names[dir] = map[string]bool{}
		}
		names[dir][filepath.Base(path)] = true
	}
	for dir, ours := range names {
		if err := durable.Writable(dir); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		if err := durable.RemoveStale(dir, func(name string) bool { return ours[name] }); err != nil {
			return err
		}
	}
	return nil
}

// inputsOf are checkpoints and the data sets that they were trained on.
func inputsOf(all ...*run.Saved) (paths []string) {
	for _, saved := range all {
		paths = append(paths, saved.Config.Data.Inputs()...)
		paths = append(paths, saved.Path)
	}
	return paths
}
