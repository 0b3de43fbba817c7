package simd

import "golang.org/x/sys/unix"

// requestTiles asks the OS for the AMX tile registers, which it withholds from programs
// that have not asked: see Linux, Documentation/arch/x86/xstate.rst.
func requestTiles() error {
	const requestPermission, tileData = 0x1023, 18
	if _, _, e := unix.Syscall(unix.SYS_ARCH_PRCTL, requestPermission, tileData, 0); e != 0 {
		return e
	}
	return nil
}
