package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// Winograd's algorithm with weights that are transformed on the fly: a convolution of
// few tiles with many channels costs little beside reading its weights, and transformed
// weights are four times as large. So they are not kept: simd.OnTheFly makes them in
// registers, multiplies them by a group of four tiles and forgets them.
//
//	pass                     each worker takes          and prefetches
//	output                   some rows of weights,      the next rows
//	                         which are long runs of
//	                         memory; partial sums are
//	                         added at the end
//	gradient of the input    some panels of weights,    the next piece of a panel, or the
//	                         all rows                   first one of the next panel
//	gradient of the weights  some rows of weights

// weightsFractions are the fractions of G that simd.OnTheFly leaves out, for all
// frequencies; noFractions are ones.
var weightsFractions, noFractions = func() (fractions, ones [simd.Frequencies]float32) {
	g := [simd.InputTile]float32{1. / 4, -1. / 6, -1. / 6, 1. / 24, 1. / 24, 1}
	for f := range simd.Frequencies {
		fractions[f], ones[f] = g[f/simd.InputTile]*g[f%simd.InputTile], 1
	}
	return fractions, ones
}()

// tileGroups counts groups of four tiles, of which the last one may not be full.
func (s ConvShape) tileGroups() int {
	return (s.tiles() + simd.OnTheFlyTiles - 1) / simd.OnTheFlyTiles
}

