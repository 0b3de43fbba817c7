package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
)

func (p *program) inspect() *cobra.Command {
	return &cobra.Command{
		Use:     "inspect FILE",
		Short:   "Show what is in a checkpoint",
		Example: p.named("  PROGRAM inspect runs/unet/checkpoints/last.safetensors"),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%s: %d arguments, want one checkpoint file", cmd.CommandPath(), len(args))
			}
			return nil
		},
		ValidArgsFunction: filesOf("safetensors"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := checkpoint.Read(args[0])
			if err != nil {
				return err
			}
			return p.runInspect(c)
		},
	}
}

func (p *program) runInspect(c *checkpoint.Checkpoint) error {
	for _, key := range slices.Sorted(maps.Keys(c.Meta)) {
		if value := strings.TrimRight(c.Meta[key], "\n"); strings.Contains(value, "\n") {
			fmt.Fprintf(p.stdout, "%s:\n  %s\n", key, strings.ReplaceAll(value, "\n", "\n  "))
		} else {
			fmt.Fprintf(p.stdout, "%s: %s\n", key, value)
		}
	}
	fmt.Fprintln(p.stdout)
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "tensor\tshape\tmean\tdeviation")
	values := 0
	for _, tensor := range c.Tensors {
		mean, deviation := moments(tensor.Data)
		fmt.Fprintf(t, "%s\t%v\t%.4g\t%.4g\n", tensor.Name, tensor.Shape, mean, deviation)
		values += len(tensor.Data)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.stdout, "%d tensors, %d values\n", len(c.Tensors), values)
	return err
}

// moments are the mean and the standard deviation, NaN if there are no values.
func moments(x []float32) (mean, deviation float64) {
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	for _, v := range x {
		deviation += (float64(v) - mean) * (float64(v) - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(x)))
}
