//go:build !linux

package op

// adviseHugePages does nothing here.
func adviseHugePages([]float32) {}
