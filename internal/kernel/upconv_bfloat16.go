package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// Transposed convolutions of operands that are rounded to bfloat16. A pixel of x makes
// two pixels in each of two rows of y: 4*Out numbers, the columns of the weights as they
// stand in memory.

// prefersUpConvBFloat16 reports whether the transposed convolution is done in bfloat16.
func (e *Engine) prefersUpConvBFloat16(s UpConvShape) bool {
	return e.isa.BFloat16 != nil && s.In%simd.BFloat16K == 0 && 2*s.Out%simd.BFloat16NR == 0
}

// upConvBFloat16 computes what UpConv does; both is the bias, twice.
func (e *Engine) upConvBFloat16(s UpConvShape, y, x, w, both []float32) {
	cols := 2 * s.Out
	e.multiplyPanelsBFloat16(panelGEMMBFloat16{
		rows: s.N * s.H, rowPixels: s.W, k: s.In, panels: 2 * cols / simd.BFloat16NR,
		pack: func(_ *worker, dst []uint16, panel int) {
			e.isa.BFloat16.Pack(dst, w[panel*simd.BFloat16NR:], 2*cols)
		},
		convert: func(t *simd.Conversion, dst []uint16, row int) {
			*t = simd.Conversion{Y: dst, X: x[row*s.W*s.In:], YStride: s.In, XStride: s.In, Cols: s.In, Rows: s.W}
			e.isa.BFloat16.Convert(t)
		},
		init: func(panel int) []float32 {
			if both == nil {
				return zeros[:]
			}
			return both[panel*simd.BFloat16NR%cols:]
		},
		store: func(own *worker, sums []float32, panel, row int) {
			first := panel * simd.BFloat16NR
			own.args.rowCopy = simd.RowCopy{
				Y: y[(2*row+first/cols)*s.W*cols+first%cols:], YStride: cols, X: sums, XStride: simd.BFloat16NR,
				Cols: simd.BFloat16NR, Rows: s.W, NonTemporal: nonTemporal(len(y)),
			}
			e.isa.CopyRows(&own.args.rowCopy)
		},
	})
}

// upConvGradInputBFloat16 computes what UpConvGradInput does.
func (e *Engine) upConvGradInputBFloat16(s UpConvShape, dx, dy, w []float32) {
	cols := 2 * s.Out
	e.multiplyPanelsBFloat16(panelGEMMBFloat16{
		rows: s.N * s.H, rowPixels: s.W, k: 2 * cols, panels: s.In / simd.BFloat16NR,
		pack: func(own *worker, dst []uint16, panel int) {
			packed := memory.Grow(own.bfloat16.weights, 2*cols*simd.BFloat16NR)
			e.isa.PackPanel(packed, simd.BFloat16NR, simd.BFloat16NR, 2*cols, w[panel*simd.BFloat16NR*2*cols:], 1, 2*cols)
			e.isa.BFloat16.Pack(dst, packed, simd.BFloat16NR)
		},
		convert: func(t *simd.Conversion, dst []uint16, row int) {
			for half := range 2 {
				*t = simd.Conversion{Y: dst[half*cols:], X: dy[(2*row+half)*s.W*cols:], YStride: 2 * cols, XStride: cols, Cols: cols, Rows: s.W}
				e.isa.BFloat16.Convert(t)
			}
		},
		init: func(int) []float32 { return zeros[:] },
		store: func(own *worker, sums []float32, panel, row int) {
			own.args.rowCopy = simd.RowCopy{
				Y: dx[row*s.W*s.In+panel*simd.BFloat16NR:], YStride: s.In, X: sums, XStride: simd.BFloat16NR,
				Cols: simd.BFloat16NR, Rows: s.W, NonTemporal: nonTemporal(len(dx)),
			}
			e.isa.CopyRows(&own.args.rowCopy)
		},
	})
}

// panelGEMMBFloat16 is the product of the pixels of rows, of k numbers each, and panels
// of 32 columns of weights.
type panelGEMMBFloat16 struct {
	rows, rowPixels, k, panels int

	pack    func(own *worker, dst []uint16, panel int)        // the pairs of k weights
	convert func(t *simd.Conversion, dst []uint16, row int)   // the pixels of a row
	init    func(panel int) []float32                         // what the sums of a panel begin with
	store   func(own *worker, sums []float32, panel, row int) // puts the sums of a row where they belong
}

