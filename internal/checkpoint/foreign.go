package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/float16"
)

// ReadForeign reads a file that another program may have written: safetensors, or
// a state_dict that torch.save wrote, of which no code is run (see pytorch.go).
// Floating point numbers of other widths (F64, F16, BF16) become float32. What is
// no tensor of such, like PyTorch's num_batches_tracked, is left out of the
// checkpoint; skipped has these without data. The error names the file.
func ReadForeign(path string) (c *Checkpoint, skipped []Tensor, err error) {
	f, size, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	head, err := readHead(f, size)
	if err == nil {
		err = downloaded(head)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	if isPyTorch(head) {
		if c, err = decodePyTorch(f, size); err != nil {
			return nil, nil, fmt.Errorf("checkpoint: %s: PyTorch file: %w%s", path, err, conversion(path, err))
		}
	} else if c, err = decode(f, size, true, foreign); err != nil {
		return nil, nil, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	c.Tensors = slices.DeleteFunc(c.Tensors, func(t Tensor) bool {
		if foreign[t.stored].value != nil {
			return false
		}
		skipped = append(skipped, t)
		return true
	})
	return c, skipped, nil
}

// readHead is the beginning of a file, by which its format can be told.
func readHead(f *os.File, size int64) ([]byte, error) {
	head := make([]byte, min(size, 64))
	err := readAt(f, head, 0)
	return head, err
}

// downloaded is an error for what is often saved in the place of weights.
func downloaded(head []byte) error {
	text := strings.ToLower(strings.TrimSpace(string(head)))
	switch {
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return errors.New("an HTML page, want weights: the address was that of a page about the file, or the server answered with a message")
	case strings.HasPrefix(text, "version https://git-lfs"):
		return errors.New("a pointer of Git LFS, want the file that it stands for: `git lfs pull` fetches it")
	}
	return nil
}

// Type is the type that the tensor has in the file that it was read from, such as F32
// or I64, or, of an entry of a PyTorch file that is no tensor, what that is.
func (t Tensor) Type() string { return t.stored }

// TrimPrefix takes off what wrappers of PyTorch put before the name of every tensor:
// module. (DataParallel) and _orig_mod. (torch.compile), also both. A prefix of only
// some names stays. The result is what was taken off, such as "module.", or "".
func (c *Checkpoint) TrimPrefix() string {
	trimmed := ""
	for _, prefix := range []string{"module.", "_orig_mod.", "module."} {
		if len(c.Tensors) == 0 || slices.ContainsFunc(c.Tensors, func(t Tensor) bool { return !strings.HasPrefix(t.Name, prefix) }) {
			continue
		}
		for i := range c.Tensors {
			c.Tensors[i].Name = c.Tensors[i].Name[len(prefix):]
		}
		trimmed += prefix
	}
	return trimmed
}

// dtype is how the numbers of a tensor are stored.
type dtype struct {
	size  int                  // bytes of a number
	value func([]byte) float32 // nil: no floating point number
}

// dtypes are types by their names in the header.
type dtypes map[string]dtype

var (
	// own is what Write writes.
	own = dtypes{"F32": {4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }}}

	// foreign are all types of the format whose numbers are whole bytes.
	foreign = dtypes{
		"F64":  {8, func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) }},
		"F32":  own["F32"],
		"F16":  {2, func(b []byte) float32 { return float16.Binary16(binary.LittleEndian.Uint16(b)) }},
		"BF16": {2, func(b []byte) float32 { return float16.Bfloat16(binary.LittleEndian.Uint16(b)) }},
		"BOOL": {size: 1}, "U8": {size: 1}, "I8": {size: 1}, "F8_E4M3": {size: 1}, "F8_E5M2": {size: 1}, "F8_E8M0": {size: 1},
		"U16": {size: 2}, "I16": {size: 2}, "U32": {size: 4}, "I32": {size: 4}, "U64": {size: 8}, "I64": {size: 8}, "C64": {size: 8},
	}
)
