package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// ConvShape is a convolution x (N, H, W, In) -> y (N, H, W, Out) of stride 1
// with zero padding Kernel/2; Kernel is 1 or 3. Its weights are
// w (Kernel, Kernel, In, Out):
//
//	y[n,h,w,o] = bias[o] + sum over i, j, c of x[n, h+i-Kernel/2, w+j-Kernel/2, c] * w[i,j,c,o]
type ConvShape struct{ N, H, W, In, Out, Kernel int }

// Sizes of the blocks that are worked on at once, in floats and rows.
const (
	bandFloats = 96 << 10 // a band of padded rows: well inside the second cache
	bandPixels = 96       // ... but at least so many pixels, to reuse the weights
	sumPixels  = 192      // pixels summed into a tile of a weight gradient at once
)

// Channels are some channels of an image, as a tensor of their own: Values
// (N, H, W, Count). What takes several of them takes an image whose channels
// they are, one after the other.
type Channels struct {
	Values []float32
	Count  int
}

// Conv computes y from x, w and bias (Out), which may be nil.
func (e *Engine) Conv(s ConvShape, y []float32, x []Channels, w, bias []float32) {
	e.conv(s, y, x, w, bias, after{})
}

// ConvNormReLU computes max(0, y*scale + shift) from x and w: scale, shift (Out).
func (e *Engine) ConvNormReLU(s ConvShape, y []float32, x []Channels, w, scale, shift []float32) {
	e.conv(s, y, x, w, nil, after{scale: scale, shift: shift})
}

// ConvMoments computes y from x and w, and the moments of y.
func (e *Engine) ConvMoments(s ConvShape, y []float32, x []Channels, w []float32, m *Moments) {
	e.conv(s, y, x, w, nil, after{moments: m})
}

// after is what is done to the results of a convolution while they are at hand.
type after struct {
	moments      *Moments  // of y, unless nil
	counts       []float64 // of a piece, where these are counted on the way: see addUp
	scale, shift []float32 // y = max(0, y*scale + shift), unless nil
}

func (e *Engine) conv(s ConvShape, y []float32, x []Channels, w, bias []float32, after after) {
	taps := s.Kernel * s.Kernel
	e.correlate(s, []Channels{{y, s.Out}}, x, bias, after, weights{plain: w, pack: func(dst []float32, from, k, first, cols, width int) {
		for t := range taps {
			e.isa.PackPanel(dst[t*k*width:], width, cols, k, w[(t*s.In+from)*s.Out+first:], s.Out, 1)
		}
	}})
}

// ConvGradInput computes dx (N, H, W, In), overwriting it: the correlation of
// dy (N, H, W, Out) with the flipped, transposed weights.
func (e *Engine) ConvGradInput(s ConvShape, dx []Channels, dy, w []float32) {
	taps := s.Kernel * s.Kernel
	in, out := s.In, s.Out
	s.In, s.Out = out, in
	e.correlate(s, dx, []Channels{{dy, s.In}}, nil, after{}, weights{transposed: w, pack: func(dst []float32, from, k, first, cols, width int) {
		for t := range taps {
			tap := w[(taps-1-t)*in*out:]
			e.isa.PackPanel(dst[t*k*width:], width, cols, k, tap[first*out+from:], 1, out)
		}
	}})
}

// weights are those of a correlation, (Kernel, Kernel, In, Out).
type weights struct {
	plain      []float32 // as they stand in memory, or
	transposed []float32 // (Kernel, Kernel, Out, In), taps in reverse
	// pack fills a panel (Kernel, Kernel, k, width) with the rows from..from+k of
	// In and the columns first..first+cols.
	pack func(dst []float32, from, k, first, cols, width int)
}

// packWeights packs a right operand of k rows and n columns.
func (e *Engine) packWeights(k, n int, pack func(dst []float32, first, cols, width int)) []float32 {
	b := memory.Grow(&e.weights, e.isa.PackedSize(k, n))
	e.pool.Split(e.isa.Panels(n), func(_, lo, hi int) {
		for p := lo; p < hi; p++ {
			first, cols, width := e.isa.Panel(n, p)
			pack(b[first*k:][:k*width], first, cols, width)
		}
	})
	return b
}

