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
	e.pool.Steal(n*high, 1+blockFloats/(w*c), func(_, _, lo, hi int) {
		for r := lo; r < hi; r++ {
			image, top := r/high*h, r%high*2-1 // of the window's rows, the first
			for col := range wide {
				left := 2*col - 1
				best, at := y[(r*wide+col)*c:][:c], argmax[(r*wide+col)*c:][:c]
				fresh := true
				for i := max(0, -top); i < 3; i++ { // below and right a window has all its pixels
					for j := max(0, -left); j < 3; j++ {
						pixel := x[((image+top+i)*w+left+j)*c:][:c]
						place := uint8(3*i + j)
						if fresh {
							copy(best, pixel)
							for k := range at {
								at[k] = place
							}
							fresh = false
							continue
						}
						for k, v := range pixel {
							if b := best[k]; !(v <= b) && b == b { // greater, or the first NaN
								best[k], at[k] = v, place
							}
						}
					}
				}
			}
		}
	})
}

// MaxPool3Grad computes dx (N, H, W, C), overwriting it, from dy and argmax
// (N, H/2, W/2, C): the sum of dy of the windows whose maximum a pixel was.
func (e *Engine) MaxPool3Grad(n, h, w, c int, dx, dy []float32, argmax []uint8) {
	high, wide := h/2, w/2
	e.pool.Steal(n*h, 1+blockFloats/(w*c), func(_, _, lo, hi int) {
		for r := lo; r < hi; r++ {
			image, row := r/h*high, r%h
			for col := range w {
				d := dx[(r*w+col)*c:][:c]
				clear(d)
				// An even row is in the middle of its window; an odd one is the last of
				// one window and the first of the next.
				for p := row / 2; p <= min((row+1)/2, high-1); p++ {
					for q := col / 2; q <= min((col+1)/2, wide-1); q++ {
						window := ((image+p)*wide + q) * c
						g, at := dy[window:][:c], argmax[window:][:c]
						place := uint8(3*(row-2*p+1) + col - 2*q + 1)
						for k, v := range g {
							if at[k] == place {
								d[k] += v
							}
						}
					}
				}
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