// multiplyPanelsBFloat16 computes it, some rows at once.
func (e *Engine) multiplyPanelsBFloat16(s panelGEMMBFloat16) {
	size := s.k * simd.BFloat16NR
	weights := memory.Grow(&e.shared.weightsBFloat16, s.panels*size)
	e.pool.Steal(s.panels, 1, func(id, _, lo, hi int) {
		for panel := lo; panel < hi; panel++ {
			s.pack(&e.workers[id], weights[panel*size:][:size], panel)
		}
	})
	rows := max(1, bfloat16Rows/(s.rowPixels*s.k), 2*simd.BFloat16MR/s.rowPixels)
	e.pool.Steal(s.rows, rows, func(id, _, lo, hi int) {
		own := &e.workers[id]
		for ; lo < hi; lo += rows {
			end := min(lo+rows, hi)
			blocks := ((end-lo)*s.rowPixels + simd.BFloat16MR - 1) / simd.BFloat16MR
			input := memory.Grow(own.bfloat16.rows, blocks*simd.BFloat16MR*s.k)
			for row := lo; row < end; row++ {
				s.convert(&own.args.conversion, input[(row-lo)*s.rowPixels*s.k:], row)
			}
			sums := memory.Grow(own.bfloat16.output, blocks*simd.BFloat16MR*simd.BFloat16NR)
			for panel := range s.panels {
				t := &own.args.gemmBFloat16
				*t = simd.GEMMBFloat16{C: sums, Init: s.init(panel), A: input, B: weights[panel*size:][:size], AStride: s.k, KOuter: 1, KBlocks: s.k / simd.BFloat16K, MBlocks: blocks}
				e.isa.BFloat16.GEMM(t)
				for row := lo; row < end; row++ {
					s.store(own, sums[(row-lo)*s.rowPixels*simd.BFloat16NR:], panel, row)
				}
			}
		}
	})
}

// upConvGradWeightsBFloat16 computes what UpConvGradWeights does, for an even W.
func (e *Engine) upConvGradWeightsBFloat16(s UpConvShape, dw, x, dy []float32) {
	cols := 2 * s.Out
	panels := 2 * cols / simd.BFloat16NR
	rows := max(1, bfloat16GradRows/(s.W*(2*cols+simd.BFloat16K)))
	pack := e.isa.BFloat16.Pack
	e.sumPartial(dw, s.N*s.H*s.W*s.In, s.N*s.H, s.In/simd.BFloat16K, func(id int, dw []float32, lo, hi, first, last int) {
		own := &e.workers[id]
		for from := lo; from < hi; {
			to := min(from+rows, hi)
			used := (to - from) * s.W * simd.BFloat16NR
			blocks := ((to-from)*s.W + simd.BFloat16MR - 1) / simd.BFloat16MR
			size := blocks * simd.BFloat16MR * simd.BFloat16NR
			grads := memory.Grow(own.bfloat16.outputGrads, panels*size)
			for row := from; row < to; row++ {
				for panel := range panels {
					at := panel * simd.BFloat16NR
					pack(grads[panel*size+(row-from)*s.W*simd.BFloat16NR:][:s.W*simd.BFloat16NR], dy[(2*row+at/cols)*s.W*cols+at%cols:], cols)
				}
			}
			for panel := range panels {
				clear(grads[panel*size:][used:size])
			}
			input := memory.Grow(own.bfloat16.inputPairs, size)
			clear(input[used:])
			for channel := first * simd.BFloat16K; channel < last*simd.BFloat16K; channel += simd.BFloat16K {
				pack(input[:used], x[from*s.W*s.In+channel:], s.In)
				lines, stride := e.transposePairs(own, input)
				t := &own.args.gradWeights
				for panel := range panels {
					*t = simd.GradWeightsBFloat16{
						C: dw[channel*2*cols+panel*simd.BFloat16NR:], CStride: 2 * cols, Taps: 1,
						A: lines, AStride: stride, B: grads[panel*size:], KBlocks: blocks,
					}
					t.Accumulate(from == lo)
					e.isa.BFloat16.GradWeights(t)
				}
			}
			from = to
		}
	})
}
