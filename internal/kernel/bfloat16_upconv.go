package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// Transposed convolutions of operands in bfloat16. A pixel of x makes two pixels in each
// of two rows of y: 4*Out numbers, the columns of the weights as they stand in memory.

// roundsUpConv tells whether the transposed convolution is done in bfloat16.
func (e *Engine) roundsUpConv(s UpConvShape) bool {
	return e.isa.BFloat16 != nil && s.In%simd.BFloat16K == 0 && 2*s.Out%simd.BFloat16NR == 0
}

// upConvBFloat16 computes what UpConv does; both is the bias, twice.
func (e *Engine) upConvBFloat16(s UpConvShape, y, x, w, both []float32) {
	cols := 2 * s.Out
	e.shareRoundedProducts(roundedProducts{
		rows: s.N * s.H, rowPixels: s.W, k: s.In, panels: 2 * cols / simd.BFloat16NR,
		pack: func(_ *part, dst []uint16, panel int) {
			e.isa.BFloat16.Pack(dst, w[panel*simd.BFloat16NR:], 2*cols)
		},
		round: func(t *simd.Conversion, band []uint16, row int) {
			*t = simd.Conversion{Y: band, X: x[row*s.W*s.In:], YStride: s.In, XStride: s.In, Cols: s.In, Rows: s.W}
			e.isa.BFloat16.Convert(t)
		},
		initial: func(panel int) []float32 {
			if both == nil {
				return zeros[:]
			}
			return both[panel*simd.BFloat16NR%cols:]
		},
		take: func(part *part, sums []float32, panel, row int) {
			first := panel * simd.BFloat16NR
			part.rowCopy = simd.RowCopy{
				Y: y[(2*row+first/cols)*s.W*cols+first%cols:], YStride: cols, X: sums, XStride: simd.BFloat16NR,
				Cols: simd.BFloat16NR, Rows: s.W, NonTemporal: past(len(y)),
			}
			e.isa.CopyRows(&part.rowCopy)
		},
	})
}

// upConvGradInputBFloat16 computes what UpConvGradInput does.
func (e *Engine) upConvGradInputBFloat16(s UpConvShape, dx, dy, w []float32) {
	cols := 2 * s.Out
	e.shareRoundedProducts(roundedProducts{
		rows: s.N * s.H, rowPixels: s.W, k: 2 * cols, panels: s.In / simd.BFloat16NR,
		pack: func(part *part, dst []uint16, panel int) {
			taps := memory.Grow(&part.taps, 2*cols*simd.BFloat16NR)
			e.isa.PackPanel(taps, simd.BFloat16NR, simd.BFloat16NR, 2*cols, w[panel*simd.BFloat16NR*2*cols:], 1, 2*cols)
			e.isa.BFloat16.Pack(dst, taps, simd.BFloat16NR)
		},
		round: func(t *simd.Conversion, band []uint16, row int) {
			for half := range 2 {
				*t = simd.Conversion{Y: band[half*cols:], X: dy[(2*row+half)*s.W*cols:], YStride: 2 * cols, XStride: cols, Cols: cols, Rows: s.W}
				e.isa.BFloat16.Convert(t)
			}
		},
		initial: func(int) []float32 { return zeros[:] },
		take: func(part *part, sums []float32, panel, row int) {
			part.rowCopy = simd.RowCopy{
				Y: dx[row*s.W*s.In+panel*simd.BFloat16NR:], YStride: s.In, X: sums, XStride: simd.BFloat16NR,
				Cols: simd.BFloat16NR, Rows: s.W, NonTemporal: past(len(dx)),
			}
			e.isa.CopyRows(&part.rowCopy)
		},
	})
}

// roundedProducts are the products of the pixels of rows, of k numbers each, and panels of
// 32 columns of weights.
type roundedProducts struct {
	rows, rowPixels, k, panels int

	pack    func(part *part, dst []uint16, panel int)        // the pairs of k weights
	round   func(t *simd.Conversion, band []uint16, row int) // the pixels of a row
	initial func(panel int) []float32                        // what the sums of a panel begin with
	take    func(part *part, sums []float32, panel, row int) // puts the sums of a row where they belong
}

