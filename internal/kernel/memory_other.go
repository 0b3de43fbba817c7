//go:build !linux

package kernel

// adviseLargePages does nothing here.
func adviseLargePages([]byte) {}
