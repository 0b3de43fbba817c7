package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// Blocking: what is worked on at once.
const (
	bandFloats = 96 << 10 // a band of padded rows, in floats: well inside the second-level cache
	bandPixels = 96       // ... but at least so many pixels, to reuse the weights
	sumPixels  = 192      // pixels summed into a micro-tile of a weight gradient
)

// convDirect computes what convolve does, as one matrix product for each panel of
// output channels: a row of a zero-padded NHWC image holds the (kw, ci) neighbourhood
// of each pixel as 3*In consecutive floats, so a 3x3 convolution needs no im2col.
func (e *Engine) convDirect(s ConvShape, y, x []Channels, bias []float32, ep epilogue, w weights) {
	pixels := s.N * s.H * s.W
	in, out := e.join(x, pixels), y[0].Values[:pixels*y[0].Count]
	if len(y) > 1 {
		out = memory.Grow(&e.shared.joined, pixels*s.Out)
		defer e.separate(y, out)
	}
	b := e.packWeights(s.Kernel*s.Kernel*s.In, s.Out, func(dst []float32, first, cols, nr int) {
		w.pack(dst, 0, s.In, first, cols, nr)
	})
	zero := e.zeroRow(s.Out)
	norm := func(id int, rows []float32) { // while they are in the caches
		if ep.scale != nil {
			c := &simd.Columnwise{Y: rows, X: rows, Centre: zero, Scale: ep.scale, Shift: ep.shift, Stride: s.Out}
			e.overRows(id, c, 0, len(rows)/s.Out, simd.Affine)
		}
	}
	if s.Kernel == 1 {
		e.direct1x1(s, out, in, b, bias, norm)
		return
	}
	wide := (s.W + 2) * s.In // floats of a padded row
	k := 9 * s.In
	rows := s.bandRows()
	last := e.isa.Panels(s.Out) - 1
	e.pool.Steal(s.N*s.H, rows, func(id, _, lo, hi int) {
		own := &e.workers[id]
		t := &own.args.gemm
		*t = simd.GEMM{CStride: s.Out, AStride: s.In, AStep: 1, AJump: wide, KOuter: 3, K: 3 * s.In}
		for lo < hi {
			end := min(lo+rows, hi)
			band, top := s.padRows(own.direct.rows, in, lo, end)
			for p := range last + 1 {
				first := e.isa.SetPanel(t, b, k, s.Out, p)
				for r := lo; r < end; r++ {
					t.StartFrom(bias, first)
					t.A = band[(s.paddedRow(r)-top)*wide:]
					row := out[r*s.W*s.Out:][:s.W*s.Out]
					t.C = row[first:]
					e.isa.Multiply(t, s.W)
					if p == last {
						norm(id, row)
					}
				}
			}
			lo = end
		}
	})
}

// direct1x1 is the 1x1 convolution: a plain matrix product, and norm of its rows.
func (e *Engine) direct1x1(s ConvShape, y, x, b, bias []float32, norm func(id int, rows []float32)) {
	pixels := s.N * s.H * s.W
	block := max(bandPixels, bandFloats/s.In)
	e.pool.Steal(pixels, block, func(id, _, lo, hi int) {
		t := &e.workers[id].args.gemm
		*t = simd.GEMM{CStride: s.Out, AStride: s.In, AStep: 1, KOuter: 1, K: s.In}
		for lo < hi {
			end := min(lo+block, hi)
			for p := range e.isa.Panels(s.Out) {
				first := e.isa.SetPanel(t, b, s.In, s.Out, p)
				t.StartFrom(bias, first)
				t.A, t.C = x[lo*s.In:], y[lo*s.Out+first:]
				e.isa.Multiply(t, end-lo)
			}
			norm(id, y[lo*s.Out:end*s.Out])
			lo = end
		}
	})
}

// packWeights packs weights of k rows and n columns in panels.
func (e *Engine) packWeights(k, n int, pack func(dst []float32, first, cols, nr int)) []float32 {
	b := memory.Grow(&e.shared.weights, e.isa.PackedSize(k, n))
	e.pool.Split(e.isa.Panels(n), func(_, lo, hi int) {
		for p := lo; p < hi; p++ {
			first, cols, nr := e.isa.Panel(n, p)
			pack(b[first*k:][:k*nr], first, cols, nr)
		}
	})
	return b
}

