package kernel

import "unsafe"

// hugePage is the size in bytes of the large pages of memory.
const hugePage = 2 << 20

// Floats gives n zeros in memory that is fast to go through: of what is large,
// all whole pages of 2 MiB are asked for as such, which spares the processor
// most of its page table walks. The system may not have them: then it is
// ordinary memory.
func Floats(n int) []float32 {
	if 4*n < hugePage {
		return make([]float32, n)
	}
	block := make([]float32, n+hugePage/4)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(block))) % hugePage / 4
	block = block[skip:][:n:n]
	pages := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(block))), 4*n/hugePage*hugePage)
	adviseHugePages(pages)
	return block
}
