package report

import (
	"io"
	"sync"
)

// Terminal is a terminal whose last line may be a status, such as a progress
// bar, that is drawn again and again. What is written goes above it. It is safe
// for concurrent use.
type Terminal struct {
	w     io.Writer
	width func() int

	mu     sync.Mutex
	status string
	closed bool
}

// NewTerminal writes to w, a terminal that understands ANSI escape sequences;
// width is its present number of columns.
func NewTerminal(w io.Writer, width func() int) *Terminal {
	return &Terminal{w: w, width: width}
}

// eraseLine goes to the first column and empties the line.
const eraseLine = "\r\x1b[K"

// Write writes whole lines.
func (t *Terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.status == "" {
		return t.w.Write(b)
	}
	if _, err := io.WriteString(t.w, eraseLine+string(b)+t.status); err != nil {
		return 0, err
	}
	return len(b), nil
}

// SetStatus draws the status, text without a newline that fits Width; "" takes it away.
func (t *Terminal) SetStatus(text string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || text == "" && t.status == "" {
		return nil
	}
	t.status = text
	_, err := io.WriteString(t.w, eraseLine+text)
	return err
}

// Away runs f with the last line left to others, such as the shell while the
// process is stopped. Writes and draws wait.
func (t *Terminal) Away(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status = ""
	io.WriteString(t.w, eraseLine) // if the terminal is gone, the next line fails too
	f()
}

// Width is the number of columns that a status may have. The last ones stay empty:
// many terminals echo ^C there, and a new line would keep the status from being erased.
func (t *Terminal) Width() int { return t.width() - 3 }

// Close takes the status away for good, and what a key such as ^C has left in its
// line. Lines may still be written.
func (t *Terminal) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status, t.closed = "", true
	_, err := io.WriteString(t.w, eraseLine)
	return err
}
