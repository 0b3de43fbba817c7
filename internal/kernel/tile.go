package kernel

// tile is the one product that all convolutions are made of, on a block of at
// most instructionSet.rows x width results:
//
//	c[m*cRow+n] = i[m*iRow+n] + sum over j < js, k < ks of
//	              a[m*aRow+j*aJump+k*aStep] * b[(j*ks+k)*width+n]
//
// for m < rows, n < cols <= width. The initial value i is a bias (iRow 0),
// zeros, or c itself. b is a packed panel: see pack. The assembly reads this
// struct, so its layout is known to asm/main.go.
type tile struct {
	c, i, a, b        []float32
	cRow, iRow        int
	aRow, aStep       int
	aJump             int
	js, ks            int
	rows, cols, width int
}

// instructionSet is the seam between the operations and the CPU.
type instructionSet struct {
	name    string
	missing string // CPU features that are absent; empty: usable
	rows    int    // rows of the largest tile
	wide    int    // columns of a panel
	narrow  int    // columns of the last panel, where that many are enough
	run     func(*tile)
}

// panels is the number of panels that n columns are packed into. All but the
// last one are wide.
func (s *instructionSet) panels(n int) int { return (n + s.wide - 1) / s.wide }

// panel gives panel p of n columns: its first column, how many columns it
// holds and how many it has room for.
func (s *instructionSet) panel(n, p int) (first, cols, width int) {
	first = p * s.wide
	cols = min(n-first, s.wide)
	if cols <= s.narrow {
		return first, cols, s.narrow
	}
	return first, cols, s.wide
}

// packedSize is the length of a packed matrix of k rows and n columns.
func (s *instructionSet) packedSize(k, n int) int {
	last := s.panels(n) - 1
	_, _, width := s.panel(n, last)
	return k * (last*s.wide + width)
}

// packPanel writes count rows of a panel of cols columns:
// dst[k*width+n] = src[k*rowStride+n*colStride], and zeros from cols to width.
func packPanel(dst []float32, width, cols, count int, src []float32, rowStride, colStride int) {
	if colStride == 1 {
		for k := range count {
			row := dst[k*width : (k+1)*width]
			copy(row, src[k*rowStride:k*rowStride+cols])
			clear(row[cols:])
		}
		return
	}
	const block = 16 // rows at a time, so that both sides stay in the first cache
	for from := 0; from < count; from += block {
		to := min(from+block, count)
		for n := range cols {
			for k := from; k < to; k++ {
				dst[k*width+n] = src[k*rowStride+n*colStride]
			}
		}
		for k := from; k < to; k++ {
			clear(dst[k*width+cols : (k+1)*width])
		}
	}
}

// multiply computes m rows of one panel as tiles. t holds the strides, js, ks,
// cols, width and b; i, a and c begin at their first elements and are moved on.
func (s *instructionSet) multiply(t *tile, m int) {
	c, i, a := t.c, t.i, t.a
	t.b = t.b[:t.js*t.ks*t.width]
	for m > 0 {
		rows := s.rows
		if m < 2*rows {
			rows = m
			if m > s.rows {
				rows = (m + 1) / 2 // two even tiles rather than a full one and a sliver
			}
		}
		last := rows - 1
		t.rows = rows
		t.c = c[:last*t.cRow+t.cols]
		t.i = i[:last*t.iRow+t.cols]
		t.a = a[:last*t.aRow+(t.js-1)*t.aJump+(t.ks-1)*t.aStep+1]
		s.run(t)
		if m -= rows; m > 0 {
			c, i, a = c[rows*t.cRow:], i[rows*t.iRow:], a[rows*t.aRow:]
		}
	}
}

var zeros [64]float32

// generic is the plain Go tile, and what the others are tested against.
var generic = &instructionSet{name: "generic", rows: 3, wide: 4, narrow: 4, run: tileGeneric}

