package report

import "fmt"

// pending is what is to be appended to a file. What could not be written waits in
// memory for the next try, when the disk may have room again.
type pending struct {
	waiting []byte
	failed  bool
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
	p.waiting = p.waiting[:0]
	return nil
}
