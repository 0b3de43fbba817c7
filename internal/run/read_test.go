package run_test

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// Whatever configuration stands in a checkpoint, reading it and making its net takes
// memory in proportion to the file, and does not panic.
func FuzzRead(f *testing.F) {
	cfg := config.Default()
	cfg.Data.Size, cfg.Model.BaseChannels, cfg.Model.Depth = [2]int{16, 16}, 1, 1
	params, err := run.NewParameters(cfg)
	if err != nil {
		f.Fatal(err)
	}
	var tensors []checkpoint.Tensor
	for _, p := range params.All() {
		tensors = append(tensors, checkpoint.Tensor{Name: p.Name, Shape: p.TorchShape(), Data: p.ToTorch(p.Value)})
	}
	f.Add(cfg.YAML())
	for _, text := range []string{
		"model: {base_channels: 1024, depth: 8}",
		"model: {base_channels: 1, depth: 8, norm: none, up: nearest, freeze: [encoder, up]}",
		"model: {base_channels: 1, depth: 1}\ndata: {size: [1048576, 1048576], max_pixels: 9223372036854775807}",
		"model: {base_channels: 1, depth: 1}\ntrain: {batch_size: 9223372036854775807}",
		"model: {base_channels: 1, depth: 1}\ndata: {classes: [a, b, c, d]}",
		"a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\ndata: {classes: [*b, *b, *b]}",
		"[[[[[[", "\x00", "model: !!binary aaaa", "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "net.safetensors")
		if checkpoint.Write(path, &checkpoint.Checkpoint{Meta: checkpoint.Run{Config: text}.Metadata(), Tensors: tensors}) != nil {
			return // not UTF-8
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if saved, err := run.Read(path); err == nil {
			if _, err := saved.Parameters(); err != nil {
				t.Errorf("the net of a checkpoint that was read: %v", err)
			}
		}
		_, _ = model.Open(path)
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(64<<20+1000*len(text)); got > limit {
			t.Errorf("%d bytes were allocated for a configuration of %d, want at most %d", got, len(text), limit)
		}
	})
}