// correlate computes y from x and w, and what comes after.
func (e *Engine) correlate(s ConvShape, y, x []Channels, bias []float32, after after, w weights) {
	if e.roundsOperands(s, y, x) {
		e.correlateBFloat16(s, y, x, bias, after, w)
		return
	}
	if m := after.moments; m != nil && !e.countsMoments(s) {
		defer func() { e.countMoments(m, y[0].Values[:s.N*s.H*s.W*s.Out], s.Out) }()
	}
	if e.prefersWinograd(s) {
		e.winograd(s, y, x, bias, after, w)
		return
	}
	pixels := s.N * s.H * s.W
	in, out := e.join(x, pixels), y[0].Values[:pixels*y[0].Count]
	if len(y) > 1 {
		out = memory.Grow(&e.apart, pixels*s.Out)
		defer e.separate(y, out)
	}
	b := e.packWeights(s.Kernel*s.Kernel*s.In, s.Out, func(dst []float32, first, cols, width int) {
		w.pack(dst, 0, s.In, first, cols, width)
	})
	zero := e.zeroRow(s.Out)
	norm := func(part int, rows []float32) { // while they are in the cache
		if after.scale != nil {
			c := &simd.Columnwise{Y: rows, X: rows, Centre: zero, Scale: after.scale, Shift: after.shift, Stride: s.Out}
			e.overRows(part, c, 0, len(rows)/s.Out, simd.Affine)
		}
	}
	if s.Kernel == 1 {
		e.correlatePixels(s, out, in, b, bias, norm)
		return
	}
	wide := (s.W + 2) * s.In // floats of a padded row
	k := 9 * s.In
	rows := s.bandRows()
	last := e.isa.Panels(s.Out) - 1
	e.pool.Steal(s.N*s.H, rows, func(part, _, lo, hi int) {
		scratch := &e.parts[part]
		t := &scratch.tile
		*t = simd.GEMM{CStride: s.Out, AStride: s.In, AStep: 1, AJump: wide, KOuter: 3, K: 3 * s.In}
		for lo < hi {
			end := min(lo+rows, hi)
			band, top := s.padRows(&scratch.band, in, lo, end)
			for p := range last + 1 {
				first := e.isa.SetPanel(t, b, k, s.Out, p)
				for r := lo; r < end; r++ {
					t.StartFrom(bias, first)
					t.A = band[(s.paddedRow(r)-top)*wide:]
					row := out[r*s.W*s.Out:][:s.W*s.Out]
					t.C = row[first:]
					e.isa.Multiply(t, s.W)
					if p == last {
						norm(part, row)
					}
				}
			}
			lo = end
		}
	})
}

