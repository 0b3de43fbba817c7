package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
)

// Outputs says which files that exist already a command may replace.
type Outputs struct {
	// Inputs are what the command reads, files and folders: such a file, and those
	// in such a folder, at any depth, are never replaced; nor, without Add, is one
	// added there, where it would be read with the others. They need not exist.
	Inputs []string
	// Force lets other files be replaced.
	Force bool
	// Add lets files be added to the folders of the inputs.
	Add bool
}

// Check reports what stands in the way of writing files at paths, one line for
// each kind of obstacle. It changes nothing.
func (o Outputs) Check(paths ...string) error {
	inputs := map[identity]bool{}
	for _, path := range o.Inputs {
		if info, err := os.Stat(path); err == nil {
			inputs[identify(info)] = true
		}
	}
	folders := map[string]bool{} // whether a folder is an input, or in one
	var read, added, exist []string
	var errs []error
	for _, path := range paths {
		info, err := regular(path)
		switch {
		case errors.As(err, new(*fs.PathError)): // names it
			errs = append(errs, err)
		case err != nil:
			errs = append(errs, fmt.Errorf("%s %w", path, err))
		case info == nil && !o.Add && within(inputs, folders, filepath.Dir(path)):
			added = append(added, path)
		case info == nil:
		case inputs[identify(info)] || within(inputs, folders, filepath.Dir(path)):
			read = append(read, path)
		case !o.Force:
			exist = append(exist, path)
		}
	}
	if len(errs) > most {
		errs = append(errs[:most], fmt.Errorf("and %d more", len(errs)-most))
	}
	errs = append(errs, about(read, "belongs to the input or the data set and is never replaced", "belong to the input or the data set and are never replaced"))
	const among = "would be read as part of the data set: choose another folder"
	errs = append(errs, about(added, among, among))
	errs = append(errs, about(exist, "exists already, --force replaces it", "exist already, --force replaces them"))
	return errors.Join(errs...)
}

// Writable is an error if no file can be made in a folder, or, where that is still to
// be made, in the one it would be in. A full disk shows only when it is written to.
func Writable(dir string) error {
	err := unix.Access(dir, unix.W_OK|unix.X_OK)
	if parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir {
		return Writable(parent)
	}
	if err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}

// within reports whether dir, which known remembers, is one of the inputs or in one.
func within(inputs map[identity]bool, known map[string]bool, dir string) bool {
	if in, ok := known[dir]; ok {
		return in
	}
	in := false
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		in = within(inputs, known, filepath.Dir(dir))
	}
	// Through symbolic links: a folder that leads to the inputs is one of them.
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		if real, err = filepath.Abs(real); err == nil {
			for up := real; !in; up = filepath.Dir(up) {
				if info, err := os.Stat(up); err == nil {
					in = inputs[identify(info)]
				}
				if up == filepath.Dir(up) {
					break
				}
			}
		}
	}
	known[dir] = in
	return in
}

// identity is what two names of one file have in common.
type identity struct{ device, inode uint64 }

func identify(info fs.FileInfo) identity {
	s := info.Sys().(*syscall.Stat_t)
	return identity{uint64(s.Dev), s.Ino}
}

// most is how many of many files are named.
const most = 3

// about says the same of one file or of many, of which it names the first; nil for none.
func about(paths []string, one, many string) error {
	switch len(paths) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s %s", paths[0], one)
	}
	return fmt.Errorf("%s %s", abridge.Join(paths, ", ", most), many)
}
