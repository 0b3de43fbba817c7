package run

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/gofrs/flock"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
)

// Folder is a run folder that no other process trains in.
type Folder struct {
	dir  string
	lock *flock.Flock // the system lets go of it when the process ends, however it ends
}

// names are what a run writes in its folder.
var names = []string{configName, "metrics.csv", "log.jsonl", "report.html", "curves.png", "classes.png", "confusion.png",
	"samples", "tensorboard", checkpointsName, lockName}

const (
	configName      = "config.yaml"
	checkpointsName = "checkpoints"
	lockName        = "lock"
)

// OpenFolder makes the run folder if there is none, locks it, and removes what a
// training that was killed there left half written. A folder with other people's
// files by the names of a run's is refused and left as it is.
func OpenFolder(dir string) (*Folder, error) {
	if err := refuseForeign(dir); err != nil {
		return nil, err
	}
	f, err := lockFolder(dir, lockName)
	if err != nil {
		return nil, err
	}
	if err := f.removeStale(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lockFolder makes the folder if there is none, and locks it by a file of that name.
func lockFolder(dir, lockName string) (*Folder, error) {
	if err := durable.MakeFolder(dir); err != nil {
		return nil, fmt.Errorf("out: %w", err)
	}
	f := &Folder{dir, flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o644))}
	switch locked, err := f.lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("out: lock: %w", err)
	case !locked:
		return nil, fmt.Errorf("another run is training in %s: wait for it to end, or choose another folder with --out", dir)
	}
	return f, nil
}

// refuseForeign tells a run folder by its lock file, or by its checkpoints, of a copy
// for instance. In any other, what has the name of a run's file is not ours to replace.
func refuseForeign(dir string) error {
	switch info, err := os.Lstat(filepath.Join(dir, lockName)); {
	case err == nil && info.Mode().IsRegular() && info.Size() == 0:
		return nil
	case err == nil:
		return Usage(fmt.Errorf("out: %s is not the empty file by which runs lock their folder: choose another folder with --out", filepath.Join(dir, lockName)))
	}
	if held, err := (checkpoint.Folder{Dir: filepath.Join(dir, "checkpoints")}).Holds(); held || err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			return Usage(fmt.Errorf("out: %s is not a run folder, and training would write over %s: choose another folder with --out", dir, path))
		}
	}
	return nil
}

// Close lets other processes train in the folder. Its lock file stays: removing
// it would take the lock from a process that has just opened it.
func (f *Folder) Close() error { return f.lock.Unlock() }

func (f *Folder) removeStale() error {
	for _, dir := range []string{f.dir, f.path("samples")} {
		if err := durable.RemoveStale(dir, func(name string) bool { return slices.Contains(names, name) || sampleName.MatchString(name) }); err != nil {
			return fmt.Errorf("out: %w", err)
		}
	}
	return f.checkpoints(1).RemoveStale()
}

// sampleName is a file in samples/.
var sampleName = regexp.MustCompile(`^epoch-\d+\.png$`)

// path is that of a file in the folder.
func (f *Folder) path(name string) string { return filepath.Join(f.dir, name) }

// checkpoints is the folder of checkpoints, of which keep step files are kept.
func (f *Folder) checkpoints(keep int) checkpoint.Folder {
	return checkpoint.Folder{Dir: f.path(checkpointsName), Keep: keep}
}

// checkConfig refuses a run that would replace a config.yaml which a person wrote:
// one that is not as a run writes it, and is the very file that the run was started
// with (read, or ""), or stands in a folder without checkpoints.
func (f *Folder) checkConfig(cfg config.Config, read string) error {
	path := f.path(configName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("out: %w", err)
	}
	if c, err := config.Parse(path, text); err == nil {
		if own := c.YAML(); bytes.Equal(own, text) || bytes.Equal(own, cfg.YAML()) {
			return nil
		}
	}
	held, err := f.checkpoints(1).Holds()
	if err != nil {
		return err
	}
	if held && !sameFile(path, read) {
		return nil
	}
	return Usage(fmt.Errorf("out: training would replace %s, which no run wrote: move it away, or choose another folder with --out", path))
}

// writeConfig replaces config.yaml, unless it says the same already, in whatever words.
func (f *Folder) writeConfig(cfg config.Config) error {
	path := f.path(configName)
	if text, err := os.ReadFile(path); err == nil {
		if c, err := config.Parse(path, text); err == nil && bytes.Equal(c.YAML(), cfg.YAML()) {
			return nil
		}
	}
	return durable.WriteFile(path, cfg.YAML())
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
