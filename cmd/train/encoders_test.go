package main

import (
	"image"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/bench"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// Every encoder goes all the way that the plain UNet goes. Without momentum the
// checkpoints are small.
func TestEncoders(t *testing.T) {
	encoders := arch.Encoders()[1:]
	if testing.Short() {
		encoders = []string{arch.EfficientNetLite0}
	}
	for _, encoder := range encoders {
		t.Run(encoder, func(t *testing.T) {
			inFolder(t)
			write(t, "tiny.yaml", `
out: run
threads: 1
data: {size: [32, 32], synthetic: {train: 6, val: 3}}
model: {encoder: `+encoder+`, decoder_channels: [8, 8, 8, 4, 4]}
optimizer: {name: sgd, lr: 0.01, momentum: 0, encoder_lr_factor: 0.1}
schedule: {name: constant, warmup_epochs: 0}
train: {epochs: 2, batch_size: 3}
checkpoint: {keep: 1}
`)
			o := command(t, tiny("--epochs", "1")...)
			if net := "\nnet         " + encoder + "\n"; o.code != 0 || !strings.Contains(o.stderr, net) {
				t.Errorf("exit code %d, want 0 and %q\n%s", o.code, net, o.stderr)
			}
			must(t, tiny("--resume", "auto")...)
			if encoder == arch.EfficientNetLite0 {
				must(t, tiny("--out", "whole", "--set", "report.pictures=false")...)
				digest := func(path string) string {
					c, err := checkpoint.Read(path)
					if err != nil {
						t.Fatal(err)
					}
					return c.Meta["sha256"]
				}
				if got, want := digest("run/checkpoints/last.safetensors"), digest("whole/checkpoints/last.safetensors"); got != want || got == "" {
					t.Error("the run that was resumed ended with other weights")
				}
			}
			if page := read(t, "run/report.html"); !strings.Contains(page, encoder) {
				t.Error("the page does not name the encoder")
			}
			if got := must(t, "evaluate", "--checkpoint", best); !strings.Contains(got, "\nmIoU 0.") {
				t.Errorf("evaluate prints\n%s", got)
			}
			folderOf(t, "set", image.Pt(70, 48))
			must(t, "predict", "--checkpoint", best, "--input", "set/images", "--out", "masks", "--tile")
			if got := must(t, "inspect", best); !strings.Contains(got, "encoder: "+encoder) || !strings.Contains(got, "segmentation_head.0.weight") {
				t.Errorf("inspect prints\n%s", got)
			}
			for format, out := range map[string]string{"pytorch": "net.py", "onnx": "net.onnx"} {
				must(t, "export", "--checkpoint", best, "--format", format, "--out", out)
			}
			var m bench.Result
			decode(t, must(t, append([]string{"bench", "--steps", "1", "--json"}, tiny()...)...), &m)
			if m.Encoder != encoder || m.BaseChannels != nil || m.Depth != nil || m.BatchSize != 3 {
				t.Errorf("bench: %+v", m)
			}
		})
	}
}
