package kernel

import "github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"

// blockFloats is how much of a matrix is worked on at once, to stay in the first-level
// cache.
const blockFloats = 4 << 10

// grain is the number of rows below which sharing them out is not worth it.
func grain(c *simd.Columnwise) int { return max(1, 8*blockFloats/c.Stride) }

// overRows runs an operation on rows lo..hi of c, which holds whole matrices
// (M, stride).
func (e *Engine) overRows(id int, c *simd.Columnwise, lo, hi int, op simd.ColumnOp) {
	b := &e.workers[id].args.columnwise
	step := max(1, blockFloats/c.Stride)
	for lo < hi {
		end := min(lo+step, hi)
		for col := 0; col < c.Stride; {
			*b = *c
			b.Rows = end - lo
			run := e.isa.ColumnBlock(b, col, op)
			to := col + b.Cols
			from, last := lo*c.Stride+col, (end-1)*c.Stride+to
			b.Y, b.X, b.G = span(c.Y, from, last), span(c.X, from, last), span(c.G, from, last)
			b.Centre, b.Scale, b.Shift = span(c.Centre, col, to), span(c.Scale, col, to), span(c.Shift, col, to)
			b.Slope, b.Offset = span(c.Slope, col, to), span(c.Offset, col, to)
			b.Sum, b.Product = span(c.Sum, col, len(c.Sum)), span(c.Product, col, len(c.Product))
			run(b)
			col = to
		}
		lo = end
	}
}

func span[T any](v []T, from, to int) []T {
	if v == nil {
		return nil
	}
	return v[from:to]
}
