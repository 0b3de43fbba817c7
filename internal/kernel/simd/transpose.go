package simd

// Transposition is dst[r*dstRow+c] = src[c*srcRow+r] for r < rows, c < cols. The
// assembly reads this struct by its field names.
type Transposition struct {
	Dst, Src             []float32
	DstStride, SrcStride int
	Rows, Cols           int
}

// Transpose does t.
func (s *InstructionSet) Transpose(t Transposition) {
	if s.transpose != nil && t.Rows%8 == 0 && t.Cols%8 == 0 {
		s.transpose(t)
		return
	}
	for r := range t.Rows {
		to := t.Dst[r*t.DstStride:][:t.Cols]
		for c := range to {
			to[c] = t.Src[c*t.SrcStride+r]
		}
	}
}
