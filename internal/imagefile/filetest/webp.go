package filetest

import (
	"encoding/binary"
	"math/bits"
)

// WebP is a lossless WebP file of pixels [r, g, b, a] (h,w), with EXIF data if
// there are any. It uses nothing of the format but literal codes of 8 bits.
func WebP(h, w int, pixels [][4]uint8, exif []byte) []byte {
	var out []byte
	var word, have uint
	put := func(v, n uint) { // lowest bit first
		word |= v << have
		for have += n; have >= 8; have -= 8 {
			out = append(out, uint8(word))
			word >>= 8
		}
	}
	put(0x2f, 8)
	put(uint(w-1), 14)
	put(uint(h-1), 14)
	put(1, 1) // alpha
	put(0, 3) // version
	put(0, 3) // no transform, no colour cache, one group of codes
	for _, symbols := range []int{256 + 24, 256, 256, 256} {
		put(0, 1)    // not a simple code
		put(12-4, 4) // lengths of 12 code lengths follow, in the order 17, 18, 0, 1, ..., 16, 6, 7, 8
		for i := range 12 {
			length := uint(0)
			if i == 2 || i == 11 { // 0 and 8
				length = 1
			}
			put(length, 3)
		}
		put(0, 1) // all symbols have a length
		for s := range symbols {
			if s < 256 {
				put(1, 1) // 8
			} else {
				put(0, 1) // 0
			}
		}
	}
	put(0b0001, 4) // distances: a simple code of one symbol of 1 bit, 0
	for _, p := range pixels {
		for _, c := range []int{1, 0, 2, 3} { // green first
			put(uint(bits.Reverse8(p[c])), 8)
		}
	}
	put(0, 7)
	chunk := func(b []byte, name string, data []byte) []byte {
		b = binary.LittleEndian.AppendUint32(append(b, name...), uint32(len(data)))
		b = append(b, data...)
		if len(data)%2 == 1 {
			b = append(b, 0)
		}
		return b
	}
	body := []byte("WEBP")
	if exif != nil {
		body = chunk(body, "VP8X", []byte{8, 0, 0, 0, uint8(w - 1), uint8((w - 1) >> 8), 0, uint8(h - 1), uint8((h - 1) >> 8), 0})
	}
	body = chunk(body, "VP8L", out)
	if exif != nil {
		body = chunk(body, "EXIF", exif)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}
