package report

// Ink colours text by ANSI escape sequences; the zero Ink leaves it as it is.
type Ink bool

// Each colour has a meaning; all are among the 16 of every terminal's theme.
func (i Ink) bold(s string) string { return i.paint("1", s) }
func (i Ink) good(s string) string { return i.paint("1;32", s) }
func (i Ink) bar(s string) string  { return i.paint("36", s) }

// Warning marks what needs attention.
func (i Ink) Warning(s string) string { return i.paint("33", s) }

// Error marks what went wrong.
func (i Ink) Error(s string) string { return i.paint("1;31", s) }

func (i Ink) paint(sgr, s string) string {
	if !i || s == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}
