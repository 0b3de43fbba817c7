package checkpoint

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/float16"
)

// ReadForeign reads a safetensors file that another program may have written.
// Floating point numbers of other widths (F64, F16, BF16) become float32.
// Tensors of other types, such as PyTorch's num_batches_tracked, are left out of
// the checkpoint; skipped has their types by their names.
func ReadForeign(path string) (c *Checkpoint, skipped map[string]string, err error) {
	c, err = readFile(path, true, foreign)
	if err != nil {
		return nil, nil, err
	}
	skipped = map[string]string{}
	c.Tensors = slices.DeleteFunc(c.Tensors, func(t Tensor) bool {
		if foreign[t.stored].value != nil {
			return false
		}
		skipped[t.Name] = t.stored
		return true
	})
	return c, skipped, nil
}

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
