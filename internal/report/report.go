// Package report is what a person sees of a run: progress on the console, a
// table and a log in the run folder, and pictures of masks. Its recorders take
// the events of package train.
package report

import (
	"errors"

	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
)

// Recorders hands every event to each of its recorders.
type Recorders []train.Recorder

// Record passes the event on to all, also after an error, and joins their errors.
func (r Recorders) Record(event any) error {
	var errs []error
	for _, recorder := range r {
		errs = append(errs, recorder.Record(event))
	}
	return errors.Join(errs...)
}
