package report

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
)

// lines appends whole lines to a file.
type lines struct{ pending }

// add appends a line, which ends with a newline, after those that wait.
func (l *lines) add(path string, line []byte) error {
	return l.pending.add(line, func(text []byte) error { return appendLines(path, text) })
}

// sync makes all lines durable.
func (l *lines) sync(path string) error {
	return l.pending.sync(path, func(text []byte) error { return appendLines(path, text) })
}

// trySync is sync, but returns only the first of many failures in a row.
func (l *lines) trySync(path string) error {
	return l.pending.trySync(path, func(text []byte) error { return appendLines(path, text) })
}

// appendLines writes text, of whole lines, after the last whole line of the
// file: what a kill cut off is dropped. After an error the file ends as before.
func appendLines(path string, text []byte) (err error) {
	f, err := durable.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, err := wholeLines(f)
	if err != nil {
		return err
	}
	if err := f.Truncate(end); err != nil {
		return err
	}
	if _, err := f.WriteAt(text, end); err != nil {
		return errors.Join(err, f.Truncate(end))
	}
	return nil
}

// wholeLines is the number of bytes up to and with the last newline of a file.
func wholeLines(f *os.File) (int64, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	for size := int64(1); end > 0; size = 4096 { // the last byte alone, as a rule
		b := make([]byte, min(size, end))
		end -= int64(len(b))
		if _, err := f.ReadAt(b, end); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			return end + int64(i) + 1, nil
		}
	}
	return 0, nil
}
