package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/onnx"
	"github.com/unet-gorgonia/unet-gorgonia/internal/pytorch"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

func (p *program) export() *cobra.Command {
	var path, format, out string
	var replace outputs
	cmd := &cobra.Command{
		Use:   "export --checkpoint FILE --out FILE",
		Short: "Write a checkpoint's net for other programs",
		Long: `Write a checkpoint's net for other programs.

safetensors: weights and running statistics in PyTorch's names and layouts, bit
for bit, without the optimizer's state. pytorch: --out unet.py is a Python module
with the net, which needs only PyTorch, and unet.safetensors beside it has its
weights: net = unet.load() takes (N,3,H,W) in 0..1, or as data.normalize has it, and
gives logits. onnx: a model for ONNX Runtime, which takes image, float32 (N,H,W,3) in
the same range, and gives probabilities (N,H,W,classes) and mask (N,H,W), for any N
and any H and W that are multiples of 2^model.depth, of 32 with the encoder of another
net.`,
		Example: p.named(`  PROGRAM export --checkpoint best.safetensors --out unet.safetensors
  PROGRAM export --checkpoint best.safetensors --format pytorch --out unet.py
  PROGRAM export --checkpoint best.safetensors --format onnx --out unet.onnx`),
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "checkpoint", "out"); err != nil {
				return err
			}
			switch {
			case format != "safetensors" && format != "pytorch" && format != "onnx":
				return usagef("--format %s: want safetensors, pytorch or onnx", format)
			case format == "pytorch" && filepath.Ext(out) != ".py":
				return usagef("--out %s: want a name that ends with .py for --format pytorch", out)
			}
			return p.runExport(path, format, out, replace)
		},
	}
	cmd.Flags().StringVar(&path, "checkpoint", "", "checkpoint `FILE`")
	cmd.Flags().StringVar(&format, "format", "safetensors", "what to write: `safetensors|pytorch|onnx`")
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to write")
	replace.register(cmd)
	return cmd
}

func (p *program) runExport(path, format, out string, replace outputs) error {
	saved, err := run.Read(path)
	if err != nil {
		return err
	}
	written := []string{out}
	if format == "pytorch" {
		written = append(written, strings.TrimSuffix(out, ".py")+".safetensors")
	}
	if err := replace.check("--out", inputsOf(saved), written...); err != nil {
		return err
	}
	switch format {
	case "onnx", "pytorch":
		if err := exportNet(saved, format, out); err != nil {
			return err
		}
	}
	switch format {
	case "safetensors", "pytorch":
		saved.DropOptimizerState()
		if err := checkpoint.Write(written[len(written)-1], saved.Checkpoint); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(p.stdout, "the net of %s is written to %s\n", path, strings.Join(written, " and "))
	return err
}

// exportNet writes the net as an ONNX model or as a Python module.
func exportNet(saved *run.Saved, format, out string) error {
	params, err := saved.Parameters()
	if err != nil {
		return err
	}
	cfg := saved.Config.Data
	normalize := imagefile.Normalization(cfg.Normalize)
	var file []byte
	if format == "onnx" {
		file, err = onnx.Marshal(params, cfg.Classes, cfg.Size, cfg.Patches == 0, normalize)
	} else {
		file, err = pytorch.Module(params.Net, cfg.Classes, cfg.Size, normalize)
	}
	if err != nil {
		return err
	}
	if err := durable.WriteFile(out, file); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}
