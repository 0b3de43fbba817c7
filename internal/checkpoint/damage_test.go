package checkpoint_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
)

// Single bits of data that is read in several pieces; the bits are drawn.
func TestFlippedBitsOfLargeDataAreFound(t *testing.T) {
	c := &checkpoint.Checkpoint{}
	for i, n := range []int{1, 100_000, 3, 70_001} {
		c.Tensors = append(c.Tensors, checkpoint.Tensor{Name: fmt.Sprint(i), Shape: []int{n}, Data: make([]float32, n)})
	}
	b := encode(t, c)
	data := len(b) - 4*(1+100_000+3+70_001)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		at, bit := data+r.IntN(len(b)-data), i%8
		if i < 8 {
			at = len(b) - 1
		}
		b[at] ^= 1 << bit
		if _, err := decode(b); err == nil || !strings.Contains(err.Error(), "the tensors' checksum does not hold") {
			t.Errorf("bit %d of byte %d: error %v", bit, at, err)
		}
		b[at] ^= 1 << bit
	}
	if _, err := decode(b); err != nil {
		t.Error(err)
	}
}

// Whatever a file says of itself, reading it takes memory in proportion to its
// own size. The bound counts all that is ever allocated, freed or not: 256 KiB
// to convert numbers in, and the parsed header.
func TestMemoryFollowsFileSize(t *testing.T) {
	files := map[string][]byte{
		"many keys":    file(`{"__metadata__":{`+list(20_000, func(i int) string { return fmt.Sprintf(`"%d":""`, i) })+`}}`, 0),
		"many tensors": file(`{`+list(5_000, func(i int) string { return fmt.Sprintf(`"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`, i) })+`}`, 0),
		"many axes": file(`{`+list(1_000, func(i int) string {
			return fmt.Sprintf(`"%d":{"dtype":"F32","shape":[0%s],"data_offsets":[0,0]}`, i, strings.Repeat(",9", 31))
		})+`}`, 0),
		"deep":  file(`{"a":`+strings.Repeat("[", 100_000), 0),
		"whole": encode(t, &checkpoint.Checkpoint{Tensors: []checkpoint.Tensor{{Name: "w", Shape: []int{300_000}, Data: make([]float32, 300_000)}}}),
	}
	for _, test := range foreign {
		files[test.name] = test.file
	}
	for name, b := range files {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decode(b)
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+50*len(b)); got > limit {
			t.Errorf("%s: %d bytes for a file of %d, want at most %d (%v)", name, got, len(b), limit, err)
		}
	}
}

// list joins n pieces of JSON.
func list(n int, piece func(i int) string) string {
	pieces := make([]string, n)
	for i := range pieces {
		pieces[i] = piece(i)
	}
	return strings.Join(pieces, ",")
}

func TestFinite(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, test := range []struct {
		name   string
		values [][]float32 // a tensor each
		want   string
	}{
		{"nothing", nil, ""},
		{"finite", [][]float32{{0, math.MaxFloat32, -math.MaxFloat32}, {}, {math.SmallestNonzeroFloat32}}, ""},
		{"NaN", [][]float32{{1}, {0, nan, nan}, {2}}, `tensor "1" has NaN as value 1, want finite numbers; tensors with others: 1 of 3`},
		{"infinity", [][]float32{{inf}, {nan}}, `tensor "0" has -Inf as value 0, want finite numbers; tensors with others: 2 of 2`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &checkpoint.Checkpoint{}
			for i, v := range test.values {
				c.Tensors = append(c.Tensors, checkpoint.Tensor{Name: fmt.Sprint(i), Shape: []int{len(v)}, Data: v})
			}
			got := ""
			if err := c.Finite(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Read names the file before the fault, whatever it is, in one line.
func TestReadNamesFileAndFault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	for _, test := range foreign {
		if test.want == "" {
			continue
		}
		if err := os.WriteFile(path, test.file, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := checkpoint.Read(path)
		if err == nil || !strings.HasPrefix(err.Error(), "checkpoint: "+path+": ") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want a line with %s and %s", test.name, err, path, test.want)
		}
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte{0xff}, 4096), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoint.Read(path); err == nil || len(err.Error()) > 300 {
		t.Errorf("error %v, want a short one", err)
	}
}
