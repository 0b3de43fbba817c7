package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
)

func (p *program) inspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what is in a file of weights",
		Long: `Show what is in a file of weights: a checkpoint, any other safetensors file, or a
state_dict that torch.save wrote, of which no code is run.`,
		Example: p.named("  PROGRAM inspect runs/unet/checkpoints/last.safetensors"),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%s: %d arguments, want one file of weights", cmd.CommandPath(), len(args))
			}
			return nil
		},
		ValidArgsFunction: filesOf("safetensors", "pth", "pt"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, others, err := checkpoint.ReadForeign(args[0])
			if err != nil {
				return err
			}
			return p.runInspect(c, others)
		},
	}
}

// runInspect shows the tensors of numbers, and the others by their types.
func (p *program) runInspect(c *checkpoint.Checkpoint, others []checkpoint.Tensor) error {
	for _, key := range slices.Sorted(maps.Keys(c.Meta)) {
		lines := strings.Split(strings.TrimRight(c.Meta[key], "\n"), "\n")
		for i, line := range lines {
			lines[i] = printable(line)
		}
		if len(lines) > 1 {
			fmt.Fprintf(p.stdout, "%s:\n  %s\n", printable(key), strings.Join(lines, "\n  "))
		} else {
			fmt.Fprintf(p.stdout, "%s: %s\n", printable(key), lines[0])
		}
	}
	fmt.Fprintln(p.stdout)
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "tensor\tshape\tmean\tdeviation")
	values := 0
	for _, tensor := range c.Tensors {
		mean, deviation := moments(tensor.Data)
		fmt.Fprintf(t, "%s\t%v\t%.4g\t%.4g\n", printable(tensor.Name), tensor.Shape, mean, deviation)
		values += len(tensor.Data)
	}
	for _, other := range others {
		fmt.Fprintf(t, "%s\t%v\t%s\n", printable(other.Name), other.Shape, printable(other.Type()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.stdout, "%d tensors, %d values\n", len(c.Tensors), values)
	if err == nil && len(others) > 0 {
		_, err = fmt.Fprintf(p.stdout, "%d not read: no floating point numbers\n", len(others))
	}
	return err
}

// printable is text without what would move a terminal's cursor: control characters are escaped.
func printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
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
