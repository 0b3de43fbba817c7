// Package checkpoint keeps named float32 tensors and strings in safetensors
// files (https://github.com/huggingface/safetensors), which any safetensors
// reader opens:
//
//	8 bytes   n, the length of the header, little-endian
//	n bytes   JSON {"__metadata__": {key: string}, name: {"dtype", "shape", "data_offsets"}}
//	the rest  the tensors' bytes, little-endian, without gaps
//
// The metadata of the files written here hold two checksums, which are
// verified where they are present: sha256, of all tensor bytes, and
// header_sha256, of what the header says. So a file that reads without error
// holds what was written.
//
// Files are replaced whole: a process killed at any moment leaves the previous
// file intact.
package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Tensor is a named array; len(Data) is the product of Shape.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32

	stored string // type in the file that it was read from
}

// Checkpoint is the content of a file. The order of the tensors is that of
// their bytes in the file.
type Checkpoint struct {
	Meta    map[string]string
	Tensors []Tensor
}

// Tensor finds a tensor by name.
func (c *Checkpoint) Tensor(name string) (Tensor, bool) {
	i := slices.IndexFunc(c.Tensors, func(t Tensor) bool { return t.Name == name })
	if i < 0 {
		return Tensor{}, false
	}
	return c.Tensors[i], true
}

// Lookup is shape and values of a tensor by its name.
func (c *Checkpoint) Lookup(name string) (shape []int, values []float32, ok bool) {
	t, ok := c.Tensor(name)
	return t.Shape, t.Data, ok
}

// LookupTrained is Lookup of the tensor that the optimizer works on, where that of the
// net is an average.
func (c *Checkpoint) LookupTrained(name string) (shape []int, values []float32, ok bool) {
	if shape, values, ok = c.Lookup(TrainedPrefix + name); ok {
		return shape, values, ok
	}
	return c.Lookup(name)
}

// Config says when checkpoints are saved and how many are kept.
type Config struct {
	// EverySteps is the number of steps between two checkpoints; 0 saves at
	// each epoch's end only.
	EverySteps int `yaml:"every_steps" range:"[0,)"`
	// Keep is the number of step files kept beside last and best, >= 1.
	Keep int `yaml:"keep" range:"[1,)"`
}

// DefaultConfig saves at each epoch's end and keeps two step files.
func DefaultConfig() Config { return Config{EverySteps: 0, Keep: 2} }

// Validate reports every value out of range at once.
func (c Config) Validate() error {
	var errs []error
	if c.EverySteps < 0 {
		errs = append(errs, fmt.Errorf("checkpoint.every_steps = %d, want >= 0", c.EverySteps))
	}
	if c.Keep < 1 {
		errs = append(errs, fmt.Errorf("checkpoint.keep = %d, want >= 1", c.Keep))
	}
	return errors.Join(errs...)
}

const (
	metadataKey   = "__metadata__"
	dataDigest    = "sha256"
	headerDigest  = "header_sha256"
	maxHeader     = 100_000_000 // as in the safetensors library
	bytesPerValue = 4
)

// digestHeader is a checksum of all that a header says: the metadata but for
// the checksum itself, and the names and shapes in the order of the data. It
// does not depend on how the JSON is written.
func digestHeader(meta map[string]string, tensors []Tensor) string {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		if key != headerDigest {
			fmt.Fprintf(h, "%q: %q\n", key, meta[key])
		}
	}
	for _, t := range tensors {
		fmt.Fprintf(h, "%q %d\n", t.Name, t.Shape)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// elements is the product of a shape; ok is false when a dimension is negative
// or the bytes of a tensor of this shape, size for each number, do not fit an int.
func elements(shape []int, size int) (n int, ok bool) {
	n = 1
	for _, dim := range shape {
		if dim < 0 || dim > 0 && n > math.MaxInt/size/dim {
			return 0, false
		}
		n *= dim
	}
	return n, true
}
