package report

import (
	"fmt"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
)

// pending is what is to be appended to a file. What could not be written waits in
// memory for the next try, when the disk may have room again.
type pending struct {
	waiting  []byte
	failed   bool
	unsynced bool // what was written, since the last sync
}

// add writes b after what waits. Of many failures in a row only the first is
// returned. write leaves the file unchanged if it returns an error.
func (p *pending) add(b []byte, write func([]byte) error) error {
	p.waiting = append(p.waiting, b...)
	again := p.failed
	if err := p.flush(write); err != nil && !again {
		return err
	}
	return nil
}

// flush writes what waits.
func (p *pending) flush(write func([]byte) error) error {
	if len(p.waiting) == 0 {
		return nil
	}
	err := write(p.waiting)
	p.failed = err != nil
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	p.waiting, p.unsynced = p.waiting[:0], true
	return nil
}

// sync writes what waits, and makes all that was written to the file at path durable.
func (p *pending) sync(path string, write func([]byte) error) error {
	if err := p.flush(write); err != nil || !p.unsynced {
		return err
	}
	err := durable.Sync(path)
	p.failed = err != nil
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	p.unsynced = false
	return nil
}

// trySync is sync, of which, as with add, only the first of many failures in a row
// is returned.
func (p *pending) trySync(path string, write func([]byte) error) error {
	again := p.failed
	if err := p.sync(path, write); err != nil && !again {
		return err
	}
	return nil
}
