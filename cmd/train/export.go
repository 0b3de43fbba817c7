package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/onnx"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
)

func (p *program) export() *cobra.Command {
	var path, format, out string
	cmd := &cobra.Command{
		Use:   "export --checkpoint FILE --out FILE",
		Short: "Write a checkpoint's net for other programs",
		Long: `Write a checkpoint's net for other programs.

safetensors: weights and running statistics in PyTorch's names and layouts, bit
for bit, without the optimizer's state. onnx: a model for ONNX Runtime, which
takes image, float32 (N,H,W,3) in 0..1, and gives probabilities (N,H,W,classes)
and mask (N,H,W), for any N and all H and W that are multiples of 2^model.depth.`,
		Example: `  train export --checkpoint best.safetensors --out unet.safetensors
  train export --checkpoint best.safetensors --format onnx --out unet.onnx`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "checkpoint", "out"); err != nil {
				return err
			}
			if format != "safetensors" && format != "onnx" {
				return usagef("--format %s: want safetensors or onnx", format)
			}
			return p.runExport(path, format, out)
		},
	}
	cmd.Flags().StringVar(&path, "checkpoint", "", "checkpoint `FILE`")
	cmd.Flags().StringVar(&format, "format", "safetensors", "what to write: `safetensors|onnx`")
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to write")
	return cmd
}

func (p *program) runExport(path, format, out string) error {
	c, cfg, err := readCheckpoint(path)
	if err != nil {
		return err
	}
	if a, err := os.Stat(path); err == nil {
		if b, err := os.Stat(out); err == nil && os.SameFile(a, b) {
			return usagef("--out %s: is the checkpoint itself", out)
		}
	}
	if format == "onnx" {
		err = exportONNX(c, cfg, out)
	} else {
		err = exportTensors(c, out)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "the net of %s is written to %s\n", path, out)
	return err
}

// exportTensors writes all but the optimizer's state.
func exportTensors(c *checkpoint.Checkpoint, out string) error {
	c.Tensors = slices.DeleteFunc(c.Tensors, isOptimizerState)
	return checkpoint.Write(out, c)
}

// exportONNX writes the net as an ONNX model.
func exportONNX(c *checkpoint.Checkpoint, cfg config.Config, out string) error {
	params, err := newParameters(cfg)
	if err != nil {
		return err
	}
	if err := train.LoadWeights(params, c); err != nil {
		return err
	}
	file, err := onnx.Marshal(params, cfg.Data.Classes, cfg.Data.Size, cfg.Data.Patches == 0)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(out, file, 0o644, renameio.WithTempDir(filepath.Dir(out))); err != nil {
		return fmt.Errorf("export: write %s: %w", out, err)
	}
	return nil
}

func isOptimizerState(t checkpoint.Tensor) bool { return strings.HasPrefix(t.Name, "optimizer.") }
