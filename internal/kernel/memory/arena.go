// Package memory allocates memory for tensors and scratch: in large pages, which spare
// the processor most of its page table walks, and in buffers that grow.
package memory

import "unsafe"

// Sizes in floats. The OS may have no large pages: then they are ordinary memory.
const (
	pageFloats = 2 << 20 / 4 // of a large page, of 2 MiB
	lineFloats = 16          // of a cache line
)

// arenaPages is how many large pages an Arena asks for at once, at least. Pages that
// nothing was put into take no memory, unless the heap gives some that were in use
// before: those it overwrites with zeros.
const arenaPages = 4

// Arena is memory in large pages, also of small pieces. The garbage collector frees it
// when none of its pieces is in use any longer. The zero value is ready for use.
type Arena struct{ rest []float32 }

// Floats returns n zeros, which begin at a cache line.
func (a *Arena) Floats(n int) []float32 {
	size := (n + lineFloats - 1) / lineFloats * lineFloats
	if size <= len(a.rest) {
		v := a.rest[:n:n]
		a.rest = a.rest[size:]
		return v
	}
	v := largePages(max(size, arenaPages*pageFloats))
	if rest := v[size:]; len(rest) > len(a.rest) {
		a.rest = rest
	}
	return v[:n:n]
}

// largePages returns at least n zeros, in whole pages.
func largePages(n int) []float32 {
	n = (n + pageFloats - 1) / pageFloats * pageFloats
	block := make([]float32, n+pageFloats)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(block))) / 4 % pageFloats
	block = block[skip:][:n:n]
	adviseLargePages(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(block))), 4*n))
	return block
}

// Floats returns at least n zeros, in large pages if they fill a good part of one.
func Floats(n int) []float32 {
	if n < pageFloats/8 {
		return make([]float32, n)
	}
	return largePages(n)
}

// Grow returns *buf with length n and undefined contents, enlarged if need be; float32
// as by Floats.
func Grow[T any](buf *[]T, n int) []T {
	if cap(*buf) < n {
		if floats, ok := any(buf).(*[]float32); ok {
			*floats = Floats(n)
		} else {
			*buf = make([]T, n)
		}
	}
	return (*buf)[:n]
}
