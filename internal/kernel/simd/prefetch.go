package simd

// Matrix is one in memory, its rows Stride floats apart.
type Matrix struct {
	Values             []float32
	Stride, Rows, Cols int
}

// Prefetch prefetches one of so many parts of the matrix's rows: all at once would be
// more than the processor can wait for.
func (m Matrix) Prefetch(s *InstructionSet, part, parts int) {
	lo, hi := m.Rows*part/parts, m.Rows*(part+1)/parts
	if s.prefetch != nil && lo < hi {
		s.prefetch(m.Values[lo*m.Stride:], hi-lo, m.Stride, m.Cols)
	}
}
