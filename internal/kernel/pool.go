package kernel

// MaxPool is the 2x2 max pool of stride 2, x (N, H, W, C) -> y (N, H/2, W/2, C),
// H and W even. which (N, H/2, W/2, C) gets the place of the maximum in its
// window, 0..3 in row-major order; the first of equal ones wins. A NaN in the
// window gives NaN.
func (e *Engine) MaxPool(n, h, w, c int, y []float32, which []uint8, x []float32) {
	half := w / 2
	e.Parallel(n*h/2, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			top := x[2*r*w*c:][:w*c]
			bottom := x[(2*r+1)*w*c:][:w*c]
			for p := range half {
				at := (r*half + p) * c
				maxPoolPixel(y[at:][:c], which[at:][:c], top[2*p*c:][:c], top[(2*p+1)*c:][:c],
					bottom[2*p*c:][:c], bottom[(2*p+1)*c:][:c])
			}
		}
	})
}

func maxPoolPixel(y []float32, which []uint8, x0, x1, x2, x3 []float32) {
	which, x0, x1, x2, x3 = which[:len(y)], x0[:len(y)], x1[:len(y)], x2[:len(y)], x3[:len(y)]
	for i := range y {
		best, at := x0[i], uint8(0)
		if v := x1[i]; !(v <= best) && best == best {
			best, at = v, 1
		}
		if v := x2[i]; !(v <= best) && best == best {
			best, at = v, 2
		}
		if v := x3[i]; !(v <= best) && best == best {
			best, at = v, 3
		}
		y[i], which[i] = best, at
	}
}

// MaxPoolGrad computes dx (N, H, W, C), overwriting it, from dy and which
// (N, H/2, W/2, C): dy where the maximum was, 0 elsewhere.
func (e *Engine) MaxPoolGrad(n, h, w, c int, dx, dy []float32, which []uint8) {
	half := w / 2
	e.Parallel(n*h/2, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			clear(dx[2*r*w*c:][:2*w*c])
			for p := range half {
				at := (r*half + p) * c
				places := [4]int{(2*r*w + 2*p) * c, (2*r*w + 2*p + 1) * c, ((2*r+1)*w + 2*p) * c, ((2*r+1)*w + 2*p + 1) * c}
				g, win := dy[at:][:c], which[at:][:c]
				for i, place := range win {
					dx[places[place&3]+i] = g[i]
				}
			}
		}
	})
}

// Upsample repeats each pixel 2x2 (nearest neighbour): x (N, H, W, C) ->
// y (N, 2H, 2W, C).
func (e *Engine) Upsample(n, h, w, c int, y, x []float32) {
	e.Parallel(n*h, func(_, lo, hi int) {
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
	e.Parallel(n*h, func(_, lo, hi int) {
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
