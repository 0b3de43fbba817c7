package checkpoint_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
)

func small() *checkpoint.Checkpoint {
	return &checkpoint.Checkpoint{
		Meta: map[string]string{"format": "unet-gorgonia/1", "config": "a: \"<b>\"\nü: 1\n"},
		Tensors: []checkpoint.Tensor{
			{Name: "head.weight", Shape: []int{2, 3}, Data: []float32{1, -2, 0.5, float32(math.Inf(1)), math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1))}},
			{Name: "empty", Shape: []int{0, 4}, Data: []float32{}},
			{Name: "a.scalar", Shape: []int{}, Data: []float32{float32(math.NaN())}},
		},
	}
}

func encode(t testing.TB, c *checkpoint.Checkpoint) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := c.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode(b []byte) (*checkpoint.Checkpoint, error) {
	return checkpoint.Decode(bytes.NewReader(b), int64(len(b)))
}

// difference compares bits, so that NaN equals itself, and leaves the
// checksums out.
func difference(got, want *checkpoint.Checkpoint) string {
	meta := func(c *checkpoint.Checkpoint) map[string]string {
		m := maps.Clone(c.Meta)
		delete(m, "sha256")
		delete(m, "header_sha256")
		return m
	}
	if g, w := meta(got), meta(want); !maps.Equal(g, w) {
		return fmt.Sprintf("metadata %q, want %q", g, w)
	}
	if len(got.Tensors) != len(want.Tensors) {
		return fmt.Sprintf("%d tensors, want %d", len(got.Tensors), len(want.Tensors))
	}
	for i, g := range got.Tensors {
		w := want.Tensors[i]
		same := slices.EqualFunc(g.Data, w.Data, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
		if g.Name != w.Name || !slices.Equal(g.Shape, w.Shape) || !same {
			return fmt.Sprintf("tensor %v, want %v", g, w)
		}
	}
	return ""
}

func TestRoundTrip(t *testing.T) {
	long := make([]float32, 200_003) // several chunks and a tail
	for i := range long {
		long[i] = float32(i) * 0.37
	}
	for _, test := range []struct {
		name string
		c    *checkpoint.Checkpoint
	}{
		{"small", small()},
		{"nothing", &checkpoint.Checkpoint{}},
		{"long", &checkpoint.Checkpoint{Tensors: []checkpoint.Tensor{{Name: "long", Shape: []int{200_003}, Data: long}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := encode(t, test.c)
			got, err := decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if d := difference(got, test.c); d != "" {
				t.Error(d)
			}
			if again := encode(t, got); !bytes.Equal(again, b) {
				t.Error("encoding what was decoded gives other bytes")
			}
			if n := binary.LittleEndian.Uint64(b); n%8 != 0 || b[8] != '{' {
				t.Errorf("header of %d bytes begins with %q, want a multiple of 8 and {", n, b[8])
			}
		})
	}
}

func TestEncodeLeavesMetaAlone(t *testing.T) {
	c := small()
	encode(t, c)
	if len(c.Meta) != 2 {
		t.Errorf("metadata became %q", c.Meta)
	}
}

func TestEncodeRefuses(t *testing.T) {
	tensor := func(name string, shape []int, values int) *checkpoint.Checkpoint {
		return &checkpoint.Checkpoint{Tensors: []checkpoint.Tensor{{Name: "w", Shape: []int{0}}, {Name: name, Shape: shape, Data: make([]float32, values)}}}
	}
	for _, test := range []struct {
		name, want string
		c          *checkpoint.Checkpoint
	}{
		{"doubled name", `"w" is taken`, tensor("w", []int{1}, 1)},
		{"reserved name", `"__metadata__" is taken`, tensor("__metadata__", []int{1}, 1)},
		{"too few values", `shape [2 3] and 5 values`, tensor("v", []int{2, 3}, 5)},
		{"negative dimension", `shape [-1] and 0 values`, tensor("v", []int{-1}, 0)},
		{"bad UTF-8 name", `not valid UTF-8`, tensor("\xff", []int{1}, 1)},
		{"long name", `tensor name has 1025 bytes, want at most 1024`, tensor(strings.Repeat("v", 1025), []int{1}, 1)},
		{"bad UTF-8 value", `metadata k is not valid UTF-8`, &checkpoint.Checkpoint{Meta: map[string]string{"k": "\xff"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			err := test.c.Encode(&b)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if b.Len() > 0 {
				t.Errorf("%d bytes were written", b.Len())
			}
		})
	}
}

// file makes a file of a header and n bytes of zeros.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

var foreign = []struct {
	name, want string // want "": it is read
	file       []byte
}{
	{"no metadata", "", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8)},
	{"no tensors", "", file(`{}`, 0)},
	{"padded, keys in another order", "", file("{\"a\":{\"data_offsets\":[4,8],\"shape\":[],\"dtype\":\"F32\"},\n\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}   ", 8)},
	{"empty file", "0 bytes, want at least 8", nil},
	{"seven bytes", "7 bytes, want at least 8", make([]byte, 7)},
	{"empty header", "does not begin with {", make([]byte, 8)},
	{"header above the limit", "header of 100000001 bytes", binary.LittleEndian.AppendUint64(nil, 100_000_001)},
	{"header length overflows", "header of 18446744073709551615 bytes", binary.LittleEndian.AppendUint64(nil, math.MaxUint64)},
	{"header longer than the file", "truncated: header of 90000000 bytes, but 0", binary.LittleEndian.AppendUint64(nil, 90_000_000)},
	{"space before {", "does not begin with {", file(` {}`, 0)},
	{"not JSON", "invalid character", file(`{nonsense}`, 0)},
	{"JSON ends early", "the JSON ends early", file(`{"a":`, 0)},
	{"bytes after the JSON", "more after the closing }", file(`{}{}`, 0)},
	{"zeros after the JSON", "more after the closing }", file("{}\x00", 0)},
	{"bad UTF-8", "not valid UTF-8", file("{\"__metadata__\":{\"\xff\":\"\"}}", 0)},
	{"doubled tensor", `key "a" twice`, file(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0)},
	{"doubled by escape", `key "a" twice`, file(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"\u0061":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0)},
	{"doubled metadata", `key "__metadata__" twice`, file(`{"__metadata__":{},"__metadata__":{}}`, 0)},
	{"doubled metadata key", `__metadata__: key "k" twice`, file(`{"__metadata__":{"k":"1","k":"2"}}`, 0)},
	{"long name", `name "aaaaaaaaaaaaaaaaaaaa"... of 1025 bytes, want at most 1024`, file(`{"`+strings.Repeat("a", 1025)+`":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0)},
	{"doubled field", `tensor "a": key "dtype" twice`, file(`{"a":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0)},
	{"metadata number", `__metadata__: 1, want a string`, file(`{"__metadata__":{"k":1}}`, 0)},
	{"metadata null", `want a string`, file(`{"__metadata__":{"k":null}}`, 0)},
	{"metadata is a list", `__metadata__: [, want {`, file(`{"__metadata__":[]}`, 0)},
	{"half precision", `tensor "a": dtype "F16", want F32`, file(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, 4)},
	{"no dtype", `tensor "a": dtype ""`, file(`{"a":{"shape":[1],"data_offsets":[0,4]}}`, 4)},
	{"no shape", `tensor "a": no shape`, file(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4)},
	{"unknown field", `tensor "a": strides`, file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1]}}`, 4)},
	{"negative dimension", `shape: -1, want a whole number`, file(`{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}`, 4)},
	{"fractional dimension", `shape: 1.0, want a whole number`, file(`{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}`, 4)},
	{"dimension is a string", `shape: 1, want a whole number`, file(`{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}`, 4)},
	{"dimension overflows", `want a whole number`, file(`{"a":{"dtype":"F32","shape":[18446744073709551617],"data_offsets":[0,4]}}`, 4)},
	{"product overflows to 1", `is too large`, file(`{"a":{"dtype":"F32","shape":[4294967297,4294967295,4294967297],"data_offsets":[0,4]}}`, 4)},
	{"bytes overflow to 4", `is too large`, file(`{"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}}`, 4)},
	{"many dimensions", `more than 32 numbers`, file(`{"a":{"dtype":"F32","shape":[`+strings.Repeat("1,", 32)+`1],"data_offsets":[0,4]}}`, 4)},
	{"range against shape", `hold 8 bytes, shape [3] needs 12`, file(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8)},
	{"range backwards", `hold -4 bytes`, file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4)},
	{"one offset", `1 data_offsets, want 2`, file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}`, 4)},
	{"three offsets", `more than 2 numbers`, file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, 4)},
	{"overlap", `"b" begins at byte 0 of the data, want 4`, file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8)},
	{"hole", `"b" begins at byte 8 of the data, want 4`, file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12)},
	{"hole at the start", `"a" begins at byte 4 of the data, want 0`, file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8)},
	{"bytes after the tensors", `need 4 bytes of data, the file has 5`, file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 5)},
	{"data cut", `need 4 bytes of data, the file has 3`, file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 3)},
	{"one tensor beyond the end", `need 4000000000 bytes of data, the file has 4`, file(`{"a":{"dtype":"F32","shape":[1000000000],"data_offsets":[0,4000000000]}}`, 4)},
	{"all of the address space", `hold 9223372036854775804 bytes, shape [1] needs 4`, file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775804]}}`, 4)},
	{"offset overflows", `data_offsets: 18446744073709551612, want a whole number`, file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,0]}}`, 4)},
	{"integers", `tensor "a": dtype "I32", want F32`, file(`{"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, 4)},
	{"checksum of other data", `the tensors' checksum does not hold`, file(`{"__metadata__":{"sha256":"00"}}`, 0)},
	{"checksum of another header", `the header's checksum does not hold`, file(`{"__metadata__":{"header_sha256":"00"}}`, 0)},
}

