package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// Winograd's convolution F(4x4, 3x3), after Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2015. The output is cut into tiles of 4x4, and
//
//	y  = Aᵀ [(G w Gᵀ) . (Bᵀ x B)] A
//	dw = Gᵀ [(Bᵀ x B) . (A dy Aᵀ)] G, summed over tiles
//
// for each tile with its 6x6 pixels of input. The point is an elementwise product
// between 36 frequencies, summed over channels or tiles, so it is 36 matrix products,
// with a quarter of the multiplications that the direct convolution needs.
//
//	schedule              when                                  transforms
//	convolution, whole    a block of tiles stays in the         all weights once, which are kept
//	                      second-level cache with all channels
//	                      (In <= 128); tiles >= max(Out, 4 In)
//	convolution, slices   otherwise                             what a piece needs of 64 channels
//	gradient, slices      In*Out > 128*128, or few tiles        what a piece needs of 64 channels
//	                      for that many sums
//	gradient, tiles       otherwise                             all channels of a block of tiles

// tileBlock is the number of tiles that whole convolutions and gradients by tiles work
// on at once: rows enough to reuse the weights, or sums enough to be worth loading
// those before.
const tileBlock = 64

// prefetchRows is how many rows before its turn a row of weights is prefetched: the
// part of it that a panel takes is too short for the processor to see what comes next.
const prefetchRows = 2

// Blocking of slices: sliceChannels channels of the input, and some tiles and panels,
// whose products or transformed gradients are at most pieceFloats, so that a piece
// stays in the second-level cache. Each piece transforms what it needs, because that
// costs less than reading it from the third-level cache, where another worker left it.
const (
	sliceChannels = 64
	sliceTiles    = 32 // of a convolution; more of them share the transformed weights
	sumTiles      = 64 // of a gradient, at once
	pieceFloats   = 256 * simd.Frequencies * 32
)

// ownWeights is how many weights each worker transforms for itself.
const ownWeights = 64 * 64

func (s ConvShape) tilesHigh() int { return (s.H + simd.OutputTile - 1) / simd.OutputTile }

func (s ConvShape) tilesWide() int { return (s.W + simd.OutputTile - 1) / simd.OutputTile }

func (s ConvShape) tiles() int { return s.N * s.tilesHigh() * s.tilesWide() }

// channelStride and tileStride are the distances of frequencies and of tiles
// in the transformed input (tiles, 36, channels).
func channelStride(channels int) int {
	if channels < 128 {
		return channels // tiles are far from powers of two apart
	}
	return channels + simd.Skew
}

func tileStride(channels int) int { return simd.Frequencies * channelStride(channels) }

// window is a square of side pixels of an image (N, H, W, channels), which may
// reach over its borders.
type window struct {
	image, row, col int // of its first pixel
	side            int
}

// window gives the pixels of a tile and of a border around it, so many pixels wide.
func (s ConvShape) window(tile, border int) window {
	wide := s.tilesWide()
	row := tile / wide
	high := s.tilesHigh()
	return window{row / high, row%high*simd.OutputTile - border, tile%wide*simd.OutputTile - border, simd.OutputTile + 2*border}
}

// tilesInRow gives how many of the tiles tile..hi are beside each other, in a row of
// tiles and with their borders inside the image; 0 if tile itself is not.
func (s ConvShape) tilesInRow(tile, hi, border int) int {
	q := s.window(tile, border)
	n := 0
	for tile+n < hi && s.inside(q) {
		q.col += simd.OutputTile
		n++
	}
	return n
}

// inside reports whether all of q lies in its image.
func (s ConvShape) inside(q window) bool {
	return q.row >= 0 && q.col >= 0 && q.row+q.side <= s.H && q.col+q.side <= s.W
}

// rowsInside runs f for each row of pixels of q inside the image: its first pixel in
// q, in the tensor, and how many there are.
func (s ConvShape) rowsInside(q window, f func(inWindow, inTensor, count int)) {
	left, right := max(q.col, 0), min(q.col+q.side, s.W)
	for row := max(q.row, 0); row < min(q.row+q.side, s.H); row++ {
		f((row-q.row)*q.side+left-q.col, (q.image*s.H+row)*s.W+left, right-left)
	}
}

