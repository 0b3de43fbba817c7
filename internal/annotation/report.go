package annotation

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Report counts what was left out, by reason in order of appearance.
type Report struct {
	reasons []*reason
}

type reason struct {
	what  string
	count int
	names []string // the first
}

// mostNames bounds the names that are told for one reason.
const mostNames = 5

// add counts one more thing that was left out for a reason. A name that has been
// told already is not told again.
func (r *Report) add(what, name string) {
	var found *reason
	for _, known := range r.reasons {
		if known.what == what {
			found = known
		}
	}
	if found == nil {
		found = &reason{what: what}
		r.reasons = append(r.reasons, found)
	}
	found.count++
	if len(found.names) > mostNames {
		return
	}
	for _, told := range found.names {
		if told == name {
			return
		}
	}
	found.names = append(found.names, name)
}

// merge adds another report to this one.
func (r *Report) merge(other Report) {
	for _, o := range other.reasons {
		for i := range o.count {
			r.add(o.what, o.names[min(i, len(o.names)-1)])
		}
	}
}

// Lines say what was left out, one reason per line: "images without annotation (3):
// a.jpg, b.jpg, c.jpg". Nothing in them can control a terminal.
func (r *Report) Lines() (lines []string) {
	for _, e := range r.reasons {
		var names []string
		for _, name := range e.names[:min(len(e.names), mostNames)] {
			names = append(names, printable(name))
		}
		if len(e.names) > mostNames {
			names = append(names, "...")
		}
		lines = append(lines, fmt.Sprintf("%s (%d): %s", printable(e.what), e.count, strings.Join(names, ", ")))
	}
	return lines
}

// printable is text as it is if all of it can be printed, else quoted.
func printable(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(text)
	}
	return text
}
