package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/gofrs/flock"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

// Listed is a run folder, and how far its training has come.
type Listed struct {
	Dir    string
	Config config.Config
	State  string // training, ended, early stop, stopped
	report.Figures
}

// List finds the run folders below dir, dir itself among them, in the order of their
// paths. problems are those of folders that cannot be read, which are left out.
func List(dir string) (runs []Listed, problems []error, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && path == dir:
			return err
		case err != nil:
			problems = append(problems, err)
			return nil
		case e.IsDir() && path != dir && slices.Contains([]string{"checkpoints", "samples", "tensorboard", predictionsName}, e.Name()):
			return fs.SkipDir
		case e.IsDir() || e.Name() != configName:
			return nil
		}
		run, ok, err := look(filepath.Dir(path))
		if err != nil {
			problems = append(problems, err)
		} else if ok {
			runs = append(runs, run)
		}
		return nil
	})
	return runs, problems, err
}

// look reads what a run folder says of itself; ok is false where a config.yaml is that
// of no run.
func look(dir string) (run Listed, ok bool, err error) {
	locked, err := lockedBy(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) { // a copy, perhaps
		if _, err = os.Stat(filepath.Join(dir, "metrics.csv")); errors.Is(err, fs.ErrNotExist) {
			return run, false, nil
		}
	}
	if err != nil {
		return run, false, err
	}
	path := filepath.Join(dir, configName)
	text, err := os.ReadFile(path)
	if err != nil {
		return run, false, err
	}
	run.Dir = dir
	if run.Config, err = config.Parse(path, text); err != nil {
		return run, false, err
	}
	if run.Figures, err = report.ReadFigures(dir, run.Config.Data.Classes); err != nil {
		return run, false, err
	}
	at := checkpoint.Position{Epoch: run.Epochs, BestEpoch: run.BestEpoch - 1}
	switch ending := at.Ending(run.Config.Train.Epochs, run.Config.Train.EarlyStop); {
	case locked:
		run.State = "training"
	case ending == checkpoint.EarlyStop:
		run.State = "early stop"
	case ending != "":
		run.State = "ended"
	default:
		run.State = "stopped"
	}
	return run, true, nil
}

// lockedBy reports whether another process holds the lock of a folder, a file that
// exists.
func lockedBy(path string) (bool, error) {
	if _, err := os.Stat(path); err != nil {
		return false, err
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryRLock()
	if err != nil {
		return false, fmt.Errorf("lock: %w", err)
	}
	return !free, lock.Close()
}
