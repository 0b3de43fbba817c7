package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// A damaged checkpoint ends every command that would use it in one line, which
// names the file and the fault, and in exit code 1.
func TestDamagedCheckpoint(t *testing.T) {
	inFolder(t)
	must(t, tiny()...)
	must(t, "synth", "--out", "shapes", "--count", "1")
	whole := []byte(read(t, best))
	// value writes the whole checkpoint anew, checksums and all, with another value in a tensor.
	value := func(tensor string, v float64) func(b []byte) []byte {
		return func([]byte) []byte {
			c, err := checkpoint.Read(best)
			if err != nil {
				t.Fatal(err)
			}
			w, ok := c.Tensor(tensor)
			if !ok {
				t.Fatalf("no tensor %s", tensor)
			}
			w.Data[2] = float32(v)
			const changed = "changed.safetensors"
			if err := checkpoint.Write(changed, c); err != nil {
				t.Fatal(err)
			}
			return []byte(read(t, changed))
		}
	}
	// replace changes the text of the header, and its length to fit.
	replace := func(old, new string) func(b []byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("no %s in the file", old)
			}
			b = bytes.Replace(b, []byte(old), []byte(new), 1)
			binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)+uint64(len(new)-len(old)))
			return b
		}
	}
	for _, tc := range []struct {
		name   string
		damage func(b []byte) []byte
		want   string // within stderr
	}{
		{"cut", func(b []byte) []byte { return b[:len(b)-5] }, "bytes of data, the file has"},
		{"cut in its header", func(b []byte) []byte { return b[:100] }, "truncated: header of"},
		{"empty", func(b []byte) []byte { return nil }, "not a safetensors file: 0 bytes, want at least 8"},
		{"header of 4 EB", func(b []byte) []byte { return append(binary.LittleEndian.AppendUint64(nil, 1<<62), b[8:]...) }, "header of 4611686018427387904 bytes, want at most 100000000"},
		{"a bit of the data", func(b []byte) []byte { b[len(b)-9] ^= 4; return b }, "damaged: the tensors' checksum does not hold"},
		{"a letter of the metadata", replace(`"format":"unet`, `"format":"umet`), "damaged: the header's checksum does not hold"},
		{"another dtype", replace(`"dtype":"F32"`, `"dtype":"F64"`), `dtype "F64", want F32`},
		{"a name twice", replace(`"head.bias":`, `"head.bias":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"head.bias":`), `header: key "head.bias" twice`},
		{"overlap", replace(`"data_offsets":[0,`, `"data_offsets":[4,`), "data_offsets [4, "},
		{"NaN among the weights", value("head.weight", math.NaN()), `tensor "head.weight" has NaN as value 2, want finite numbers; tensors with others: 1 of 78`},
		{"infinite optimizer state", value("optimizer.exp_avg.head.weight", math.Inf(-1)), `tensor "optimizer.exp_avg.head.weight" has -Inf as value 2, want finite numbers; tensors with others: 1 of 78`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const bad = "bad.safetensors"
			if err := os.WriteFile(bad, tc.damage(bytes.Clone(whole)), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{
				{"evaluate", "--checkpoint", bad},
				{"predict", "--checkpoint", bad, "--input", "shapes/images", "--out", "masks"},
				{"export", "--checkpoint", bad, "--out", "exported"},
				tiny("--quiet", "--resume", bad, "--out", "other"),
			} {
				o := command(t, args...)
				if o.code != 1 || !strings.Contains(o.stderr, bad+": ") || !strings.Contains(o.stderr, tc.want) || strings.Count(o.stderr, "\n") != 1 || o.stdout != "" {
					t.Errorf("%s: exit code %d, %q, want 1 and a line with %s: and %s", args[0], o.code, o.stderr, bad, tc.want)
				}
			}
		})
	}
}

