package imagefile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// A TIFF file is a list of directories of tagged values (TIFF 6.0, section 2),
// one per picture. BigTIFF (tag values and offsets of 64 bits) differs in the
// widths only. EXIF data are one such directory.
type tiffFile struct {
	r     io.ReaderAt
	size  int64 // of the file: nothing is allocated that it cannot hold
	order binary.ByteOrder
	big   bool
	first int64 // offset of the first directory
}

// tiffDirectory is the entries of a directory by tag.
type tiffDirectory struct {
	file    tiffFile
	entries map[uint16]tiffEntry
}

// tiffEntry is where the values of a tag are.
type tiffEntry struct {
	kind  uint16 // 1 byte, 2 text, 3 short, 4 long, 16 long8, ...
	count uint64
	at    int64 // of the first value in the file
}

// Tags that are looked at.
const (
	tagSubfile      = 254
	tagWidth        = 256
	tagHeight       = 257
	tagBits         = 258
	tagCompression  = 259
	tagPhotometric  = 262
	tagFillOrder    = 266
	tagDescription  = 270
	tagStripOffsets = 273
	tagOrientation  = 274
	tagSamples      = 277
	tagRowsPerStrip = 278
	tagStripCounts  = 279
	tagPlanar       = 284
	tagPredictor    = 317
	tagColourMap    = 320
	tagTileWidth    = 322
	tagTileHeight   = 323
	tagTileOffsets  = 324
	tagTileCounts   = 325
	tagExtraSamples = 338
	tagSampleFormat = 339
	tagImageDepth   = 32997
	mostTIFFEntries = 4096
	mostTIFFTags    = 1 << 20 // of all directories
)

// openTIFF reads the header of a file of size bytes.
func openTIFF(r io.ReaderAt, size int64) (tiffFile, error) {
	f := tiffFile{r: r, size: size}
	b, err := f.read(0, 8)
	if err != nil {
		return f, err
	}
	switch string(b[:2]) {
	case "II":
		f.order = binary.LittleEndian
	case "MM":
		f.order = binary.BigEndian
	default:
		return f, errors.New("has no TIFF header")
	}
	switch version := f.order.Uint16(b[2:]); version {
	case 42:
		f.first = int64(f.order.Uint32(b[4:]))
	case 43:
		f.big = true
		if b, err = f.read(8, 8); err != nil {
			return f, err
		}
		f.first = int64(min(f.order.Uint64(b), math.MaxInt64))
	default:
		return f, fmt.Errorf("is TIFF of version %d, want 42 or 43", version)
	}
	return f, nil
}

// read reads n bytes. What lies outside the file is an error before it is allocated.
func (f tiffFile) read(at int64, n uint64) ([]byte, error) {
	if at < 0 || at > f.size || n > uint64(f.size-at) {
		return nil, fmt.Errorf("is truncated: %w", io.ErrUnexpectedEOF)
	}
	b := make([]byte, n)
	if _, err := f.r.ReadAt(b, at); err != nil && n > 0 {
		return nil, decodeError(err)
	}
	return b, nil
}

