package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/gofrs/flock"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
)

// Folder is a run folder that no other process trains in.
type Folder struct {
	dir  string
	lock *flock.Flock // the system lets go of it when the process ends, however it ends
}

// OpenFolder makes the run folder if there is none, locks it, and removes what a
// training that was killed there left half written.
func OpenFolder(dir string) (*Folder, error) {
	if err := durable.MakeFolder(dir); err != nil {
		return nil, fmt.Errorf("out: %w", err)
	}
	f := &Folder{dir, flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o644))}
	switch locked, err := f.lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("out: lock: %w", err)
	case !locked:
		return nil, fmt.Errorf("another run is training in %s: wait for it to end, or choose another folder with --out", dir)
	}
	if err := f.removeStale(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close lets other processes train in the folder. Its lock file stays: removing
// it would take the lock from a process that has just opened it.
func (f *Folder) Close() error { return f.lock.Unlock() }

// staleName is a temporary file of package durable.
var staleName = regexp.MustCompile(`^\.(config\.yaml|metrics\.csv|report\.html|(curves|classes|confusion|epoch-\d+)\.png)\d+$`)

func (f *Folder) removeStale() error {
	for _, dir := range []string{f.dir, f.path("samples")} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("out: %w", err)
		}
		for _, e := range entries {
			if staleName.MatchString(e.Name()) {
				if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
					return fmt.Errorf("out: %w", err)
				}
			}
		}
	}
	return f.checkpoints(1).RemoveStale()
}

// path is that of a file in the folder.
func (f *Folder) path(name string) string { return filepath.Join(f.dir, name) }

// checkpoints is the folder of checkpoints, of which keep step files are kept.
func (f *Folder) checkpoints(keep int) checkpoint.Folder {
	return checkpoint.Folder{Dir: f.path("checkpoints"), Keep: keep}
}

// write replaces a file of the folder whole.
func (f *Folder) write(name string, text []byte) error {
	return durable.WriteFile(f.path(name), text)
}
