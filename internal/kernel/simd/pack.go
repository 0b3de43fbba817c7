package simd

// Packing, after Goto and van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication", 2008: the right operand of a product is copied into panels as wide as
// a micro-tile, (k, NR) each, one after the other. The last panel may be narrower.

// Panels is the number of panels that n columns are packed into. All but the last one
// have NR columns.
func (s *InstructionSet) Panels(n int) int { return (n + s.NR - 1) / s.NR }

// Panel gives panel p of n columns: its first column, how many columns it
// holds and how many it has room for.
func (s *InstructionSet) Panel(n, p int) (first, cols, nr int) {
	first = p * s.NR
	cols = min(n-first, s.NR)
	if cols <= s.NRNarrow {
		return first, cols, s.NRNarrow
	}
	return first, cols, s.NR
}

// PackedSize is the length of a packed matrix of k rows and n columns, in floats.
func (s *InstructionSet) PackedSize(k, n int) int {
	last := s.Panels(n) - 1
	_, _, nr := s.Panel(n, last)
	return k * (last*s.NR + nr)
}

// SetPanel points t at panel p of the n columns packed in b, k rows deep, and gives the
// panel's first column.
func (s *InstructionSet) SetPanel(t *GEMM, b []float32, k, n, p int) (first int) {
	first, t.N, t.NR = s.Panel(n, p)
	t.B = b[first*k:]
	return first
}

// PackPanel packs count rows of a panel of cols columns:
//
//	dst[k*nr+n] = src[k*rowStride+n*colStride] for k < count, n < cols; 0 for cols <= n < nr
func (s *InstructionSet) PackPanel(dst []float32, nr, cols, count int, src []float32, rowStride, colStride int) {
	if colStride == 1 {
		for k := range count {
			row := dst[k*nr : (k+1)*nr]
			copy(row, src[k*rowStride:k*rowStride+cols])
			clear(row[cols:])
		}
		return
	}
	if s.transpose != nil && rowStride == 1 && cols%8 == 0 && count%8 == 0 && count > 0 {
		s.transpose(Transposition{
			Dst: dst[:(count-1)*nr+cols], Src: src[:(cols-1)*colStride+count],
			DstStride: nr, SrcStride: colStride, Rows: count, Cols: cols,
		})
		clearColumns(dst, nr, cols, count)
		return
	}
	// A few columns at a time: their rows in src may lie a power of two apart,
	// and more of them would not fit the ways of the first-level cache.
	n := 0
	for ; n+4 <= cols && rowStride == 1; n += 4 {
		s0, s1 := src[n*colStride:][:count], src[(n+1)*colStride:][:count]
		s2, s3 := src[(n+2)*colStride:][:count], src[(n+3)*colStride:][:count]
		for k := range s0 {
			to := dst[k*nr+n:][:4]
			to[0], to[1], to[2], to[3] = s0[k], s1[k], s2[k], s3[k]
		}
	}
	for ; n < cols; n++ {
		for k := range count {
			dst[k*nr+n] = src[k*rowStride+n*colStride]
		}
	}
	clearColumns(dst, nr, cols, count)
}

// clearColumns clears columns cols..nr of count rows.
func clearColumns(dst []float32, nr, cols, count int) {
	for k := range count {
		clear(dst[k*nr+cols : (k+1)*nr])
	}
}
