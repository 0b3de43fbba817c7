package kernel

import "golang.org/x/sys/unix"

// adviseHugePages asks for large pages.
func adviseHugePages(memory []byte) {
	_ = unix.Madvise(memory, unix.MADV_HUGEPAGE) // only advice
}