// setSource makes t read the channels first..first+cols of tiles with their borders
// from the tensor v, with zeros outside the image (by way of tileBuffer): of as many of
// the tiles tile..hi as can be read at once.
func (s ConvShape) setSource(t *simd.Transform, tileBuffer *[]float32, v []float32, channels int, tile, hi, border, first, cols int) {
	q := s.window(tile, border)
	t.Channels = cols
	if t.Tiles = s.tilesInRow(tile, hi, border); t.Tiles > 0 {
		t.Src = v[((q.image*s.H+q.row)*s.W+q.col)*channels+first:]
		t.SrcRow, t.SrcCol, t.SrcTile = s.W*channels, channels, simd.OutputTile*channels
		t.PrefetchBytes = 4 * t.SrcTile
		return
	}
	p := memory.Grow(tileBuffer, q.side*q.side*cols)
	clear(p)
	s.rowsInside(q, func(to, from, count int) {
		if cols == channels {
			copy(p[to*cols:], v[from*cols:][:count*cols])
			return
		}
		for i := range count {
			copy(p[(to+i)*cols:][:cols], v[(from+i)*channels+first:])
		}
	})
	t.Src, t.SrcRow, t.SrcCol, t.Tiles = p, q.side*cols, cols, 1
	t.PrefetchBytes = 0
}

// transformInput computes dst (tiles, 36, k), by its strides, from tiles lo..hi
// and channels at..at+k of x.
func (e *Engine) transformInput(s ConvShape, own *worker, dst []float32, x []Channels, lo, hi, at, k int) {
	t := &own.args.transform
	t.DstRow, t.DstCol, t.DstTile = simd.InputTile*channelStride(k), channelStride(k), tileStride(k)
	for _, c := range x {
		from, to := max(at, 0), min(at+k, c.Count) // of its channels
		for tile := lo; tile < hi && from < to; {
			s.setSource(t, own.winograd.tile, c.Values, c.Count, tile, hi, 1, from, to-from)
			t.Dst = dst[(tile-lo)*t.DstTile+from-at:]
			tile += t.Tiles
			e.isa.Transform(t, simd.InputTransform)
		}
		at -= c.Count
	}
}

// transformOutput computes tiles lo..hi of the channels first..first+cols of y from
// products (tiles, 36, nr), and the epilogue.
func (e *Engine) transformOutput(s ConvShape, own *worker, y []Channels, products []float32, ep epilogue, lo, hi, first, cols, nr int) {
	t := &own.args.transform
	kind := simd.OutputTransform
	switch {
	case ep.sums != nil:
		kind = simd.OutputMomentsTransform
		t.Moments = ep.sums[2*first:]
	case ep.scale != nil:
		kind = simd.OutputNormTransform
		t.Clamp = ep.clamp
	}
	t.SrcRow, t.SrcCol, t.SrcTile = simd.InputTile*nr, nr, simd.Frequencies*nr
	for _, c := range y {
		from, to := max(first, 0), min(first+cols, c.Count) // of its channels
		t.NonTemporal = nonTemporal(len(c.Values))
		for tile := lo; tile < hi && from < to; {
			q := s.window(tile, 0)
			count := s.tilesInRow(tile, hi, 0)
			if count > 0 {
				t.Dst = c.Values[((q.image*s.H+q.row)*s.W+q.col)*c.Count+from:]
				t.DstRow, t.DstCol, t.DstTile = s.W*c.Count, c.Count, simd.OutputTile*c.Count
			} else {
				t.Dst = memory.Grow(own.winograd.tile, simd.OutputTile*simd.OutputTile*(to-from))
				t.DstRow, t.DstCol = simd.OutputTile*(to-from), to-from
			}
			t.Src = products[(tile-lo)*t.SrcTile+from-first:]
			t.Channels, t.Tiles = to-from, max(1, count)
			if kind == simd.OutputNormTransform {
				t.Scale, t.Shift = ep.scale[first:], ep.shift[first:]
			}
			e.isa.Transform(t, kind)
			if count == 0 {
				p, n := *own.winograd.tile, to-from
				s.rowsInside(q, func(inTile, inTensor, pixels int) {
					for i := range pixels {
						copy(c.Values[(inTensor+i)*c.Count+from:][:n], p[(inTile+i)*n:])
					}
				})
			}
			tile += max(1, count)
		}
		first -= c.Count
	}
}

