package kernel

import (
	"unsafe"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// bfloat16Part is the scratch of one piece of work.
type bfloat16Part struct {
	products    simd.GEMMBFloat16
	gradWeights simd.GradWeightsBFloat16
	image       simd.Conversion
	band        []uint16  // zero-padded rows of an image
	lines       []uint16  // of pixels of an image, by channel
	grads       []uint16  // pairs of pixels of a gradient
	pairs       []uint16  // of pixels of an image
	sums        []float32 // of a block of weights
}

// roundsOperands tells whether the convolution is done in bfloat16.
func (e *Engine) roundsOperands(s ConvShape, y, x []Channels) bool {
	if e.isa.BFloat16 == nil || s.Kernel != 3 {
		return false
	}
	for _, c := range y {
		if c.Count%simd.BFloat16NR != 0 {
			return false
		}
	}
	for _, c := range x {
		if c.Count%simd.BFloat16K != 0 {
			return false
		}
	}
	return true
}

// correlateBFloat16 computes what correlate does.
func (e *Engine) correlateBFloat16(s ConvShape, y, x []Channels, bias []float32, then after, w weights) {
	loops := e.isa.BFloat16
	panels := s.Out / simd.BFloat16NR
	panel := 9 * s.In * simd.BFloat16NR
	packed := memory.Grow(&e.rounded, panels*panel)
	bands := s.In / simd.BFloat16K
	e.pool.Steal(panels*bands, 1, func(p, _, lo, hi int) {
		taps := memory.Grow(&e.parts[p].taps, 9*simd.BFloat16K*simd.BFloat16NR)
		for i := lo; i < hi; i++ {
			from := i % bands * simd.BFloat16K
			w.pack(taps, from, simd.BFloat16K, i/bands*simd.BFloat16NR, simd.BFloat16NR, simd.BFloat16NR)
			for tap := range 9 {
				const size = simd.BFloat16K * simd.BFloat16NR
				loops.Pack(packed[i/bands*panel+(tap*s.In+from)*simd.BFloat16NR:][:size], taps[tap*size:], simd.BFloat16NR)
			}
		}
	})
	wide := s.W + 2
	rows := max(1, bfloat16Band/(wide*s.In)-2, 8*simd.BFloat16MR/wide)
	var counts []float64
	if m := then.moments; m != nil {
		counts = memory.Grow(&e.sums, e.pool.StealPieces(s.N*s.H, rows)*2*s.Out)
		clear(counts)
		defer func() { m.addUp(counts, s.Out, simd.BFloat16NR) }()
	}
	e.pool.Steal(s.N*s.H, rows, func(p, piece, lo, hi int) {
		part, then := &e.parts[p], then
		if counts != nil {
			then.counts = counts[piece*2*s.Out:][:2*s.Out]
		}
		for lo < hi {
			end := min(lo+rows, hi)
			band, top := e.roundRows(s, part, x, lo, end)
			for panelAt := range panels {
				first := panelAt * simd.BFloat16NR
				t := &part.rounds.products
				*t = simd.GEMMBFloat16{B: packed[panelAt*panel:][:panel], AStride: s.In, AJump: (wide - 3) * s.In, KOuter: 3, KBlocks: 3 * s.In / simd.BFloat16K}
				t.Init = zeros[:]
				if bias != nil {
					t.Init = bias[first:]
				}
				for r := lo; r < end; {
					next := min(end, r-r%s.H+s.H)
					pixels := (next-r)*wide - 2
					t.MBlocks = (pixels + simd.BFloat16MR - 1) / simd.BFloat16MR
					t.A = band[(s.paddedRow(r)-top)*wide*s.In:]
					t.C = memory.Grow(&part.products, t.MBlocks*simd.BFloat16MR*simd.BFloat16NR)
					loops.GEMM(t)
					e.takeResults(s, p, y, t.C, then, r, next, first)
					r = next
				}
			}
			lo = end
		}
	})
}

// takeResults does what comes after to the sums of the image rows lo..hi, of one panel
// of channels from first on, and copies them to y.
func (e *Engine) takeResults(s ConvShape, p int, y []Channels, sums []float32, then after, lo, hi, first int) {
	wide := (s.W + 2) * simd.BFloat16NR
	if then.counts != nil {
		for r := range hi - lo {
			c := &simd.Columnwise{X: sums[r*wide:][:s.W*simd.BFloat16NR], Stride: simd.BFloat16NR}
			c.Sum, c.Product = then.counts[2*first:][:simd.BFloat16NR], then.counts[2*first+simd.BFloat16NR:][:simd.BFloat16NR]
			e.overRows(p, c, 0, s.W, simd.Moments)
		}
	}
	if then.scale != nil {
		used := sums[:(hi-lo)*wide-2*simd.BFloat16NR]
		c := &simd.Columnwise{Y: used, X: used, Centre: zeros[:simd.BFloat16NR], Scale: then.scale[first:], Shift: then.shift[first:], Stride: simd.BFloat16NR}
		e.overRows(p, c, 0, len(used)/simd.BFloat16NR, simd.Affine)
	}
	for _, c := range y {
		if first >= c.Count {
			first -= c.Count
			continue
		}
		t := &e.parts[p].rowCopy
		for r := lo; r < hi; r++ {
			*t = simd.RowCopy{
				Y: c.Values[r*s.W*c.Count+first:], YStride: c.Count, X: sums[(r-lo)*wide:], XStride: simd.BFloat16NR,
				Cols: simd.BFloat16NR, Rows: s.W, NonTemporal: past(len(c.Values)),
			}
			e.isa.CopyRows(t)
		}
		return
	}
}

// roundRows is padRows, of x in bfloat16, with room to read some pixels more.
func (e *Engine) roundRows(s ConvShape, part *part, x []Channels, lo, hi int) (band []uint16, top int) {
	return padRows(s, &part.rounds.band, simd.BFloat16MR*s.In, lo, hi, func(dst []uint16, row int) {
		at := 0
		for _, c := range x {
			r := &part.rounds.image
			*r = simd.Conversion{Y: dst[at:], X: c.Values[row*s.W*c.Count:], YStride: s.In, XStride: c.Count, Cols: c.Count, Rows: s.W}
			e.isa.BFloat16.Convert(r)
			at += c.Count
		}
	})
}

const (
	bfloat16Band     = 1 << 17 // numbers of an image at once
	bfloat16GradBand = 5 << 17 // numbers of the gradient and the image at once: most of the second cache
	bfloat16Steps    = 8       // of products at once, whose pixels stay in the first cache
)

// gradWeightsBFloat16 computes dw from x and dy. The rows of the images lie in one line,
// with zeros between them and between the images, so for each tap the products are of the
// same pixels of dy and of x, a constant further on. The pixels are what is summed over:
// the tiles are of x by its channels, and of dy by pairs of pixels.
func (e *Engine) gradWeightsBFloat16(s ConvShape, dw []float32, x []Channels, dy []float32) {
	line := (s.W + 2) &^ 1 // pixels: at least one of zeros, and whole pairs
	rows := max(1, bfloat16GradBand/(line*(s.Out+simd.BFloat16K)))
	panels := s.Out / simd.BFloat16NR
	e.sumParts(dw, s.N*s.H*s.W*s.In, s.N*s.H, s.In/simd.BFloat16K, func(p int, dw []float32, lo, hi, first, last int) {
		part := &e.parts[p]
		for from := lo; from < hi; {
			to := min(from+rows, hi)
			top, end := from+from/s.H, to+(to-1)/s.H // rows of the line, one of zeros behind each image
			steps := ((end-top)*line + simd.BFloat16MR - 1) / simd.BFloat16MR
			pixels := steps * simd.BFloat16MR
			grads := memory.Grow(&part.rounds.grads, panels*pixels*simd.BFloat16NR)
			e.pairRows(s, line, grads, pixels*simd.BFloat16NR, Channels{dy, s.Out}, 0, top, end)
			for block := first; block < last; block++ {
				channel := block * simd.BFloat16K
				lines, stride := e.imageLines(s, line, part, x, channel, pixels, top, end)
				for panel := range panels {
					e.sumBlock(part, simd.GradWeightsBFloat16{
						C: dw[channel*s.Out+panel*simd.BFloat16NR:], CTap: s.In * s.Out, CStride: s.Out,
						A: lines, AStride: stride, Line: line, Taps: 9,
						B: grads[panel*pixels*simd.BFloat16NR:], KBlocks: steps,
					}, from == lo)
				}
			}
			from = to
		}
	})
}

// sumBlock adds the sums to what is in their c, or overwrites it. It takes some pixels at
// once, for all taps.
func (e *Engine) sumBlock(part *part, whole simd.GradWeightsBFloat16, fresh bool) {
	const size = simd.BFloat16K * simd.BFloat16NR
	sums := memory.Grow(&part.rounds.sums, 9*size)
	t := &part.rounds.gradWeights
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

// imageLines returns some channels of x, from channel on, by the channel: lines, stride
// apart, that begin at the pixel before the row before row top.
func (e *Engine) imageLines(s ConvShape, line int, part *part, x []Channels, channel, pixels, top, end int) (lines []uint16, stride int) {
	const lead, eight = 2, 16 // zeros, of which one is not used; eight pairs
	length := (lead + 2*line + pixels + 2 + eight - 1) / eight * eight
	for channel >= x[0].Count {
		channel -= x[0].Count
		x = x[1:]
	}
	pairs := memory.Grow(&part.rounds.pairs, length*simd.BFloat16K)
	clear(pairs[:lead*simd.BFloat16K])
	e.pairRows(s, line, pairs[lead*simd.BFloat16K:], length*simd.BFloat16K, x[0], channel, top-1, end+1)
	lines, stride = e.byChannel(part, pairs)
	return lines[1:], stride
}

// byChannel turns pairs of pixels of 32 channels, in multiples of 8, into lines of the
// channels, so far apart.
func (e *Engine) byChannel(part *part, pairs []uint16) (lines []uint16, stride int) {
	length := len(pairs) / simd.BFloat16K
	stride = (length+31)/64*64 + 32 // lines begin in all sets of a cache
	lines = memory.Grow(&part.rounds.lines, simd.BFloat16K*stride)
	e.isa.Transpose(simd.Transposition{
		Dst: floats(lines), DstStride: stride / 2, Rows: simd.BFloat16K,
		Src: floats(pairs), SrcStride: simd.BFloat16K, Cols: length / 2,
	})
	return lines, stride
}

// pairRows fills the panels of dst, so far apart, with the pairs of pixels of rows
// top..end of a line, of 32 channels of x each from channel on, and with zeros.
func (e *Engine) pairRows(s ConvShape, line int, dst []uint16, apart int, x Channels, channel, top, end int) {
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
