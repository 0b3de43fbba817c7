package kernel

import "unsafe"

// Convolutions of operands that are rounded to bfloat16, the first 16 bits of a
// float32, with sums in float32: the processor's tile registers (AMX) hold 16 rows of
// 32 such numbers, and a product of two tiles is one instruction. That is so much
// faster than float32 that Winograd's algorithm, which would lose most of the few
// bits, is not needed.
//
// The image is rounded into a band with a border of zeros. The pixels of the band lie
// in one line, so for each tap the products are those of the pixels, a constant
// further on; what comes out for pixels of the border is not used.
const (
	bfloat16Channels = 32      // of one product of tiles
	bfloat16Columns  = 32      // of a panel of weights: two tiles
	bfloat16Pixels   = 32      // at once: two tiles
	bfloat16Band     = 1 << 17 // numbers of an image at once
)

// bfloat16Loops are the loops of an instruction set.
type bfloat16Loops struct {
	products    func(*bfloat16Products)
	gradWeights func(*bfloat16GradWeights)
	round       func(*rounding)
	pairs       func(y []uint16, x []float32, stride int) // y (k/2, 32, 2) from x (k, stride)
	start       func() error                              // asks the system for the tile registers
}

// bfloat16Products is
//
//	c[m*32+n] = initial[n] + sum over j < rows, k < blocks*32 of
//	            a[m*aRow+j*(blocks*32+aJump)+k] * b(j*blocks*32+k, n)
//
// for m < steps*32, n < 32, where b(k, n) is b[k/2*64+n*2+k%2]. The assembly reads
// this struct by its field names.
type bfloat16Products struct {
	c, initial   []float32
	a, b         []uint16
	aRow, aJump  int
	rows, blocks int
	steps        int
}

// bfloat16GradWeights is
//
//	c[i*cTap+m*cRow+n] = initial[i*iTap+m*iRow+n] + sum over k < steps*32 of
//	                     a[m*aRow+i/3*line+i%3+k] * b(k, n)
//
// for i < taps (9 or 1), m < 32, n < 32, where b(k, n) is b[k/2*64+n*2+k%2]. The
// assembly reads this struct by its field names.
type bfloat16GradWeights struct {
	c, initial             []float32
	a, b                   []uint16
	cTap, cRow, iTap, iRow int
	aRow, line             int
	taps, steps            int
}

// rounding is y[r*yStride+i] = x[r*xStride+i] in bfloat16, for r < rows, i < cols.
// The assembly reads this struct by its field names.
type rounding struct {
	y                []uint16
	x                []float32
	yStride, xStride int
	cols, rows       int
}

// bfloat16Part is the scratch of one piece of work.
type bfloat16Part struct {
	products    bfloat16Products
	gradWeights bfloat16GradWeights
	image       rounding
	band        []uint16  // zero-padded rows of an image
	lines       []uint16  // of pixels of an image, by channel
	grads       []uint16  // pairs of pixels of a gradient
	pairs       []uint16  // of pixels of an image
	sums        []float32 // of a block of weights
}

// roundsOperands tells whether the convolution is done in bfloat16.
func (e *Engine) roundsOperands(s ConvShape, y, x []Channels) bool {
	if e.isa.bfloat16 == nil || s.Kernel != 3 {
		return false
	}
	for _, c := range y {
		if c.Count%bfloat16Columns != 0 {
			return false
		}
	}
	for _, c := range x {
		if c.Count%bfloat16Channels != 0 {
			return false
		}
	}
	return true
}