// planPrefetch spreads prefetching some columns of simd.OnTheFlyK rows of weights over
// so many calls; rows are row floats apart, taps are tap floats apart.
func planPrefetch(q *simd.OnTheFly, calls, columns, row, tap int) {
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

// onTheFlyInput computes the transformed input, (groups, hi-lo, 6, 16, 6, 4), of the
// blocks lo..hi of simd.OnTheFlyK channels of x: those that a worker needs, because
// getting them from another core's cache takes longer.
func (e *Engine) onTheFlyInput(s ConvShape, own *worker, x []Channels, lo, hi int) []float32 {
	at, channels := lo*simd.OnTheFlyK, (hi-lo)*simd.OnTheFlyK
	stride := channelStride(channels)
	transformed := memory.Grow(own.onTheFly.transformed, s.tileGroups()*simd.OnTheFlyInput*stride)
	clear(transformed[s.tiles()/simd.OnTheFlyTiles*simd.OnTheFlyInput*stride:]) // tiles that are not there
	t := &own.args.transform
	t.DstRow, t.DstCol, t.DstTile = simd.InputTile*simd.OnTheFlyTiles*stride, simd.OnTheFlyTiles*stride, stride
	for _, c := range x {
		from, to := max(at, 0), min(at+channels, c.Count) // of its channels
		for tile := 0; tile < s.tiles() && from < to; {
			group, within := tile/simd.OnTheFlyTiles, tile%simd.OnTheFlyTiles
			s.setSource(t, own.onTheFly.tile, c.Values, c.Count, tile, min(s.tiles(), (group+1)*simd.OnTheFlyTiles), 1, from, to-from)
			t.Dst = transformed[(group*simd.OnTheFlyInput+within)*stride+from-at:]
			tile += t.Tiles
			e.isa.Transform(t, simd.InputTransform)
		}
		at -= c.Count
	}
	const row = simd.InputTile * simd.OnTheFlyTiles
	input := memory.Grow(own.onTheFly.input, s.tileGroups()*simd.OnTheFlyInput*channels)
	for group := range s.tileGroups() {
		for block := range hi - lo {
			for i := range simd.InputTile {
				e.isa.Transpose(simd.Transposition{
					Dst: input[((group*(hi-lo)+block)*simd.InputTile+i)*simd.OnTheFlyK*row:], DstStride: row, Rows: simd.OnTheFlyK,
					Src: transformed[(group*simd.InputTile+i)*row*stride+block*simd.OnTheFlyK:], SrcStride: stride, Cols: row,
				})
			}
		}
	}
	return input
}

// convOnTheFly computes what convolve does.
func (e *Engine) convOnTheFly(s ConvShape, y, x []Channels, bias []float32, ep epilogue, w weights) {
	if m := ep.moments; m != nil && e.fusesMoments(s) {
		sums := memory.Grow(&e.shared.sums, 2*s.Out)
		clear(sums)
		defer func() { m.add(sums, s.Out, simd.MaxVector) }()
		ep = epilogue{sums: sums}
	}
	if w.transposed != nil {
		e.multiplyPanelsOnTheFly(s, y, x, bias, ep, w.transposed)
	} else {
		e.multiplyRowsOnTheFly(s, y, x, bias, ep, w.plain)
	}
}

// multiplyPanelsOnTheFly is the convolution by transposed weights, whose rows are
// columns in memory.
func (e *Engine) multiplyPanelsOnTheFly(s ConvShape, y, x []Channels, bias []float32, ep epilogue, w []float32) {
	blocks, panels := s.In/simd.OnTheFlyK, s.Out/simd.OnTheFlyNR
	calls := min(simd.PrefetchFloats, s.In) / simd.OnTheFlyK
	e.pool.Split(panels, func(id, lo, hi int) {
		own := &e.workers[id]
		input := e.onTheFlyInput(s, own, x, 0, blocks)
		q := &own.args.onTheFly
		q.Panel = memory.Grow(own.onTheFly.panel, simd.OnTheFlyPanel)
		planPrefetch(q, calls, simd.PrefetchFloats, s.In, s.In*s.Out)
		sums := memory.Grow(own.onTheFly.sums, s.tileGroups()*simd.OnTheFlySums)
		for panel := lo; panel < hi; panel++ {
			initSums(sums, bias, panel)
			for from := 0; from < s.In; from += simd.OnTheFlyK {
				next := (from/simd.PrefetchFloats + 1) * simd.PrefetchFloats
				if next >= s.In {
					next = (min(panel+1, hi-1) - panel) * simd.OnTheFlyNR * s.In
				}
				at := panel * simd.OnTheFlyNR * s.In
				q.Prefetch = w[at+next:]
				q.PrefetchAt = q.Plan[from/simd.OnTheFlyK%calls*simd.PrefetchPieces:][:simd.PrefetchPieces]
				q.Weights, q.WeightsRow, q.WeightsTap = w[at+from:], s.In, s.In*s.Out
				e.isa.OnTheFly.Transpose(q)
				q.Weights, q.WeightsRow, q.WeightsTap = q.Panel, simd.OnTheFlyNR, simd.OnTheFlyTap
				e.multiplyOnTheFly(s, q, sums, input, from/simd.OnTheFlyK, blocks)
			}
			e.outputOnTheFly(s, own, y, sums, ep, panel)
		}
	})
}

// multiplyRowsOnTheFly is the convolution by weights as they stand in memory.
func (e *Engine) multiplyRowsOnTheFly(s ConvShape, y, x []Channels, bias []float32, ep epilogue, w []float32) {
	blocks, panels := s.In/simd.OnTheFlyK, s.Out/simd.OnTheFlyNR
	panelSums := s.tileGroups() * simd.OnTheFlySums
	e.pool.Split(blocks, func(id, lo, hi int) {
		own := &e.workers[id]
		input := e.onTheFlyInput(s, own, x, lo, hi)
		q := &own.args.onTheFly
		q.Panel = memory.Grow(own.onTheFly.panel, simd.OnTheFlyPanel)
		planPrefetch(q, panels, s.Out, s.Out, s.In*s.Out)
		sums := memory.Grow(own.onTheFly.sums, panels*panelSums)
		for panel := range panels {
			of := bias
			if id > 0 {
				of = nil
			}
			initSums(sums[panel*panelSums:][:panelSums], of, panel)
		}
		for block := lo; block < hi; block++ {
			from := block * simd.OnTheFlyK
			q.Prefetch = w[min(block+1, hi-1)*simd.OnTheFlyK*s.Out:]
			for panel := range panels {
				q.PrefetchAt = q.Plan[panel*simd.PrefetchPieces:][:simd.PrefetchPieces]
				q.Weights, q.WeightsRow, q.WeightsTap = w[from*s.Out+panel*simd.OnTheFlyNR:], s.Out, s.In*s.Out
				e.multiplyOnTheFly(s, q, sums[panel*panelSums:], input, block-lo, hi-lo)
			}
		}
	})
	parts := e.pool.Pieces(blocks)
	e.pool.Split(panels, func(id, lo, hi int) {
		for panel := lo; panel < hi; panel++ {
			of := func(part int) []float32 { return (*e.workers[part].onTheFly.sums)[panel*panelSums:][:panelSums] }
			for part := 1; part < parts; part++ {
				e.overFloats(id, addition(of(0), of(part)), 0, panelSums, simd.GradInput)
			}
			e.outputOnTheFly(s, &e.workers[id], y, of(0), ep, panel)
		}
	})
}

// multiplyOnTheFly adds to the sums of a panel the products of its block in q.Weights,
// which is block n of the input's count, and scales the sums after the last one.
func (e *Engine) multiplyOnTheFly(s ConvShape, q *simd.OnTheFly, sums, input []float32, n, count int) {
	q.Scale = noFractions[:]
	if n+1 == count {
		q.Scale = weightsFractions[:]
	}
	for group := range s.tileGroups() {
		q.Input = input[(group*count+n)*simd.OnTheFlyK*simd.OnTheFlyInput:][:simd.OnTheFlyK*simd.OnTheFlyInput]
		q.Sums = sums[group*simd.OnTheFlySums:][:simd.OnTheFlySums]
		e.isa.OnTheFly.Multiply(q)
		q.Weights, q.WeightsRow, q.WeightsTap = q.Panel, simd.OnTheFlyNR, simd.OnTheFlyTap
	}
}

// outputOnTheFly computes a panel of y from its sums, and the epilogue.
func (e *Engine) outputOnTheFly(s ConvShape, own *worker, y []Channels, sums []float32, ep epilogue, panel int) {
	e.transformOutput(s, own, y, sums, ep, 0, s.tiles(), panel*simd.OnTheFlyNR, simd.OnTheFlyNR, simd.OnTheFlyNR)
}

// initSums sets the sums of a panel to nothing but the bias, if there is one.
func initSums(sums, bias []float32, panel int) {
	clear(sums)
	if bias == nil {
		return
	}
	for tile := range len(sums) / (simd.Frequencies * simd.OnTheFlyNR) {
		to := sums[(tile*simd.Frequencies+simd.ConstantFrequency)*simd.OnTheFlyNR:]
		for c, b := range bias[panel*simd.OnTheFlyNR:][:simd.OnTheFlyNR] {
			to[c] = b / weightsFractions[simd.ConstantFrequency]
		}
	}
}

// gradWeightsOnTheFly computes what ConvGradWeights does, for a single group of tiles.
func (e *Engine) gradWeightsOnTheFly(s ConvShape, dw []float32, x []Channels, dy []float32) {
	panels := s.Out / simd.OnTheFlyNR
	e.pool.Split(s.In/simd.OnTheFlyK, func(id, lo, hi int) {
		own := &e.workers[id]
		input := e.onTheFlyInput(s, own, x, lo, hi)
		grads := e.onTheFlyOutputGrads(s, own, dy)
		q := &own.args.onTheFly
		q.Panel, q.Previous = memory.Grow(own.onTheFly.panel, simd.OnTheFlyPanel), memory.Grow(own.onTheFly.previous, simd.OnTheFlyPanel)
		q.Scale = weightsFractions[:]
		q.Weights = dw[lo*simd.OnTheFlyK*s.Out:] // what is written here first is overwritten by the first panel
		q.WeightsRow, q.WeightsTap = s.Out, s.In*s.Out
		for block := lo; block < hi; block++ {
			q.Input = input[(block-lo)*simd.OnTheFlyK*simd.OnTheFlyInput:][:simd.OnTheFlyK*simd.OnTheFlyInput]
			for panel := range panels {
				q.Sums = grads[panel*simd.OnTheFlySums:][:simd.OnTheFlySums]
				e.isa.OnTheFly.GradWeights(q)
				q.Panel, q.Previous = q.Previous, q.Panel
				q.Weights = dw[block*simd.OnTheFlyK*s.Out+panel*simd.OnTheFlyNR:]
			}
		}
		for tap := range 9 {
			own.args.rowCopy = simd.RowCopy{
				Y: q.Weights[tap*q.WeightsTap:], YStride: q.WeightsRow,
				X: q.Previous[tap*simd.OnTheFlyTap:], XStride: simd.OnTheFlyNR,
				Rows: simd.OnTheFlyK, Cols: simd.OnTheFlyNR,
			}
			e.isa.CopyRows(&own.args.rowCopy)
		}
	})
}

// onTheFlyOutputGrads computes the transformed gradient of the output,
// (Out/16, 4, 36, 16), of a single group of tiles.
func (e *Engine) onTheFlyOutputGrads(s ConvShape, own *worker, dy []float32) []float32 {
	grads := memory.Grow(own.onTheFly.outputGrads, s.Out/simd.OnTheFlyNR*simd.OnTheFlySums)
	t := &own.args.transform
	t.DstRow, t.DstCol, t.DstTile = simd.InputTile*simd.OnTheFlyNR, simd.OnTheFlyNR, simd.Frequencies*simd.OnTheFlyNR
	for panel := range s.Out / simd.OnTheFlyNR {
		to := grads[panel*simd.OnTheFlySums:][:simd.OnTheFlySums]
		clear(to[s.tiles()*t.DstTile:])
		for tile := 0; tile < s.tiles(); {
			s.setSource(t, own.onTheFly.tile, dy, s.Out, tile, s.tiles(), 0, panel*simd.OnTheFlyNR, simd.OnTheFlyNR)
			t.Dst = to[tile*t.DstTile:]
			tile += t.Tiles
			e.isa.Transform(t, simd.OutputGradTransform)
		}
	}
	return grads
}
