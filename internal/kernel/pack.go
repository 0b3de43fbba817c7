package kernel

// packPanel writes count rows of a panel of cols columns:
// dst[k*width+n] = src[k*rowStride+n*colStride], and zeros from cols to width.
func (s *instructionSet) packPanel(dst []float32, width, cols, count int, src []float32, rowStride, colStride int) {
	if colStride == 1 {
		for k := range count {
			row := dst[k*width : (k+1)*width]
			copy(row, src[k*rowStride:k*rowStride+cols])
			clear(row[cols:])
		}
		return
	}
	if s.transpose != nil && rowStride == 1 && cols%8 == 0 && count%8 == 0 && count > 0 {
		s.transpose(transposition{
			dst: dst[:(count-1)*width+cols], src: src[:(cols-1)*colStride+count],
			dstRow: width, srcRow: colStride, rows: count, cols: cols,
		})
		clearColumns(dst, width, cols, count)
		return
	}
	// A few columns at a time: their rows in src may lie a power of two apart,
	// and more of them would not fit the ways of the first cache.
	n := 0
	for ; n+4 <= cols && rowStride == 1; n += 4 {
		s0, s1 := src[n*colStride:][:count], src[(n+1)*colStride:][:count]
		s2, s3 := src[(n+2)*colStride:][:count], src[(n+3)*colStride:][:count]
		for k := range s0 {
			to := dst[k*width+n:][:4]
			to[0], to[1], to[2], to[3] = s0[k], s1[k], s2[k], s3[k]
		}
	}
	for ; n < cols; n++ {
		for k := range count {
			dst[k*width+n] = src[k*rowStride+n*colStride]
		}
	}
	clearColumns(dst, width, cols, count)
}

// clearColumns clears columns cols..width of count rows.
func clearColumns(dst []float32, width, cols, count int) {
	for k := range count {
		clear(dst[k*width+cols : (k+1)*width])
	}
}

// transposition is dst[r*dstRow+c] = src[c*srcRow+r] for r < rows, c < cols. The
// assembly reads this struct by its field names.
type transposition struct {
	dst, src       []float32
	dstRow, srcRow int
	rows, cols     int
}
