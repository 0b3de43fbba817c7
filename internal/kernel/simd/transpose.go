package simd

// Transposition is
//
//	Dst[r*DstStride+c] = Src[c*SrcStride+r] for r < Rows, c < Cols
//
// The assembly reads this struct by its field names.
type Transposition struct {
	Dst, Src             []float32
	DstStride, SrcStride int
	Rows, Cols           int
}

// Transpose does t, by vectors if Rows and Cols are multiples of 8.
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
