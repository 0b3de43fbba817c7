package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Printable returns a writer of text to w in which what is not printable is escaped:
// control characters, the marks that turn the direction of writing, and bytes that are
// not UTF-8. Names of files and classes and what a checkpoint says are strangers' text,
// which must not steer a terminal. Newlines, tabs and the colours of an Ink stay. The
// writer is safe for concurrent use if w is.
func Printable(w io.Writer) io.Writer { return &printable{w: w} }

type printable struct {
	w    io.Writer
	mu   sync.Mutex
	held []byte // the beginning of a character whose end is in the next write
}

func (p *printable) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(b)
	b = append(p.held, b...)
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		if c := colourAt(b); c > 0 {
			out, b = append(out, b[:c]...), b[c:]
			continue
		}
		if !utf8.FullRune(b) {
			break
		}
		r, size := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && size == 1:
			out = fmt.Appendf(out, `\x%02x`, b[0])
		case r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r):
			out = append(out, b[:size]...)
		case r < 0x80:
			out = fmt.Appendf(out, `\x%02x`, r)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[size:]
	}
	p.held = slices.Clone(b)
	if _, err := p.w.Write(out); err != nil {
		return 0, err
	}
	return n, nil
}

// colourAt is the length of the sequence of an Ink that b begins with, or 0.
func colourAt(b []byte) int {
	for _, sgr := range []string{inkBold, inkGood, inkBar, inkWarning, inkError, inkNone} {
		if sequence := escape(sgr); bytes.HasPrefix(b, []byte(sequence)) {
			return len(sequence)
		}
	}
	return 0
}
