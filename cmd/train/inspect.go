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
		Use:   "inspect FILE",
		Short: "Show what is in a file of weights",
		Long: `Show what is in a file of weights: a checkpoint, any other safetensors file, or a
state_dict that torch.save wrote, of which no code is run. Of a checkpoint it says
where its run stood, and when its best validation was; epochs count from 1 (those in
the metadata from 0).`,
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
	shown := maps.Clone(c.Meta)
	if at, err := c.Position(); err == nil {
		for _, key := range []string{"epoch", "batch_in_epoch", "sample_in_epoch", "best_epoch", "best_miou"} {
			delete(shown, key)
		}
		shown["position"], shown["best"] = standing(at)
	}
	for _, key := range slices.Sorted(maps.Keys(shown)) {
		if value := strings.TrimRight(shown[key], "\n"); strings.Contains(value, "\n") {
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
	for _, other := range others {
		fmt.Fprintf(t, "%s\t%v\t%s\n", other.Name, other.Shape, other.Type())
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

// standing says where a run stood and had its best validation.
func standing(at checkpoint.Position) (position, best string) {
	position = fmt.Sprintf("after epoch %d", at.Epoch)
	if at.Sample > 0 || at.Epoch == 0 {
		position = fmt.Sprintf("in epoch %d, after %d images", at.Epoch+1, at.Sample)
	}
	if at.BestEpoch < 0 {
		return position, "none yet"
	}
	return position, fmt.Sprintf("mIoU %.4f after epoch %d", at.BestIoU, at.BestEpoch+1)
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
