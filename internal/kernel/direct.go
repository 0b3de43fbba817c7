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
// of each pixel as Kernel*In consecutive floats, so a convolution needs no im2col.
func (e *Engine) convDirect(s ConvShape, y, x []Channels, bias []float32, ep epilogue, w weights) {
	if s.Kernel == 1 && s.Stride > 1 {
		e.conv1x1Strided(s, y, x, bias, ep, w)
		return
	}
	a, pixels := s.forward(), s.outPixels()
	if w.transposed != nil {
		a, pixels = s.backward(), s.inPixels()
	}
	in, out := e.join(x, a.n*a.h*a.w), y[0].Values[:pixels*y[0].Count]
	if len(y) > 1 {
		out = memory.Grow(&e.shared.joined, pixels*s.Out)
		defer e.separate(y, out)
	}
	k := s.Kernel * s.Kernel * s.In
	b := e.packWeights(k, s.Out, func(dst []float32, first, cols, nr int) {
		for i, tap := range a.order {
			w.pack(dst[i*s.In*nr:], tap, 0, s.In, first, cols, nr)
		}
	})
	if s.Kernel == 1 {
		e.direct1x1(s, out, in, b, bias, ep)
		return
	}
	rows, wide := a.bandRows(), a.wide()
	finish, end := e.rowEpilogue(s, ep, e.pool.StealPieces(a.n*a.rows, rows))
	defer end()
	last := e.isa.Panels(s.Out) - 1
	e.pool.Steal(a.n*a.rows, rows, func(id, piece, lo, hi int) {
		own := &e.workers[id]
		t := &own.args.gemm
		*t = simd.GEMM{CStride: a.apart * s.Out, AStride: a.step * s.In, AStep: 1, AJump: wide}
		for lo < hi {
			end := min(lo+rows, hi)
			band, top := padFloats(a, own.direct.rows, in, lo, end)
			for p := range last + 1 {
				first := e.isa.SetPanel(t, b, k, s.Out, p)
				panel := t.B
				for _, q := range a.phases {
					t.B, t.KOuter, t.K = panel[q.first*s.In*t.NR:], q.high, q.wide*s.In
					for r := lo; r < end; r++ {
						t.StartFrom(bias, first)
						t.A = band[(a.firstRow(r)+q.fromRow-top)*wide+q.fromCol*s.In:]
						row := out[((r*a.apart+q.row)*a.cols*a.apart)*s.Out:][:a.cols*a.apart*s.Out]
						t.C = row[q.col*s.Out+first:]
						e.isa.Multiply(t, a.cols)
						if p == last {
							finish(id, piece, row)
						}
					}
				}
			}
			lo = end
		}
	})
}

// conv1x1Strided is the 1x1 convolution of the pixels that its stride meets; the others
// of a gradient are 0.
func (e *Engine) conv1x1Strided(s ConvShape, y, x []Channels, bias []float32, ep epilogue, w weights) {
	met := ConvShape{N: s.N, H: s.H / s.Stride, W: s.W / s.Stride, In: s.In, Out: s.Out, Kernel: 1, Stride: 1}
	if w.transposed == nil {
		e.convDirect(met, y, whole(e.sample(s, x), s.In), bias, ep, w)
		return
	}
	dx := memory.Grow(&e.shared.joined, met.outPixels()*s.Out)
	e.convDirect(met, whole(dx, s.Out), x, bias, ep, w)
	e.spread(s, y, dx)
}

// direct1x1 is the 1x1 convolution: a plain matrix product. Every block of pixels is
// prefetched while the one before it is multiplied.
func (e *Engine) direct1x1(s ConvShape, y, x, b, bias []float32, ep epilogue) {
	pixels, panels := s.N*s.H*s.W, e.isa.Panels(s.Out)
	block := max(bandPixels, bandFloats/(s.In+s.Out))
	finish, end := e.rowEpilogue(s, ep, e.pool.StealPieces(pixels, block))
	defer end()
	e.pool.Steal(pixels, block, func(id, piece, lo, hi int) {
		t := &e.workers[id].args.gemm
		for lo < hi {
			end := min(lo+block, hi)
			next := x[end*s.In : min(end+block, hi)*s.In]
			for p := range panels {
				*t = simd.GEMM{CStride: s.Out, AStride: s.In, AStep: 1, KOuter: 1, K: s.In}
				first := e.isa.SetPanel(t, b, s.In, s.Out, p)
				t.StartFrom(bias, first)
				t.A, t.C = x[lo*s.In:], y[lo*s.Out+first:]
				t.Prefetch(e.isa, next[len(next)*p/panels:len(next)*(p+1)/panels], end-lo)
				e.isa.Multiply(t, end-lo)
			}
			finish(id, piece, y[lo*s.Out:end*s.Out])
			lo = end
		}
	})
}

