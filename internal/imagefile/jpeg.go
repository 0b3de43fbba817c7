package imagefile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// jpegOrientation is the orientation tag (1..8) of a JPEG file, and 1 where there
// is none or it cannot be read (CIPA DC-008, JPEG APP1 segment holding a TIFF
// directory).
func jpegOrientation(r io.Reader) int {
	br := bufio.NewReader(r)
	var two [2]byte
	if _, err := io.ReadFull(br, two[:]); err != nil || two != [2]byte{0xff, 0xd8} {
		return 1
	}
	const maxSegments = 256 // before the first scan; real files have a few dozen
	for range maxSegments {
		if _, err := io.ReadFull(br, two[:]); err != nil || two[0] != 0xff {
			return 1
		}
		marker := two[1]
		if marker == 0xda || marker == 0xd9 { // scan, end
			return 1
		}
		if _, err := io.ReadFull(br, two[:]); err != nil {
			return 1
		}
		n := int(binary.BigEndian.Uint16(two[:])) - 2
		if n < 0 {
			return 1
		}
		if marker != 0xe1 {
			if _, err := br.Discard(n); err != nil {
				return 1
			}
			continue
		}
		segment := make([]byte, n)
		if _, err := io.ReadFull(br, segment); err != nil {
			return 1
		}
		if tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok {
			return orientation(bytes.NewReader(tiff), int64(len(tiff)))
		}
	}
	return 1
}
