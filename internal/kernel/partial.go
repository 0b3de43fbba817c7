package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// sumPartial computes dw by f, which writes to its dw the sum over rows lo..hi of what
// is in panels panelLo..panelHi. Where dw is larger than the input, of so many floats,
// every worker had better read all of that than add up sums: if there are panels for
// all workers, these are split. Otherwise the rows are, and the workers' partial sums
// are added in the order of the workers.
func (e *Engine) sumPartial(dw []float32, input, rows, panels int, f func(id int, dw []float32, lo, hi, panelLo, panelHi int)) {
	if panels >= e.pool.Threads() && len(dw) > input {
		e.pool.Split(panels, func(id, lo, hi int) { f(id, dw, 0, rows, lo, hi) })
		return
	}
	size := len(dw)
	pieces := e.pool.Pieces(rows)
	partial := memory.Grow(&e.shared.partial, (pieces-1)*size)
	e.pool.Split(rows, func(id, lo, hi int) {
		to := dw
		if id > 0 {
			to = partial[(id-1)*size:][:size]
		}
		f(id, to, lo, hi, 0, panels)
	})
	e.addParts(dw, partial)
}

// addParts adds to dw the parts of its length that partial holds, in their order. All
// parts are added in one pass: a block of dw stays in the first-level cache meanwhile.
func (e *Engine) addParts(dw, partial []float32) {
	vectors := (len(dw) + simd.MaxVector - 1) / simd.MaxVector
	e.pool.Steal(vectors, blockFloats/simd.MaxVector, func(id, _, lo, hi int) {
		lo, hi = lo*simd.MaxVector, min(hi*simd.MaxVector, len(dw))
		for ; lo < hi; lo += blockFloats {
			end := min(lo+blockFloats, hi)
			for part := range len(partial) / len(dw) {
				e.overFloats(id, addition(dw, partial[part*len(dw):][:len(dw)]), lo, end, simd.GradInput)
			}
		}
	})
}

// pixelSums describes dw[i, g, o] = sum over pixels p of x[p, i] * dy[p, g, o],
// where x is (pixels, in), dw is (in, halves, out), and dy has rows of row
// pixels: (pixels/row, halves, row, stride) with stride >= out.
type pixelSums struct {
	pixels, in, out, halves, row, stride int
}

// sumOverPixels computes dw. Every block of pixels is prefetched while the one before
// it is multiplied.
func (e *Engine) sumOverPixels(s pixelSums, dw, x, dy []float32) {
	panels := e.isa.Panels(s.out)
	row := s.halves * s.out
	e.sumPartial(dw[:s.in*row], s.pixels*s.in, s.pixels, s.halves*panels, func(id int, dw []float32, lo, hi, panelLo, panelHi int) {
		own := &e.workers[id]
		t := &own.args.gemm
		fresh := true
		for lo < hi {
			end := min(lo+sumPixels, hi)
			for p := panelLo; p < panelHi; p++ {
				half := p / panels
				first, cols, nr := e.isa.Panel(s.out, p%panels)
				*t = simd.GEMM{CStride: row, AStride: 1, AStep: s.in, KOuter: 1, K: end - lo, N: cols, NR: nr}
				t.A = x[lo*s.in:]
				if s.halves == 1 && (end-1)*s.stride+first+nr <= len(dy) {
					t.B, t.BStep = dy[lo*s.stride+first:], s.stride // in place
				} else {
					t.B = memory.Grow(own.direct.panel, (end-lo)*nr)
					s.pack(e, t.B, dy, lo, end, half, first, cols, nr)
				}
				t.Accumulate(dw[half*s.out+first:], fresh)
				t.Prefetch(e.isa, s.cut(x, dy, end, min(end+sumPixels, hi), p-panelLo, panelHi-panelLo), s.in)
				e.isa.Multiply(t, s.in)
			}
			fresh = false
			lo = end
		}
	})
}

// pack fills a panel with pixels lo..hi of dy.
func (s pixelSums) pack(e *Engine, panel, dy []float32, lo, hi, half, first, cols, nr int) {
	for lo < hi { // one row of dy at a time
		r, at := lo/s.row, lo%s.row
		count := min(s.row-at, hi-lo)
		e.isa.PackPanel(panel, nr, cols, count, dy[((r*s.halves+half)*s.row+at)*s.stride+first:], s.stride, 1)
		panel = panel[count*nr:]
		lo += count
	}
}

// cut is piece n of so many that the pixels lo..hi of x and dy are cut into: the first
// are of x, the others of dy.
func (s pixelSums) cut(x, dy []float32, lo, hi, n, pieces int) []float32 {
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
