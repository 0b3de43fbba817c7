package abridge_test

import (
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
)

func TestJoin(t *testing.T) {
	for _, tc := range []struct{ texts, want string }{
		{"", ""},
		{"a", "a"},
		{"a b c", "a, b, c"},
		{"a b c d", "a, b, c and 1 more"},
	} {
		if got := abridge.Join(strings.Fields(tc.texts), ", ", 3); got != tc.want {
			t.Errorf("%q becomes %q, want %q", tc.texts, got, tc.want)
		}
	}
}
