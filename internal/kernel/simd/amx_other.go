//go:build amd64 && !linux

package simd

import "errors"

// requestTiles reports that this OS is not asked for AMX tile registers.
func requestTiles() error { return errors.ErrUnsupported }
