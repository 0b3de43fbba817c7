package kernel

import "github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"

// MaxPool is the 2x2 max pool of stride 2, x (N, H, W, C) -> y (N, H/2, W/2, C),
// H and W even. argmax (N, H/2, W/2, C) gets the place of the maximum in its
// window, 0..3 in row-major order; the first of equal ones wins. A NaN in the
// window gives NaN.
func (e *Engine) MaxPool(n, h, w, c int, y []float32, argmax []uint8, x []float32) {
	e.overWindows(n*h/2, w, c, simd.MaxPool, func(b *simd.Columnwise, r int) {
		b.Y, b.Argmax = y[r*w/2*c:], argmax[r*w/2*c:]
		b.X, b.X2 = x[2*r*w*c:], x[(2*r+1)*w*c:]
	})
}

// MaxPoolGrad computes dx (N, H, W, C), overwriting it, from dy and argmax
// (N, H/2, W/2, C): dy where the maximum was, 0 elsewhere; plus the gradient
// that x got otherwise, other (N, H, W, C), unless that is nil. dx may be other.
func (e *Engine) MaxPoolGrad(n, h, w, c int, dx, dy []float32, argmax []uint8, other []float32) {
	op := simd.MaxPoolGrad
	if other != nil {
		op = simd.MaxPoolGradAdd
	}
	e.overWindows(n*h/2, w, c, op, func(b *simd.Columnwise, r int) {
		b.G, b.Argmax = dy[r*w/2*c:], argmax[r*w/2*c:]
		b.Y, b.Y2 = dx[2*r*w*c:], dx[(2*r+1)*w*c:]
		if other != nil {
			b.X, b.X2 = other[2*r*w*c:], other[(2*r+1)*w*c:]
		}
	})
}

// overWindows runs a pooling operation over pairs of rows of w pixels and c
// channels; set points the block at the beginning of pair r.
func (e *Engine) overWindows(pairs, w, c int, op simd.ColumnOp, set func(b *simd.Columnwise, r int)) {
	windows := w / 2
	e.pool.Steal(pairs, 1+8*blockFloats/(w*c), func(id, _, lo, hi int) {
		b := &e.workers[id].args.columnwise
		for r := lo; r < hi; r++ {
			for col := 0; col < c; col += b.Cols {
				*b = simd.Columnwise{Rows: windows, Stride: c}
				set(b, r)
				run := e.isa.ColumnBlock(b, col, op)
				pooled, row := (windows-1)*c+col+b.Cols, (2*windows-1)*c+col+b.Cols
				b.Argmax = b.Argmax[col:pooled]
				if op == simd.MaxPool {
					b.Y = b.Y[col:pooled]
				} else {
					b.G, b.Y, b.Y2 = b.G[col:pooled], b.Y[col:row], b.Y2[col:row]
				}
				b.X, b.X2 = span(b.X, col, row), span(b.X2, col, row)
				run(b)
			}
		}
	})
}

// MaxPool3 is the 3x3 max pool of stride 2 with a border of one pixel of -Inf,
// x (N, H, W, C) -> y (N, H/2, W/2, C), H and W even. argmax (N, H/2, W/2, C) gets the
// place of the maximum in its window, 0..8 in row-major order; the first of equal ones
// wins. A NaN in the window gives NaN.
func (e *Engine) MaxPool3(n, h, w, c int, y []float32, argmax []uint8, x []float32) {
	high, wide := h/2, w/2
	e.overWindows3(n*high, wide, c, 0, simd.MaxPool3, func(b *simd.Columnwise, r, q int) {
		b.Places = [9]int32{0, 1, 2, 3, 4, 5, 6, 7, 8}
		row, top, left := 2*r*w*c, (2*r-1)*w*c, (2*q-1)*c // row is the middle one of three
		if r%high == 0 {
			top = row
			copy(b.Places[:3], b.Places[3:])
		}
		if q == 0 {
			left = 0
			b.Places[0], b.Places[3], b.Places[6] = b.Places[1], b.Places[4], b.Places[7]
		}
		b.Y, b.Argmax = y[(r*wide+q)*c:], argmax[(r*wide+q)*c:]
		b.X, b.X2, b.X3 = x[top+left:], x[row+left:], x[row+w*c+left:]
	})
}

