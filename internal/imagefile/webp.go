package imagefile

import (
	"bytes"
	"encoding/binary"
	"io"
)

// webpChunks is what the chunks of a WebP file say that package webp does not.
type webpChunks struct {
	orientation int
	lossy       bool
}

// readWebPChunks refuses an animation.
func readWebPChunks(r io.ReaderAt, size int64) (webpChunks, error) {
	const mostChunks = 1 << 16
	w := webpChunks{orientation: 1}
	frames := 0
	at := int64(12)
	for range mostChunks {
		var b [8]byte
		if _, err := r.ReadAt(b[:], at); err != nil {
			break // the decoder reports what is missing
		}
		length := int64(binary.LittleEndian.Uint32(b[4:]))
		switch string(b[:4]) {
		case "VP8 ":
			w.lossy = true
		case "ANMF":
			frames++
		case "EXIF":
			w.orientation = webpOrientation(io.NewSectionReader(r, at+8, length), min(length, size-at-8))
		}
		at += 8 + length + length%2
	}
	if frames > 0 {
		return w, severalPictures(frames, "frames (it is an animated WebP)")
	}
	return w, nil
}

// webpOrientation reads EXIF data, before which some writers put what JPEG has there.
func webpOrientation(r io.ReaderAt, size int64) int {
	const jpeg = "Exif\x00\x00"
	b := make([]byte, len(jpeg))
	if _, err := r.ReadAt(b, 0); err == nil && bytes.Equal(b, []byte(jpeg)) {
		return orientation(io.NewSectionReader(r, int64(len(jpeg)), size), size-int64(len(jpeg)))
	}
	return orientation(r, size)
}
