package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// quadScales are the fractions of G; quadOnes are none.
var quadScales, quadOnes = func() (scales, ones [simd.Frequencies]float32) {
	g := [simd.InputTile]float32{1. / 4, -1. / 6, -1. / 6, 1. / 24, 1. / 24, 1}
	for f := range simd.Frequencies {
		scales[f], ones[f] = g[f/simd.InputTile]*g[f%simd.InputTile], 1
	}
	return scales, ones
}()

func (s ConvShape) quads() int { return (s.tiles() + simd.OnTheFlyTiles - 1) / simd.OnTheFlyTiles }

// prefersQuads tells whether it is faster not to keep transformed weights, or
// sums of their gradients, where that is so for at most so many quads.
func (e *Engine) prefersQuads(s ConvShape, most int) bool {
	return e.isa.OnTheFly != nil && s.quads() <= most && s.In%simd.OnTheFlyK == 0 && s.Out%simd.OnTheFlyK == 0
}

// planFetch spreads the fetching of some columns of quadRows rows of weights over
// so many calls; rows are row floats apart, taps are tap floats apart.
func planFetch(q *simd.OnTheFly, calls, columns, row, tap int) {
	across := (columns + simd.PrefetchFloats - 1) / simd.PrefetchFloats
	pieces := 9 * simd.OnTheFlyK * across
	each := min((pieces+calls-1)/calls, simd.PrefetchPieces)
	plan := memory.Grow(&q.Plan, calls*simd.PrefetchPieces)
	clear(plan)
	for n := range min(pieces, calls*each) {
		r := n / across
		plan[n/each*simd.PrefetchPieces+n%each*simd.PrefetchPieces/each] = 4 * (n%across*simd.PrefetchFloats + r%simd.OnTheFlyK*row + r/simd.OnTheFlyK*tap)
	}
}

// quadImages computes the transformed image, (quads, hi-lo, 6, 16, 6, 4), of the
// blocks lo..hi of quadRows channels of x: those that a thread needs, for to get them
// from another one's cache takes longer.
func (e *Engine) quadImages(s ConvShape, part *part, x []Channels, lo, hi int) []float32 {
	at, channels := lo*simd.OnTheFlyK, (hi-lo)*simd.OnTheFlyK
	stride := channelStride(channels)
	byChannel := memory.Grow(&part.products, s.quads()*simd.OnTheFlyInput*stride)
	clear(byChannel[s.tiles()/simd.OnTheFlyTiles*simd.OnTheFlyInput*stride:]) // tiles that are not there
	t := &part.transform
	t.DstRow, t.DstCol, t.DstTile = simd.InputTile*simd.OnTheFlyTiles*stride, simd.OnTheFlyTiles*stride, stride
	for _, c := range x {
		from, to := max(at, 0), min(at+channels, c.Count) // of its channels
		for tile := 0; tile < s.tiles() && from < to; {
			quad, within := tile/simd.OnTheFlyTiles, tile%simd.OnTheFlyTiles
			s.source(t, &part.patch, c.Values, c.Count, tile, min(s.tiles(), (quad+1)*simd.OnTheFlyTiles), 1, from, to-from)
			t.Dst = byChannel[(quad*simd.OnTheFlyInput+within)*stride+from-at:]
			tile += t.Tiles
			e.isa.Transform(t, simd.InputTransform)
		}
		at -= c.Count
	}
	const row = simd.InputTile * simd.OnTheFlyTiles
	images := memory.Grow(&part.band, s.quads()*simd.OnTheFlyInput*channels)
	for quad := range s.quads() {
		for block := range hi - lo {
			for i := range simd.InputTile {
				e.isa.Transpose(simd.Transposition{
					Dst: images[((quad*(hi-lo)+block)*simd.InputTile+i)*simd.OnTheFlyK*row:], DstStride: row, Rows: simd.OnTheFlyK,
					Src: byChannel[(quad*simd.InputTile+i)*row*stride+block*simd.OnTheFlyK:], SrcStride: stride, Cols: row,
				})
			}
		}
	}
	return images
}

