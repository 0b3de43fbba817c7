package checkpoint

import (
	"fmt"
	"io"
)

// Decode is Read of a file in memory, whose size may be said wrongly.
func Decode(r io.Reader, size int64) (*Checkpoint, error) {
	c, err := decode(r, size, true, own)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return c, nil
}

// Encode is Write to memory.
func (c *Checkpoint) Encode(w io.Writer) error { return c.encode(w) }