// MaxPool3Grad computes dx (N, H, W, C), overwriting it, from dy and argmax
// (N, H/2, W/2, C): the sum of dy of the windows whose maximum a pixel was.
func (e *Engine) MaxPool3Grad(n, h, w, c int, dx, dy []float32, argmax []uint8) {
	high, wide := h/2, w/2
	e.overWindows3(n*high, wide, c, wide-1, simd.MaxPool3Grad, func(b *simd.Columnwise, r, q int) {
		b.Places = [9]int32{4, 5, 7, 8, 3, 6, 1, 2, 0}
		row, next := (r*wide+q)*c, ((r+1)*wide+q)*c
		if (r+1)%high == 0 {
			next = row
			b.Places[6], b.Places[7], b.Places[8] = simd.NoPlace, simd.NoPlace, simd.NoPlace
		}
		if q == wide-1 {
			b.Places[4], b.Places[5], b.Places[8] = simd.NoPlace, simd.NoPlace, simd.NoPlace
		}
		b.G, b.Argmax, b.G2, b.Argmax2 = dy[row:], argmax[row:], dy[next:], argmax[next:]
		b.Y, b.Y2 = dx[(2*r*w+2*q)*c:], dx[((2*r+1)*w+2*q)*c:]
	})
}

// overWindows3 runs a 3x3 pooling operation over rows of windows of c channels; set points
// the block at window q of row r. At the edge window there is nothing beside, and the
// places are others, so it is done by itself.
func (e *Engine) overWindows3(rows, windows, c, edge int, op simd.ColumnOp, set func(b *simd.Columnwise, r, q int)) {
	inside := 1 // the first of the other windows
	if edge > 0 {
		inside = 0
	}
	e.pool.Steal(rows, 1+4*blockFloats/(windows*c), func(id, _, lo, hi int) {
		b := &e.workers[id].args.columnwise
		run := func(r, q, count, beside int) {
			for col := 0; col < c; col += b.Cols {
				*b = simd.Columnwise{Rows: count, Stride: c, Beside: beside}
				set(b, r, q)
				kernel := e.isa.ColumnBlock(b, col, op)
				b.Y, b.Y2 = b.Y[col:], span(b.Y2, col, len(b.Y2))
				b.X, b.X2, b.X3 = span(b.X, col, len(b.X)), span(b.X2, col, len(b.X2)), span(b.X3, col, len(b.X3))
				b.G, b.G2 = span(b.G, col, len(b.G)), span(b.G2, col, len(b.G2))
				b.Argmax, b.Argmax2 = b.Argmax[col:], span(b.Argmax2, col, len(b.Argmax2))
				kernel(b)
			}
		}
		for r := lo; r < hi; r++ {
			run(r, edge, 1, 0)
			if windows > 1 {
				run(r, inside, windows-1, c)
			}
		}
	})
}

// Upsample repeats each pixel 2x2 (nearest neighbour): x (N, H, W, C) ->
// y (N, 2H, 2W, C).
func (e *Engine) Upsample(n, h, w, c int, y, x []float32) {
	e.pool.Split(n*h, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			top := y[4*r*w*c:][:2*w*c]
			for p := range w {
				pixel := x[(r*w+p)*c:][:c]
				copy(top[2*p*c:], pixel)
				copy(top[(2*p+1)*c:], pixel)
			}
			copy(y[(4*r+2)*w*c:][:2*w*c], top)
		}
	})
}

// UpsampleGrad computes dx (N, H, W, C), overwriting it, from dy (N, 2H, 2W, C):
// the sum over each 2x2 window.
func (e *Engine) UpsampleGrad(n, h, w, c int, dx, dy []float32) {
	e.pool.Split(n*h, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			top, bottom := dy[4*r*w*c:][:2*w*c], dy[(4*r+2)*w*c:][:2*w*c]
			for p := range w {
				d := dx[(r*w+p)*c:][:c]
				g0, g1 := top[2*p*c:][:c], top[(2*p+1)*c:][:c]
				g2, g3 := bottom[2*p*c:][:c], bottom[(2*p+1)*c:][:c]
				for i := range d {
					d[i] = (g0[i] + g1[i]) + (g2[i] + g3[i])
				}
			}
		}
	})
}
