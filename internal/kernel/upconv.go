package kernel

// UpConvShape is a 2x2 transposed convolution of stride 2,
// x (N, H, W, In) -> y (N, 2H, 2W, Out), with weights w (In, 2, 2, Out):
//
//	y[n, 2h+i, 2w+j, o] = bias[o] + sum over c of x[n,h,w,c] * w[c,i,j,o]
//
// The results do not overlap, and for a fixed i the (j, o) of a pixel are
// 2*Out consecutive floats of y, so it is two matrix products.
type UpConvShape struct{ N, H, W, In, Out int }

// UpConv computes y from x, w and bias (Out), which may be nil.
func (e *Engine) UpConv(s UpConvShape, y, x, w, bias []float32) {
	cols := 2 * s.Out
	size := e.isa.packedSize(s.In, cols)
	panels := e.isa.panels(cols)
	b := grow(&e.weights, 2*size)
	e.Parallel(2*panels, func(_, lo, hi int) {
		for p := lo; p < hi; p++ {
			i := p / panels
			first, n, width := e.isa.panel(cols, p%panels)
			e.isa.packPanel(b[i*size+first*s.In:], width, n, s.In, w[i*cols+first:], 2*cols, 1)
		}
	})
	if bias != nil { // once for each j
		both := grow(&e.rows, cols)
		copy(both, bias[:s.Out])
		copy(both[s.Out:], bias[:s.Out])
		bias = both
	}
	block := max(1, bandPixels/s.W, bandFloats/(s.W*s.In))
	in, out := x[:s.N*s.H*s.W*s.In], y[:s.N*s.H*s.W*4*s.Out]
	e.Share(s.N*s.H, block, func(part, _, lo, hi int) {
		t := &e.parts[part].tile
		*t = tile{cRow: cols, aRow: s.In, aStep: 1, js: 1, ks: s.In}
		for lo < hi {
			end := min(lo+block, hi)
			for i := range 2 {
				for p := range panels {
					first := e.isa.setPanel(t, b[i*size:], s.In, cols, p)
					for r := lo; r < end; r++ {
						t.setInitial(bias, first)
						t.a, t.c = in[r*s.W*s.In:], out[(2*r+i)*s.W*cols+first:]
						e.isa.multiply(t, s.W)
					}
				}
			}
			lo = end
		}
	})
}

// UpConvGradInput computes dx (N, H, W, In), overwriting it, from
// dy (N, 2H, 2W, Out).
func (e *Engine) UpConvGradInput(s UpConvShape, dx, dy, w []float32) {
	k := 4 * s.Out
	b := e.packWeights(k, s.In, func(dst []float32, first, cols, width int) {
		e.isa.packPanel(dst, width, cols, k, w[first*k:], 1, k)
	})
	block := max(1, bandPixels/s.W, bandFloats/(s.W*k))
	out, in := dx[:s.N*s.H*s.W*s.In], dy[:s.N*s.H*s.W*k]
	e.Share(s.N*s.H, block, func(part, _, lo, hi int) {
		t := &e.parts[part].tile
		*t = tile{cRow: s.In, aRow: 2 * s.Out, aStep: 1, aJump: 2 * s.W * s.Out, js: 2, ks: 2 * s.Out}
		for lo < hi {
			end := min(lo+block, hi)
			for p := range e.isa.panels(s.In) {
				first := e.isa.setPanel(t, b, k, s.In, p)
				for r := lo; r < end; r++ {
					t.setInitial(nil, first)
					t.a, t.c = in[r*s.W*k:], out[r*s.W*s.In+first:]
					e.isa.multiply(t, s.W)
				}
			}
			lo = end
		}
	})
}

// UpConvGradWeights computes dw (In, 2, 2, Out), overwriting it, from
// x (N, H, W, In) and dy (N, 2H, 2W, Out).
func (e *Engine) UpConvGradWeights(s UpConvShape, dw, x, dy []float32) {
	e.sumPixelProducts(pixelProducts{
		pixels: s.N * s.H * s.W, in: s.In, out: 2 * s.Out, halves: 2, row: s.W, stride: 2 * s.Out,
	}, dw, x, dy)
}
