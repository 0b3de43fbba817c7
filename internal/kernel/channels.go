package kernel

// Concat joins channels: y (M, ca+cb) from a (M, ca) and b (M, cb).
func (e *Engine) Concat(y, a []float32, ca int, b []float32, cb int) {
	c := ca + cb
	e.Parallel(len(y)/c, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			row := y[r*c:][:c]
			copy(row[:ca], a[r*ca:][:ca])
			copy(row[ca:], b[r*cb:][:cb])
		}
	})
}

// Slice takes channels: y (M, cy) = x (M, cx)[:, from:from+cy].
func (e *Engine) Slice(y []float32, cy int, x []float32, cx, from int) {
	e.Parallel(len(y)/cy, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			copy(y[r*cy:][:cy], x[r*cx+from:][:cy])
		}
	})
}