func tileGeneric(t *tile) {
	if t.rows == 3 && t.cols == 4 {
		if t.aStep == 1 {
			tile3x4Rows(t)
		} else {
			tile3x4(t)
		}
		return
	}
	for m := range t.rows {
		var sum [4]float32
		copy(sum[:], t.i[m*t.iRow:m*t.iRow+t.cols])
		b := t.b
		for j := range t.js {
			at := m*t.aRow + j*t.aJump
			for range t.ks {
				a := t.a[at]
				sum[0] += a * b[0]
				sum[1] += a * b[1]
				sum[2] += a * b[2]
				sum[3] += a * b[3]
				at += t.aStep
				b = b[4:]
			}
		}
		copy(t.c[m*t.cRow:m*t.cRow+t.cols], sum[:])
	}
}

// tile3x4Rows is a full tile with aStep 1: twelve sums, kept in registers.
func tile3x4Rows(t *tile) {
	i0, i1, i2 := t.i[:4], t.i[t.iRow:t.iRow+4], t.i[2*t.iRow:2*t.iRow+4]
	s00, s01, s02, s03 := i0[0], i0[1], i0[2], i0[3]
	s10, s11, s12, s13 := i1[0], i1[1], i1[2], i1[3]
	s20, s21, s22, s23 := i2[0], i2[1], i2[2], i2[3]
	b := t.b
	for j := range t.js {
		at := j * t.aJump
		a0 := t.a[at:][:t.ks]
		a1 := t.a[at+t.aRow:][:len(a0)]
		a2 := t.a[at+2*t.aRow:][:len(a0)]
		bj := b[j*t.ks*4:]
		for k := range a0 {
			if len(bj) < 4 {
				break
			}
			x0, x1, x2 := a0[k], a1[k], a2[k]
			v := bj[0]
			s00 += x0 * v
			s10 += x1 * v
			s20 += x2 * v
			v = bj[1]
			s01 += x0 * v
			s11 += x1 * v
			s21 += x2 * v
			v = bj[2]
			s02 += x0 * v
			s12 += x1 * v
			s22 += x2 * v
			v = bj[3]
			s03 += x0 * v
			s13 += x1 * v
			s23 += x2 * v
			bj = bj[4:]
		}
	}
	c0, c1, c2 := t.c[:4], t.c[t.cRow:t.cRow+4], t.c[2*t.cRow:2*t.cRow+4]
	c0[0], c0[1], c0[2], c0[3] = s00, s01, s02, s03
	c1[0], c1[1], c1[2], c1[3] = s10, s11, s12, s13
	c2[0], c2[1], c2[2], c2[3] = s20, s21, s22, s23
}

// tile3x4 is a full tile with any strides.
func tile3x4(t *tile) {
	i0, i1, i2 := t.i[:4], t.i[t.iRow:t.iRow+4], t.i[2*t.iRow:2*t.iRow+4]
	s00, s01, s02, s03 := i0[0], i0[1], i0[2], i0[3]
	s10, s11, s12, s13 := i1[0], i1[1], i1[2], i1[3]
	s20, s21, s22, s23 := i2[0], i2[1], i2[2], i2[3]
	b := t.b
	step := t.aStep
	for j := range t.js {
		a0 := t.a[j*t.aJump:]
		a1 := a0[t.aRow:]
		a2 := a1[t.aRow:]
		at := 0
		bj := b[j*t.ks*4:][:t.ks*4]
		for len(bj) >= 4 {
			x0, x1, x2 := a0[at], a1[at], a2[at]
			at += step
			v := bj[0]
			s00 += x0 * v
			s10 += x1 * v
			s20 += x2 * v
			v = bj[1]
			s01 += x0 * v
			s11 += x1 * v
			s21 += x2 * v
			v = bj[2]
			s02 += x0 * v
			s12 += x1 * v
			s22 += x2 * v
			v = bj[3]
			s03 += x0 * v
			s13 += x1 * v
			s23 += x2 * v
			bj = bj[4:]
		}
	}
	c0, c1, c2 := t.c[:4], t.c[t.cRow:t.cRow+4], t.c[2*t.cRow:2*t.cRow+4]
	c0[0], c0[1], c0[2], c0[3] = s00, s01, s02, s03
	c1[0], c1[1], c1[2], c1[3] = s10, s11, s12, s13
	c2[0], c2[1], c2[2], c2[3] = s20, s21, s22, s23
}
