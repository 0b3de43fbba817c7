// Package durable replaces files so that a crash at any moment leaves the old one
// or the new one, and never a part: a temporary file in the same folder is
// written, synced and renamed. Its name is the final one with a dot before it and
// a number after it; what a killed process left behind can be told by that.
package durable

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// WriteFile replaces the file at path by text, or makes it. A file that exists
// keeps its permissions; a new one has 0o644 before the umask.
func WriteFile(path string, text []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// Write is WriteFile for what encode writes. After an error, encode's included,
// the old file is as it was.
func Write(path string, encode func(w io.Writer) error) error {
	if err := write(path, encode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func write(path string, encode func(w io.Writer) error) (err error) {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)),
		renameio.WithPermissions(0o644), renameio.WithExistingPermissions())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Cleanup()) }()
	buffer := bufio.NewWriter(f)
	if err := encode(buffer); err != nil {
		return err
	}
	if err := buffer.Flush(); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

// SyncFolder makes the renames in a folder survive a power cut: without it the old
// file may be there again.
func SyncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems cannot sync a folder and say so with EINVAL.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
