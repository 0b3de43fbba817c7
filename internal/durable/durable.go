// Package durable writes files so that a crash at any moment leaves the old one or
// the new one, and never a part, and so that nothing else is written by mistake:
// all files of the program are written here.
//
// A temporary file in the same folder is written, synced and renamed, and the
// folder is synced. Its name is the final one with a dot before it and a number
// after it; what a killed process left behind can be told by that. What is no
// regular file, such as a symbolic link or a device, is never replaced nor written
// through.
package durable

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
	if _, err := regular(path); err != nil {
		return err
	}
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)),
		renameio.WithPermissions(0o644), renameio.WithExistingPermissions())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Cleanup()) }()
	buffer := bufio.NewWriterSize(f, 1<<16)
	if err := encode(buffer); err != nil {
		return err
	}
	if err := buffer.Flush(); err != nil {
		return err
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// Link makes path one more name of the file old, in place of the file that has it.
// Not every file system can.
func Link(old, path string) error {
	if _, err := regular(path); err != nil {
		return fmt.Errorf("link %s: %w", path, err)
	}
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"0")
	if err := os.Link(old, temp); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// Rename gives the file old the name path, in the same file system, in place of the
// file that has it. What was written to old must be synced.
func Rename(old, path string) error {
	if _, err := regular(path); err != nil {
		return fmt.Errorf("rename %s to %s: %w", old, path, err)
	}
	if err := os.Rename(old, path); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// Symlink makes path a symbolic link to target, in place of another one.
func Symlink(target, path string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	if err := os.Symlink(target, path); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// Open opens a file to append to it, or makes it. What is written is durable when
// Sync has returned, and not before.
func Open(path string) (*os.File, error) {
	if _, err := regular(path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
}

// Sync makes what was appended to a file durable, and its name too.
func Sync(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Sync(); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// MakeFolder makes a folder, and those it is in, durable; it may exist already.
func MakeFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MakeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if info, e := os.Stat(dir); e != nil || !info.IsDir() { // else another process has just made it
			return err
		}
	}
	return SyncFolder(parent)
}

// RemoveStale removes from a folder, if there is one, the temporary files that killed
// processes left of those files that are ours.
func RemoveStale(dir string, ours func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		name, hidden := strings.CutPrefix(e.Name(), ".")
		if !hidden || !e.Type().IsRegular() {
			continue
		}
		for end := len(strings.TrimRight(name, "0123456789")); end < len(name); end++ { // the final name may end in digits too
			if ours(name[:end]) {
				if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
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

// regular is the file at path, nil if there is none. Anything but a regular file is an error.
func regular(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return info, nil
	case mode.IsDir():
		return nil, errFolder
	case mode&fs.ModeSymlink != 0:
		return nil, errLink
	}
	return nil, errDevice
}

var (
	errFolder = errors.New("is a folder, want the name of a file")
	errLink   = errors.New("is a symbolic link, which is not followed: remove it, or choose another name")
	errDevice = errors.New("is a device or the like, want the name of a file")
)
