package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// UpConvShape is a 2x2 transposed convolution of stride 2,
// x (N, H, W, In) -> y (N, 2H, 2W, Out), with weights w (In, 2, 2, Out):
//
//	y[n, 2h+i, 2w+j, o] = bias[o] + sum over c of x[n,h,w,c] * w[c,i,j,o]
//
// The results do not overlap, and for a fixed i the (j, o) of a pixel are
// 2*Out consecutive floats of y, so it is two matrix products.
type UpConvShape struct{ N, H, W, In, Out int }

// smallImage is the floats of an image that stays in the second-level cache.
const smallImage = 128 << 10

// UpConv computes y from x, w and bias (Out), which may be nil.
func (e *Engine) UpConv(s UpConvShape, y, x, w, bias []float32) {
	cols := 2 * s.Out
	panels := e.isa.Panels(cols)
	if bias != nil { // once for each j
		both := memory.Grow(&e.shared.bias, cols)
		copy(both, bias[:s.Out])
		copy(both[s.Out:], bias[:s.Out])
		bias = both
	}
	in, out := x[:s.N*s.H*s.W*s.In], y[:s.N*s.H*s.W*4*s.Out]
	if e.prefersUpConvBFloat16(s) {
		e.upConvBFloat16(s, out, in, w, bias)
		return
	}
	e.multiplyPanels(panelGEMM{
		rows: s.N * s.H, rowPixels: s.W, rowFloats: s.W * s.In, panels: 2 * panels, panelFloats: s.In * e.isa.NR,
		pack: func(dst []float32, p int) {
			first, n, width := e.isa.Panel(cols, p%panels)
			e.isa.PackPanel(dst, width, n, s.In, w[p/panels*cols+first:], 2*cols, 1)
		},
		weights: func(p int) simd.Matrix {
			first, n, _ := e.isa.Panel(cols, p%panels)
			return simd.Matrix{Values: w[p/panels*cols+first:], Stride: 2 * cols, Rows: s.In, Cols: n}
		},
		multiply: func(t *simd.GEMM, p, r int) {
			first, n, width := e.isa.Panel(cols, p%panels)
			t.CStride, t.AStride, t.AStep, t.KOuter, t.K, t.N, t.NR = cols, s.In, 1, 1, s.In, n, width
			t.StartFrom(bias, first)
			t.A, t.C = in[r*s.W*s.In:], out[(2*r+p/panels)*s.W*cols+first:]
			e.isa.Multiply(t, s.W)
		},
	})
}

// panelGEMM is the product of rows of an image and panels of weights.
type panelGEMM struct {
	rows, rowPixels, rowFloats, panels, panelFloats int

	pack     func(dst []float32, panel int)
	weights  func(panel int) simd.Matrix        // that pack reads
	multiply func(t *simd.GEMM, panel, row int) // t.b is the panel
}

// multiplyPanels computes it. Of a small image each worker takes some panels, and packs
// one after the other while it prefetches the next; of a large one it takes
// some rows.
func (e *Engine) multiplyPanels(s panelGEMM) {
	if s.rows*s.rowFloats <= smallImage {
		e.pool.Steal(s.panels, 1, func(id, _, lo, hi int) {
			own := &e.workers[id]
			b := memory.Grow(own.upConv.panel, s.panelFloats)
			for panel := lo; panel < hi; panel++ {
				s.pack(b, panel)
				next := s.weights(min(panel+1, s.panels-1))
				for row := range s.rows {
					own.args.gemm = simd.GEMM{B: b}
					s.multiply(&own.args.gemm, panel, row)
					next.Prefetch(e.isa, row, s.rows)
				}
			}
		})
		return
	}
	packed := memory.Grow(&e.shared.weights, s.panels*s.panelFloats)
	b := func(panel int) []float32 { return packed[panel*s.panelFloats:][:s.panelFloats] }
	e.pool.Split(s.panels, func(_, lo, hi int) {
		for panel := lo; panel < hi; panel++ {
			s.pack(b(panel), panel)
		}
	})
	block := max(1, bandPixels/s.rowPixels, bandFloats/s.rowFloats)
	e.pool.Steal(s.rows, block, func(id, _, lo, hi int) {
		for ; lo < hi; lo += block {
			for panel := range s.panels {
				for row := lo; row < min(lo+block, hi); row++ {
					e.workers[id].args.gemm = simd.GEMM{B: b(panel)}
					s.multiply(&e.workers[id].args.gemm, panel, row)
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
	if e.prefersUpConvBFloat16(s) {
		e.upConvGradInputBFloat16(s, out, in, w)
		return
	}
	e.multiplyPanels(panelGEMM{
		rows: s.N * s.H, rowPixels: s.W, rowFloats: s.W * k, panels: e.isa.Panels(s.In), panelFloats: k * e.isa.NR,
		pack: func(dst []float32, p int) {
			first, n, width := e.isa.Panel(s.In, p)
			e.isa.PackPanel(dst, width, n, k, w[first*k:], 1, k)
		},
		weights: func(p int) simd.Matrix {
			first, n, _ := e.isa.Panel(s.In, p)
			return simd.Matrix{Values: w[first*k:], Stride: k, Rows: n, Cols: k}
		},
		multiply: func(t *simd.GEMM, p, r int) {
			first, n, width := e.isa.Panel(s.In, p)
			t.CStride, t.AStride, t.AStep, t.AJump, t.KOuter, t.K, t.N, t.NR = s.In, 2*s.Out, 1, 2*s.W*s.Out, 2, 2*s.Out, n, width
			t.StartFrom(nil, first)
			t.A, t.C = in[r*s.W*k:], out[r*s.W*s.In+first:]
			e.isa.Multiply(t, s.W)
		},
	})
}

// UpConvGradWeights computes dw (In, 2, 2, Out), overwriting it, from
// x (N, H, W, In) and dy (N, 2H, 2W, Out).
func (e *Engine) UpConvGradWeights(s UpConvShape, dw, x, dy []float32) {
	if e.prefersUpConvBFloat16(s) && s.W%2 == 0 {
		e.upConvGradWeightsBFloat16(s, dw[:4*s.In*s.Out], x, dy)
		return
	}
	e.sumOverPixels(pixelSums{
		pixels: s.N * s.H * s.W, in: s.In, out: 2 * s.Out, halves: 2, row: s.W, stride: 2 * s.Out,
	}, dw, x, dy)
}