// A configuration in a checkpoint that asks for more than its tensors fill, or for
// more than any machine has, is refused before memory is taken, by every command
// that reads one. Those that read the tensors alone do not look at it.
func TestCheckpointThatAsksForMemory(t *testing.T) {
	inFolder(t)
	must(t, tiny()...)
	must(t, "synth", "--out", "shapes", "--count", "1")
	const greedy = "greedy.safetensors"
	for _, tc := range []struct{ name, key, value, want string }{
		{"channels", "base_channels: 2", "base_channels: 1024", "the net's 34 tensors do not fit: encoder.0.conv1.weight has shape [2 3 3 3], want [1024 3 3 3]"},
		{"channels out of range", "base_channels: 2", "base_channels: 1000000", "model.base_channels = 1000000, want 1..1024"},
		{"depth", "depth: 1", "depth: 4", "of the net's 100 tensors are missing: encoder.2.conv1.weight"},
		{"classes", "classes: [background, ", "classes: [a, b, c, background, ", "data.classes has 7 names, want 4"},
		{"size", "size: [16, 16]", "size: [1048576, 1048576]", "data.size = [1048576 1048576], want at most"},
		{"size and its limit", "size: [16, 16]\n", "size: [1048576, 1048576]\n  max_pixels: 1000000000000000\n", "data.size = [1048576 1048576], want at most 100000000 pixels"},
		{"batch", "batch_size: 4", "batch_size: 1000000000000", "train.batch_size = 1000000000000 images of data.size = [16 16], want at most 1000000000 pixels"},
		{"images", "    train: 6\n    val: 3\n", "    train: 6\n    val: 1000000000000\n", "data.synthetic has 1000000000000 images, want at most 100000000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := checkpoint.Read(best)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(c.Meta["config"], tc.key, tc.value, 1)
			if strings.Contains(tc.value, "max_pixels") {
				text = strings.Replace(text, "  max_pixels: 100000000\n", "", 1)
			}
			if text == c.Meta["config"] {
				t.Fatalf("no %s in\n%s", tc.key, text)
			}
			c.Meta["config"] = text
			if err := checkpoint.Write(greedy, c); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for _, args := range [][]string{
				{"evaluate", "--checkpoint", greedy},
				{"predict", "--checkpoint", greedy, "--input", "shapes/images", "--out", "masks"},
				{"predict", "--checkpoint", greedy, "--input", "shapes/images", "--out", "masks", "--tile", "--tta"},
				{"export", "--checkpoint", greedy, "--out", "exported"},
				{"export", "--checkpoint", greedy, "--out", "exported", "--format", "onnx"},
				tiny("--quiet", "--resume", greedy, "--out", "other"),
			} {
				o := command(t, args...)
				if o.code != 1 || !strings.Contains(o.stderr, greedy+": ") || !strings.Contains(o.stderr, tc.want) || o.stdout != "" {
					t.Errorf("%s: exit code %d, %q, want 1 and a line with %s: and %s", args[0], o.code, o.stderr, greedy, tc.want)
				}
			}
			if _, err := model.Open(greedy); err == nil && tc.name != "batch" && tc.name != "images" { // which a Segmenter does not need
				t.Error("model.Open takes it")
			}
			must(t, "inspect", greedy)
			runtime.ReadMemStats(&after)
			if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 64 {
				t.Errorf("%d MiB were allocated, want at most 64", got)
			}
		})
	}
	must(t, tiny("--quiet", "--set", "model.init="+greedy, "--out", "another")...)
}

// --resume auto takes the newest whole checkpoint, says which files it passed
// over and why, and ends with the weights of a run that lost nothing.
func TestResumeAutoFallsBack(t *testing.T) {
	inFolder(t)
	must(t, tiny("--out", "straight")...) // checkpoints at steps 2 and 4
	must(t, tiny()...)
	const folder = "run/checkpoints/"
	damage := func(name string) string {
		b := read(t, folder+name)
		if err := os.Remove(folder + name); err != nil { // a name of the same file as others
			t.Fatal(err)
		}
		write(t, folder+name, b[:len(b)-1])
		return "passed over: checkpoint: " + folder + name + ": the tensors need "
	}
	wantLines := func(o outcome, lines ...string) {
		t.Helper()
		got := strings.Split(o.stderr, "\n")
		for i, line := range lines {
			if o.code != 0 || i >= len(got) || !strings.HasPrefix(got[i], line) {
				t.Fatalf("exit code %d\n%s\nwant it to begin with\n%s", o.code, o.stderr, strings.Join(lines, "\n"))
			}
		}
	}
	lastGone := damage("last.safetensors")
	wantLines(command(t, tiny("--resume", "auto")...), lastGone, "resuming from "+folder+"step-00000004.safetensors")

	newestGone := damage("step-00000004.safetensors")
	wantLines(command(t, tiny("--resume", "auto")...), lastGone, newestGone, "resuming from "+folder+"step-00000002.safetensors")
	equalRuns(t, "run", "straight")

	damage("last.safetensors")
	damage("step-00000004.safetensors")
	damage("step-00000002.safetensors")
	o := command(t, tiny("--resume", "auto")...)
	if o.code != 1 || !strings.HasPrefix(o.stderr, "train: checkpoint: "+folder[:len(folder)-1]+" holds no whole checkpoint:\n") || strings.Count(o.stderr, "\n") != 4 {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
}
