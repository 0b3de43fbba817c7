package checkpoint_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
)

func readForeign(t testing.TB, file []byte) (*checkpoint.Checkpoint, []checkpoint.Tensor, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foreign.safetensors")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	return checkpoint.ReadForeign(path)
}

// with gives a file its data.
func with(file []byte, data ...byte) []byte {
	copy(file[len(file)-len(data):], data)
	return file
}

func TestReadForeign(t *testing.T) {
	for _, test := range []struct {
		name string
		file []byte
		want []float32 // of tensor "a"
	}{
		{"float32", with(file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), 0, 0, 128, 63, 0, 0, 0, 192), []float32{1, -2}},
		{"float64", with(file(`{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}`, 16),
			0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f), []float32{1.5, 0.1}}, // 0.1 rounded
		{"float16", with(file(`{"a":{"dtype":"F16","shape":[3],"data_offsets":[0,6]}}`, 6), 0, 0x3c, 0, 0xc0, 1, 0), []float32{1, -2, 1.0 / (1 << 24)}},
		{"bfloat16", with(file(`{"a":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}`, 4), 0x80, 0x3f, 0, 0xc0), []float32{1, -2}},
		{"beside a counter", with(file(`{"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12), 0, 0, 128, 63), []float32{1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _, err := readForeign(t, test.file)
			if err != nil {
				t.Fatal(err)
			}
			a, _ := c.Tensor("a")
			if len(c.Tensors) != 1 || len(a.Data) != len(test.want) {
				t.Fatalf("got %v, want a of %v", c.Tensors, test.want)
			}
			for i, want := range test.want {
				if a.Data[i] != want {
					t.Errorf("value %d is %v, want %v", i, a.Data[i], want)
				}
			}
		})
	}
}

func TestReadForeignNamesWhatItLeavesOut(t *testing.T) {
	_, skipped, err := readForeign(t, file(`{"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"m":{"dtype":"BOOL","shape":[3],"data_offsets":[8,11]}}`, 11))
	if err != nil || len(skipped) != 2 || skipped[0].Name != "n" || skipped[0].Type() != "I64" || skipped[1].Name != "m" || skipped[1].Type() != "BOOL" {
		t.Errorf("got %v and error %v", skipped, err)
	}
}

func TestReadForeignRefuses(t *testing.T) {
	for _, test := range []struct {
		name, want string
		file       []byte
	}{
		{"unknown type", `tensor "a": dtype "F4", want BF16, BOOL`, file(`{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}`, 1)},
		{"range against type", `shape [2] needs 16`, file(`{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}}`, 8)},
		{"bytes overflow to 8", `is too large`, file(`{"a":{"dtype":"I64","shape":[2305843009213693953],"data_offsets":[0,8]}}`, 8)},
		{"HTML page", `an HTML page, want weights`, []byte("\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>")},
		{"short HTML page", `an HTML page, want weights`, []byte("<html>")},
		{"pointer", "`git lfs pull` fetches it", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 46827520\n")},
		{"data cut", `need 8 bytes of data, the file has 7`, file(`{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}`, 7)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, _, err := readForeign(t, test.file); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func FuzzReadForeign(f *testing.F) {
	f.Add(encode(f, small()))
	for _, test := range foreign {
		f.Add(test.file)
	}
	f.Add(file(`{"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"a":{"dtype":"F16","shape":[3],"data_offsets":[8,14]}}`, 14))
	for _, test := range hostile() {
		f.Add(test.file)
	}
	for _, name := range []string{"zip.pth", "legacy.pth"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, skipped, err := readForeign(t, b)
		if err != nil {
			return
		}
		for _, tensor := range c.Tensors {
			n := 1
			for _, dim := range tensor.Shape {
				n *= dim
			}
			if n != len(tensor.Data) {
				t.Errorf("tensor %s of shape %v has %d values", tensor.Name, tensor.Shape, len(tensor.Data))
			}
			if slices.ContainsFunc(skipped, func(s checkpoint.Tensor) bool { return s.Name == tensor.Name }) {
				t.Errorf("tensor %s is read and left out", tensor.Name)
			}
		}
	})
}
