package simd

import "golang.org/x/sys/unix"

// requestTiles asks the system for the tile registers, which it keeps from programs
// that have not: see its Documentation/arch/x86/xstate.rst.
func requestTiles() error {
	const requestPermission, tileData = 0x1023, 18
	if _, _, e := unix.Syscall(unix.SYS_ARCH_PRCTL, requestPermission, tileData, 0); e != 0 {
		return e
	}
	return nil
}
