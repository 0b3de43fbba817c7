package kernel

// matrix is one in memory, its rows stride floats apart.
type matrix struct {
	values             []float32
	stride, rows, cols int
}

// fetch brings one of so many parts of the matrix, of its rows, into the caches: all
// at once would be more than the processor can wait for.
func (m matrix) fetch(s *instructionSet, part, parts int) {
	lo, hi := m.rows*part/parts, m.rows*(part+1)/parts
	if s.fetch != nil && lo < hi {
		s.fetch(m.values[lo*m.stride:], hi-lo, m.stride, m.cols)
	}
}
