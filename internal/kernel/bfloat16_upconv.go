package kernel

// Transposed convolutions of operands in bfloat16. A pixel of x makes two pixels in each
// of two rows of y: 4*Out numbers, the columns of the weights as they stand in memory.

// roundsUpConv tells whether the transposed convolution is done in bfloat16.
func (e *Engine) roundsUpConv(s UpConvShape) bool {
	return e.isa.bfloat16 != nil && s.In%bfloat16Channels == 0 && 2*s.Out%bfloat16Columns == 0
}

// upConvBFloat16 computes what UpConv does; both is the bias, twice.
func (e *Engine) upConvBFloat16(s UpConvShape, y, x, w, both []float32) {
	cols := 2 * s.Out
	e.shareRoundedProducts(roundedProducts{
		rows: s.N * s.H, rowPixels: s.W, k: s.In, panels: 2 * cols / bfloat16Columns,
		pack: func(_ *part, dst []uint16, panel int) {
			e.isa.bfloat16.pairs(dst, w[panel*bfloat16Columns:], 2*cols)
		},
		round: func(t *rounding, band []uint16, row int) {
			*t = rounding{y: band, x: x[row*s.W*s.In:], yStride: s.In, xStride: s.In, cols: s.In, rows: s.W}
			e.isa.bfloat16.round(t)
		},
		initial: func(panel int) []float32 {
			if both == nil {
				return zeros[:]
			}
			return both[panel*bfloat16Columns%cols:]
		},
		take: func(part *part, sums []float32, panel, row int) {
			first := panel * bfloat16Columns
			part.rowCopy = rowCopy{
				y: y[(2*row+first/cols)*s.W*cols+first%cols:], yStride: cols, x: sums, xStride: bfloat16Columns,
				cols: bfloat16Columns, rows: s.W, past: past(len(y)),
			}
			e.isa.copyRows(&part.rowCopy)
		},
	})
}

// upConvGradInputBFloat16 computes what UpConvGradInput does.
func (e *Engine) upConvGradInputBFloat16(s UpConvShape, dx, dy, w []float32) {
	cols := 2 * s.Out
	e.shareRoundedProducts(roundedProducts{
		rows: s.N * s.H, rowPixels: s.W, k: 2 * cols, panels: s.In / bfloat16Columns,
		pack: func(part *part, dst []uint16, panel int) {
			taps := grow(&part.taps, 2*cols*bfloat16Columns)
			e.isa.packPanel(taps, bfloat16Columns, bfloat16Columns, 2*cols, w[panel*bfloat16Columns*2*cols:], 1, 2*cols)
			e.isa.bfloat16.pairs(dst, taps, bfloat16Columns)
		},
		round: func(t *rounding, band []uint16, row int) {
			for half := range 2 {
				*t = rounding{y: band[half*cols:], x: dy[(2*row+half)*s.W*cols:], yStride: 2 * cols, xStride: cols, cols: cols, rows: s.W}
				e.isa.bfloat16.round(t)
			}
		},
		initial: func(int) []float32 { return zeros[:] },
		take: func(part *part, sums []float32, panel, row int) {
			part.rowCopy = rowCopy{
				y: dx[row*s.W*s.In+panel*bfloat16Columns:], yStride: s.In, x: sums, xStride: bfloat16Columns,
				cols: bfloat16Columns, rows: s.W, past: past(len(dx)),
			}
			e.isa.copyRows(&part.rowCopy)
		},
	})
}

// roundedProducts are the products of the pixels of rows, of k numbers each, and panels of
// 32 columns of weights.
type roundedProducts struct {
	rows, rowPixels, k, panels int

	pack    func(part *part, dst []uint16, panel int)        // the pairs of k weights
	round   func(t *rounding, band []uint16, row int)        // the pixels of a row
	initial func(panel int) []float32                        // what the sums of a panel begin with
	take    func(part *part, sums []float32, panel, row int) // puts the sums of a row where they belong
}

// shareRoundedProducts computes them, some rows at once.
func (e *Engine) shareRoundedProducts(s roundedProducts) {
	size := s.k * bfloat16Columns
	packed := grow(&e.rounded, s.panels*size)
	e.Share(s.panels, 1, func(p, _, lo, hi int) {
		for panel := lo; panel < hi; panel++ {
			s.pack(&e.parts[p], packed[panel*size:][:size], panel)
		}
	})
	rows := max(1, bfloat16Band/(s.rowPixels*s.k), 2*bfloat16Pixels/s.rowPixels)
	e.Share(s.rows, rows, func(p, _, lo, hi int) {
		part := &e.parts[p]
		for ; lo < hi; lo += rows {
			end := min(lo+rows, hi)
			steps := ((end-lo)*s.rowPixels + bfloat16Pixels - 1) / bfloat16Pixels
			band := grow(&part.rounds.band, steps*bfloat16Pixels*s.k)
			for row := lo; row < end; row++ {
				s.round(&part.rounds.image, band[(row-lo)*s.rowPixels*s.k:], row)
			}
			sums := grow(&part.products, steps*bfloat16Pixels*bfloat16Columns)
			for panel := range s.panels {
				t := &part.rounds.products
				*t = bfloat16Products{c: sums, initial: s.initial(panel), a: band, b: packed[panel*size:][:size], aRow: s.k, rows: 1, blocks: s.k / bfloat16Channels, steps: steps}
				e.isa.bfloat16.products(t)
				for row := lo; row < end; row++ {
					s.take(part, sums[(row-lo)*s.rowPixels*bfloat16Columns:], panel, row)
				}
			}
		}
	})
}

// upConvGradWeightsBFloat16 computes what UpConvGradWeights does, for an even W.
func (e *Engine) upConvGradWeightsBFloat16(s UpConvShape, dw, x, dy []float32) {
	cols := 2 * s.Out
	panels := 2 * cols / bfloat16Columns
	rows := max(1, bfloat16GradBand/(s.W*(2*cols+bfloat16Channels)))
	pairs := e.isa.bfloat16.pairs
	e.sumParts(dw, s.N*s.H*s.W*s.In, s.N*s.H, s.In/bfloat16Channels, func(p int, dw []float32, lo, hi, first, last int) {
		part := &e.parts[p]
		for from := lo; from < hi; {
			to := min(from+rows, hi)
			used := (to - from) * s.W * bfloat16Columns
			steps := ((to-from)*s.W + bfloat16Pixels - 1) / bfloat16Pixels
			size := steps * bfloat16Pixels * bfloat16Columns
			grads := grow(&part.rounds.grads, panels*size)
			for row := from; row < to; row++ {
				for panel := range panels {
					at := panel * bfloat16Columns
					pairs(grads[panel*size+(row-from)*s.W*bfloat16Columns:][:s.W*bfloat16Columns], dy[(2*row+at/cols)*s.W*cols+at%cols:], cols)
				}
			}
			for panel := range panels {
				clear(grads[panel*size:][used:size])
			}
			image := grow(&part.rounds.pairs, size)
			clear(image[used:])
			for block := first; block < last; block++ {
				channel := block * bfloat16Channels
				pairs(image[:used], x[from*s.W*s.In+channel:], s.In)
				lines, stride := e.byChannel(part, image)
				t := &part.rounds.gradWeights
				for panel := range panels {
					*t = bfloat16GradWeights{
						c: dw[channel*2*cols+panel*bfloat16Columns:], cRow: 2 * cols, taps: 1,
						a: lines, aRow: stride, b: grads[panel*size:], steps: steps,
					}
					t.begin(from == lo)
					e.isa.bfloat16.gradWeights(t)
				}
			}
			from = to
		}
	})
}
