package memory

import (
	"testing"
	"unsafe"
)

// Pieces of an arena are zeros, lie on cache lines of their own, and share large pages.
func TestArena(t *testing.T) {
	var a Arena
	var pieces [][]float32
	pages := map[uintptr]bool{}
	total := 0
	for _, n := range []int{0, 1, 17, 1000, pageFloats / 2, pageFloats, pageFloats + 1, arenaPages*pageFloats + 1, 5, arenaPages * pageFloats / 2} {
		v := a.Floats(n)
		if len(v) != n || cap(v) != n {
			t.Fatalf("%d of %d values, want %d", len(v), cap(v), n)
		}
		if n == 0 {
			continue
		}
		at := uintptr(unsafe.Pointer(&v[0]))
		if at%(4*lineFloats) != 0 {
			t.Errorf("%d values begin %d bytes after a cache line's start", n, at%(4*lineFloats))
		}
		total += 4 * n
		for p := at / (4 * pageFloats); p <= (at+uintptr(4*n)-1)/(4*pageFloats); p++ {
			pages[p] = true
		}
		for i, x := range v {
			if x != 0 {
				t.Fatalf("value %d of %d is %g, want 0: another piece's", i, n, x)
			}
			v[i] = float32(n)
		}
		pieces = append(pieces, v)
	}
	for _, v := range pieces {
		for i, x := range v {
			if x != float32(len(v)) {
				t.Fatalf("value %d of %d is %g, want what was written", i, len(v), x)
			}
		}
	}
	if most := total/(4*pageFloats) + 4; len(pages) > most {
		t.Errorf("%d bytes lie in %d pages, want at most %d", total, len(pages), most)
	}
}

// Large scratch memory is whole pages.
func TestScratch(t *testing.T) {
	for _, n := range []int{0, 1, pageFloats/8 - 1, pageFloats / 8, pageFloats, pageFloats + 1} {
		v := Floats(n)
		if n < pageFloats/8 {
			if len(v) != n {
				t.Errorf("%d values, want %d", len(v), n)
			}
			continue
		}
		at := uintptr(unsafe.Pointer(&v[0]))
		if len(v) < n || len(v)%pageFloats != 0 || at%(4*pageFloats) != 0 {
			t.Errorf("%d values from %d bytes after a page's start, want whole pages for %d", len(v), at%(4*pageFloats), n)
		}
	}
}
