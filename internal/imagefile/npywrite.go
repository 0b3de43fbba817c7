package imagefile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
)

// NPYWriter writes a little-endian float32 array (npy version 1, C order) piece by piece.
type NPYWriter struct {
	path          string
	shape         []int
	written, want int // values
	file          *os.File
	buffer        *bufio.Writer
}

// CreateNPY begins the file of an array of a shape.
func CreateNPY(path string, shape []int) (*NPYWriter, error) {
	n := 1
	axes := make([]string, len(shape))
	for i, d := range shape {
		n *= d
		axes[i] = fmt.Sprint(d)
	}
	tuple := strings.Join(axes, ", ")
	if len(shape) == 1 {
		tuple += ","
	}
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", tuple)
	const before, align = 10, 64 // magic, version and length; NumPy aligns the values to this
	dict += strings.Repeat(" ", align-1-(before+len(dict))%align) + "\n"
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	w := &NPYWriter{path, shape, 0, n, file, bufio.NewWriterSize(file, 1<<16)}
	w.buffer.WriteString("\x93NUMPY\x01\x00") // Flush returns what goes wrong here
	w.buffer.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(dict))))
	w.buffer.WriteString(dict)
	return w, nil
}

// Write adds the next values.
func (w *NPYWriter) Write(v []float32) error {
	w.written += len(v)
	if err := binary.Write(w.buffer, binary.LittleEndian, v); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}

// Close ends the file. It is an error if it has not just the values of its shape.
func (w *NPYWriter) Close() error {
	err := errors.Join(w.buffer.Flush(), w.file.Close())
	switch {
	case err != nil:
		return fmt.Errorf("data: %w", err)
	case w.written != w.want:
		return fmt.Errorf("data: %s: shape %v of %d values, want %d", w.path, w.shape, w.written, w.want)
	}
	return nil
}

// Remove ends and removes a file that is not to be finished.
func (w *NPYWriter) Remove() error { return errors.Join(w.file.Close(), os.Remove(w.path)) }

// WriteNPY writes v as an array of a shape.
func WriteNPY(path string, shape []int, v []float32) error {
	w, err := CreateNPY(path, shape)
	if err != nil {
		return err
	}
	return errors.Join(w.Write(v), w.Close())
}
