// Package report is what a person sees of a run: progress on the console, a
// table and a log in the run folder, and pictures of masks. Its recorders take
// the events of package train.
package report

import (
	"errors"

	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
)

// Recorders hands every event to each of its recorders. One that cannot write
// does not end the run: the others are told, with train.Unwritten. It does at
// the start, and at the end those that still have something to write say so.
type Recorders []train.Recorder

// Record passes the event on to all, also after an error.
func (r Recorders) Record(event any) error {
	err := r.all(event)
	switch event.(type) {
	case train.Started, train.Ended:
		return err
	}
	if err != nil {
		_ = r.all(train.Unwritten{Err: err}) // who cannot write this either says so at the end
	}
	return nil
}

func (r Recorders) all(event any) error {
	var errs []error
	for _, recorder := range r {
		errs = append(errs, recorder.Record(event))
	}
	return errors.Join(errs...)
}
