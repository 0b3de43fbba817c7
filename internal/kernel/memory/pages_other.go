//go:build !linux

package memory

// adviseLargePages does nothing here.
func adviseLargePages([]byte) {}