// transformWeights transforms rows from..from+k of one panel of weights to those
// rows of dst (36, rows, nr), by its stride, or to the first ones if there are
// k rows only; it packs them first unless they stand as they are needed.
func (e *Engine) transformWeights(s ConvShape, own *worker, dst []float32, rows, panel, from, k int, w weights) {
	first, cols, nr := e.isa.Panel(s.Out, panel)
	stride := panelStride(rows, nr)
	t := &own.args.transform
	t.Dst, t.DstRow, t.DstCol, t.DstTile = dst, simd.InputTile*stride, stride, nr
	if rows > k {
		t.Dst = dst[from*nr:]
	}
	if w.plain != nil && cols == nr {
		t.Src, t.SrcRow, t.SrcCol, t.SrcTile = w.plain[from*s.Out+first:], 3*s.In*s.Out, s.In*s.Out, s.Out
		t.Channels, t.Tiles = nr, k
		t.PrefetchBytes = prefetchRows * 4 * s.Out
	} else {
		packed := memory.Grow(own.winograd.packed, 9*k*nr)
		w.packTaps(packed, from, k, first, cols, nr)
		t.Src, t.SrcRow, t.SrcCol = packed, 3*k*nr, k*nr
		t.Channels, t.Tiles = k*nr, 1
		t.PrefetchBytes = 0
	}
	e.isa.Transform(t, simd.WeightsTransform)
}

// panelStride is the distance of frequencies in a transformed panel.
func panelStride(k, nr int) int { return k*nr + simd.Skew }

// convWinograd computes what convolve does.
func (e *Engine) convWinograd(s ConvShape, y, x []Channels, bias []float32, ep epilogue, w weights) {
	tiles, panels := s.tiles(), e.isa.Panels(s.Out)
	whole := tiles >= max(s.Out, 4*s.In) && s.In <= 128
	blocks := (tiles + sliceTiles - 1) / sliceTiles
	epilogueOf := func(piece int) epilogue { return ep }
	if ep.moments != nil && e.fusesMoments(s) {
		pieces := blocks // all panels have channels of their own
		if whole {
			pieces = e.pool.StealPieces(tiles, tileBlock)
		}
		sums := memory.Grow(&e.shared.sums, pieces*2*s.Out)
		clear(sums)
		defer func() { ep.moments.add(sums, s.Out, simd.MaxVector) }()
		epilogueOf = func(piece int) epilogue {
			return epilogue{sums: sums[piece*2*s.Out:][:2*s.Out]}
		}
	}
	if !whole {
		each := min(e.panelsAtOnce((tiles+blocks-1)/blocks), (panels*blocks+e.pool.Threads()-1)/e.pool.Threads(), panels)
		groups := (panels + each - 1) / each
		e.pool.Steal(groups*blocks, 1, func(id, _, lo, hi int) {
			for i := lo; i < hi; i++ {
				group, block := i/blocks, i%blocks
				e.multiplySlices(s, &e.workers[id], y, x, bias, epilogueOf(block), w,
					tiles*block/blocks, tiles*(block+1)/blocks, group*each, min((group+1)*each, panels))
			}
		})
		return
	}
	weightsOf := e.transformedWeights(s, w)
	e.pool.Steal(tiles, tileBlock, func(id, piece, lo, hi int) {
		own, ep := &e.workers[id], epilogueOf(piece)
		input := memory.Grow(own.winograd.input, tileBlock*tileStride(s.In))
		for lo < hi {
			end := min(lo+tileBlock, hi)
			e.transformInput(s, own, input, x, lo, end, 0, s.In)
			for panel := range panels {
				first, cols, nr := e.isa.Panel(s.Out, panel)
				products := memory.Grow(own.winograd.products, (end-lo)*simd.Frequencies*nr)
				e.multiplyTiles(s, own, products, input, weightsOf(id, panel), bias, end-lo, panel, 0, s.In)
				e.transformOutput(s, own, y, products, ep, lo, end, first, cols, nr)
			}
			lo = end
		}
	})
}

// transformedWeights transforms all panels of weights, (36, In, nr) each by its stride,
// and gives the panel that a worker is to read: its own copy if weights are few, because
// transforming them takes less time than getting them from another core's cache.
func (e *Engine) transformedWeights(s ConvShape, w weights) (of func(id, panel int) []float32) {
	panels := e.isa.Panels(s.Out)
	panelFloats := simd.Frequencies * panelStride(s.In, e.isa.NR)
	if s.In*s.Out <= ownWeights {
		e.pool.Split(e.pool.Pieces(s.tiles()), func(id, _, _ int) {
			own := &e.workers[id]
			weights := memory.Grow(own.winograd.weights, panels*panelFloats)
			for panel := range panels {
				e.transformWeights(s, own, weights[panel*panelFloats:], s.In, panel, 0, s.In, w)
			}
		})
		return func(id, panel int) []float32 { return (*e.workers[id].winograd.weights)[panel*panelFloats:] }
	}
	all := memory.Grow(&e.shared.weights, panels*panelFloats)
	const rows = 8 // of a panel at once, so that there is work for all workers
	bands := (s.In + rows - 1) / rows
	e.pool.Steal(panels*bands, 4, func(id, _, lo, hi int) {
		for lo < hi {
			panel, from := lo/bands, lo%bands
			to := min(bands, from+hi-lo)
			e.transformWeights(s, &e.workers[id], all[panel*panelFloats:], s.In, panel, from*rows, min(to*rows, s.In)-from*rows, w)
			lo += to - from
		}
	})
	return func(_, panel int) []float32 { return all[panel*panelFloats:] }
}