// correlateBFloat16 computes what correlate does.
func (e *Engine) correlateBFloat16(s ConvShape, y, x []Channels, bias []float32, then after, w weights) {
	loops := e.isa.bfloat16
	panels := s.Out / bfloat16Columns
	panel := 9 * s.In * bfloat16Columns
	packed := grow(&e.rounded, panels*panel)
	bands := s.In / bfloat16Channels
	e.Share(panels*bands, 1, func(p, _, lo, hi int) {
		taps := grow(&e.parts[p].taps, 9*bfloat16Channels*bfloat16Columns)
		for i := lo; i < hi; i++ {
			from := i % bands * bfloat16Channels
			w.pack(taps, from, bfloat16Channels, i/bands*bfloat16Columns, bfloat16Columns, bfloat16Columns)
			for tap := range 9 {
				const size = bfloat16Channels * bfloat16Columns
				loops.pairs(packed[i/bands*panel+(tap*s.In+from)*bfloat16Columns:][:size], taps[tap*size:], bfloat16Columns)
			}
		}
	})
	wide := s.W + 2
	rows := max(1, bfloat16Band/(wide*s.In)-2, 8*bfloat16Pixels/wide)
	var counts []float64
	if m := then.moments; m != nil {
		counts = grow(&e.sums, e.shares(s.N*s.H, rows)*2*s.Out)
		clear(counts)
		defer func() { m.addUp(counts, s.Out, bfloat16Columns) }()
	}
	e.Share(s.N*s.H, rows, func(p, piece, lo, hi int) {
		part, then := &e.parts[p], then
		if counts != nil {
			then.counts = counts[piece*2*s.Out:][:2*s.Out]
		}
		for lo < hi {
			end := min(lo+rows, hi)
			band, top := e.roundRows(s, part, x, lo, end)
			for panelAt := range panels {
				first := panelAt * bfloat16Columns
				t := &part.rounds.products
				*t = bfloat16Products{b: packed[panelAt*panel:][:panel], aRow: s.In, aJump: (wide - 3) * s.In, rows: 3, blocks: 3 * s.In / bfloat16Channels}
				t.initial = zeros[:]
				if bias != nil {
					t.initial = bias[first:]
				}
				for r := lo; r < end; {
					next := min(end, r-r%s.H+s.H)
					pixels := (next-r)*wide - 2
					t.steps = (pixels + bfloat16Pixels - 1) / bfloat16Pixels
					t.a = band[(s.paddedRow(r)-top)*wide*s.In:]
					t.c = grow(&part.products, t.steps*bfloat16Pixels*bfloat16Columns)
					loops.products(t)
					e.takeResults(s, p, y, t.c, then, r, next, first)
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
	wide := (s.W + 2) * bfloat16Columns
	if then.counts != nil {
		for r := range hi - lo {
			c := &columns{x: sums[r*wide:][:s.W*bfloat16Columns], stride: bfloat16Columns}
			c.sum, c.product = then.counts[2*first:][:bfloat16Columns], then.counts[2*first+bfloat16Columns:][:bfloat16Columns]
			e.overRows(p, c, 0, s.W, moments)
		}
	}
	if then.scale != nil {
		used := sums[:(hi-lo)*wide-2*bfloat16Columns]
		c := &columns{y: used, x: used, centre: zeros[:bfloat16Columns], scale: then.scale[first:], shift: then.shift[first:], stride: bfloat16Columns}
		e.overRows(p, c, 0, len(used)/bfloat16Columns, affine)
	}
	for _, c := range y {
		if first >= c.Count {
			first -= c.Count
			continue
		}
		t := &e.parts[p].rowCopy
		for r := lo; r < hi; r++ {
			*t = rowCopy{
				y: c.Values[r*s.W*c.Count+first:], yStride: c.Count, x: sums[(r-lo)*wide:], xStride: bfloat16Columns,
				cols: bfloat16Columns, rows: s.W, past: past(len(c.Values)),
			}
			e.isa.copyRows(t)
		}
		return
	}
}

// roundRows is padRows, of x in bfloat16, with room to read some pixels more.
func (e *Engine) roundRows(s ConvShape, part *part, x []Channels, lo, hi int) (band []uint16, top int) {
	return padRows(s, &part.rounds.band, bfloat16Pixels*s.In, lo, hi, func(dst []uint16, row int) {
		at := 0
		for _, c := range x {
			r := &part.rounds.image
			*r = rounding{y: dst[at:], x: c.Values[row*s.W*c.Count:], yStride: s.In, xStride: c.Count, cols: c.Count, rows: s.W}
			e.isa.bfloat16.round(r)
			at += c.Count
		}
	})
}

const (
	bfloat16GradBand = 5 << 17 // numbers of the gradient and the image at once: most of the second cache
	bfloat16Steps    = 8       // of products at once, whose pixels stay in the first cache
)

// gradWeightsBFloat16 computes dw from x and dy. The rows of the images lie in one line,
// with zeros between them and between the images, so for each tap the products are of the
// same pixels of dy and of x, a constant further on. The pixels are what is summed over:
// the tiles are of x by its channels, and of dy by pairs of pixels.
func (e *Engine) gradWeightsBFloat16(s ConvShape, dw []float32, x []Channels, dy []float32) {
	line := (s.W + 2) &^ 1 // pixels: at least one of zeros, and whole pairs
	rows := max(1, bfloat16GradBand/(line*(s.Out+bfloat16Channels)))
	panels := s.Out / bfloat16Columns
	e.sumParts(dw, s.N*s.H*s.W*s.In, s.N*s.H, s.In/bfloat16Channels, func(p int, dw []float32, lo, hi, first, last int) {
		part := &e.parts[p]
		for from := lo; from < hi; {
			to := min(from+rows, hi)
			top, end := from+from/s.H, to+(to-1)/s.H // rows of the line, one of zeros behind each image
			steps := ((end-top)*line + bfloat16Pixels - 1) / bfloat16Pixels
			pixels := steps * bfloat16Pixels
			grads := grow(&part.rounds.grads, panels*pixels*bfloat16Columns)
			e.pairRows(s, line, grads, pixels*bfloat16Columns, Channels{dy, s.Out}, 0, top, end)
			for block := first; block < last; block++ {
				channel := block * bfloat16Channels
				lines, stride := e.imageLines(s, line, part, x, channel, pixels, top, end)
				for panel := range panels {
					e.sumBlock(part, bfloat16GradWeights{
						c: dw[channel*s.Out+panel*bfloat16Columns:], cTap: s.In * s.Out, cRow: s.Out,
						a: lines, aRow: stride, line: line, taps: 9,
						b: grads[panel*pixels*bfloat16Columns:], steps: steps,
					}, from == lo)
				}
			}
			from = to
		}
	})
}

// sumBlock adds the sums to what is in their c, or overwrites it. It takes some pixels at
// once, for all taps.
func (e *Engine) sumBlock(part *part, whole bfloat16GradWeights, fresh bool) {
	const size = bfloat16Channels * bfloat16Columns
	sums := grow(&part.rounds.sums, 9*size)
	t := &part.rounds.gradWeights
	*t = whole
	t.begin(fresh)
	chunks := (whole.steps + bfloat16Steps - 1) / bfloat16Steps
	for i := range chunks {
		at := whole.steps * i / chunks
		t.steps = whole.steps*(i+1)/chunks - at
		t.a, t.b = whole.a[at*bfloat16Pixels:], whole.b[at*bfloat16Pixels*bfloat16Columns:]
		t.c, t.cTap, t.cRow = sums, size, bfloat16Columns
		if i == chunks-1 {
			t.c, t.cTap, t.cRow = whole.c, whole.cTap, whole.cRow
		}
		e.isa.bfloat16.gradWeights(t)
		t.initial, t.iTap, t.iRow = sums, size, bfloat16Columns
	}
}

// begin makes t add to c, or overwrite it if it is fresh.
func (t *bfloat16GradWeights) begin(fresh bool) {
	t.initial, t.iTap, t.iRow = t.c, t.cTap, t.cRow
	if fresh {
		t.initial, t.iTap, t.iRow = zeros[:], 0, 0
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
	pairs := grow(&part.rounds.pairs, length*bfloat16Channels)
	clear(pairs[:lead*bfloat16Channels])
	e.pairRows(s, line, pairs[lead*bfloat16Channels:], length*bfloat16Channels, x[0], channel, top-1, end+1)
	lines, stride = e.byChannel(part, pairs)
	return lines[1:], stride
}

// byChannel turns pairs of pixels of 32 channels, in multiples of 8, into lines of the
// channels, so far apart.
func (e *Engine) byChannel(part *part, pairs []uint16) (lines []uint16, stride int) {
	length := len(pairs) / bfloat16Channels
	stride = (length+31)/64*64 + 32 // lines begin in all sets of a cache
	lines = grow(&part.rounds.lines, bfloat16Channels*stride)
	e.isa.transpose(transposition{
		dst: floats(lines), dstRow: stride / 2, rows: bfloat16Channels,
		src: floats(pairs), srcRow: bfloat16Channels, cols: length / 2,
	})
	return lines, stride
}

// pairRows fills the panels of dst, so far apart, with the pairs of pixels of rows
// top..end of a line, of 32 channels of x each from channel on, and with zeros.
func (e *Engine) pairRows(s ConvShape, line int, dst []uint16, apart int, x Channels, channel, top, end int) {
	row := line * bfloat16Columns
	whole := s.W &^ 1 * bfloat16Columns
	for v := top; v < end; v++ {
		n, h := v/(s.H+1), v%(s.H+1)
		for panel, at := 0, (v-top)*row; at < len(dst); panel, at = panel+1, at+apart {
			dst := dst[at:][:row]
			if v < 0 || h == s.H || n == s.N {
				clear(dst)
				continue
			}
			from := x.Values[(n*s.H+h)*s.W*x.Count+channel+panel*bfloat16Columns:]
			e.isa.bfloat16.pairs(dst[:whole], from, x.Count)
			clear(dst[whole:])
			if s.W%2 == 1 {
				var last [2 * bfloat16Columns]float32
				copy(last[:bfloat16Columns], from[(s.W-1)*x.Count:])
				e.isa.bfloat16.pairs(dst[whole:][:2*bfloat16Columns], last[:], bfloat16Columns)
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
