package checkpoint_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
)

// The values of testdata/pytorch.py, row by row, in each type and layout.
func TestReadPyTorch(t *testing.T) {
	values := []float32{-0.5, -0.25, 0, 0.25, 0.5, 0.75}
	want := []checkpoint.Tensor{
		{Name: "float32", Shape: []int{2, 3}, Data: values},
		{Name: "float64", Shape: []int{2, 3}, Data: values},
		{Name: "float16", Shape: []int{2, 3}, Data: values},
		{Name: "bfloat16", Shape: []int{2, 3}, Data: values},
		{Name: "transposed", Shape: []int{3, 2}, Data: []float32{-0.5, 0.25, -0.25, 0.5, 0, 0.75}},
		{Name: "column", Shape: []int{2}, Data: []float32{-0.25, 0.5}},
		{Name: "again", Shape: []int{2, 3}, Data: values},
		{Name: "scalar", Shape: []int{}, Data: []float32{2.5}},
		{Name: "empty", Shape: []int{0, 3}, Data: []float32{}},
		{Name: "parameter", Shape: []int{1}, Data: []float32{1.5}},
	}
	for name, under := range map[string]string{"zip.pth": "", "legacy.pth": "model_state_dict"} {
		c, skipped, err := checkpoint.ReadForeign(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if c.Meta["state_dict"] != under {
			t.Errorf("%s: the state_dict is under %q, want %q", name, c.Meta["state_dict"], under)
		}
		if d := difference(&checkpoint.Checkpoint{Tensors: c.Tensors}, &checkpoint.Checkpoint{Tensors: want}); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if len(skipped) != 1 || skipped[0].Name != "num_batches_tracked" || skipped[0].Type() != "I64" {
			t.Errorf("%s: left out are %v, want num_batches_tracked", name, skipped)
		}
	}
	if _, err := checkpoint.Read(filepath.Join("testdata", "zip.pth")); err == nil || !strings.Contains(err.Error(), "zip.pth: a PyTorch file, want a checkpoint of this program") {
		t.Errorf("as a checkpoint: %v", err)
	}
}

// Pieces of pickles.

func pickled(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func integer(n int64) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

func tuple(numbers ...int64) string {
	var b strings.Builder
	for _, n := range numbers {
		b.WriteString(integer(n))
	}
	return "(" + b.String() + "t"
}

// entry is a tensor of a storage of so many values.
func entry(name, class, key string, values, offset int64, size, stride string) string {
	return pickled(name) + "ctorch._utils\n_rebuild_tensor_v2\n((" + pickled("storage") + "ctorch\n" + class + "\n" + pickled(key) + pickled("cpu") +
		integer(values) + "tQ" + integer(offset) + size + stride + "\x89ccollections\nOrderedDict\n)RtRs"
}

func dict(entries ...string) string { return "\x80\x02}" + strings.Join(entries, "") + "." }

// legacy is a file of torch.save before PyTorch 1.6.
func legacy(program string, storages ...string) []byte {
	b := "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}." + program + "\x80\x02]"
	for i := range storages {
		b += pickled(string(rune('0'+i))) + "a"
	}
	return []byte(b + "." + strings.Join(storages, ""))
}

// floats is a storage of n zeros in a legacy file, said to be so many.
func floats(said uint64, n int) string {
	return string(binary.LittleEndian.AppendUint64(nil, said)) + strings.Repeat("\x00", 4*n)
}

// archive is a file of torch.save since PyTorch 1.6; records are names and contents.
func archive(method uint16, records ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(records); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: records[i], Method: method})
		if err == nil {
			_, err = w.Write([]byte(records[i+1]))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

const enormous = "\x00\x00\x00\x00\x00\x01\x00\x00" // 1 TiB

// hostile are files that are refused, and what the error says.
func hostile() map[string]struct {
	want string
	file []byte
} {
	one := entry("a", "FloatStorage", "0", 4, 0, tuple(2, 2), tuple(2, 1))
	whole := archive(zip.Store, "a/data.pkl", dict(one), "a/data/0", strings.Repeat("x", 16))
	flipped := bytes.Clone(whole)
	flipped[bytes.Index(flipped, []byte("xxxxxxxx"))] ^= 1
	return map[string]struct {
		want string
		file []byte
	}{
		"text of 1 TiB":              {"operation 0x8d reaches beyond the end", legacy("\x80\x04\x8d" + enormous + ".")},
		"bytes of 1 TiB":             {"operation 0x8e reaches beyond the end", legacy("\x80\x04\x8e" + enormous + ".")},
		"frame of 1 TiB":             {"operation 0x95 reaches beyond the end", legacy("\x80\x04\x95" + enormous + ".")},
		"text of 4 GiB":              {"operation 0x58 reaches beyond the end", legacy("\x80\x02X\xff\xff\xff\xff.")},
		"number of 2 GiB":            {"operation 0x8b", legacy("\x80\x02\x8b\xff\xff\xff\x7f.")},
		"unknown operation":          {"operation 0xff", legacy("\x80\x02\xff.")},
		"number of no bytes":         {"pickle: ", legacy("\x80\x02\x8a\x00.")},
		"nothing to stop with":       {"pickle: the stack is empty", legacy("\x80\x02.")},
		"key without value":          {"pickle: ", legacy("\x80\x02}(Nu.")},
		"key that cannot be hashed":  {"pickle: ", legacy("\x80\x02ccollections\nOrderedDict\n)RC\x01xNs.")},
		"list in itself is called":   {"pickle: ", legacy("\x80\x02]q\x00h\x00ah\x00)R.")},
		"no end":                     {"no end within", legacy("\x80\x02}N")[:27]},
		"operations without end":     {"more than 524288 operations", legacy("\x80\x02" + strings.Repeat("N0", 1<<18) + "}.")},
		"another format":             {"PyTorch's format 7, want 1001", bytes.Replace(legacy("}."), []byte("M\xe9\x03"), []byte("M\x07\x00"), 1)},
		"a list":                     {"holds list, want a state_dict", legacy("].")},
		"a whole net":                {`holds a whole my.UNet, want its state_dict; to save its state_dict: python3 -c 'import torch; torch.save(torch.load(`, legacy("cmy\nUNet\n)\x81}b.")},
		"no tensors":                 {`holds no state_dict: no tensors, and none under state_dict, model_state_dict, model, net; it has ["lr"]`, legacy(dict(pickled("lr") + "K\x01s"))},
		"two state_dicts":            {"holds 2 state_dicts, under model, net, want one", legacy(dict(pickled("model")+"}"+one+"s", pickled("net")+"}"+one+"s"), floats(4, 4))},
		"storage of 1 TiB":           {"truncated", legacy(dict(entry("a", "FloatStorage", "0", 1<<38, 0, tuple(1<<38), tuple(1))), floats(1<<38, 4))},
		"a long name":                {"of 1025 bytes, want at most 1024", legacy(dict(entry(strings.Repeat("a", 1025), "FloatStorage", "0", 4, 0, tuple(4), tuple(1))), floats(4, 4))},
		"storage of other size":      {"damaged: a storage of 3 values, want 4", legacy(dict(one), floats(3, 4))},
		"storage of -1 values":       {"pickle: a reference to a storage", legacy(dict(entry("a", "FloatStorage", "0", -1, 0, tuple(1), tuple(1))), floats(1, 1))},
		"storage beyond an int":      {"pickle: a storage of 9223372036854775807 values", legacy(dict(entry("a", "FloatStorage", "0", 1<<63-1, 0, tuple(1), tuple(1))), floats(1, 1))},
		"storage of an unknown type": {"pickle: a storage of type torch.QInt8Storage", legacy(dict(entry("a", "QInt8Storage", "0", 1, 0, tuple(1), tuple(1))), floats(1, 1))},
		"storage of two sizes":       {`pickle: storage "0" of two types or sizes`, legacy(dict(one, entry("b", "FloatStorage", "0", 3, 0, tuple(1), tuple(1))), floats(4, 4))},
		"storage that is not there":  {`tensor "a": damaged: its storage is not in the file`, legacy(dict(one))},
		"storage of no tensor":       {"damaged: its list of storages", legacy(dict(one), floats(4, 4), floats(1, 1))},
		"repeated values":            {`tensor "a": shape [1099511627776] is larger than its storage of 4 values; to convert it: python3 -c '`, legacy(dict(entry("a", "FloatStorage", "0", 4, 0, tuple(1<<40), tuple(0))), floats(4, 4))},
		"beyond the storage":         {`tensor "a": shape [2 2] with strides [2 1] from 1 on is not within its storage of 4 values`, legacy(dict(entry("a", "FloatStorage", "0", 4, 1, tuple(2, 2), tuple(2, 1))), floats(4, 4))},
		"before the storage":         {"is not within its storage", legacy(dict(entry("a", "FloatStorage", "0", 4, -1, tuple(2), tuple(1))), floats(4, 4))},
		"backwards":                  {"is not within its storage", legacy(dict(entry("a", "FloatStorage", "0", 4, 3, tuple(2), tuple(-1))), floats(4, 4))},
		"strides that overflow":      {"is not within its storage", legacy(dict(entry("a", "FloatStorage", "0", 4, 0, tuple(3), tuple(1<<62))), floats(4, 4))},
		"shape that overflows":       {"is too large", legacy(dict(entry("a", "FloatStorage", "0", 4, 0, tuple(1<<62, 4), tuple(1, 1))), floats(4, 4))},
		"negative shape":             {"is too large", legacy(dict(entry("a", "FloatStorage", "0", 4, 0, tuple(-1, -4), tuple(1, 1))), floats(4, 4))},
		"one storage many times": {"with it the tensors have", legacy(dict(slices.Collect(func(yield func(string) bool) {
			for i := range 40 {
				yield(entry(string(rune('A'+i)), "FloatStorage", "0", 4000, 0, tuple(4000), tuple(1)))
			}
		})...), floats(4000, 4000))},

		"zip of something else": {"a zip file without NAME/data.pkl", archive(zip.Store, "word/document.xml", "x")},
		"zip cut":               {"damaged, or no PyTorch file", whole[:len(whole)-9]},
		"TorchScript":           {"a TorchScript program, want a state_dict; to save its state_dict: python3 -c 'import torch; torch.save(torch.jit.load(", archive(zip.Store, "a/data.pkl", "}.", "a/constants.pkl", ").")},
		"two pickles":           {`two pickles, in "a/" and "b/"`, archive(zip.Store, "a/data.pkl", "}.", "b/data.pkl", "}.")},
		"a record twice":        {`record "a/data.pkl" twice`, archive(zip.Store, "a/data.pkl", "}.", "a/data.pkl", "}.")},
		"compressed":            {`record "a/data.pkl" is compressed`, archive(zip.Deflate, "a/data.pkl", dict(one), "a/data/0", strings.Repeat("x", 16))},
		"big-endian":            {"written on a big-endian machine", archive(zip.Store, "a/data.pkl", dict(one), "a/byteorder", "big")},
		"no such record":        {`tensor "a": damaged: no record "a/data/0"`, archive(zip.Store, "a/data.pkl", dict(one))},
		"a short record":        {`record "a/data/0" has 15 bytes, want 16`, archive(zip.Store, "a/data.pkl", dict(one), "a/data/0", strings.Repeat("x", 15))},
		"a flipped bit":         {"checksum error", flipped},
		"a record of 1 TiB":     {"with it the tensors have", archive(zip.Store, "a/data.pkl", dict(entry("a", "FloatStorage", "0", 1<<38, 0, tuple(1<<38), tuple(1))), "a/data/0", "x")},
	}
}

// Whatever a file says, reading it ends in an error in one line, soon, and takes no
// memory that the file has not.
func TestHostilePyTorch(t *testing.T) {
	for name, test := range hostile() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := readForeign(t, test.file)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
				t.Errorf("error %v, want a short line with %q", err, test.want)
			}
			if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+200*len(test.file)); got > limit {
				t.Errorf("%d bytes for a file of %d, want at most %d", got, len(test.file), limit)
			}
		})
	}
}

// A pickle that would run a program in Python makes an entry that is no tensor.
func TestPyTorchRunsNothing(t *testing.T) {
	made := filepath.Join(t.TempDir(), "made")
	attack := pickled("b") + "cos\nsystem\n(" + pickled("touch "+made) + "tRs" + pickled("c") + "cbuiltins\neval\n(" + pickled("1/0") + "tRs"
	c, skipped, err := readForeign(t, legacy(dict(entry("a", "FloatStorage", "0", 4, 0, tuple(2, 2), tuple(2, 1)), attack), floats(4, 4)))
	if err != nil || len(c.Tensors) != 1 || len(skipped) != 2 || skipped[0].Type() != "os.system" {
		t.Errorf("got %v, %v and error %v", c, skipped, err)
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("the command was run")
	}
}