// shareRoundedProducts computes them, some rows at once.
func (e *Engine) shareRoundedProducts(s roundedProducts) {
	size := s.k * simd.BFloat16NR
	packed := memory.Grow(&e.rounded, s.panels*size)
	e.pool.Steal(s.panels, 1, func(p, _, lo, hi int) {
		for panel := lo; panel < hi; panel++ {
			s.pack(&e.parts[p], packed[panel*size:][:size], panel)
		}
	})
	rows := max(1, bfloat16Band/(s.rowPixels*s.k), 2*simd.BFloat16MR/s.rowPixels)
	e.pool.Steal(s.rows, rows, func(p, _, lo, hi int) {
		part := &e.parts[p]
		for ; lo < hi; lo += rows {
			end := min(lo+rows, hi)
			steps := ((end-lo)*s.rowPixels + simd.BFloat16MR - 1) / simd.BFloat16MR
			band := memory.Grow(&part.rounds.band, steps*simd.BFloat16MR*s.k)
			for row := lo; row < end; row++ {
				s.round(&part.rounds.image, band[(row-lo)*s.rowPixels*s.k:], row)
			}
			sums := memory.Grow(&part.products, steps*simd.BFloat16MR*simd.BFloat16NR)
			for panel := range s.panels {
				t := &part.rounds.products
				*t = simd.GEMMBFloat16{C: sums, Init: s.initial(panel), A: band, B: packed[panel*size:][:size], AStride: s.k, KOuter: 1, KBlocks: s.k / simd.BFloat16K, MBlocks: steps}
				e.isa.BFloat16.GEMM(t)
				for row := lo; row < end; row++ {
					s.take(part, sums[(row-lo)*s.rowPixels*simd.BFloat16NR:], panel, row)
				}
			}
		}
	})
}

// upConvGradWeightsBFloat16 computes what UpConvGradWeights does, for an even W.
func (e *Engine) upConvGradWeightsBFloat16(s UpConvShape, dw, x, dy []float32) {
	cols := 2 * s.Out
	panels := 2 * cols / simd.BFloat16NR
	rows := max(1, bfloat16GradBand/(s.W*(2*cols+simd.BFloat16K)))
	pairs := e.isa.BFloat16.Pack
	e.sumParts(dw, s.N*s.H*s.W*s.In, s.N*s.H, s.In/simd.BFloat16K, func(p int, dw []float32, lo, hi, first, last int) {
		part := &e.parts[p]
		for from := lo; from < hi; {
			to := min(from+rows, hi)
			used := (to - from) * s.W * simd.BFloat16NR
			steps := ((to-from)*s.W + simd.BFloat16MR - 1) / simd.BFloat16MR
			size := steps * simd.BFloat16MR * simd.BFloat16NR
			grads := memory.Grow(&part.rounds.grads, panels*size)
			for row := from; row < to; row++ {
				for panel := range panels {
					at := panel * simd.BFloat16NR
					pairs(grads[panel*size+(row-from)*s.W*simd.BFloat16NR:][:s.W*simd.BFloat16NR], dy[(2*row+at/cols)*s.W*cols+at%cols:], cols)
				}
			}
			for panel := range panels {
				clear(grads[panel*size:][used:size])
			}
			image := memory.Grow(&part.rounds.pairs, size)
			clear(image[used:])
			for block := first; block < last; block++ {
				channel := block * simd.BFloat16K
				pairs(image[:used], x[from*s.W*s.In+channel:], s.In)
				lines, stride := e.byChannel(part, image)
				t := &part.rounds.gradWeights
				for panel := range panels {
					*t = simd.GradWeightsBFloat16{
						C: dw[channel*2*cols+panel*simd.BFloat16NR:], CStride: 2 * cols, Taps: 1,
						A: lines, AStride: stride, B: grads[panel*size:], KBlocks: steps,
					}
					t.Accumulate(from == lo)
					e.isa.BFloat16.GradWeights(t)
				}
			}
			from = to
		}
	})
}
