package kernel

// fetch is nine matrices in memory, tap floats apart, of which a block of rows
// and columns will be needed soon.
type fetch struct {
	from       []float32
	row, tap   int // floats between rows and between matrices
	rows, cols int
}

// part fetches one of so many parts of the block into the caches: all at once
// would be more than the processor can wait for.
func (f fetch) part(s *instructionSet, i, parts int) {
	if s.fetch == nil || f.rows == 0 {
		return
	}
	for lo, hi := 9*f.rows*i/parts, 9*f.rows*(i+1)/parts; lo < hi; {
		tap, row := lo/f.rows, lo%f.rows
		n := min(hi-lo, f.rows-row)
		s.fetch(f.from[tap*f.tap+row*f.row:], n, f.row, f.cols)
		lo += n
	}
}
