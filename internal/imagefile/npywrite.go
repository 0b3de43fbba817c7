package imagefile

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
)

// WriteNPY replaces the file at path by a little-endian float32 array (npy version
// 1, C order) of a shape, or makes it.
func WriteNPY(path string, shape []int, v []float32) error {
	return StreamNPY(path, shape, func(write func([]float32) error) error { return write(v) })
}

// StreamNPY is WriteNPY for values that fill writes piece by piece. It is an error
// if they are not just those of the shape; the old file is then as it was.
func StreamNPY(path string, shape []int, fill func(write func([]float32) error) error) error {
	want := 1
	axes := make([]string, len(shape))
	for i, d := range shape {
		want *= d
		axes[i] = fmt.Sprint(d)
	}
	tuple := strings.Join(axes, ", ")
	if len(shape) == 1 {
		tuple += ","
	}
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", tuple)
	const before, align = 10, 64 // magic, version and length; NumPy aligns the values to this
	dict += strings.Repeat(" ", align-1-(before+len(dict))%align) + "\n"
	header := append(binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(dict))), dict...)
	err := durable.Write(path, func(w io.Writer) error {
		if _, err := w.Write(header); err != nil {
			return err
		}
		written := 0
		err := fill(func(v []float32) error {
			written += len(v)
			return binary.Write(w, binary.LittleEndian, v)
		})
		if err == nil && written != want {
			err = fmt.Errorf("shape %v of %d values, want %d", shape, written, want)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}
