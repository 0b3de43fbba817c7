package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/onnx"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
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
	saved, err := run.Read(path)
	if err != nil {
		return err
	}
	if a, err := os.Stat(path); err == nil {
		if b, err := os.Stat(out); err == nil && os.SameFile(a, b) {
			return usagef("--out %s: is the checkpoint itself", out)
		}
	}
	if format == "onnx" {
		err = exportONNX(saved, out)
	} else {
		saved.DropOptimizerState()
		err = checkpoint.Write(out, saved.Checkpoint)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "the net of %s is written to %s\n", path, out)
	return err
}

// exportONNX writes the net as an ONNX model.
func exportONNX(saved *run.Saved, out string) error {
	params, err := saved.Parameters()
	if err != nil {
		return err
	}
	cfg := saved.Config.Data
	file, err := onnx.Marshal(params, cfg.Classes, cfg.Size, cfg.Patches == 0)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(out, file); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}
