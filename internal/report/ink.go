package report

// Ink colours text by ANSI escape sequences; the zero Ink leaves it as it is.
type Ink bool

// Each colour has a meaning; all are among the 16 of every terminal's theme.
const (
	inkBold    = "1"
	inkGood    = "1;32"
	inkBar     = "36"
	inkWarning = "33"
	inkError   = "1;31"
	inkNone    = "0"
)

func (i Ink) bold(s string) string { return i.paint(inkBold, s) }
func (i Ink) good(s string) string { return i.paint(inkGood, s) }
func (i Ink) bar(s string) string  { return i.paint(inkBar, s) }

// Warning marks what needs attention.
func (i Ink) Warning(s string) string { return i.paint(inkWarning, s) }

// Error marks what went wrong.
func (i Ink) Error(s string) string { return i.paint(inkError, s) }

func (i Ink) paint(sgr, s string) string {
	if !i || s == "" {
		return s
	}
	return escape(sgr) + s + escape(inkNone)
}

// escape is the sequence that selects a colour.
func escape(sgr string) string { return "\x1b[" + sgr + "m" }
