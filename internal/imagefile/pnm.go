package imagefile

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"io"
)

// pnm is the header of a Netpbm file: P1 and P4 are bitmaps, P2 and P5 grey, P3
// and P6 colour, the first of each pair in decimal numbers.
type pnm struct {
	kind byte // '1'..'6'
	h, w int
	most int // largest value, 1..65535
}

func readPNM(r io.Reader) (pnm, error) {
	p, _, err := openPNM(r)
	return p, err
}

// openPNM reads the header; what is read next are the pixels.
func openPNM(r io.Reader) (p pnm, in *bufio.Reader, err error) {
	in = bufio.NewReader(r)
	if _, err := in.ReadByte(); err != nil {
		return p, nil, decodeError(err)
	}
	if p.kind, err = in.ReadByte(); err != nil {
		return p, nil, decodeError(err)
	}
	p.most = 1
	for _, v := range []*int{&p.w, &p.h, &p.most} {
		if v == &p.most && (p.kind == '1' || p.kind == '4') {
			break
		}
		if *v, err = pnmNumber(in); err != nil {
			return p, nil, err
		}
	}
	if p.most < 1 || p.most > 65535 {
		return p, nil, fmt.Errorf("has a largest value of %d, want 1..65535", p.most)
	}
	return p, in, nil
}

// pnmNumber reads a number, what is before it (white space, comments), and the one
// byte behind it.
func pnmNumber(in *bufio.Reader) (int, error) {
	digits, n := 0, 0
	for {
		b, err := in.ReadByte()
		if err == io.EOF && digits > 0 {
			return n, nil
		}
		if err != nil {
			return 0, decodeError(err)
		}
		switch {
		case b >= '0' && b <= '9':
			digits++
			if n = 10*n + int(b-'0'); n > 1<<30 {
				return 0, errors.New("is damaged: a number beyond 2^30")
			}
		case b == '#':
			if _, err := in.ReadSlice('\n'); err != nil && err != bufio.ErrBufferFull {
				return 0, decodeError(err)
			} else if err == bufio.ErrBufferFull {
				return 0, errors.New("is damaged: an endless comment")
			}
			if digits > 0 {
				return n, nil
			}
		case b == ' ' || b >= '\t' && b <= '\r':
			if digits > 0 {
				return n, nil
			}
		default:
			return 0, fmt.Errorf("is damaged: %q where a number is wanted", b)
		}
	}
}

func (p pnm) decode(r io.Reader) (image.Image, error) {
	_, in, err := openPNM(r)
	if err != nil {
		return nil, err
	}
	samples := p.w
	colour := p.kind == '3' || p.kind == '6'
	if colour {
		samples *= 3
	}
	wide := 255%p.most != 0 // 8 bits do not hold its steps
	img, pix := blank(image.Rect(0, 0, p.w, p.h), colour, false, wide)
	row := make([]int, samples)
	raw := make([]byte, p.rowBytes(samples))
	put := func(v int) {
		if wide {
			v = (v*65535 + p.most/2) / p.most
			pix[0], pix[1] = uint8(v>>8), uint8(v)
			pix = pix[2:]
			return
		}
		pix[0] = uint8(v * 255 / p.most)
		pix = pix[1:]
	}
	for y := range p.h {
		if err := p.row(in, row, raw); err != nil {
			return nil, err
		}
		for i, v := range row {
			if v > p.most {
				return nil, fmt.Errorf("pixel (%d, %d) is %d, want at most %d", i*p.w/samples, y, v, p.most)
			}
			put(v)
			if colour && i%3 == 2 {
				put(p.most) // opaque
			}
		}
	}
	return img, nil
}

// rowBytes is the number of bytes of a row of binary samples.
func (p pnm) rowBytes(samples int) int {
	switch {
	case p.kind < '4':
		return 0
	case p.kind == '4':
		return (samples + 7) / 8
	case p.most > 255:
		return 2 * samples
	}
	return samples
}

// row reads a row of samples. In bitmaps 1 is black; here 1 is white, as in every
// other format of 1 bit.
func (p pnm) row(in *bufio.Reader, row []int, raw []byte) error {
	if _, err := io.ReadFull(in, raw); err != nil {
		return decodeError(err)
	}
	for i := range row {
		switch {
		case p.kind == '1': // its digits need no space between them
			bit, err := pnmBit(in)
			if err != nil {
				return err
			}
			row[i] = 1 - bit
		case p.kind < '4':
			v, err := pnmNumber(in)
			if err != nil {
				return err
			}
			row[i] = v
		case p.kind == '4':
			row[i] = 1 - int(raw[i/8]>>(7-i%8)&1)
		case p.most > 255:
			row[i] = int(raw[2*i])<<8 | int(raw[2*i+1])
		default:
			row[i] = int(raw[i])
		}
	}
	return nil
}

func pnmBit(in *bufio.Reader) (int, error) {
	for {
		b, err := in.ReadByte()
		switch {
		case err != nil:
			return 0, decodeError(err)
		case b == '0' || b == '1':
			return int(b - '0'), nil
		case b == ' ' || b >= '\t' && b <= '\r':
		case b == '#':
			if _, err := in.ReadSlice('\n'); err != nil {
				return 0, decodeError(err)
			}
		default:
			return 0, fmt.Errorf("is damaged: %q where 0 or 1 is wanted", b)
		}
	}
}
