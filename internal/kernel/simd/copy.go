package simd

// RowCopy is
//
//	Y[r*YStride+i] = X[r*XStride+i] for r < Rows, i < Cols
//
// The assembly reads this struct by its field names.
type RowCopy struct {
	Y, X             []float32
	YStride, XStride int
	Cols, Rows       int
	NonTemporal      int // not 0: whole cache lines are written by non-temporal stores
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
