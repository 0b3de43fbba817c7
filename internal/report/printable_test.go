package report_test

import (
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

func TestPrintable(t *testing.T) {
	for _, tc := range []struct {
		name string
		text []string // of one write each
		want string
	}{
		{"text", []string{"größe 图\tname\n"}, "größe 图\tname\n"},
		{"colours of our own", []string{report.Ink(true).Error("bad") + report.Ink(true).Warning("hm")}, "\x1b[1;31mbad\x1b[0m\x1b[33mhm\x1b[0m"},
		{"colours of a stranger", []string{"\x1b[31mred\x1b[2J"}, `\x1b[31mred\x1b[2J`},
		{"a title of the window", []string{"\x1b]0;title\x07"}, `\x1b]0;title\x07`},
		{"carriage return, backspace", []string{"ok\rno\b\x00\x7f"}, `ok\x0dno\x08\x00\x7f`},
		{"C1, as UTF-8 and as a byte", []string{"\u009b2J", "\x9b2J"}, `\u009b2J\x9b2J`},
		{"direction of writing", []string{"a\u202egnp.exe"}, `a\u202egnp.exe`},
		{"a character in two writes", []string{"gr\xc3", "\xb6ße"}, "größe"},
		{"no UTF-8 in two writes", []string{"a\xc3", "b"}, `a\xc3b`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out strings.Builder
			w := report.Printable(&out)
			for _, text := range tc.text {
				if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
					t.Fatalf("%d of %d bytes, %v", n, len(text), err)
				}
			}
			if out.String() != tc.want {
				t.Errorf("%q, want %q", out.String(), tc.want)
			}
		})
	}
}
