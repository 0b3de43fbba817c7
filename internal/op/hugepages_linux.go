package op

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// adviseHugePages asks for pages of 2 MiB under a large block, which spares the
// processor most of its page table walks. The system may not have them: then
// all is as without.
func adviseHugePages(block []float32) {
	if len(block) < 1<<20 {
		return
	}
	const page = 4096
	start := uintptr(unsafe.Pointer(unsafe.SliceData(block)))
	skip := (page - start%page) % page / 4
	block = block[skip:]
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(block))), len(block)*4/page*page)
	_ = unix.Madvise(bytes, unix.MADV_HUGEPAGE) // only advice
}