// rowEpilogue gives what does the epilogue for some rows of y (pixels, Out) of a piece of
// work, of so many, while they are in the caches, and what is to be done at the end.
func (e *Engine) rowEpilogue(s ConvShape, ep epilogue, pieces int) (finish func(id, piece int, rows []float32), end func()) {
	switch {
	case ep.scale != nil:
		zero := e.zeroRow(s.Out)
		return func(id, _ int, rows []float32) {
			c := &simd.Columnwise{Y: rows, X: rows, Centre: zero, Scale: ep.scale, Shift: ep.shift, Clamp: ep.clamp, Stride: s.Out}
			e.overRows(id, c, 0, len(rows)/s.Out, simd.Affine)
		}, func() {}
	case ep.moments != nil && e.fusesMoments(s):
		size := simd.Padded(s.Out)
		sums := memory.Grow(&e.shared.sums, pieces*2*size)
		clear(sums)
		return func(id, piece int, rows []float32) {
			c := &simd.Columnwise{X: rows, Stride: s.Out, Sum: sums[piece*2*size:][:size], Product: sums[piece*2*size+size:][:size]}
			e.overRows(id, c, 0, len(rows)/s.Out, simd.Moments)
		}, func() { ep.moments.add(sums, size, size) }
	}
	return func(int, int, []float32) {}, func() {}
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
	if s.Kernel == 1 {
		x := e.sample(s, channels)
		pixels := s.outPixels()
		e.sumOverPixels(pixelSums{
			pixels: pixels, in: s.In, out: s.Out, halves: 1, row: pixels,
			stride: s.Out,
		}, dw, x, dy)
		return
	}
	x := e.join(channels, s.inPixels())
	a := s.forward()
	wide, out := a.wide(), a.cols*s.Out
	rows := a.rowsIn(bandFloats)
	chunk := max(1, sumPixels/a.cols)
	e.sumPartial(dw, len(x), a.n*a.rows, e.isa.Panels(s.Out), func(id int, dw []float32, lo, hi, panelLo, panelHi int) {
		own := &e.workers[id]
		t := &own.args.gemm
		*t = simd.GEMM{CStride: s.Out, AStride: 1, AStep: a.step * s.In, AJump: a.step * wide}
		fresh := true
		for lo < hi {
			end := min(lo+rows, hi, (lo/a.rows+1)*a.rows) // a band stays within its image
			band, _ := padFloats(a, own.direct.rows, x, lo, end)
			for r := lo; r < end; r += chunk {
				count := min(chunk, end-r)
				t.KOuter, t.K = count, a.cols
				for p := panelLo; p < panelHi; p++ {
					first, cols, nr := e.isa.Panel(s.Out, p)
					panel := dy[r*out+first:]
					t.N, t.NR, t.BStep, t.BJump = cols, nr, s.Out, out
					if last := (count*a.cols-1)*s.Out + nr; last > len(panel) { // cannot be read in place
						packed := memory.Grow(own.direct.panel, count*a.cols*nr)
						e.isa.PackPanel(packed, nr, cols, count*a.cols, panel, s.Out, 1)
						panel, t.BStep = packed, 0
					}
					for kh := range s.Kernel {
						t.B = panel
						t.A = band[((r-lo)*a.step+kh)*wide:]
						t.Accumulate(dw[kh*s.Kernel*s.In*s.Out+first:], fresh)
						e.isa.Multiply(t, s.Kernel*s.In)
					}
				}
				fresh = false
			}
			lo = end
		}
	})
}

// taps is how a convolution goes through zero-padded images: result q of a row or column
// is the sum of products of the taps with what is q*step pixels on. The results of
// a convolution are one phase. The gradient of the input has Stride*Stride phases: dx of
// one parity of row and column gets something by the taps of that parity only, which
// make a convolution of stride 1 of dy.
type taps struct {
	n, h, w, channels int // of the images that are padded
	before, after     int // rows and columns of zeros around each of them

	rows, cols int // results of a phase, for each image
	step       int // pixels between what neighbouring results of a phase are made of
	apart      int // pixels between neighbouring results of a phase
	phases     []phase
	order      []int // the numbers of the taps, phase by phase
}