func TestDecodeForeign(t *testing.T) {
	for _, test := range foreign {
		t.Run(test.name, func(t *testing.T) {
			_, err := decode(test.file)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestTensorsComeInTheOrderOfTheirData(t *testing.T) {
	b := file(`{"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8)
	copy(b[len(b)-8:], []byte{0, 0, 128, 63, 0, 0, 0, 64}) // 1, 2
	c, err := decode(b)
	if err != nil {
		t.Fatal(err)
	}
	want := &checkpoint.Checkpoint{Tensors: []checkpoint.Tensor{{Name: "b", Shape: []int{1}, Data: []float32{1}}, {Name: "a", Data: []float32{2}}}}
	if d := difference(c, want); d != "" {
		t.Error(d)
	}
	if a, ok := c.Tensor("a"); !ok || a.Data[0] != 2 {
		t.Errorf("Tensor(a) = %v, %v", a, ok)
	}
	if _, ok := c.Tensor("c"); ok {
		t.Error("Tensor(c) was found")
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	whole := encode(t, small())
	for n := range len(whole) {
		if _, err := decode(whole[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were read as whole", n, len(whole))
		}
		// A file that shrinks after its size was taken.
		if _, err := checkpoint.Decode(bytes.NewReader(whole[:n]), int64(len(whole))); err == nil {
			t.Errorf("%d bytes of a size of %d were read as whole", n, len(whole))
		}
	}
}

// A flipped bit is found, unless it turns the key of a checksum into another
// key, or changes how the JSON is written and not what it says.
func TestEveryFlippedBitIsFound(t *testing.T) {
	whole := encode(t, small())
	for bit := range 8 * len(whole) {
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		c, err := decode(b)
		if err != nil {
			continue
		}
		for key := range c.Meta {
			if !slices.Contains([]string{"format", "config"}, key) {
				delete(c.Meta, key)
			}
		}
		if d := difference(c, small()); d != "" {
			t.Errorf("bit %d of byte %d (%q): %s", bit%8, bit/8, whole[bit/8], d)
		}
	}
}

func FuzzDecode(f *testing.F) {
	whole := encode(f, small())
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(whole[:40])
	for _, test := range foreign {
		f.Add(test.file)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decode(b)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "checkpoint: ") {
				t.Errorf("error %q does not say where it is from", err)
			}
			return
		}
		again, err := decode(encode(t, c))
		if err != nil {
			t.Fatal(err)
		}
		if d := difference(again, c); d != "" {
			t.Error(d)
		}
	})
}
