package imagefile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// npyHeader is the start of an npy file (NumPy Enhancement Proposal 1, format
// versions 1 to 3). Only arrays of plain numbers in C order are taken.
type npyHeader struct {
	kind  byte // b, i, u or f
	width int  // bytes of a value
	order binary.ByteOrder
	shape []int
	data  int64 // offset of the first value
}

// maxNPYHeader bounds the dictionary of a header, and maxNPYAxes its shape; real
// ones take 118 bytes and 4 axes.
const (
	maxNPYHeader = 1 << 16
	maxNPYAxes   = 32
)

// values is the number of values in the array. It fits in an int64 together with their bytes.
func (h npyHeader) values() int64 {
	n := int64(1)
	for _, d := range h.shape {
		n *= int64(d)
	}
	return n
}

func (h npyHeader) dtype() string { return string(h.kind) + strconv.Itoa(h.width) }

// readNPYHeader parses the header at the start of r, of which a file of size bytes must be left.
func readNPYHeader(r io.Reader, size int64) (npyHeader, error) {
	var start [8]byte
	if _, err := io.ReadFull(r, start[:]); err != nil || string(start[:6]) != "\x93NUMPY" {
		return npyHeader{}, errors.New("is not an npy file")
	}
	var length int64
	data := int64(len(start))
	switch version := start[6]; version {
	case 1:
		var b [2]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return npyHeader{}, errors.New("is truncated in its header")
		}
		length = int64(binary.LittleEndian.Uint16(b[:]))
		data += int64(len(b))
	case 2, 3:
		var b [4]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return npyHeader{}, errors.New("is truncated in its header")
		}
		length = int64(binary.LittleEndian.Uint32(b[:]))
		data += int64(len(b))
	default:
		return npyHeader{}, fmt.Errorf("is npy version %d, want 1, 2 or 3", version)
	}
	if length > maxNPYHeader {
		return npyHeader{}, fmt.Errorf("has a header of %d bytes, want at most %d", length, maxNPYHeader)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return npyHeader{}, errors.New("is truncated in its header")
	}
	h, err := parseNPYDict(string(text))
	if err != nil {
		return npyHeader{}, err
	}
	h.data = data + length
	want := int64(h.width)
	for _, d := range h.shape {
		if d != 0 && want > (math.MaxInt64-h.data)/int64(d) {
			return npyHeader{}, fmt.Errorf("has shape %v, more than a file can hold", h.shape)
		}
		want *= int64(d)
	}
	if want += h.data; size != want {
		return npyHeader{}, fmt.Errorf("has %d bytes, want %d for shape %v of %s", size, want, h.shape, h.dtype())
	}
	return h, nil
}

// parseNPYDict reads {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }:
// a Python dictionary of just these keys, in any order.
func parseNPYDict(text string) (npyHeader, error) {
	var h npyHeader
	p := pythonText{text}
	seen := map[string]bool{}
	bad := func(what string) (npyHeader, error) {
		return npyHeader{}, fmt.Errorf("has a malformed npy header: want %s at %.20q", what, p.rest)
	}
	if !p.take("{") {
		return bad("{")
	}
	for !p.take("}") {
		key, ok := p.quoted()
		if !ok || !p.take(":") {
			return bad("a key and :")
		}
		if seen[key] {
			return npyHeader{}, fmt.Errorf("has a header with %q twice", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			descr, ok := p.quoted()
			if !ok {
				return bad("one data type")
			}
			if err := h.setType(descr); err != nil {
				return npyHeader{}, err
			}
		case "fortran_order":
			switch {
			case p.take("False"):
			case p.take("True"):
				return npyHeader{}, errors.New("is in Fortran order, want C order: save numpy.ascontiguousarray(a)")
			default:
				return bad("True or False")
			}
		case "shape":
			if h.shape, ok = p.tuple(); !ok {
				return bad("a tuple of axes")
			}
		default:
			return npyHeader{}, fmt.Errorf("has a header with key %.20q, want descr, fortran_order and shape", key)
		}
		if !p.take(",") {
			if !p.take("}") {
				return bad(", or }")
			}
			break
		}
	}
	if strings.TrimRight(p.rest, " \n\x00") != "" {
		return bad("the end")
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return npyHeader{}, fmt.Errorf("has a header without %s", key)
		}
	}
	return h, nil
}

func (h *npyHeader) setType(descr string) error {
	switch descr {
	case "|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8":
		h.order = binary.LittleEndian
	case "<b1", "<u1", "<i1":
		h.order = binary.LittleEndian
	case ">b1", ">u1", ">i1", ">u2", ">i2", ">u4", ">i4", ">u8", ">i8", ">f2", ">f4", ">f8":
		h.order = binary.BigEndian
	default:
		return fmt.Errorf("has data type %.20q, want bool, an integer or a float of 2, 4 or 8 bytes", descr)
	}
	h.kind, h.width = descr[1], int(descr[2]-'0')
	return nil
}

// pythonText is what is left of a Python literal. Blanks before a token are skipped.
type pythonText struct{ rest string }

func (p *pythonText) take(token string) bool {
	p.rest = strings.TrimLeft(p.rest, " \t\n")
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

// quoted takes a string without escapes.
func (p *pythonText) quoted() (string, bool) {
	for _, quote := range []string{"'", `"`} {
		if p.take(quote) {
			s, rest, ok := strings.Cut(p.rest, quote)
			if !ok || strings.Contains(s, `\`) {
				return "", false
			}
			p.rest = rest
			return s, true
		}
	}
	return "", false
}

// tuple takes axes such as (), (5,) or (2, 3); Python 2 wrote 5L.
func (p *pythonText) tuple() ([]int, bool) {
	if !p.take("(") {
		return nil, false
	}
	axes := []int{}
	for !p.take(")") {
		p.take("")
		n := 0
		for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
			n++
		}
		axis, err := strconv.Atoi(p.rest[:n])
		if err != nil || len(axes) == maxNPYAxes {
			return nil, false
		}
		p.rest = p.rest[n:]
		p.take("L")
		axes = append(axes, axis)
		if !p.take(",") {
			return axes, p.take(")") && len(axes) > 1
		}
	}
	return axes, true
}
