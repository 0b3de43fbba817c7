package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
)

func (p *program) export() *cobra.Command {
	var path, format, out string
	cmd := &cobra.Command{
		Use:     "export --checkpoint FILE --out FILE",
		Short:   "Write a checkpoint's net without the optimizer's state",
		Long:    "Write weights and running statistics, in PyTorch's names and layouts, without the optimizer's state.",
		Example: "  train export --checkpoint best.safetensors --out unet.safetensors",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "checkpoint", "out"); err != nil {
				return err
			}
			if format != "safetensors" {
				return usagef("--format %s: want safetensors", format)
			}
			return p.runExport(path, out)
		},
	}
	cmd.Flags().StringVar(&path, "checkpoint", "", "checkpoint `FILE`")
	cmd.Flags().StringVar(&format, "format", "safetensors", "safetensors")
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to write")
	return cmd
}

func (p *program) runExport(path, out string) error {
	c, _, err := readCheckpoint(path)
	if err != nil {
		return err
	}
	if a, err := os.Stat(path); err == nil {
		if b, err := os.Stat(out); err == nil && os.SameFile(a, b) {
			return usagef("--out %s: is the checkpoint itself", out)
		}
	}
	c.Tensors = slices.DeleteFunc(c.Tensors, isOptimizerState)
	if err := checkpoint.Write(out, c); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%d tensors written to %s\n", len(c.Tensors), out)
	return err
}

func isOptimizerState(t checkpoint.Tensor) bool { return strings.HasPrefix(t.Name, "optimizer.") }
