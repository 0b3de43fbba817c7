package memory

import "golang.org/x/sys/unix"

// adviseLargePages asks for large pages.
func adviseLargePages(memory []byte) {
	_ = unix.Madvise(memory, unix.MADV_HUGEPAGE) // only advice
}
