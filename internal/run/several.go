package run

import (
	"context"
	"errors"
	"fmt"
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

// last is the last checkpoint of the run folder; nil if there is none.
func (t Training) last() (*Saved, error) {
	path, _, err := checkpoint.Folder{Dir: filepath.Join(t.Config.Out, "checkpoints")}.Last()
	if err != nil || path == "" {
		return nil, err
	}
	return Read(path)
}

// checkSame refuses to go on from a checkpoint, which may be nil, of another
// configuration or other images: what has ended already would not fit the rest.
func (t Training) checkSame(saved *Saved) error {
	if saved == nil {
		return nil
	}
	cfg := t.Config
	cfg.Out = saved.Config.Out // the folder may have been moved
	var errs []error
	refused, changed := config.Compare(saved.Config, cfg)
	for _, d := range slices.Concat(refused, changed) {
		errs = append(errs, fmt.Errorf("%s was begun with another configuration: %v", t.Config.Out, d))
	}
	if errs == nil {
		for split, was := range map[string]string{"train": saved.DataFingerprint(), "val": saved.ValFingerprint()} {
			set, err := data.Open(cfg.Data, cfg.Seed, split)
			if err != nil {
				return err
			}
			if set.Fingerprint() != was {
				errs = []error{fmt.Errorf("%s was begun with other images, by name or file size", t.Config.Out)}
			}
		}
	}
	if errs != nil {
		return Usage(fmt.Errorf("%w\nchoose another folder with --out to start anew", errors.Join(errs...)))
	}
	return nil
}

// goOn trains the run to its end from wherever it stands; what names it to people.
func (t Training) goOn(ctx context.Context, what string) error {
	saved, err := t.last()
	if err != nil {
		return err
	}
	if saved != nil {
		at, err := saved.Position()
		if err != nil {
			return fmt.Errorf("%s: %w", saved.Path, err)
		}
		if at.Ending(t.Config.Train.Epochs, t.Config.Train.EarlyStop) != "" {
			return t.Console.Note("%s has ended: %s", what, t.Config.Out)
		}
		t.Resume = "auto"
	}
	t.Console.Note("%s: %s", what, t.Config.Out)
	_, err = t.Train(ctx)
	switch {
	case errors.Is(err, train.ErrInterrupted), errors.Is(err, context.Canceled):
		return fmt.Errorf("%w in %s: the same command goes on from there", train.ErrInterrupted, what)
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
