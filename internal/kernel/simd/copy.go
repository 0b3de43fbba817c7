package simd

// RowCopy is y[r*yStride+i] = x[r*xStride+i] for r < rows, i < cols. The
// assembly reads this struct by its field names.
type RowCopy struct {
	Y, X             []float32
	YStride, XStride int
	Cols, Rows       int
	NonTemporal      int // not 0: write past the caches where whole lines are written
}

// CopyRows does c.
func (s *InstructionSet) CopyRows(c *RowCopy) {
	if c.Rows == 0 || c.Cols == 0 {
		return
	}
	c.Y = c.Y[:(c.Rows-1)*c.YStride+c.Cols]
	c.X = c.X[:(c.Rows-1)*c.XStride+c.Cols]
	if s.copyRows != nil && c.Cols%8 == 0 {
		s.copyRows(c)
		return
	}
	for r := range c.Rows {
		copy(c.Y[r*c.YStride:][:c.Cols], c.X[r*c.XStride:])
	}
}
