package kernel

// rowCopy is y[r*yStride+i] = x[r*xStride+i] for r < rows, i < cols. The
// assembly reads this struct by its field names.
type rowCopy struct {
	y, x             []float32
	yStride, xStride int
	cols, rows       int
	past             int // not 0: write past the caches where whole lines are written
}

// Results of so many floats leave the caches before they are read again, and
// those lines need not be fetched from memory to be overwritten.
const pastFloats = 1 << 20

func past(floats int) int {
	if floats >= pastFloats {
		return 1
	}
	return 0
}

// pastUnless is past for y, but 0 if y is x: those lines are in the caches.
func pastUnless(y, x []float32) int {
	if len(y) == 0 || &y[0] == &x[0] {
		return 0
	}
	return past(len(y))
}

// copyRows does c.
func (s *instructionSet) copyRows(c *rowCopy) {
	if c.rows == 0 || c.cols == 0 {
		return
	}
	c.y = c.y[:(c.rows-1)*c.yStride+c.cols]
	c.x = c.x[:(c.rows-1)*c.xStride+c.cols]
	if s.copyVectors != nil && c.cols%8 == 0 {
		s.copyVectors(c)
		return
	}
	for r := range c.rows {
		copy(c.y[r*c.yStride:][:c.cols], c.x[r*c.xStride:])
	}
}

// Concat joins channels: y (M, ca+cb) from a (M, ca) and b (M, cb).
func (e *Engine) Concat(y, a []float32, ca int, b []float32, cb int) {
	c := ca + cb
	block := max(1, blockFloats/c)
	e.Parallel(len(y)/c, func(part, lo, hi int) {
		t := &e.parts[part].rowCopy
		for lo < hi {
			rows := min(block, hi-lo)
			*t = rowCopy{y: y[lo*c:], x: a[lo*ca:], yStride: c, xStride: ca, cols: ca, rows: rows, past: past(len(y))}
			e.isa.copyRows(t)
			*t = rowCopy{y: y[lo*c+ca:], x: b[lo*cb:], yStride: c, xStride: cb, cols: cb, rows: rows, past: past(len(y))}
			e.isa.copyRows(t)
			lo += rows
		}
	})
}

// Slice takes channels: y (M, cy) = x (M, cx)[:, from:from+cy].
func (e *Engine) Slice(y []float32, cy int, x []float32, cx, from int) {
	e.Parallel(len(y)/cy, func(part, lo, hi int) {
		t := &e.parts[part].rowCopy
		*t = rowCopy{y: y[lo*cy:], x: x[lo*cx+from:], yStride: cy, xStride: cx, cols: cy, rows: hi - lo, past: past(len(y))}
		e.isa.copyRows(t)
	})
}