// panelsAtOnce is the number of panels that a piece of so many tiles has.
func (e *Engine) panelsAtOnce(tiles int) int {
	return max(1, pieceFloats/(tiles*simd.Frequencies*e.isa.NR))
}

// multiplySlices computes tiles lo..hi and panels first..last of y: the products
// of some channels after those of the others.
func (e *Engine) multiplySlices(s ConvShape, own *worker, y, x []Channels, bias []float32, ep epilogue, w weights, lo, hi, first, last int) {
	tiles := hi - lo
	panelFloats := tiles * simd.Frequencies * e.isa.NR
	products := memory.Grow(own.winograd.products, (last-first)*panelFloats)
	for at := 0; at < s.In; at += sliceChannels {
		k := min(sliceChannels, s.In-at)
		input, weights := memory.Grow(own.winograd.input, tiles*tileStride(k)), memory.Grow(own.winograd.weights, simd.Frequencies*panelStride(k, e.isa.NR))
		e.transformInput(s, own, input, x, lo, hi, at, k)
		for panel := first; panel < last; panel++ {
			e.transformWeights(s, own, weights, k, panel, at, k, w)
			e.multiplyTiles(s, own, products[(panel-first)*panelFloats:], input, weights, bias, tiles, panel, at, k)
		}
	}
	for panel := first; panel < last; panel++ {
		from, cols, nr := e.isa.Panel(s.Out, panel)
		e.transformOutput(s, own, y, products[(panel-first)*panelFloats:], ep, lo, hi, from, cols, nr)
	}
}

// multiplyTiles computes the products (tiles, 36, nr) of some tiles of the
// transformed input and the transformed weights of a panel, both of the channels
// at..at+k, and adds them to those of the channels before.
func (e *Engine) multiplyTiles(s ConvShape, own *worker, products, input, weights, bias []float32, tiles, panel, at, k int) {
	first, cols, nr := e.isa.Panel(s.Out, panel)
	t := &own.args.gemm
	*t = simd.GEMM{CStride: simd.Frequencies * nr, AStride: tileStride(k), AStep: 1, KOuter: 1, K: k, N: cols, NR: nr}
	for f := range simd.Frequencies {
		t.Accumulate(products[f*nr:], at == 0)
		if f == simd.ConstantFrequency && at == 0 {
			t.StartFrom(bias, first)
		}
		t.A = input[f*channelStride(k):]
		t.B = weights[f*panelStride(k, nr):]
		e.isa.Multiply(t, tiles)
	}
}

// transformOutputGrads computes dst (36, k, nr), by its strides, from tiles
// lo..lo+k and one panel of dy.
func (e *Engine) transformOutputGrads(s ConvShape, own *worker, dst, dy []float32, panel, lo, k int) {
	first, cols, nr := e.isa.Panel(s.Out, panel)
	t := &own.args.transform
	t.DstRow, t.DstCol, t.DstTile = simd.InputTile*panelStride(k, nr), panelStride(k, nr), nr
	for tile := lo; tile < lo+k; {
		s.setSource(t, own.winograd.tile, dy, s.Out, tile, lo+k, 0, first, cols)
		t.Dst = dst[(tile-lo)*nr:]
		tile += t.Tiles
		e.isa.Transform(t, simd.OutputGradTransform)
	}
}