// quadConv computes what winograd does.
func (e *Engine) quadConv(s ConvShape, y, x []Channels, bias []float32, then after, w weights) {
	if m := then.moments; m != nil && e.countsMoments(s) {
		counts := memory.Grow(&e.sums, 2*s.Out)
		clear(counts)
		defer func() { m.addUp(counts, s.Out, simd.MaxVector) }()
		then = after{counts: counts}
	}
	blocks := s.In / simd.OnTheFlyK
	panels, panelSums := s.Out/simd.OnTheFlyNR, s.quads()*simd.OnTheFlySums
	results := func(p, panel int, sums []float32) {
		e.transformResults(s, &e.parts[p], y, sums, then, 0, s.tiles(), panel*simd.OnTheFlyNR, simd.OnTheFlyNR, simd.OnTheFlyNR)
	}
	// multiply adds to the sums of a panel the products of its block in q.memory, which is
	// block n of the images' count, and scales the sums after the last one.
	multiply := func(q *simd.OnTheFly, sums, images []float32, n, count int) {
		q.Scale = quadOnes[:]
		if n+1 == count {
			q.Scale = quadScales[:]
		}
		for quad := range s.quads() {
			q.Input = images[(quad*count+n)*simd.OnTheFlyK*simd.OnTheFlyInput:][:simd.OnTheFlyK*simd.OnTheFlyInput]
			q.Sums = sums[quad*simd.OnTheFlySums:][:simd.OnTheFlySums]
			e.isa.OnTheFly.Multiply(q)
			q.Weights, q.WeightsRow, q.WeightsTap = q.Panel, simd.OnTheFlyNR, simd.OnTheFlyTap
		}
	}
	if w.transposed != nil {
		// Each thread takes some panels and of each all rows, which are columns in
		// memory; the next piece of them, or the first one of the next panel, meanwhile.
		calls := min(simd.PrefetchFloats, s.In) / simd.OnTheFlyK
		e.pool.Split(panels, func(p, lo, hi int) {
			part := &e.parts[p]
			images := e.quadImages(s, part, x, 0, blocks)
			q := &part.quad
			q.Panel = memory.Grow(&part.panel, simd.OnTheFlyPanel)
			planFetch(q, calls, simd.PrefetchFloats, s.In, s.In*s.Out)
			sums := memory.Grow(&part.products, panelSums)
			for panel := lo; panel < hi; panel++ {
				quadBegin(sums, bias, panel)
				for from := 0; from < s.In; from += simd.OnTheFlyK {
					next := (from/simd.PrefetchFloats + 1) * simd.PrefetchFloats
					if next >= s.In {
						next = (min(panel+1, hi-1) - panel) * simd.OnTheFlyNR * s.In
					}
					at := panel * simd.OnTheFlyNR * s.In
					q.Prefetch = w.transposed[at+next:]
					q.PrefetchAt = q.Plan[from/simd.OnTheFlyK%calls*simd.PrefetchPieces:][:simd.PrefetchPieces]
					q.Weights, q.WeightsRow, q.WeightsTap = w.transposed[at+from:], s.In, s.In*s.Out
					e.isa.OnTheFly.Transpose(q)
					q.Weights, q.WeightsRow, q.WeightsTap = q.Panel, simd.OnTheFlyNR, simd.OnTheFlyTap
					multiply(q, sums, images, from/simd.OnTheFlyK, blocks)
				}
				results(p, panel, sums)
			}
		})
		return
	}
	// Each thread takes some rows and all panels of them, which are long runs of memory;
	// of the next rows meanwhile. Then the threads' sums are added.
	parts := e.pool.Pieces(blocks)
	e.pool.Split(blocks, func(p, lo, hi int) {
		part := &e.parts[p]
		images := e.quadImages(s, part, x, lo, hi)
		q := &part.quad
		q.Panel = memory.Grow(&part.panel, simd.OnTheFlyPanel)
		planFetch(q, panels, s.Out, s.Out, s.In*s.Out)
		sums := memory.Grow(&part.products, panels*panelSums)
		for panel := range panels {
			of := bias
			if p > 0 {
				of = nil
			}
			quadBegin(sums[panel*panelSums:][:panelSums], of, panel)
		}
		for block := lo; block < hi; block++ {
			from := block * simd.OnTheFlyK
			q.Prefetch = w.plain[min(block+1, hi-1)*simd.OnTheFlyK*s.Out:]
			for panel := range panels {
				q.PrefetchAt = q.Plan[panel*simd.PrefetchPieces:][:simd.PrefetchPieces]
				q.Weights, q.WeightsRow, q.WeightsTap = w.plain[from*s.Out+panel*simd.OnTheFlyNR:], s.Out, s.In*s.Out
				multiply(q, sums[panel*panelSums:], images, block-lo, hi-lo)
			}
		}
	})
	e.pool.Split(panels, func(p, lo, hi int) {
		for panel := lo; panel < hi; panel++ {
			of := func(p int) []float32 { return e.parts[p].products[panel*panelSums:][:panelSums] }
			for other := 1; other < parts; other++ {
				e.overFlat(p, addition(of(0), of(other)), 0, panelSums, simd.GradInput)
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
	for tile := range len(sums) / (simd.Frequencies * simd.OnTheFlyNR) {
		to := sums[(tile*simd.Frequencies+simd.ConstantFrequency)*simd.OnTheFlyNR:]
		for c, b := range bias[panel*simd.OnTheFlyNR:][:simd.OnTheFlyNR] {
			to[c] = b / quadScales[simd.ConstantFrequency]
		}
	}
}

// quadGradWeights computes what winogradGradWeights does, for a single quad.
func (e *Engine) quadGradWeights(s ConvShape, dw []float32, x []Channels, dy []float32) {
	panels := s.Out / simd.OnTheFlyNR
	e.pool.Split(s.In/simd.OnTheFlyK, func(p, lo, hi int) {
		part := &e.parts[p]
		images := e.quadImages(s, part, x, lo, hi)
		grads := e.quadGrads(s, part, dy)
		q := &part.quad
		q.Panel, q.Previous = memory.Grow(&part.panel, simd.OnTheFlyPanel), memory.Grow(&part.taps, simd.OnTheFlyPanel)
		q.Scale = quadScales[:]
		q.Weights = dw[lo*simd.OnTheFlyK*s.Out:] // what is written here first is overwritten by the first panel
		q.WeightsRow, q.WeightsTap = s.Out, s.In*s.Out
		for block := lo; block < hi; block++ {
			q.Input = images[(block-lo)*simd.OnTheFlyK*simd.OnTheFlyInput:][:simd.OnTheFlyK*simd.OnTheFlyInput]
			for panel := range panels {
				q.Sums = grads[panel*simd.OnTheFlySums:][:simd.OnTheFlySums]
				e.isa.OnTheFly.GradWeights(q)
				q.Panel, q.Previous = q.Previous, q.Panel
				q.Weights = dw[block*simd.OnTheFlyK*s.Out+panel*simd.OnTheFlyNR:]
			}
		}
		for tap := range 9 {
			part.rowCopy = simd.RowCopy{
				Y: q.Weights[tap*q.WeightsTap:], YStride: q.WeightsRow,
				X: q.Previous[tap*simd.OnTheFlyTap:], XStride: simd.OnTheFlyNR,
				Rows: simd.OnTheFlyK, Cols: simd.OnTheFlyNR,
			}
			e.isa.CopyRows(&part.rowCopy)
		}
	})
}

// quadGrads computes the transformed gradients of results, (Out/16, 4, 36, 16), of a
// single quad.
func (e *Engine) quadGrads(s ConvShape, part *part, dy []float32) []float32 {
	grads := memory.Grow(&part.products, s.Out/simd.OnTheFlyNR*simd.OnTheFlySums)
	t := &part.transform
	t.DstRow, t.DstCol, t.DstTile = simd.InputTile*simd.OnTheFlyNR, simd.OnTheFlyNR, simd.Frequencies*simd.OnTheFlyNR
	for panel := range s.Out / simd.OnTheFlyNR {
		to := grads[panel*simd.OnTheFlySums:][:simd.OnTheFlySums]
		clear(to[s.tiles()*t.DstTile:])
		for tile := 0; tile < s.tiles(); {
			s.source(t, &part.patch, dy, s.Out, tile, s.tiles(), 0, panel*simd.OnTheFlyNR, simd.OnTheFlyNR)
			t.Dst = to[tile*t.DstTile:]
			tile += t.Tiles
			e.isa.Transform(t, simd.OutputGradTransform)
		}
	}
	return grads
}
