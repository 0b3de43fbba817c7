package kernel

// A convolution of few tiles with many channels costs little beside the reading
// of its weights, and transformed weights are four times as large as these. So
// they are not kept: transformed weights are made in registers, multiplied by
// four tiles, a quad, and forgotten.
//
// G is used without its fractions,
//
//	1  0  0
//	1  1  1
//	1 -1  1
//	1  2  4
//	1 -2  4
//	0  0  1
//
// which saves multiplications; quadScales make up for it. Sums of four tiles and
// one of the six rows of frequencies fill the registers, so the same weights are
// gone through six times. They come from the first cache, where a panel of them
// is copied to: rows of the whole matrix would share few of its sets.
const (
	quadTiles = 4
	quadRows  = 16 // of a panel
	quadWidth = 16 // columns of a panel: one vector
	quadTap   = quadRows*quadWidth + skew
	quadPanel = 9 * quadTap
	quadImage = frequencies * quadTiles // of one channel
	quadSums  = frequencies * quadTiles * quadWidth

	// While a panel is at work, weights for later are fetched from memory, in
	// pieces of 8 cache lines, of which the loops have room for so many.
	fetchFloats = 128
	fetchPieces = 2 * patchSide * quadRows / 8
)

// quad is work on four tiles and one panel of weights. The assembly reads this
// struct by its field names.
type quad struct {
	image []float32 // (6, 16, 6, 4): of the rows' channels, one row of frequencies after the other
	sums  []float32 // (4, 36, 16): of products; or the transformed gradients of results
	scale []float32 // (36): what sums are multiplied by after that, or gradients before
	panel []float32 // (9, 16, 16), by quadTap: weights, or their gradient

	memory               []float32 // where the panel comes from or another one goes to
	memoryRow, memoryTap int       // floats between its rows and between its taps

	ahead []float32 // from where on weights for later are in memory,
	fetch []int     // and how many bytes after that the pieces to fetch now
	plan  []int     // fetch of one call after the other

	last []float32 // the panel before, which gradWeights writes to memory on the way
}

// quadLoops are the loops of an instruction set.
type quadLoops struct {
	products    func(*quad) // add to sums, and copy the panel from memory
	gradWeights func(*quad) // compute the panel from sums, and copy last to memory
	transpose   func(*quad) // fill the panel from memory, where its columns are rows and its taps in reverse
}

// quadScales are the fractions of G; quadOnes are none.
var quadScales, quadOnes = func() (scales, ones [frequencies]float32) {
	g := [patchSide]float32{1. / 4, -1. / 6, -1. / 6, 1. / 24, 1. / 24, 1}
	for f := range frequencies {
		scales[f], ones[f] = g[f/patchSide]*g[f%patchSide], 1
	}
	return scales, ones
}()

func (s ConvShape) quads() int { return (s.tiles() + quadTiles - 1) / quadTiles }

// prefersQuads tells whether it is faster not to keep transformed weights, or
// sums of their gradients, where that is so for at most so many quads.
func (e *Engine) prefersQuads(s ConvShape, most int) bool {
	return e.isa.quads != nil && s.quads() <= most && s.In%quadRows == 0 && s.Out%quadRows == 0
}

// planFetch spreads the fetching of some columns of quadRows rows of weights over
// so many calls; rows are row floats apart, taps are tap floats apart.
func (q *quad) planFetch(calls, columns, row, tap int) {
	across := (columns + fetchFloats - 1) / fetchFloats
	pieces := 9 * quadRows * across
	each := min((pieces+calls-1)/calls, fetchPieces)
	plan := grow(&q.plan, calls*fetchPieces)
	clear(plan)
	for n := range min(pieces, calls*each) {
		r := n / across
		plan[n/each*fetchPieces+n%each*fetchPieces/each] = 4 * (n%across*fetchFloats + r%quadRows*row + r/quadRows*tap)
	}
}

