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

	// So many blocks of rows, one below the other, are done; the assembly counts
	// the others up: where in c, i and a it is, in bytes.
	blocks                 int
	cBytes, iBytes, aBytes int

	// So many cache lines are fetched from memory for each j, from aheadBytes on: see
	// fetch.
	ahead                  []float32
	aheadLines, aheadBytes int
}

// instructionSet is the seam between the operations and the CPU.
type instructionSet struct {
	name    string
	missing string // CPU features that are absent; empty: usable
	rows    int    // rows of the largest tile
	wide    int    // columns of a panel
	narrow  int    // columns of the last panel, where that many are enough
	run     func(*tile)
	loops   columnLoops

	copyVectors func(*rowCopy)                            // for cols which are a multiple of 8; or nil
	transpose   func(transposition)                       // for rows and cols which are multiples of 8; or nil
	fetch       func(x []float32, rows, stride, cols int) // into the caches, the columns of rows which are stride apart; or nil

	transforms    []transformLoops // widest first; a plain loop does the rest
	countsMoments bool             // has a resultMomentsTransform

	quads    *quadLoops     // or nil
	bfloat16 *bfloat16Loops // or nil

	pixels  pixelLoops
	updates updateLoops
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

// multiply computes m rows of one panel as tiles. t holds the strides, js, ks,
// cols, width and b; i, a and c begin at their first elements and are moved on.
func (s *instructionSet) multiply(t *tile, m int) {
	c, i, a := t.c, t.i, t.a
	t.b = t.b[:t.js*t.ks*t.width]
	for m > 0 {
		t.rows, t.blocks = s.blocks(m)
		rows := t.rows * t.blocks
		last := rows - 1
		t.c = c[:last*t.cRow+t.cols]
		t.i = i[:last*t.iRow+t.cols]
		t.a = a[:last*t.aRow+(t.js-1)*t.aJump+(t.ks-1)*t.aStep+1]
		t.cBytes, t.iBytes, t.aBytes = 0, 0, 0
		s.run(t)
		if m -= rows; m > 0 {
			c, i, a = c[rows*t.cRow:], i[rows*t.iRow:], a[rows*t.aRow:]
		}
	}
}

// blocks gives the rows of the next tiles of m rows, and their number: full ones,
// and at the end two even ones rather than a full one and a sliver.
func (s *instructionSet) blocks(m int) (rows, blocks int) {
	switch {
	case m%s.rows == 0:
		return s.rows, m / s.rows
	case m < s.rows:
		return m, 1
	case m < 2*s.rows:
		return (m + 1) / 2, 1
	}
	return s.rows, m/s.rows - 1
}

// fetchEach is how many k a tile goes through before it fetches some more lines.
const fetchEach = 16

// fetch makes t fetch x into the caches while it computes m rows: a few lines at a
// time, for the processor can wait for a few only. The sums stay as they are; they are
// cut into pieces of fetchEach, one for each j.
func (t *tile) fetch(s *instructionSet, x []float32, m int) {
	if t.aheadLines, t.aheadBytes = 0, 0; s.fetch == nil || len(x) == 0 || t.js > 1 || t.ks%fetchEach != 0 {
		return
	}
	t.js, t.ks, t.aJump = t.ks/fetchEach, fetchEach, fetchEach*t.aStep
	times := t.js * ((m + s.rows - 1) / s.rows)
	const line = 16
	t.ahead, t.aheadLines = x, (len(x)/line+times-1)/times
}

var zeros [64]float32

// generic is the plain Go tile, and what the others are tested against.
var generic = &instructionSet{name: "generic", rows: 2, wide: 4, narrow: 4, run: tileGeneric, loops: plainLoops, pixels: plainPixels, updates: plainUpdates}

func tileGeneric(t *tile) {
	for block := range t.blocks {
		row := block * t.rows
		c, i, a := t.c[row*t.cRow:], t.i[row*t.iRow:], t.a[row*t.aRow:]
		if t.rows == 2 && t.cols == 4 {
			tile2x4(t, c, i, a)
			continue
		}
		for m := range t.rows {
			var sum [4]float32
			copy(sum[:], i[m*t.iRow:m*t.iRow+t.cols])
			b := t.b
			for j := range t.js {
				at := m*t.aRow + j*t.aJump
				for range t.ks {
					a := a[at]
					sum[0] += a * b[0]
					sum[1] += a * b[1]
					sum[2] += a * b[2]
					sum[3] += a * b[3]
					at += t.aStep
					b = b[4:]
				}
			}
			copy(c[m*t.cRow:m*t.cRow+t.cols], sum[:])
		}
	}
}

// tile2x4 is a full tile: eight sums, which fit the registers of amd64 with
// their operands. The bounds checks in the loop stay on purpose: they keep the
// compiler from doing all products before all sums and spilling them.
func tile2x4(t *tile, c, i, a []float32) {
	i0, i1 := i[:4], i[t.iRow:t.iRow+4]
	s00, s01, s02, s03 := i0[0], i0[1], i0[2], i0[3]
	s10, s11, s12, s13 := i1[0], i1[1], i1[2], i1[3]
	b, step := t.b, t.aStep
	for j := range t.js {
		a0 := a[j*t.aJump:]
		a1 := a0[t.aRow:]
		bj := b[j*t.ks*4:][:t.ks*4]
		at := 0
		for k := 0; k < len(bj); k += 4 {
			x0, x1 := a0[at], a1[at]
			v := bj[k]
			s00 += x0 * v
			s10 += x1 * v
			v = bj[k+1]
			s01 += x0 * v
			s11 += x1 * v
			v = bj[k+2]
			s02 += x0 * v
			s12 += x1 * v
			v = bj[k+3]
			s03 += x0 * v
			s13 += x1 * v
			at += step
		}
	}
	c0, c1 := c[:4], c[t.cRow:t.cRow+4]
	c0[0], c0[1], c0[2], c0[3] = s00, s01, s02, s03
	c1[0], c1[1], c1[2], c1[3] = s10, s11, s12, s13
}
