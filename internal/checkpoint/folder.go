package checkpoint

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
)

// Folder is a run's folder of checkpoints: step-00000123.safetensors,
// last.safetensors and best.safetensors. Only one process may save to it.
type Folder struct {
	Dir  string
	Keep int // step files to keep, >= 1
}

// BestName is the file of the best validation's checkpoint in a Folder.
const BestName = "best.safetensors"

const lastName = "last.safetensors"

var stepName = regexp.MustCompile(`^step-(\d{8,18})\.safetensors$`)

// isName reports whether a name is that of a file that Save writes.
func isName(name string) bool {
	return name == lastName || name == BestName || stepName.MatchString(name)
}

// Write replaces the file at path; it is durable then.
func Write(path string, c *Checkpoint) error {
	if err := durable.Write(path, c.encode); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// Save writes c as the checkpoint of a step, as the last one and, if best, as the
// best one. When all of these are durable and the new file has been read
// back, it removes the older step files beyond Keep. Steps above this one (of
// a run that was resumed from further back) are left alone.
func (f Folder) Save(c *Checkpoint, step int64, best bool) error {
	if step < 0 {
		return fmt.Errorf("checkpoint: step = %d, want >= 0", step)
	}
	if err := durable.MakeFolder(f.Dir); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := f.RemoveStale(); err != nil {
		return err
	}
	path := filepath.Join(f.Dir, fmt.Sprintf("step-%08d.safetensors", step))
	if err := Write(path, c); err != nil {
		return err
	}
	if err := check(path); err != nil {
		return err
	}
	// The best one first: a run that is killed between the two resumes from the
	// last one, and so comes to this step again.
	names := []string{lastName}
	if best {
		names = []string{BestName, lastName}
	}
	for _, name := range names {
		if err := f.link(path, name, c); err != nil {
			return err
		}
	}
	return f.prune(step)
}

// RemoveStale removes what a process that was killed in Save left behind. It is no
// error if the folder does not exist.
func (f Folder) RemoveStale() error {
	if err := durable.RemoveStale(f.Dir, isName); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// Holds reports whether there is a file that Save would replace or remove, whole or not.
func (f Folder) Holds() (bool, error) {
	entries, err := os.ReadDir(f.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("checkpoint: %w", err)
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isName(e.Name()) }), nil
}

// link gives the file at path a second name, or writes c again where the file
// system has no hard links.
func (f Folder) link(path, name string, c *Checkpoint) error {
	target := filepath.Join(f.Dir, name)
	if durable.Link(path, target) != nil {
		return Write(target, c)
	}
	return nil
}

func (f Folder) prune(step int64) error {
	steps, err := f.steps()
	if err != nil {
		return err
	}
	steps = slices.DeleteFunc(steps, func(s stepFile) bool { return s.step > step })
	for _, s := range steps[min(len(steps), max(1, f.Keep)):] {
		if err := os.Remove(s.path); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	return nil
}

type stepFile struct {
	step int64
	path string
}

// steps lists the step files, newest first.
func (f Folder) steps() ([]stepFile, error) {
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	var steps []stepFile
	for _, e := range entries {
		if m := stepName.FindStringSubmatch(e.Name()); m != nil {
			step, err := strconv.ParseInt(m[1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("checkpoint: %s: %w", e.Name(), err)
			}
			steps = append(steps, stepFile{step, filepath.Join(f.Dir, e.Name())})
		}
	}
	slices.SortFunc(steps, func(a, b stepFile) int { return cmp.Compare(b.step, a.step) })
	return steps, nil
}

// Last finds the checkpoint to resume from: last.safetensors if it is whole,
// otherwise the newest whole step file. skipped says what is wrong with those
// that were passed over. path is empty when the folder holds no checkpoint;
// checkpoints of which none is whole are an error.
func (f Folder) Last() (path string, skipped []error, err error) {
	steps, err := f.steps()
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	paths := []string{filepath.Join(f.Dir, lastName)}
	for _, s := range steps {
		paths = append(paths, s.path)
	}
	for _, path := range paths {
		err := check(path)
		if err == nil {
			return path, skipped, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			skipped = append(skipped, err)
		}
	}
	if len(skipped) > 0 {
		return "", nil, fmt.Errorf("checkpoint: %s holds no whole checkpoint:\n%w", f.Dir, errors.Join(skipped...))
	}
	return "", nil, nil
}
