//go:build !linux

package kernel

// adviseHugePages does nothing here.
func adviseHugePages([]byte) {}
