package kernel

// UpConvShape is a 2x2 transposed convolution of stride 2,
// x (N, H, W, In) -> y (N, 2H, 2W, Out), with weights w (In, 2, 2, Out):
//
//	y[n, 2h+i, 2w+j, o] = bias[o] + sum over c of x[n,h,w,c] * w[c,i,j,o]
//
// The results do not overlap, and for a fixed i the (j, o) of a pixel are
// 2*Out consecutive floats of y, so it is two matrix products.
type UpConvShape struct{ N, H, W, In, Out int }

// smallImage is the floats of an image that stays in the second cache.
const smallImage = 128 << 10

// UpConv computes y from x, w and bias (Out), which may be nil.
func (e *Engine) UpConv(s UpConvShape, y, x, w, bias []float32) {
	cols := 2 * s.Out
	panels := e.isa.panels(cols)
	if bias != nil { // once for each j
		both := grow(&e.rows, cols)
		copy(both, bias[:s.Out])
		copy(both[s.Out:], bias[:s.Out])
		bias = both
	}
	in, out := x[:s.N*s.H*s.W*s.In], y[:s.N*s.H*s.W*4*s.Out]
	if e.roundsUpConv(s) {
		e.upConvBFloat16(s, out, in, w, bias)
		return
	}
	e.sharePanelProducts(panelProducts{
		rows: s.N * s.H, rowPixels: s.W, rowFloats: s.W * s.In, panels: 2 * panels, panelFloats: s.In * e.isa.wide,
		pack: func(dst []float32, p int) {
			first, n, width := e.isa.panel(cols, p%panels)
			e.isa.packPanel(dst, width, n, s.In, w[p/panels*cols+first:], 2*cols, 1)
		},
		weights: func(p int) matrix {
			first, n, _ := e.isa.panel(cols, p%panels)
			return matrix{w[p/panels*cols+first:], 2 * cols, s.In, n}
		},
		multiply: func(t *tile, p, r int) {
			first, n, width := e.isa.panel(cols, p%panels)
			t.cRow, t.aRow, t.aStep, t.js, t.ks, t.cols, t.width = cols, s.In, 1, 1, s.In, n, width
			t.setInitial(bias, first)
			t.a, t.c = in[r*s.W*s.In:], out[(2*r+p/panels)*s.W*cols+first:]
			e.isa.multiply(t, s.W)
		},
	})
}

// panelProducts are the products of rows of an image and panels of weights.
type panelProducts struct {
	rows, rowPixels, rowFloats, panels, panelFloats int

	pack     func(dst []float32, panel int)
	weights  func(panel int) matrix        // that pack reads
	multiply func(t *tile, panel, row int) // t.b is the panel
}

// sharePanelProducts computes them. Of a small image each thread takes some panels,
// and packs one after the other while it fetches the next; of a large one it takes
// some rows.
func (e *Engine) sharePanelProducts(s panelProducts) {
	if s.rows*s.rowFloats <= smallImage {
		e.Share(s.panels, 1, func(p, _, lo, hi int) {
			part := &e.parts[p]
			b := grow(&part.panel, s.panelFloats)
			for panel := lo; panel < hi; panel++ {
				s.pack(b, panel)
				next := s.weights(min(panel+1, s.panels-1))
				for row := range s.rows {
					part.tile = tile{b: b}
					s.multiply(&part.tile, panel, row)
					next.fetch(e.isa, row, s.rows)
				}
			}
		})
		return
	}
	packed := grow(&e.weights, s.panels*s.panelFloats)
	b := func(panel int) []float32 { return packed[panel*s.panelFloats:][:s.panelFloats] }
	e.Parallel(s.panels, func(_, lo, hi int) {
		for panel := lo; panel < hi; panel++ {
			s.pack(b(panel), panel)
		}
	})
	block := max(1, bandPixels/s.rowPixels, bandFloats/s.rowFloats)
	e.Share(s.rows, block, func(p, _, lo, hi int) {
		for ; lo < hi; lo += block {
			for panel := range s.panels {
				for row := lo; row < min(lo+block, hi); row++ {
					e.parts[p].tile = tile{b: b(panel)}
					s.multiply(&e.parts[p].tile, panel, row)
				}
			}
		}
	})
}

// UpConvGradInput computes dx (N, H, W, In), overwriting it, from
// dy (N, 2H, 2W, Out).
func (e *Engine) UpConvGradInput(s UpConvShape, dx, dy, w []float32) {
	k := 4 * s.Out
	out, in := dx[:s.N*s.H*s.W*s.In], dy[:s.N*s.H*s.W*k]
	if e.roundsUpConv(s) {
		e.upConvGradInputBFloat16(s, out, in, w)
		return
	}
	e.sharePanelProducts(panelProducts{
		rows: s.N * s.H, rowPixels: s.W, rowFloats: s.W * k, panels: e.isa.panels(s.In), panelFloats: k * e.isa.wide,
		pack: func(dst []float32, p int) {
			first, n, width := e.isa.panel(s.In, p)
			e.isa.packPanel(dst, width, n, k, w[first*k:], 1, k)
		},
		weights: func(p int) matrix {
			first, n, _ := e.isa.panel(s.In, p)
			return matrix{w[first*k:], k, n, k}
		},
		multiply: func(t *tile, p, r int) {
			first, n, width := e.isa.panel(s.In, p)
			t.cRow, t.aRow, t.aStep, t.aJump, t.js, t.ks, t.cols, t.width = s.In, 2*s.Out, 1, 2*s.W*s.Out, 2, 2*s.Out, n, width
			t.setInitial(nil, first)
			t.a, t.c = in[r*s.W*k:], out[r*s.W*s.In+first:]
			e.isa.multiply(t, s.W)
		},
	})
}

// UpConvGradWeights computes dw (In, 2, 2, Out), overwriting it, from
// x (N, H, W, In) and dy (N, 2H, 2W, Out).
func (e *Engine) UpConvGradWeights(s UpConvShape, dw, x, dy []float32) {
	if e.roundsUpConv(s) && s.W%2 == 0 {
		e.upConvGradWeightsBFloat16(s, dw[:4*s.In*s.Out], x, dy)
		return
	}
	e.sumPixelProducts(pixelProducts{
		pixels: s.N * s.H * s.W, in: s.In, out: 2 * s.Out, halves: 2, row: s.W, stride: 2 * s.Out,
	}, dw, x, dy)
}