// gradWeightsWinograd computes what ConvGradWeights does. Where the sums over tiles of
// all frequencies are large, each piece of work sums all tiles, for a slice of channels
// and some panels. Otherwise each worker sums some tiles.
func (e *Engine) gradWeightsWinograd(s ConvShape, dw []float32, x []Channels, dy []float32) {
	tiles, panels := s.tiles(), e.isa.Panels(s.Out)
	if s.In*s.Out > 128*128 || tiles <= 4*sumTiles && s.In*s.Out > 16*tiles {
		slices := (s.In + sliceChannels - 1) / sliceChannels
		each := min(e.panelsAtOnce(min(tiles, sumTiles)), (panels*slices+e.pool.Threads()-1)/e.pool.Threads(), panels)
		groups := (panels + each - 1) / each
		e.pool.Steal(groups*slices, 1, func(id, _, lo, hi int) {
			e.sumSlices(s, &e.workers[id], dw, x, dy, each, slices, lo, hi)
		})
		return
	}
	sumFloats := simd.Frequencies * panelStride(s.In, e.isa.NR)
	gradFloats := simd.Frequencies * panelStride(tileBlock, e.isa.NR)
	e.sumPartial(dw, 0, tiles, 1, func(id int, dw []float32, lo, hi, _, _ int) {
		own := &e.workers[id]
		sums := memory.Grow(own.winograd.sums, panels*sumFloats)
		for from := lo; from < hi; from += tileBlock {
			k := min(tileBlock, hi-from)
			input, grads := memory.Grow(own.winograd.input, k*tileStride(s.In)), memory.Grow(own.winograd.outputGrads, gradFloats)
			e.transformInput(s, own, input, x, from, from+k, 0, s.In)
			for panel := range panels {
				e.transformOutputGrads(s, own, grads, dy, panel, from, k)
				e.accumulateProducts(s, own, sums[panel*sumFloats:], input, grads, s.In, k, panel, from == lo)
			}
		}
		for panel := range panels {
			e.transformWeightsGrad(s, own, dw, sums[panel*sumFloats:], panel, 0, s.In)
		}
	})
}

// sumSlices computes pieces lo..hi of dw: a slice of channels, of so many, and each
// panels at once. The gradients of few tiles stay transformed from one slice to the
// next.
func (e *Engine) sumSlices(s ConvShape, own *worker, dw []float32, x []Channels, dy []float32, each, slices, lo, hi int) {
	tiles, panels := s.tiles(), e.isa.Panels(s.Out)
	block := min(tiles, sumTiles)
	gradFloats := simd.Frequencies * panelStride(block, e.isa.NR)
	sumFloats := simd.Frequencies * panelStride(sliceChannels, e.isa.NR)
	input := memory.Grow(own.winograd.input, block*tileStride(sliceChannels))
	grads, sums := memory.Grow(own.winograd.outputGrads, each*gradFloats), memory.Grow(own.winograd.sums, each*sumFloats)
	for i := lo; i < hi; i++ {
		first := i / slices * each
		last := min(first+each, panels)
		at := i % slices * sliceChannels
		k := min(sliceChannels, s.In-at)
		for from := 0; from < tiles; from += block {
			n := min(block, tiles-from)
			e.transformInput(s, own, input, x, from, from+n, at, k)
			for panel := first; panel < last; panel++ {
				grads, sums := grads[(panel-first)*gradFloats:], sums
				if block < tiles {
					sums = sums[(panel-first)*sumFloats:]
				}
				if block < tiles || i == lo || at == 0 {
					e.transformOutputGrads(s, own, grads, dy, panel, from, n)
				}
				e.accumulateProducts(s, own, sums, input, grads, k, n, panel, from == 0)
				if from+n == tiles {
					e.transformWeightsGrad(s, own, dw, sums, panel, at, k)
				}
			}
		}
	}
}

// accumulateProducts adds the products of some transformed tiles of the input, of k
// channels, and of the output's gradient to the sums (36, k, nr) of a panel, or
// overwrites these.
func (e *Engine) accumulateProducts(s ConvShape, own *worker, sums, input, grads []float32, k, tiles, panel int, fresh bool) {
	_, cols, nr := e.isa.Panel(s.Out, panel)
	t := &own.args.gemm
	*t = simd.GEMM{CStride: nr, AStride: 1, AStep: tileStride(k), KOuter: 1, K: tiles, N: cols, NR: nr}
	for f := range simd.Frequencies {
		t.A = input[f*channelStride(k):]
		t.B = grads[f*panelStride(tiles, nr):]
		t.Accumulate(sums[f*panelStride(k, nr):], fresh)
		e.isa.Multiply(t, k)
	}
}

// transformWeightsGrad computes the channels at..at+k of a panel of dw from its sums.
func (e *Engine) transformWeightsGrad(s ConvShape, own *worker, dw, sums []float32, panel, at, k int) {
	first, cols, nr := e.isa.Panel(s.Out, panel)
	t := &own.args.transform
	t.Src, t.SrcRow, t.SrcCol, t.SrcTile = sums, simd.InputTile*panelStride(k, nr), panelStride(k, nr), nr
	t.Dst, t.DstRow, t.DstCol, t.DstTile = dw[at*s.Out+first:], 3*s.In*s.Out, s.In*s.Out, s.Out
	t.Channels, t.Tiles, t.NonTemporal = cols, k, 1
	e.isa.Transform(t, simd.WeightsGradTransform)
}