// gradWeightsDirect computes what ConvGradWeights does: products of the padded rows of
// the input and packed rows of the output's gradient, summed over pixels.
func (e *Engine) gradWeightsDirect(s ConvShape, dw []float32, channels []Channels, dy []float32) {
	pixels := s.N * s.H * s.W
	x := e.join(channels, pixels)
	if s.Kernel == 1 {
		s.N, s.H, s.W = 1, 1, s.N*s.H*s.W
		e.sumOverPixels(pixelSums{
			pixels: s.W, in: s.In, out: s.Out, halves: 1, row: s.W,
			stride: s.Out,
		}, dw, x, dy)
		return
	}
	wide, out := (s.W+2)*s.In, s.W*s.Out
	rows := max(1, bandFloats/wide-2)
	chunk := max(1, sumPixels/s.W)
	e.sumPartial(dw, len(x), s.N*s.H, e.isa.Panels(s.Out), func(id int, dw []float32, lo, hi, panelLo, panelHi int) {
		own := &e.workers[id]
		t := &own.args.gemm
		*t = simd.GEMM{CStride: s.Out, AStride: 1, AStep: s.In, AJump: wide}
		fresh := true
		for lo < hi {
			end := min(lo+rows, hi, (lo/s.H+1)*s.H) // a band stays within its image
			band, _ := s.padRows(own.direct.rows, x, lo, end)
			for r := lo; r < end; r += chunk {
				count := min(chunk, end-r)
				t.KOuter, t.K = count, s.W
				panel := memory.Grow(own.direct.panel, count*s.W*e.isa.NR)
				for p := panelLo; p < panelHi; p++ {
					first, cols, nr := e.isa.Panel(s.Out, p)
					if nr == s.Out {
						panel = dy[r*out:] // is packed as it stands
					} else {
						e.isa.PackPanel(panel, nr, cols, count*s.W, dy[r*out+first:], s.Out, 1)
					}
					t.N, t.NR = cols, nr
					for kh := range 3 {
						t.B = panel
						t.A = band[(r-lo+kh)*wide:]
						t.Accumulate(dw[kh*3*s.In*s.Out+first:], fresh)
						e.isa.Multiply(t, 3*s.In)
					}
				}
				fresh = false
			}
			lo = end
		}
	})
}

// bandRows is the number of image rows that are padded and worked on at once.
func (s ConvShape) bandRows() int {
	wide := (s.W + 2) * s.In
	return max(1, bandFloats/wide-2, bandPixels/s.W)
}

// paddedRow is the first of the three rows around image row r (n*H+h), counted
// in the padded images (N, H+2, W+2, In).
func (s ConvShape) paddedRow(r int) int { return r + r/s.H*2 }

// padRows copies the padded rows around the image rows lo..hi (n*H+h) of x and
// returns them with the number of the first, counted as paddedRow does.
func (s ConvShape) padRows(buf *[]float32, x []float32, lo, hi int) (band []float32, top int) {
	row := s.W * s.In
	return padRows(s, buf, 0, lo, hi, func(dst []float32, r int) { copy(dst, x[r*row:][:row]) })
}

// padRows makes those rows of what fill writes for each image row, with room for so
// many more elements behind them.
func padRows[T any](s ConvShape, buf *[]T, more, lo, hi int, fill func(dst []T, r int)) (band []T, top int) {
	wide := (s.W + 2) * s.In
	top = s.paddedRow(lo)
	end := s.paddedRow(hi-1) + 3
	band = memory.Grow(buf, (end-top)*wide+more)
	for v := top; v < end; v++ {
		dst := band[(v-top)*wide:][:wide]
		n, h := v/(s.H+2), v%(s.H+2)-1
		if h < 0 || h == s.H {
			clear(dst)
			continue
		}
		clear(dst[:s.In])
		fill(dst[s.In:wide-s.In], n*s.H+h)
		clear(dst[wide-s.In:])
	}
	return band, top
}
