package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
)

// refuseOutputs refuses a folder in which a command that trains several runs would
// write over what it did not write. Its own folder it tells by its lock.
func refuseOutputs(dir, lockName string, names ...string) error {
	if _, err := os.Lstat(filepath.Join(dir, lockName)); err == nil {
		return nil
	}
	for _, name := range append(names, "checkpoints") {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return Usage(fmt.Errorf("out: %s holds %s already, of something else: choose another folder with --out", dir, name))
		}
	}
	return nil
}

// goOn trains the run to its end from wherever it stands; what names it to people.
func (t Training) goOn(ctx context.Context, what string) error {
	path, ended, err := t.ended()
	if err != nil {
		return err
	}
	if ended {
		return t.Console.Note("%s has ended: %s", what, t.Config.Out)
	}
	if t.Console.Note("%s: %s", what, t.Config.Out); path != "" {
		t.Resume = "auto"
	}
	if _, err := t.Train(ctx); errors.Is(err, train.ErrInterrupted) {
		return fmt.Errorf("%w in %s: the same command goes on from there", train.ErrInterrupted, what)
	} else if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// ended is the last checkpoint of the run folder, "" if there is none, and reports
// whether training has ended there.
func (t Training) ended() (path string, ended bool, err error) {
	path, _, err = checkpoint.Folder{Dir: filepath.Join(t.Config.Out, "checkpoints")}.Last()
	if err != nil || path == "" {
		return "", false, err
	}
	c, err := checkpoint.ReadRun(path)
	if err != nil {
		return "", false, err
	}
	at, err := c.Position()
	if err != nil {
		return "", false, fmt.Errorf("%s: %w", path, err)
	}
	return path, at.Ending(t.Config.Train.Epochs, t.Config.Train.EarlyStop) != "", nil
}

// checkSame refuses to go on with a run that was begun with another configuration, or
// on other images: runs that are to be compared must differ in nothing else.
func (t Training) checkSame(trainSet, valSet *data.Split) error {
	path := filepath.Join(t.Config.Out, configName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	old, err := config.Parse(path, text)
	if err != nil {
		return err
	}
	refused, changed := config.Compare(old, t.Config)
	var errs []error
	for _, d := range slices.Concat(refused, changed) {
		if d.Key != "out" { // the folder may have been moved
			errs = append(errs, fmt.Errorf("%s was trained with other keys: %v", t.Config.Out, d))
		}
	}
	last, _, err := checkpoint.Folder{Dir: filepath.Join(t.Config.Out, "checkpoints")}.Last()
	if err == nil && last != "" {
		c, err := checkpoint.ReadRun(last)
		if err != nil {
			return err
		}
		if c.DataFingerprint() != trainSet.Fingerprint() || c.ValFingerprint() != valSet.Fingerprint() {
			errs = append(errs, fmt.Errorf("%s was trained on other images, by name or file size", t.Config.Out))
		}
	}
	if errs != nil {
		return Usage(fmt.Errorf("%w\nchoose another folder with --out to start anew", errors.Join(errs...)))
	}
	return nil
}
