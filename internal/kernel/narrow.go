package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// A convolution with few output channels, as the head of a net has, would leave most of
// each panel empty. So it is done the other way around: the output channels are the rows of
// a matrix product, and pixels or input channels side by side fill the panels, which are
// read in place. The sums are those of the direct convolution, in the same order.

// isNarrow reports whether channels fill at most half of the narrowest panel.
func (e *Engine) isNarrow(channels int) bool { return 2*channels <= e.isa.NRNarrow }

// convNarrow computes what convolve does, by planes: rows of one channel, padded.
func (e *Engine) convNarrow(s ConvShape, y, x []Channels, bias []float32, ep epilogue, w weights) {
	a := s.forward()
	if w.transposed != nil {
		a = s.backward()
	}
	k := s.Kernel * s.In // of a row of taps
	taps := memory.Grow(&e.shared.weights, s.Kernel*k*s.Out)
	for i, tap := range a.order {
		w.pack(taps[i*s.In*s.Out:], tap, 0, s.In, 0, s.Out, s.Out)
	}
	biases := memory.Grow(&e.shared.bias, s.Out*e.isa.NR)
	for i := range biases {
		if biases[i] = 0; bias != nil {
			biases[i] = bias[i/e.isa.NR]
		}
	}
	wide, rows := a.wide()/s.In, a.bandRows()
	finish, end := e.rowEpilogue(s, ep, e.pool.StealPieces(a.n*a.rows, rows))
	defer end()
	e.pool.Steal(a.n*a.rows, rows, func(id, piece, lo, hi int) {
		own := &e.workers[id]
		t := &own.args.gemm
		*t = simd.GEMM{
			CStride: simd.PixelBlock, AStride: 1, AStep: s.Out, AJump: s.In * s.Out,
			BStep: wide, BJump: 1, KOuter: s.Kernel, K: s.In,
		}
		channels := memory.Grow(own.direct.panel, s.Out*simd.PixelBlock)
		for lo < hi {
			end := min(lo+rows, hi)
			band, top := e.padPlanes(a, own.direct.rows, x, lo, end)
			for r := lo; r < end; r++ {
				row := y[0].Values[r*a.cols*s.Out:][:a.cols*s.Out]
				for first := 0; first < a.cols; first += simd.PixelBlock {
					pixels := min(simd.PixelBlock, a.cols-first)
					for i := range s.Kernel {
						for p := range e.isa.Panels(pixels) {
							at, cols, nr := e.isa.Panel(pixels, p)
							t.N, t.NR = cols, nr
							t.A, t.B = taps[i*k*s.Out:], band[(a.firstRow(r)+i-top)*a.wide()+first+at:]
							if t.Accumulate(channels[at:], false); i == 0 {
								t.Init, t.InitStride = biases, e.isa.NR
							}
							e.isa.Multiply(t, s.Out)
						}
					}
					e.isa.Pixels.ToPixels(row[first*s.Out:][:pixels*s.Out], channels, s.Out)
				}
				finish(id, piece, row)
			}
			lo = end
		}
	})
}

// padPlanes is padRows of x with each row by the channel, (channels, wide), and with room
// to read a panel beyond.
func (e *Engine) padPlanes(a taps, buf *[]float32, x []Channels, lo, hi int) (band []float32, top int) {
	row, high := a.wide(), a.high()
	wide := row / a.channels
	top = a.firstRow(lo)
	end := a.firstRow(hi-1) + a.before + a.step + a.after
	band = memory.Grow(buf, (end-top)*row+e.isa.NR)
	for v := top; v < end; v++ {
		dst := band[(v-top)*row:][:row]
		n, h := v/high, v%high-a.before
		if h < 0 || h >= a.h {
			clear(dst)
			continue
		}
		for c := range a.channels {
			clear(dst[c*wide:][:a.before])
			clear(dst[(c+1)*wide-a.after:][:a.after])
		}
		dst = dst[a.before:]
		for _, c := range x {
			e.isa.Transpose(simd.Transposition{
				Dst: dst, DstStride: wide, Rows: c.Count,
				Src: c.Values[(n*a.h+h)*a.w*c.Count:], SrcStride: c.Count, Cols: a.w,
			})
			dst = dst[min(c.Count*wide, len(dst)):]
		}
	}
	return band, top
}

// gradWeightsNarrow computes what ConvGradWeights does.
func (e *Engine) gradWeightsNarrow(s ConvShape, dw []float32, channels []Channels, dy []float32) {
	x := e.join(channels, s.inPixels())
	a := s.forward()
	wide, k := a.wide(), s.Kernel*s.In // floats of a row of taps
	rows := a.rowsIn(bandFloats)
	chunk := max(1, sumPixels/a.cols)
	transposed := memory.Grow(&e.shared.weights, len(dw)) // (Out, Kernel, Kernel, In)
	e.sumPartial(transposed, len(x), a.n*a.rows, 1, func(id int, dw []float32, lo, hi, _, _ int) {
		own := &e.workers[id]
		t := &own.args.gemm
		*t = simd.GEMM{
			CStride: s.Kernel * k, AStride: 1, AStep: s.Out, AJump: a.cols * s.Out,
			BStep: a.step * s.In, BJump: a.step * wide, K: a.cols,
		}
		fresh := true
		for lo < hi {
			end := min(lo+rows, hi, (lo/a.rows+1)*a.rows) // a band stays within its image
			band, _ := padRows(a, own.direct.rows, e.isa.NR, lo, end, func(dst []float32, r int) { copy(dst, x[r*a.w*s.In:]) })
			for r := lo; r < end; r += chunk {
				t.KOuter = min(chunk, end-r)
				for i := range s.Kernel {
					for p := range e.isa.Panels(k) {
						first, cols, nr := e.isa.Panel(k, p)
						t.N, t.NR = cols, nr
						t.A, t.B = dy[r*a.cols*s.Out:], band[((r-lo)*a.step+i)*wide+first:]
						t.Accumulate(dw[i*k+first:], fresh)
						e.isa.Multiply(t, s.Out)
					}
				}
				fresh = false
			}
			lo = end
		}
	})
	e.isa.Transpose(simd.Transposition{Dst: dw, DstStride: s.Out, Rows: s.Kernel * k, Src: transposed, SrcStride: s.Kernel * k, Cols: s.Out})
}