// directory reads the directory at an offset, and the offset of the next, 0 for none.
func (f tiffFile) directory(at int64) (d tiffDirectory, next int64, err error) {
	word, entry := uint64(2), uint64(12) // bytes of the number of entries, and of an entry
	if f.big {
		word, entry = 8, 20
	}
	b, err := f.read(at, word)
	if err != nil {
		return d, 0, err
	}
	n := uint64(0)
	if f.big {
		n = f.order.Uint64(b)
	} else {
		n = uint64(f.order.Uint16(b))
	}
	if n > mostTIFFEntries {
		return d, 0, fmt.Errorf("is damaged: a directory of %d entries", n)
	}
	at += int64(word)
	b, err = f.read(at, n*entry)
	if err != nil {
		return d, 0, err
	}
	d = tiffDirectory{file: f, entries: map[uint16]tiffEntry{}}
	for i := range n {
		e := b[i*entry:][:entry]
		tag := f.order.Uint16(e)
		v := tiffEntry{kind: f.order.Uint16(e[2:])}
		value := uint64(8) // of the value or its offset, within the entry
		if f.big {
			v.count, value = f.order.Uint64(e[4:]), 12
		} else {
			v.count = uint64(f.order.Uint32(e[4:]))
		}
		v.at = at + int64(i*entry+value)
		if inline := entry - value; v.width() > 0 && v.count > inline/v.width() {
			if f.big {
				v.at = int64(min(f.order.Uint64(e[value:]), math.MaxInt64))
			} else {
				v.at = int64(f.order.Uint32(e[value:]))
			}
		}
		if _, twice := d.entries[tag]; !twice {
			d.entries[tag] = v
		}
	}
	at += int64(n * entry)
	if f.big {
		if b, err = f.read(at, 8); err == nil {
			next = int64(min(f.order.Uint64(b), math.MaxInt64))
		}
	} else if b, err = f.read(at, 4); err == nil {
		next = int64(f.order.Uint32(b))
	}
	return d, next, nil // some writers leave the last offset out
}

// width is the number of bytes of a value of unsigned integers and text, else 0.
func (e tiffEntry) width() uint64 {
	switch e.kind {
	case 1, 2, 6, 7:
		return 1
	case 3, 8:
		return 2
	case 4, 9, 11, 13:
		return 4
	case 5, 10, 12, 16, 17, 18:
		return 8
	}
	return 0
}

// uints are the values of a tag of unsigned integers; nil where it is missing.
func (d tiffDirectory) uints(tag uint16) ([]uint64, error) {
	e, ok := d.entries[tag]
	if !ok {
		return nil, nil
	}
	w := e.width()
	switch e.kind {
	case 1, 3, 4, 13, 16, 18:
	default:
		return nil, fmt.Errorf("is damaged: tag %d has values of type %d, want unsigned integers", tag, e.kind)
	}
	if e.count > uint64(d.file.size)/w {
		return nil, fmt.Errorf("is truncated: %w", io.ErrUnexpectedEOF)
	}
	b, err := d.file.read(e.at, e.count*w)
	if err != nil {
		return nil, err
	}
	v := make([]uint64, e.count)
	for i := range v {
		switch w {
		case 1:
			v[i] = uint64(b[i])
		case 2:
			v[i] = uint64(d.file.order.Uint16(b[2*i:]))
		case 4:
			v[i] = uint64(d.file.order.Uint32(b[4*i:]))
		case 8:
			v[i] = d.file.order.Uint64(b[8*i:])
		}
	}
	return v, nil
}

// one is the first value of a tag, and otherwise where it is missing. It fits an int.
func (d tiffDirectory) one(tag uint16, otherwise int) (int, error) {
	v, err := d.uints(tag)
	if err != nil || len(v) == 0 {
		return otherwise, err
	}
	if v[0] > math.MaxInt32 {
		if tag == tagRowsPerStrip { // 2^32-1 means all
			return math.MaxInt32, nil
		}
		return 0, fmt.Errorf("is damaged: tag %d is %d", tag, v[0])
	}
	return int(v[0]), nil
}

// text is the beginning of a text.
func (d tiffDirectory) text(tag uint16) string {
	const most = 1024
	e := d.entries[tag]
	b, err := d.file.read(e.at, min(e.count, most))
	if err != nil || e.kind != 2 {
		return ""
	}
	return string(b)
}

// orientation is that of EXIF data, 1..8; 1 where there is none or it cannot be read.
func orientation(r io.ReaderAt, size int64) int {
	f, err := openTIFF(r, size)
	if err != nil {
		return 1
	}
	d, _, err := f.directory(f.first)
	if err != nil {
		return 1
	}
	return d.orientation()
}

func (d tiffDirectory) orientation() int {
	o, err := d.one(tagOrientation, 1)
	if err != nil || o < 1 || o > 8 {
		return 1
	}
	return o
}