// quadImages computes the transformed image, (quads, hi-lo, 6, 16, 6, 4), of the
// blocks lo..hi of quadRows channels of x: those that a thread needs, for to get them
// from another one's cache takes longer.
func (e *Engine) quadImages(s ConvShape, part *part, x []Channels, lo, hi int) []float32 {
	at, channels := lo*quadRows, (hi-lo)*quadRows
	stride := channelStride(channels)
	byChannel := grow(&part.products, s.quads()*quadImage*stride)
	clear(byChannel[s.tiles()/quadTiles*quadImage*stride:]) // tiles that are not there
	t := &part.transform
	t.dstRow, t.dstCol, t.dstNext = patchSide*quadTiles*stride, quadTiles*stride, stride
	for _, c := range x {
		from, to := max(at, 0), min(at+channels, c.Count) // of its channels
		for tile := 0; tile < s.tiles() && from < to; {
			quad, within := tile/quadTiles, tile%quadTiles
			s.source(t, &part.patch, c.Values, c.Count, tile, min(s.tiles(), (quad+1)*quadTiles), 1, from, to-from)
			t.dst = byChannel[(quad*quadImage+within)*stride+from-at:]
			tile += t.count
			e.isa.transform(t, imageTransform)
		}
		at -= c.Count
	}
	const row = patchSide * quadTiles
	images := grow(&part.band, s.quads()*quadImage*channels)
	for quad := range s.quads() {
		for block := range hi - lo {
			for i := range patchSide {
				e.isa.transpose(transposition{
					dst: images[((quad*(hi-lo)+block)*patchSide+i)*quadRows*row:], dstRow: row, rows: quadRows,
					src: byChannel[(quad*patchSide+i)*row*stride+block*quadRows:], srcRow: stride, cols: row,
				})
			}
		}
	}
	return images
}

// quadConv computes what winograd does.
func (e *Engine) quadConv(s ConvShape, y, x []Channels, bias []float32, then after, w weights) {
	if m := then.moments; m != nil && e.countsMoments(s) {
		counts := grow(&e.sums, 2*s.Out)
		clear(counts)
		defer func() { m.addUp(counts, s.Out, maxLanes) }()
		then = after{counts: counts}
	}
	blocks := s.In / quadRows
	panels, panelSums := s.Out/quadWidth, s.quads()*quadSums
	results := func(p, panel int, sums []float32) {
		e.transformResults(s, &e.parts[p], y, sums, then, 0, s.tiles(), panel*quadWidth, quadWidth, quadWidth)
	}
	// multiply adds to the sums of a panel the products of its block in q.memory, which is
	// block n of the images' count, and scales the sums after the last one.
	multiply := func(q *quad, sums, images []float32, n, count int) {
		q.scale = quadOnes[:]
		if n+1 == count {
			q.scale = quadScales[:]
		}
		for quad := range s.quads() {
			q.image = images[(quad*count+n)*quadRows*quadImage:][:quadRows*quadImage]
			q.sums = sums[quad*quadSums:][:quadSums]
			e.isa.quads.products(q)
			q.memory, q.memoryRow, q.memoryTap = q.panel, quadWidth, quadTap
		}
	}
	if w.transposed != nil {
		// Each thread takes some panels and of each all rows, which are columns in
		// memory; the next piece of them, or the first one of the next panel, meanwhile.
		calls := min(fetchFloats, s.In) / quadRows
		e.Parallel(panels, func(p, lo, hi int) {
			part := &e.parts[p]
			images := e.quadImages(s, part, x, 0, blocks)
			q := &part.quad
			q.panel = grow(&part.panel, quadPanel)
			q.planFetch(calls, fetchFloats, s.In, s.In*s.Out)
			sums := grow(&part.products, panelSums)
			for panel := lo; panel < hi; panel++ {
				quadBegin(sums, bias, panel)
				for from := 0; from < s.In; from += quadRows {
					next := (from/fetchFloats + 1) * fetchFloats
					if next >= s.In {
						next = (min(panel+1, hi-1) - panel) * quadWidth * s.In
					}
					at := panel * quadWidth * s.In
					q.ahead = w.transposed[at+next:]
					q.fetch = q.plan[from/quadRows%calls*fetchPieces:][:fetchPieces]
					q.memory, q.memoryRow, q.memoryTap = w.transposed[at+from:], s.In, s.In*s.Out
					e.isa.quads.transpose(q)
					q.memory, q.memoryRow, q.memoryTap = q.panel, quadWidth, quadTap
					multiply(q, sums, images, from/quadRows, blocks)
				}
				results(p, panel, sums)
			}
		})
		return
	}
	// Each thread takes some rows and all panels of them, which are long runs of memory;
	// of the next rows meanwhile. Then the threads' sums are added.
	parts := e.pieces(blocks)
	e.Parallel(blocks, func(p, lo, hi int) {
		part := &e.parts[p]
		images := e.quadImages(s, part, x, lo, hi)
		q := &part.quad
		q.panel = grow(&part.panel, quadPanel)
		q.planFetch(panels, s.Out, s.Out, s.In*s.Out)
		sums := grow(&part.products, panels*panelSums)
		for panel := range panels {
			of := bias
			if p > 0 {
				of = nil
			}
			quadBegin(sums[panel*panelSums:][:panelSums], of, panel)
		}
		for block := lo; block < hi; block++ {
			from := block * quadRows
			q.ahead = w.plain[min(block+1, hi-1)*quadRows*s.Out:]
			for panel := range panels {
				q.fetch = q.plan[panel*fetchPieces:][:fetchPieces]
				q.memory, q.memoryRow, q.memoryTap = w.plain[from*s.Out+panel*quadWidth:], s.Out, s.In*s.Out
				multiply(q, sums[panel*panelSums:], images, block-lo, hi-lo)
			}
		}
	})
	e.Parallel(panels, func(p, lo, hi int) {
		for panel := lo; panel < hi; panel++ {
			of := func(p int) []float32 { return e.parts[p].products[panel*panelSums:][:panelSums] }
			for other := 1; other < parts; other++ {
				e.overFlat(p, addition(of(0), of(other)), 0, panelSums, gradInput)
			}
			results(p, panel, of(0))
		}
	})
}