// correlatePixels is the 1x1 convolution: a plain matrix product, and norm of its
// rows.
func (e *Engine) correlatePixels(s ConvShape, y, x, b, bias []float32, norm func(part int, rows []float32)) {
	pixels := s.N * s.H * s.W
	block := max(bandPixels, bandFloats/s.In)
	e.pool.Steal(pixels, block, func(part, _, lo, hi int) {
		t := &e.parts[part].tile
		*t = simd.GEMM{CStride: s.Out, AStride: s.In, AStep: 1, KOuter: 1, K: s.In}
		for lo < hi {
			end := min(lo+block, hi)
			for p := range e.isa.Panels(s.Out) {
				first := e.isa.SetPanel(t, b, s.In, s.Out, p)
				t.StartFrom(bias, first)
				t.A, t.C = x[lo*s.In:], y[lo*s.Out+first:]
				e.isa.Multiply(t, end-lo)
			}
			norm(part, y[lo*s.Out:end*s.Out])
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

// ConvGradWeights computes dw (Kernel, Kernel, In, Out), overwriting it, from
// x (N, H, W, In) and dy (N, H, W, Out).
func (e *Engine) ConvGradWeights(s ConvShape, dw []float32, channels []Channels, dy []float32) {
	pixels := s.N * s.H * s.W
	if e.roundsOperands(s, []Channels{{dy, s.Out}}, channels) {
		e.gradWeightsBFloat16(s, dw[:9*s.In*s.Out], channels, dy)
		return
	}
	if e.prefersWinograd(s) {
		e.winogradGradWeights(s, dw[:9*s.In*s.Out], channels, dy[:pixels*s.Out])
		return
	}
	x := e.join(channels, pixels)
	if s.Kernel == 1 {
		s.N, s.H, s.W = 1, 1, s.N*s.H*s.W
		e.sumPixelProducts(pixelProducts{
			pixels: s.W, in: s.In, out: s.Out, halves: 1, row: s.W,
			stride: s.Out,
		}, dw, x, dy)
		return
	}
	wide, out := (s.W+2)*s.In, s.W*s.Out
	rows := max(1, bandFloats/wide-2)
	chunk := max(1, sumPixels/s.W)
	e.sumParts(dw[:9*s.In*s.Out], len(x), s.N*s.H, e.isa.Panels(s.Out), func(part int, dw []float32, lo, hi, panelLo, panelHi int) {
		scratch := &e.parts[part]
		t := &scratch.tile
		*t = simd.GEMM{CStride: s.Out, AStride: 1, AStep: s.In, AJump: wide}
		fresh := true
		for lo < hi {
			end := min(lo+rows, hi, (lo/s.H+1)*s.H) // a band stays within its image
			band, _ := s.padRows(&scratch.band, x, lo, end)
			for r := lo; r < end; r += chunk {
				count := min(chunk, end-r)
				t.KOuter, t.K = count, s.W
				panel := memory.Grow(&scratch.panel, count*s.W*e.isa.NR)
				for p := panelLo; p < panelHi; p++ {
					first, cols, width := e.isa.Panel(s.Out, p)
					if width == s.Out {
						panel = dy[r*out:] // is packed as it stands
					} else {
						e.isa.PackPanel(panel, width, cols, count*s.W, dy[r*out+first:], s.Out, 1)
					}
					t.N, t.NR = cols, width
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

// sumParts computes dw by f, which writes to its dw the sum over rows lo..hi of what is
// in panels panelLo..panelHi. Where dw is larger than the image, of so many values, so
// that it is better to read all of it in each thread than to add up sums, and there are
// panels for all threads, these are shared out; otherwise the rows are, and the parts'
// sums are added in the order of the parts.
func (e *Engine) sumParts(dw []float32, image, rows, panels int, f func(part int, dw []float32, lo, hi, panelLo, panelHi int)) {
	if panels >= e.pool.Threads() && len(dw) > image {
		e.pool.Split(panels, func(part, lo, hi int) { f(part, dw, 0, rows, lo, hi) })
		return
	}
	size := len(dw)
	pieces := e.pool.Pieces(rows)
	partial := memory.Grow(&e.partial, (pieces-1)*size)
	e.pool.Split(rows, func(part, lo, hi int) {
		to := dw
		if part > 0 {
			to = partial[(part-1)*size:][:size]
		}
		f(part, to, lo, hi, 0, panels)
	})
	if pieces == 1 {
		return
	}
	for p := range pieces - 1 {
		e.add(dw, partial[p*size:][:size])
	}
}

// pixelProducts describes dw[i, g, o] = sum over pixels p of x[p, i] * dy[p, g, o],
// where x is (pixels, in), dw is (in, halves, out), and dy has rows of row
// pixels: (pixels/row, halves, row, stride) with stride >= out.
type pixelProducts struct {
	pixels, in, out, halves, row, stride int
}

func (e *Engine) sumPixelProducts(s pixelProducts, dw, x, dy []float32) {
	panels := e.isa.Panels(s.out)
	columns := s.halves * s.out
	e.sumParts(dw[:s.in*columns], s.pixels*s.in, s.pixels, s.halves*panels, func(part int, dw []float32, lo, hi, panelLo, panelHi int) {
		scratch := &e.parts[part]
		t := &scratch.tile
		*t = simd.GEMM{CStride: columns, AStride: 1, AStep: s.in}
		fresh := true
		for lo < hi {
			end := min(lo+sumPixels, hi)
			panel := memory.Grow(&scratch.panel, (end-lo)*e.isa.NR)
			for p := panelLo; p < panelHi; p++ {
				half := p / panels
				first, cols, width := e.isa.Panel(s.out, p%panels)
				for from := lo; from < end; { // one row of dy at a time
					r, at := from/s.row, from%s.row
					count := min(s.row-at, end-from)
					e.isa.PackPanel(panel[(from-lo)*width:], width, cols, count,
						dy[((r*s.halves+half)*s.row+at)*s.stride+first:], s.stride, 1)
					from += count
				}
				t.B, t.N, t.NR = panel, cols, width
				t.A, t.KOuter, t.K = x[lo*s.in:], 1, end-lo
				t.Accumulate(dw[half*s.out+first:], fresh)
				t.Prefetch(e.isa, s.cut(x, dy, end, min(end+sumPixels, hi), p-panelLo, panelHi-panelLo), s.in)
				e.isa.Multiply(t, s.in)
			}
			fresh = false
			lo = end
		}
	})
}

// cut is piece n of so many that the pixels lo..hi of x and dy are cut into: the first
// are of x, the others of dy.
func (s pixelProducts) cut(x, dy []float32, lo, hi, n, pieces int) []float32 {
	ofX := (pieces + 1) / 2
	v := x[lo*s.in : hi*s.in]
	if n < ofX {
		pieces = ofX
	} else {
		n, pieces = n-ofX, pieces-ofX
		from := (lo/s.row*s.halves*s.row + lo%s.row) * s.stride
		v = dy[from:min(from+(hi-lo)*s.halves*s.stride, len(dy))]
	}
	return v[len(v)*n/pieces : len(v)*(n+1)/pieces]
}

// SumRows computes db (C) = the sum of the rows of dy (M, C), C = len(db): the
// gradient of a bias. Sums are kept in float64.
func (e *Engine) SumRows(db, dy []float32) {
	sums, _ := e.sumColumns(len(dy)/len(db), &simd.Columnwise{X: dy, Stride: len(db)}, simd.Moments)
	for i := range db {
		db[i] = float32(sums[i])
	}
}
