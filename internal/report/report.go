// Package report is what a person sees of a run: progress on the console, a
// table, a log and event files for TensorBoard in the run folder, pictures of
// masks, and, drawn from that folder after each epoch, charts and a page. Its
// recorders take the events of package event.
package report

import (
	"errors"

	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
)

// Recorders passes every event to each of its recorders. One that cannot write does
// not end the run: the others get an event.Unwritten. Only at the start and at the
// end is it an error.
type Recorders []interface{ Record(event.Event) error }

// Record passes the event on to all, also after an error.
func (r Recorders) Record(e event.Event) error {
	errs := r.all(e)
	switch e.(type) {
	case event.Started, event.Ended:
		return errors.Join(errs...)
	}
	for _, err := range errs {
		r.all(event.Unwritten{Err: err}) // one that cannot write this either says so at the end
	}
	return nil
}

// all returns the errors of those that have one.
func (r Recorders) all(e event.Event) (errs []error) {
	for _, recorder := range r {
		if err := recorder.Record(e); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