// phase is some of the results and what they are sums over.
type phase struct {
	row, col         int // the first result
	fromRow, fromCol int // of the padded image: what the first tap of the first result meets
	high, wide       int // taps
	first            int // place of its first tap in the order
}

// forward is how the output is computed.
func (s ConvShape) forward() taps {
	a := taps{
		n: s.N, h: s.H, w: s.W, channels: s.In, before: s.Pad, after: max(0, s.Kernel-s.Stride-s.Pad),
		rows: s.H / s.Stride, cols: s.W / s.Stride, step: s.Stride, apart: 1,
		phases: []phase{{high: s.Kernel, wide: s.Kernel}},
	}
	for tap := range s.Kernel * s.Kernel {
		a.order = append(a.order, tap)
	}
	return a
}

// backward is how the gradient of the input is computed. In and Out are exchanged, and
// the order of the taps is reversed, so that tap t of a row meets pixel h+t-pad of dy with
// Stride-1 pixels of zeros between its pixels.
func (s ConvShape) backward() taps {
	pad := s.Kernel - 1 - s.Pad
	a := taps{
		n: s.N, h: s.H / s.Stride, w: s.W / s.Stride, channels: s.In, before: pad / s.Stride, after: (s.Stride - 1 + s.Pad) / s.Stride,
		rows: s.H / s.Stride, cols: s.W / s.Stride, step: 1, apart: s.Stride,
	}
	along := func(at int) (tap, count, from int) { // of the phase that begins there
		tap = (pad - at + s.Kernel*s.Stride) % s.Stride
		return tap, (s.Kernel - tap + s.Stride - 1) / s.Stride, (at+tap-pad)/s.Stride + a.before
	}
	for row := range s.Stride {
		for col := range s.Stride {
			down, high, fromRow := along(row)
			across, wide, fromCol := along(col)
			a.phases = append(a.phases, phase{row, col, fromRow, fromCol, high, wide, len(a.order)})
			for i := range high {
				for j := range wide {
					a.order = append(a.order, (down+i*s.Stride)*s.Kernel+across+j*s.Stride)
				}
			}
		}
	}
	return a
}

// high is the rows of a padded image, and wide the floats of a row.
func (a taps) high() int { return a.before + a.h + a.after }

func (a taps) wide() int { return (a.before + a.w + a.after) * a.channels }

// rowsIn is the number of result rows that so many floats of padded rows are for.
func (a taps) rowsIn(floats int) int {
	return max(1, (floats/a.wide()-a.before-a.after)/a.step)
}

// bandRows is the number of result rows that are worked on at once.
func (a taps) bandRows() int { return max(a.rowsIn(bandFloats), bandPixels/a.cols) }

// firstRow is the first padded row that result row r (n*rows+q) is made of, counted
// in the padded images (N, high, wide).
func (a taps) firstRow(r int) int { return r/a.rows*a.high() + r%a.rows*a.step }

// padFloats is padRows of x.
func padFloats(a taps, buf *[]float32, x []float32, lo, hi int) (band []float32, top int) {
	row := a.w * a.channels
	return padRows(a, buf, 0, lo, hi, func(dst []float32, r int) { copy(dst, x[r*row:][:row]) })
}

// padRows returns the padded rows that the result rows lo..hi are made of, with the
// number of the first, counted as firstRow does. fill writes an image row (n*h+row);
// there is room for so many more elements behind them.
func padRows[T any](a taps, buf *[]T, more, lo, hi int, fill func(dst []T, r int)) (band []T, top int) {
	wide, high := a.wide(), a.high()
	top = a.firstRow(lo)
	end := a.firstRow(hi-1) + a.before + a.step + a.after
	band = memory.Grow(buf, (end-top)*wide+more)
	left, right := a.before*a.channels, wide-a.after*a.channels
	for v := top; v < end; v++ {
		dst := band[(v-top)*wide:][:wide]
		n, h := v/high, v%high-a.before
		if h < 0 || h >= a.h {
			clear(dst)
			continue
		}
		clear(dst[:left])
		fill(dst[left:right], n*a.h+h)
		clear(dst[right:])
	}
	return band, top
}