// quadBegin sets the sums of a panel to nothing but the bias, if there is one.
func quadBegin(sums, bias []float32, panel int) {
	clear(sums)
	if bias == nil {
		return
	}
	for tile := range len(sums) / (frequencies * quadWidth) {
		to := sums[(tile*frequencies+constantFrequency)*quadWidth:]
		for c, b := range bias[panel*quadWidth:][:quadWidth] {
			to[c] = b / quadScales[constantFrequency]
		}
	}
}

// quadGradWeights computes what winogradGradWeights does, for a single quad.
func (e *Engine) quadGradWeights(s ConvShape, dw []float32, x []Channels, dy []float32) {
	panels := s.Out / quadWidth
	e.Parallel(s.In/quadRows, func(p, lo, hi int) {
		part := &e.parts[p]
		images := e.quadImages(s, part, x, lo, hi)
		grads := e.quadGrads(s, part, dy)
		q := &part.quad
		q.panel, q.last = grow(&part.panel, quadPanel), grow(&part.taps, quadPanel)
		q.scale = quadScales[:]
		q.memory = dw[lo*quadRows*s.Out:] // what is written here first is overwritten by the first panel
		q.memoryRow, q.memoryTap = s.Out, s.In*s.Out
		for block := lo; block < hi; block++ {
			q.image = images[(block-lo)*quadRows*quadImage:][:quadRows*quadImage]
			for panel := range panels {
				q.sums = grads[panel*quadSums:][:quadSums]
				e.isa.quads.gradWeights(q)
				q.panel, q.last = q.last, q.panel
				q.memory = dw[block*quadRows*s.Out+panel*quadWidth:]
			}
		}
		for tap := range 9 {
			part.rowCopy = rowCopy{
				y: q.memory[tap*q.memoryTap:], yStride: q.memoryRow,
				x: q.last[tap*quadTap:], xStride: quadWidth,
				rows: quadRows, cols: quadWidth,
			}
			e.isa.copyRows(&part.rowCopy)
		}
	})
}

// quadGrads computes the transformed gradients of results, (Out/16, 4, 36, 16), of a
// single quad.
func (e *Engine) quadGrads(s ConvShape, part *part, dy []float32) []float32 {
	grads := grow(&part.products, s.Out/quadWidth*quadSums)
	t := &part.transform
	t.dstRow, t.dstCol, t.dstNext = patchSide*quadWidth, quadWidth, frequencies*quadWidth
	for panel := range s.Out / quadWidth {
		to := grads[panel*quadSums:][:quadSums]
		clear(to[s.tiles()*t.dstNext:])
		for tile := 0; tile < s.tiles(); {
			s.source(t, &part.patch, dy, s.Out, tile, s.tiles(), 0, panel*quadWidth, quadWidth)
			t.dst = to[tile*t.dstNext:]
			tile += t.count
			e.isa.transform(t, resultGradTransform)
		}
	}
	return grads
}
