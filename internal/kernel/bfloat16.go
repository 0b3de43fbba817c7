package kernel

import (
	"unsafe"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// Convolutions of operands that are rounded to bfloat16, with sums in float32: see
// simd.BFloat16Kernels. They are so much faster than those in float32 that Winograd's
// algorithm, which would lose most of the few bits, is not needed.
//
// The input is rounded into rows with a border of zeros. The pixels of these rows lie
// in one line, so for each tap the products are those of the pixels, a constant further
// on; what comes out for pixels of the border is not used.

// Blocking, in numbers of bfloat16.
const (
	bfloat16Rows     = 1 << 17 // of padded rows of the input
	bfloat16GradRows = 5 << 17 // of rows of the output's gradient and of the input: most of the second-level cache
	bfloat16Steps    = 8       // blocks of pixels summed for all taps, which stay in the first-level cache
)

// convBFloat16 computes what convolve does.
func (e *Engine) convBFloat16(s ConvShape, y, x []Channels, bias []float32, ep epilogue, w weights) {
	kernels := e.isa.BFloat16
	panels := s.Out / simd.BFloat16NR
	panelSize := 9 * s.In * simd.BFloat16NR
	weights := memory.Grow(&e.shared.weightsBFloat16, panels*panelSize)
	blocks := s.In / simd.BFloat16K
	e.pool.Steal(panels*blocks, 1, func(id, _, lo, hi int) {
		packed := memory.Grow(e.workers[id].bfloat16.weights, 9*simd.BFloat16K*simd.BFloat16NR)
		for i := lo; i < hi; i++ {
			panel, from := i/blocks, i%blocks*simd.BFloat16K
			w.packTaps(packed, from, simd.BFloat16K, panel*simd.BFloat16NR, simd.BFloat16NR, simd.BFloat16NR)
			for tap := range 9 {
				const size = simd.BFloat16K * simd.BFloat16NR
				kernels.Pack(weights[panel*panelSize+(tap*s.In+from)*simd.BFloat16NR:][:size], packed[tap*size:], simd.BFloat16NR)
			}
		}
	})
	wide, around := s.W+2, s.forward()
	rows := max(1, bfloat16Rows/(wide*s.In)-2, 8*simd.BFloat16MR/wide)
	var sums []float64
	if m := ep.moments; m != nil {
		sums = memory.Grow(&e.shared.sums, e.pool.StealPieces(s.N*s.H, rows)*2*s.Out)
		clear(sums)
		defer func() { m.add(sums, s.Out, simd.BFloat16NR) }()
	}
	e.pool.Steal(s.N*s.H, rows, func(id, piece, lo, hi int) {
		own, ep := &e.workers[id], ep
		if sums != nil {
			ep.sums = sums[piece*2*s.Out:][:2*s.Out]
		}
		for lo < hi {
			end := min(lo+rows, hi)
			input, top := e.convertRows(around, own, x, lo, end)
			for panel := range panels {
				first := panel * simd.BFloat16NR
				t := &own.args.gemmBFloat16
				*t = simd.GEMMBFloat16{B: weights[panel*panelSize:][:panelSize], AStride: s.In, AJump: (wide - 3) * s.In, KOuter: 3, KBlocks: 3 * s.In / simd.BFloat16K}
				t.Init = zeros[:]
				if bias != nil {
					t.Init = bias[first:]
				}
				for r := lo; r < end; {
					next := min(end, r-r%s.H+s.H)
					pixels := (next-r)*wide - 2
					t.MBlocks = (pixels + simd.BFloat16MR - 1) / simd.BFloat16MR
					t.A = input[(around.firstRow(r)-top)*wide*s.In:]
					t.C = memory.Grow(own.bfloat16.output, t.MBlocks*simd.BFloat16MR*simd.BFloat16NR)
					kernels.GEMM(t)
					e.storeOutput(s, id, y, t.C, ep, r, next, first)
					r = next
				}
			}
			lo = end
		}
	})
}

// storeOutput applies the epilogue to the sums of the image rows lo..hi, of one panel
// of channels from first on, and copies them to y.
func (e *Engine) storeOutput(s ConvShape, id int, y []Channels, sums []float32, ep epilogue, lo, hi, first int) {
	wide := (s.W + 2) * simd.BFloat16NR
	if ep.sums != nil {
		for r := range hi - lo {
			c := &simd.Columnwise{X: sums[r*wide:][:s.W*simd.BFloat16NR], Stride: simd.BFloat16NR}
			c.Sum, c.Product = ep.sums[2*first:][:simd.BFloat16NR], ep.sums[2*first+simd.BFloat16NR:][:simd.BFloat16NR]
			e.overRows(id, c, 0, s.W, simd.Moments)
		}
	}
	if ep.scale != nil {
		used := sums[:(hi-lo)*wide-2*simd.BFloat16NR]
		c := &simd.Columnwise{Y: used, X: used, Centre: zeros[:simd.BFloat16NR], Scale: ep.scale[first:], Shift: ep.shift[first:], Clamp: ep.clamp, Stride: simd.BFloat16NR}
		e.overRows(id, c, 0, len(used)/simd.BFloat16NR, simd.Affine)
	}
	for _, c := range y {
		if first >= c.Count {
			first -= c.Count
			continue
		}
		t := &e.workers[id].args.rowCopy
		for r := lo; r < hi; r++ {
			*t = simd.RowCopy{
				Y: c.Values[r*s.W*c.Count+first:], YStride: c.Count, X: sums[(r-lo)*wide:], XStride: simd.BFloat16NR,
				Cols: simd.BFloat16NR, Rows: s.W, NonTemporal: nonTemporal(len(c.Values)),
			}
			e.isa.CopyRows(t)
		}
		return
	}
}

// convertRows is padRows, of x in bfloat16, with room to read some pixels more.
func (e *Engine) convertRows(a taps, own *worker, x []Channels, lo, hi int) (rows []uint16, top int) {
	return padRows(a, own.bfloat16.rows, simd.BFloat16MR*a.channels, lo, hi, func(dst []uint16, row int) {
		at := 0
		for _, c := range x {
			r := &own.args.conversion
			*r = simd.Conversion{Y: dst[at:], X: c.Values[row*a.w*c.Count:], YStride: a.channels, XStride: c.Count, Cols: c.Count, Rows: a.w}
			e.isa.BFloat16.Convert(r)
			at += c.Count
		}
	})
}

// gradWeightsBFloat16 computes what ConvGradWeights does. The rows of the images lie in
// one line, with zeros between them and between the images, so for each tap the products
// are of the same pixels of dy and of x, a constant further on. The pixels are what is
// summed over: x is read by channels, and dy by pairs of pixels.
func (e *Engine) gradWeightsBFloat16(s ConvShape, dw []float32, x []Channels, dy []float32) {
	line := (s.W + 2) &^ 1 // pixels: at least one of zeros, and whole pairs
	rows := max(1, bfloat16GradRows/(line*(s.Out+simd.BFloat16K)))
	panels := s.Out / simd.BFloat16NR
	e.sumPartial(dw, s.N*s.H*s.W*s.In, s.N*s.H, s.In/simd.BFloat16K, func(id int, dw []float32, lo, hi, first, last int) {
		own := &e.workers[id]
		for from := lo; from < hi; {
			to := min(from+rows, hi)
			top, end := from+from/s.H, to+(to-1)/s.H // rows of the line, one of zeros behind each image
			blocks := ((end-top)*line + simd.BFloat16MR - 1) / simd.BFloat16MR
			pixels := blocks * simd.BFloat16MR
			grads := memory.Grow(own.bfloat16.outputGrads, panels*pixels*simd.BFloat16NR)
			e.packRows(s, line, grads, pixels*simd.BFloat16NR, Channels{dy, s.Out}, 0, top, end)
			for block := first; block < last; block++ {
				channel := block * simd.BFloat16K
				lines, stride := e.pixelLines(s, line, own, x, channel, pixels, top, end)
				for panel := range panels {
					e.sumChannels(own, simd.GradWeightsBFloat16{
						C: dw[channel*s.Out+panel*simd.BFloat16NR:], CTap: s.In * s.Out, CStride: s.Out,
						A: lines, AStride: stride, Line: line, Taps: 9,
						B: grads[panel*pixels*simd.BFloat16NR:], KBlocks: blocks,
					}, from == lo)
				}
			}
			from = to
		}
	})
}

// sumChannels adds the sums to what is in their C, or overwrites it if that is fresh. It
// takes some blocks of pixels at once, for all taps.
func (e *Engine) sumChannels(own *worker, whole simd.GradWeightsBFloat16, fresh bool) {
	const size = simd.BFloat16K * simd.BFloat16NR
	sums := memory.Grow(own.bfloat16.sums, 9*size)
	t := &own.args.gradWeights
	*t = whole
	t.Accumulate(fresh)
	chunks := (whole.KBlocks + bfloat16Steps - 1) / bfloat16Steps
	for i := range chunks {
		at := whole.KBlocks * i / chunks
		t.KBlocks = whole.KBlocks*(i+1)/chunks - at
		t.A, t.B = whole.A[at*simd.BFloat16MR:], whole.B[at*simd.BFloat16MR*simd.BFloat16NR:]
		t.C, t.CTap, t.CStride = sums, size, simd.BFloat16NR
		if i == chunks-1 {
			t.C, t.CTap, t.CStride = whole.C, whole.CTap, whole.CStride
		}
		e.isa.BFloat16.GradWeights(t)
		t.Init, t.InitTap, t.InitStride = sums, size, simd.BFloat16NR
	}
}

// pixelLines returns some channels of x, from channel on, by the channel: lines, stride
// apart, that begin at the pixel before the row before row top.
func (e *Engine) pixelLines(s ConvShape, line int, own *worker, x []Channels, channel, pixels, top, end int) (lines []uint16, stride int) {
	const lead, eight = 2, 16 // zeros, of which one is not used; eight pairs
	length := (lead + 2*line + pixels + 2 + eight - 1) / eight * eight
	for channel >= x[0].Count {
		channel -= x[0].Count
		x = x[1:]
	}
	pairs := memory.Grow(own.bfloat16.inputPairs, length*simd.BFloat16K)
	clear(pairs[:lead*simd.BFloat16K])
	e.packRows(s, line, pairs[lead*simd.BFloat16K:], length*simd.BFloat16K, x[0], channel, top-1, end+1)
	lines, stride = e.transposePairs(own, pairs)
	return lines[1:], stride
}

// transposePairs turns pairs of pixels of 32 channels, in multiples of 8, into lines of the
// channels, so far apart.
func (e *Engine) transposePairs(own *worker, pairs []uint16) (lines []uint16, stride int) {
	length := len(pairs) / simd.BFloat16K
	stride = (length+31)/64*64 + 32 // lines begin in all sets of a cache
	lines = memory.Grow(own.bfloat16.pixelLines, simd.BFloat16K*stride)
	e.isa.Transpose(simd.Transposition{
		Dst: floats(lines), DstStride: stride / 2, Rows: simd.BFloat16K,
		Src: floats(pairs), SrcStride: simd.BFloat16K, Cols: length / 2,
	})
	return lines, stride
}

// packRows fills the panels of dst, so far apart, with the packed pairs of pixels of rows
// top..end of a line, of 32 channels of x each from channel on, and with zeros.
func (e *Engine) packRows(s ConvShape, line int, dst []uint16, apart int, x Channels, channel, top, end int) {
	row := line * simd.BFloat16NR
	whole := s.W &^ 1 * simd.BFloat16NR
	for v := top; v < end; v++ {
		n, h := v/(s.H+1), v%(s.H+1)
		for panel, at := 0, (v-top)*row; at < len(dst); panel, at = panel+1, at+apart {
			dst := dst[at:][:row]
			if v < 0 || h == s.H || n == s.N {
				clear(dst)
				continue
			}
			from := x.Values[(n*s.H+h)*s.W*x.Count+channel+panel*simd.BFloat16NR:]
			e.isa.BFloat16.Pack(dst[:whole], from, x.Count)
			clear(dst[whole:])
			if s.W%2 == 1 {
				var last [2 * simd.BFloat16NR]float32
				copy(last[:simd.BFloat16NR], from[(s.W-1)*x.Count:])
				e.isa.BFloat16.Pack(dst[whole:][:2*simd.BFloat16NR], last[:], simd.BFloat16NR)
			}
		}
	}
	for at := (end - top) * row; at < len(dst); at += apart {
		clear(dst[at:min(at-(end-top)*row+apart, len(dst))])
	}
}

// floats is v, each float two of its numbers.
func floats(v []uint16) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(v))), len(v)/2)
}
