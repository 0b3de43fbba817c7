package main

import (
	"image"
	"os"
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

// What does not fit an encoder is told in a line, and nothing is trained.
func TestEncoderMistakes(t *testing.T) {
	const norm = "model: batch norm encoder.layer4.0.bn1 has one value per channel with a batch of 1 image of 32 x 32 pixels, want at least 2: a larger batch or image, or model.freeze [encoder], whose batch norms keep their statistics"
	for _, tc := range []struct {
		set  string
		code int
		want string
	}{
		{"train.batch_size=1", 1, norm},
		{"train.batch_size=5", 1, "the last batch of an epoch has 1 image (6 in batches of train.batch_size = 5): " + norm},
		{"data.size=[48, 64]", 2, "--set data.size=[48, 64]: data.size = [48, 64], want multiples of 32 (model.encoder resnet18), such as [64, 64]"},
		{"model.freeze=[encoder.0]", 2, `--set model.freeze=[encoder.0]: model.freeze has "encoder.0", want parts of the net: encoder, encoder.conv1, encoder.layer1 to encoder.layer4, decoder, decoder.blocks.0 to decoder.blocks.4, segmentation_head`},
		{"model.encoder=resnet50", 2, `--set model.encoder=resnet50: model.encoder = "resnet50", want one of unet, efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, mobilenetv2_100, resnet18, resnet34`},
		{"model.decoder_channels=[8, 8, 8, 8, 0]", 2, "--set model.decoder_channels=[8, 8, 8, 8, 0]: model.decoder_channels[4] = 0, want 1..1024"},
	} {
		t.Run(tc.set, func(t *testing.T) {
			inFolder(t)
			check(t, command(t, tiny("--quiet", "--set", "model={encoder: resnet18, decoder_channels: [8, 8, 8, 4, 4]}", "--set", "data.size=[32, 32]", "--set", tc.set)...), tc.code, []string{"train: " + tc.want})
			if _, err := os.Stat("run/checkpoints"); err == nil {
				t.Error("there are checkpoints")
			}
		})
	}
}
