//go:build amd64 && !linux

package simd

import "errors"

// requestTiles tells that the tile registers are not asked for here.
func requestTiles() error { return errors.ErrUnsupported }
