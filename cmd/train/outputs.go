package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

// outputs are what a command may replace where it writes.
type outputs struct{ force bool }

func (o *outputs) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.force, "force", false, "replace files that exist")
}

// check refuses files that a flag leads to, before any work is done: those that
// exist, without --force; and always what the command reads, and what is no file.
func (o outputs) check(flag string, inputs []string, paths ...string) error {
	if err := (durable.Outputs{Inputs: inputs, Force: o.force}).Check(paths...); err != nil {
		var errs []error
		for _, problem := range config.Problems(err) {
			errs = append(errs, fmt.Errorf("%s: %w", flag, problem))
		}
		return usage(errors.Join(errs...))
	}
	return nil
}

// inputsOf are a checkpoint and the data set that it was trained on.
func inputsOf(saved *run.Saved) []string {
	return append(saved.Config.Data.Inputs(), saved.Path)
}
