package imagefile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// exifOrientation is the orientation tag (1..8) of a JPEG file, and 1 where there
// is none or it cannot be read (CIPA DC-008, JPEG APP1 segment holding a TIFF
// directory).
func exifOrientation(r io.Reader) int {
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
			const orientation = 0x0112
			if o := tiffShort(bytes.NewReader(tiff), orientation, 1); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
	}
	return 1
}

// tiffShort is the first value of a 16-bit tag in the first directory of a TIFF
// file, and otherwise where it is missing or cannot be read (TIFF 6.0, section 2).
func tiffShort(r io.ReaderAt, tag uint16, otherwise int) int {
	var head [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return otherwise
	}
	var order binary.ByteOrder
	switch string(head[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return otherwise
	}
	at := int64(order.Uint32(head[4:]))
	var count [2]byte
	if _, err := r.ReadAt(count[:], at); err != nil {
		return otherwise
	}
	at += 2
	for range order.Uint16(count[:]) {
		var entry [12]byte // tag, type, number of values, value or its offset
		if _, err := r.ReadAt(entry[:], at); err != nil {
			return otherwise
		}
		at += int64(len(entry))
		const short = 3
		if order.Uint16(entry[:]) == tag && order.Uint16(entry[2:]) == short {
			return int(order.Uint16(entry[8:]))
		}
	}
	return otherwise
}

// upright undoes an EXIF orientation. Orientations above 4 swap height and width.
func upright(m Image, orientation int) Image {
	if orientation <= 1 || orientation > 8 {
		return m
	}
	out := Image{Pix: make([]float32, len(m.Pix)), H: m.H, W: m.W}
	if orientation > 4 {
		out.H, out.W = m.W, m.H
	}
	for y := range out.H {
		for x := range out.W {
			sx, sy := x, y // in the stored image
			switch orientation {
			case 2: // mirrored
				sx = m.W - 1 - x
			case 3: // turned by 180 degrees
				sx, sy = m.W-1-x, m.H-1-y
			case 4: // upside down
				sy = m.H - 1 - y
			case 5: // transposed
				sx, sy = y, x
			case 6: // upright after a clockwise quarter turn
				sx, sy = y, m.H-1-x
			case 7: // transposed along the other diagonal
				sx, sy = m.W-1-y, m.H-1-x
			case 8: // upright after an anticlockwise quarter turn
				sx, sy = m.W-1-y, x
			}
			copy(out.Pix[(y*out.W+x)*3:][:3], m.Pix[(sy*m.W+sx)*3:][:3])
		}
	}
	return out
}
