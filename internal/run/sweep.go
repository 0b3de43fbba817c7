package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

// sweepLock is the file by which a sweep locks its folder.
const sweepLock = "sweep.lock"

// Sweep trains runs, one after the other, whose folders are in dir. Those that were
// begun go on, and what has ended is left as it is. One that fails does not keep the
// others from being trained; the error is then a FailedRuns.
func Sweep(ctx context.Context, dir string, runs []Training) (err error) {
	for _, t := range runs {
		if err := (durable.Outputs{Inputs: t.Config.Data.Inputs(), Force: true}).Check(filepath.Join(dir, sweepLock)); err != nil {
			return Usage(fmt.Errorf("out: %w", err))
		}
		saved, err := t.last()
		if err != nil {
			return err
		}
		if err := t.checkSame(saved); err != nil {
			return err
		}
	}
	if err := refuseOutputs(dir, sweepLock); err != nil {
		return err
	}
	out, err := lockFolder(dir, sweepLock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	var failed []string
	for i, t := range runs {
		t.Console = fresh(t.Console)
		name := filepath.Base(t.Config.Out)
		err := t.goOn(ctx, fmt.Sprintf("%s (%d of %d)", name, i+1, len(runs)))
		if ctx.Err() != nil {
			return cmp.Or(err, context.Cause(ctx))
		}
		if err != nil {
			t.Console.Warn("%v", err)
			failed = append(failed, name)
		}
	}
	if failed != nil {
		return FailedRuns{fmt.Errorf("%d of %d runs failed: %s", len(failed), len(runs), abridge.Join(failed, "; ", 5))}
	}
	return nil
}

// FailedRuns tells of runs of a sweep that failed, when all have been tried.
type FailedRuns struct{ error }

// fresh is a console that has shown no run yet.
func fresh(c *report.Console) *report.Console {
	console := *c
	return &console
}
