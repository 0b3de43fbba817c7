package kernel

import (
	"testing"
	"unsafe"
)

// Floats gives what was asked for, in whole large pages from the first on.
func TestFloats(t *testing.T) {
	for _, n := range []int{0, 1, 1000, hugePage / 4, hugePage/4 + 1, hugePage} {
		v := Floats(n)
		if len(v) != n || cap(v) != n {
			t.Fatalf("%d of %d values, want %d", len(v), cap(v), n)
		}
		for i, x := range v {
			if x != 0 {
				t.Fatalf("value %d of %d is %g, want 0", i, n, x)
			}
		}
		if 4*n < hugePage {
			continue
		}
		if at := uintptr(unsafe.Pointer(&v[0])); at%hugePage != 0 {
			t.Errorf("%d values begin %d bytes after a page", n, at%hugePage)
		}
	}
}
