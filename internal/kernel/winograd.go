package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// tileBlock is the number of tiles that are worked on at once: rows enough to
// reuse the weights, or sums enough to be worth loading those before. Within
// 24 to 144 there is little to choose.
const tileBlock = 64

// rowsAhead is how many rows before its turn a row of weights is fetched from
// memory: the part of it that a panel takes is too short for the processor to
// see what comes next.
const rowsAhead = 2

// Where the transformed image would not stay in the second cache, or weights would
// be transformed for a few tiles only, the work is cut into pieces that do stay there:
// sliceChannels channels of the image, and some tiles and panels, whose products or
// transformed gradients are at most pieceFloats. Each piece transforms what it needs:
// to do so anew costs less than to read it from the third cache, where another thread
// has left it.
const (
	sliceChannels = 64
	sliceTiles    = 32 // of a product: more of them share the transformed weights
	sumTiles      = 64 // of a sum, at once
	pieceFloats   = 256 * simd.Frequencies * 32
)

// ownWeights is how many weights each thread transforms for itself.
const ownWeights = 64 * 64

func (s ConvShape) tilesHigh() int { return (s.H + simd.OutputTile - 1) / simd.OutputTile }

func (s ConvShape) tilesWide() int { return (s.W + simd.OutputTile - 1) / simd.OutputTile }

func (s ConvShape) tiles() int { return s.N * s.tilesHigh() * s.tilesWide() }

// channelStride and tileStride are the distances of frequencies and of tiles
// in the transformed image (tiles, 36, channels).
func channelStride(channels int) int {
	if channels < 128 {
		return channels // tiles are far from powers of two apart
	}
	return channels + simd.Skew
}

func tileStride(channels int) int { return simd.Frequencies * channelStride(channels) }

// square is a square of side pixels of an image (N, H, W, channels), which may
// reach over its borders.
type square struct {
	image, row, col int // of its first pixel
	side            int
}

// square gives the pixels of a tile with a border of so many pixels.
func (s ConvShape) square(tile, border int) square {
	wide := s.tilesWide()
	row := tile / wide
	high := s.tilesHigh()
	return square{row / high, row%high*simd.OutputTile - border, tile%wide*simd.OutputTile - border, simd.OutputTile + 2*border}
}

// row gives how many of the tiles tile..hi are beside each other, in a row of
// tiles and with their borders inside the image; 0 if tile itself is not.
func (s ConvShape) row(tile, hi, border int) int {
	q := s.square(tile, border)
	n := 0
	for tile+n < hi && s.within(q) {
		q.col += simd.OutputTile
		n++
	}
	return n
}

// within tells whether all of q lies in its image.
func (s ConvShape) within(q square) bool {
	return q.row >= 0 && q.col >= 0 && q.row+q.side <= s.H && q.col+q.side <= s.W
}

// spans runs f for each row of pixels of q inside the image: its first pixel in
// q, in the tensor, and how many there are.
func (s ConvShape) spans(q square, f func(inSquare, inTensor, count int)) {
	left, right := max(q.col, 0), min(q.col+q.side, s.W)
	for row := max(q.row, 0); row < min(q.row+q.side, s.H); row++ {
		f((row-q.row)*q.side+left-q.col, (q.image*s.H+row)*s.W+left, right-left)
	}
}

// source makes t read the channels first..first+cols of tiles with their
// borders from the tensor v, with zeros outside of the image: of as many of the
// tiles tile..hi as can be read at once.
func (s ConvShape) source(t *simd.Transform, patch *[]float32, v []float32, channels int, tile, hi, border, first, cols int) {
	q := s.square(tile, border)
	t.Channels = cols
	if t.Tiles = s.row(tile, hi, border); t.Tiles > 0 {
		t.Src = v[((q.image*s.H+q.row)*s.W+q.col)*channels+first:]
		t.SrcRow, t.SrcCol, t.SrcTile = s.W*channels, channels, simd.OutputTile*channels
		t.PrefetchBytes = 4 * t.SrcTile
		return
	}
	p := memory.Grow(patch, q.side*q.side*cols)
	clear(p)
	s.spans(q, func(to, from, count int) {
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

// transformImage computes dst (tiles, 36, k), by its strides, from tiles lo..hi
// and channels at..at+k of x.
func (e *Engine) transformImage(s ConvShape, part *part, dst []float32, x []Channels, lo, hi, at, k int) {
	t := &part.transform
	t.DstRow, t.DstCol, t.DstTile = simd.InputTile*channelStride(k), channelStride(k), tileStride(k)
	for _, c := range x {
		from, to := max(at, 0), min(at+k, c.Count) // of its channels
		for tile := lo; tile < hi && from < to; {
			s.source(t, &part.patch, c.Values, c.Count, tile, hi, 1, from, to-from)
			t.Dst = dst[(tile-lo)*t.DstTile+from-at:]
			tile += t.Tiles
			e.isa.Transform(t, simd.InputTransform)
		}
		at -= c.Count
	}
}

// transformResults computes tiles lo..hi of the channels first..first+cols of y
// from products (tiles, 36, width), and what comes after.
func (e *Engine) transformResults(s ConvShape, part *part, y []Channels, products []float32, then after, lo, hi, first, cols, width int) {
	t := &part.transform
	kind := simd.OutputTransform
	switch {
	case then.counts != nil:
		kind = simd.OutputMomentsTransform
		t.Moments = then.counts[2*first:]
	case then.scale != nil:
		kind = simd.OutputNormTransform
	}
	t.SrcRow, t.SrcCol, t.SrcTile = simd.InputTile*width, width, simd.Frequencies*width
	for _, c := range y {
		from, to := max(first, 0), min(first+cols, c.Count) // of its channels
		t.NonTemporal = past(len(c.Values))
		for tile := lo; tile < hi && from < to; {
			q := s.square(tile, 0)
			count := s.row(tile, hi, 0)
			if count > 0 {
				t.Dst = c.Values[((q.image*s.H+q.row)*s.W+q.col)*c.Count+from:]
				t.DstRow, t.DstCol, t.DstTile = s.W*c.Count, c.Count, simd.OutputTile*c.Count
			} else {
				t.Dst = memory.Grow(&part.patch, simd.OutputTile*simd.OutputTile*(to-from))
				t.DstRow, t.DstCol = simd.OutputTile*(to-from), to-from
			}
			t.Src = products[(tile-lo)*t.SrcTile+from-first:]
			t.Channels, t.Tiles = to-from, max(1, count)
			if kind == simd.OutputNormTransform {
				t.Scale, t.Shift = then.scale[first:], then.shift[first:]
			}
			e.isa.Transform(t, kind)
			if count == 0 {
				p, n := part.patch, to-from
				s.spans(q, func(inPatch, inTensor, pixels int) {
					for i := range pixels {
						copy(c.Values[(inTensor+i)*c.Count+from:][:n], p[(inPatch+i)*n:])
					}
				})
			}
			tile += max(1, count)
		}
		first -= c.Count
	}
}

// transformWeights transforms rows from..from+k of one panel of weights to those
// rows of dst (36, rows, width), by its stride, or to the first ones if there are
// k rows only; it packs them first unless they stand as they are needed.
func (e *Engine) transformWeights(s ConvShape, part *part, dst []float32, rows, panel, from, k int, w weights) {
	first, cols, width := e.isa.Panel(s.Out, panel)
	stride := panelStride(rows, width)
	t := &part.transform
	t.Dst, t.DstRow, t.DstCol, t.DstTile = dst, simd.InputTile*stride, stride, width
	if rows > k {
		t.Dst = dst[from*width:]
	}
	if w.plain != nil && cols == width {
		t.Src, t.SrcRow, t.SrcCol, t.SrcTile = w.plain[from*s.Out+first:], 3*s.In*s.Out, s.In*s.Out, s.Out
		t.Channels, t.Tiles = width, k
		t.PrefetchBytes = rowsAhead * 4 * s.Out
	} else {
		taps := memory.Grow(&part.taps, 9*k*width)
		w.pack(taps, from, k, first, cols, width)
		t.Src, t.SrcRow, t.SrcCol = taps, 3*k*width, k*width
		t.Channels, t.Tiles = k*width, 1
		t.PrefetchBytes = 0
	}
	e.isa.Transform(t, simd.WeightsTransform)
}

// panelStride is the distance of frequencies in a transformed panel.
func panelStride(k, width int) int { return k*width + simd.Skew }

// winograd computes what correlate does: in slices of channels, or, where a block of
// tiles stays in the second cache with all its channels and there are tiles enough
// to use transformed weights again and again, with weights that are kept.
func (e *Engine) winograd(s ConvShape, y, x []Channels, bias []float32, then after, w weights) {
	if e.prefersQuads(s, 2) {
		e.quadConv(s, y, x, bias, then, w)
		return
	}
	tiles, panels := s.tiles(), e.isa.Panels(s.Out)
	whole := tiles >= max(s.Out, 4*s.In) && s.In <= 128
	blocks := (tiles + sliceTiles - 1) / sliceTiles
	thenOf := func(piece int) after { return then }
	if then.moments != nil && e.countsMoments(s) {
		pieces := blocks // all panels have channels of their own
		if whole {
			pieces = e.pool.StealPieces(tiles, tileBlock)
		}
		counts := memory.Grow(&e.sums, pieces*2*s.Out)
		clear(counts)
		defer func() { then.moments.addUp(counts, s.Out, simd.MaxVector) }()
		thenOf = func(piece int) after {
			return after{counts: counts[piece*2*s.Out:][:2*s.Out]}
		}
	}
	if !whole {
		each := min(e.panelsAtOnce((tiles+blocks-1)/blocks), (panels*blocks+e.pool.Threads()-1)/e.pool.Threads(), panels)
		groups := (panels + each - 1) / each
		e.pool.Steal(groups*blocks, 1, func(p, _, lo, hi int) {
			for i := lo; i < hi; i++ {
				group, block := i/blocks, i%blocks
				e.multiplySlices(s, &e.parts[p], y, x, bias, thenOf(block), w,
					tiles*block/blocks, tiles*(block+1)/blocks, group*each, min((group+1)*each, panels))
			}
		})
		return
	}
	weightsOf := e.transformedWeights(s, w)
	e.pool.Steal(tiles, tileBlock, func(p, piece, lo, hi int) {
		part, then := &e.parts[p], thenOf(piece)
		image := memory.Grow(&part.band, tileBlock*tileStride(s.In))
		for lo < hi {
			end := min(lo+tileBlock, hi)
			e.transformImage(s, part, image, x, lo, end, 0, s.In)
			for panel := range panels {
				first, cols, width := e.isa.Panel(s.Out, panel)
				products := memory.Grow(&part.products, (end-lo)*simd.Frequencies*width)
				e.multiplyTiles(s, part, products, image, weightsOf(p, panel), bias, end-lo, panel, 0, s.In)
				e.transformResults(s, part, y, products, then, lo, end, first, cols, width)
			}
			lo = end
		}
	})
}

// transformedWeights transforms all panels of weights, (36, In, width) each by its
// stride, and gives the panel that a thread is to read: its own of few weights, for to
// transform them takes less time than to get them from another thread's cache.
func (e *Engine) transformedWeights(s ConvShape, w weights) (of func(part, panel int) []float32) {
	panels := e.isa.Panels(s.Out)
	panelFloats := simd.Frequencies * panelStride(s.In, e.isa.NR)
	if s.In*s.Out <= ownWeights {
		e.pool.Split(e.pool.Pieces(s.tiles()), func(p, _, _ int) {
			part := &e.parts[p]
			own := memory.Grow(&part.panel, panels*panelFloats)
			for panel := range panels {
				e.transformWeights(s, part, own[panel*panelFloats:], s.In, panel, 0, s.In, w)
			}
		})
		return func(part, panel int) []float32 { return e.parts[part].panel[panel*panelFloats:] }
	}
	all := memory.Grow(&e.weights, panels*panelFloats)
	const rows = 8 // of a panel at once, so that there is work for all threads
	bands := (s.In + rows - 1) / rows
	e.pool.Steal(panels*bands, 4, func(p, _, lo, hi int) {
		for lo < hi {
			panel, from := lo/bands, lo%bands
			to := min(bands, from+hi-lo)
			e.transformWeights(s, &e.parts[p], all[panel*panelFloats:], s.In, panel, from*rows, min(to*rows, s.In)-from*rows, w)
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
func (e *Engine) multiplySlices(s ConvShape, part *part, y, x []Channels, bias []float32, then after, w weights, lo, hi, first, last int) {
	tiles := hi - lo
	panelFloats := tiles * simd.Frequencies * e.isa.NR
	products := memory.Grow(&part.products, (last-first)*panelFloats)
	for at := 0; at < s.In; at += sliceChannels {
		k := min(sliceChannels, s.In-at)
		image, weights := memory.Grow(&part.band, tiles*tileStride(k)), memory.Grow(&part.panel, simd.Frequencies*panelStride(k, e.isa.NR))
		e.transformImage(s, part, image, x, lo, hi, at, k)
		for panel := first; panel < last; panel++ {
			e.transformWeights(s, part, weights, k, panel, at, k, w)
			e.multiplyTiles(s, part, products[(panel-first)*panelFloats:], image, weights, bias, tiles, panel, at, k)
		}
	}
	for panel := first; panel < last; panel++ {
		from, cols, width := e.isa.Panel(s.Out, panel)
		e.transformResults(s, part, y, products[(panel-first)*panelFloats:], then, lo, hi, from, cols, width)
	}
}

// multiplyTiles computes the products (tiles, 36, width) of some tiles of the
// transformed image and the transformed weights of a panel, both of the channels
// at..at+k, and adds them to those of the channels before.
func (e *Engine) multiplyTiles(s ConvShape, part *part, products, image, weights, bias []float32, tiles, panel, at, k int) {
	first, cols, width := e.isa.Panel(s.Out, panel)
	t := &part.tile
	*t = simd.GEMM{CStride: simd.Frequencies * width, AStride: tileStride(k), AStep: 1, KOuter: 1, K: k, N: cols, NR: width}
	for f := range simd.Frequencies {
		t.Accumulate(products[f*width:], at == 0)
		if f == simd.ConstantFrequency && at == 0 {
			t.StartFrom(bias, first)
		}
		t.A = image[f*channelStride(k):]
		t.B = weights[f*panelStride(k, width):]
		e.isa.Multiply(t, tiles)
	}
}

// transformResultGrads computes dst (36, k, width), by its strides, from tiles
// lo..lo+k and one panel of dy.
func (e *Engine) transformResultGrads(s ConvShape, part *part, dst, dy []float32, panel, lo, k int) {
	first, cols, width := e.isa.Panel(s.Out, panel)
	t := &part.transform
	t.DstRow, t.DstCol, t.DstTile = simd.InputTile*panelStride(k, width), panelStride(k, width), width
	for tile := lo; tile < lo+k; {
		s.source(t, &part.patch, dy, s.Out, tile, lo+k, 0, first, cols)
		t.Dst = dst[(tile-lo)*width:]
		tile += t.Tiles
		e.isa.Transform(t, simd.OutputGradTransform)
	}
}

// winogradGradWeights computes dw from x and dy. Where the sums over tiles of all
// frequencies are large, each piece of work sums all tiles, for a slice of channels
// and some panels. Otherwise each thread sums some tiles.
func (e *Engine) winogradGradWeights(s ConvShape, dw []float32, x []Channels, dy []float32) {
	if e.prefersQuads(s, 1) {
		e.quadGradWeights(s, dw, x, dy)
		return
	}
	tiles, panels := s.tiles(), e.isa.Panels(s.Out)
	if s.In*s.Out > 128*128 || tiles <= 4*sumTiles && s.In*s.Out > 16*tiles {
		slices := (s.In + sliceChannels - 1) / sliceChannels
		each := min(e.panelsAtOnce(min(tiles, sumTiles)), (panels*slices+e.pool.Threads()-1)/e.pool.Threads(), panels)
		groups := (panels + each - 1) / each
		e.pool.Steal(groups*slices, 1, func(p, _, lo, hi int) {
			e.sumSlices(s, &e.parts[p], dw, x, dy, each, slices, lo, hi)
		})
		return
	}
	sumFloats := simd.Frequencies * panelStride(s.In, e.isa.NR)
	gradFloats := simd.Frequencies * panelStride(tileBlock, e.isa.NR)
	e.sumParts(dw, 0, tiles, 1, func(p int, dw []float32, lo, hi, _, _ int) {
		part := &e.parts[p]
		sums := memory.Grow(&part.products, panels*sumFloats)
		for from := lo; from < hi; from += tileBlock {
			k := min(tileBlock, hi-from)
			image, grads := memory.Grow(&part.band, k*tileStride(s.In)), memory.Grow(&part.panel, gradFloats)
			e.transformImage(s, part, image, x, from, from+k, 0, s.In)
			for panel := range panels {
				e.transformResultGrads(s, part, grads, dy, panel, from, k)
				e.addProducts(s, part, sums[panel*sumFloats:], image, grads, s.In, k, panel, from == lo)
			}
		}
		for panel := range panels {
			e.transformSums(s, part, dw, sums[panel*sumFloats:], panel, 0, s.In)
		}
	})
}

// sumSlices computes pieces lo..hi of dw: a slice of channels, of so many, and each
// panels at once. The gradients of few tiles stay transformed from one slice to the
// next.
func (e *Engine) sumSlices(s ConvShape, part *part, dw []float32, x []Channels, dy []float32, each, slices, lo, hi int) {
	tiles, panels := s.tiles(), e.isa.Panels(s.Out)
	block := min(tiles, sumTiles)
	gradFloats := simd.Frequencies * panelStride(block, e.isa.NR)
	sumFloats := simd.Frequencies * panelStride(sliceChannels, e.isa.NR)
	image := memory.Grow(&part.band, block*tileStride(sliceChannels))
	grads, sums := memory.Grow(&part.panel, each*gradFloats), memory.Grow(&part.products, each*sumFloats)
	for i := lo; i < hi; i++ {
		first := i / slices * each
		last := min(first+each, panels)
		at := i % slices * sliceChannels
		k := min(sliceChannels, s.In-at)
		for from := 0; from < tiles; from += block {
			n := min(block, tiles-from)
			e.transformImage(s, part, image, x, from, from+n, at, k)
			for panel := first; panel < last; panel++ {
				grads, sums := grads[(panel-first)*gradFloats:], sums
				if block < tiles {
					sums = sums[(panel-first)*sumFloats:]
				}
				if block < tiles || i == lo || at == 0 {
					e.transformResultGrads(s, part, grads, dy, panel, from, n)
				}
				e.addProducts(s, part, sums, image, grads, k, n, panel, from == 0)
				if from+n == tiles {
					e.transformSums(s, part, dw, sums, panel, at, k)
				}
			}
		}
	}
}

// addProducts adds the products of some transformed tiles of the image, of k channels,
// and of the gradients to the sums (36, k, width) of a panel, or overwrites these.
func (e *Engine) addProducts(s ConvShape, part *part, sums, image, grads []float32, k, tiles, panel int, fresh bool) {
	_, cols, width := e.isa.Panel(s.Out, panel)
	t := &part.tile
	*t = simd.GEMM{CStride: width, AStride: 1, AStep: tileStride(k), KOuter: 1, K: tiles, N: cols, NR: width}
	for f := range simd.Frequencies {
		t.A = image[f*channelStride(k):]
		t.B = grads[f*panelStride(tiles, width):]
		t.Accumulate(sums[f*panelStride(k, width):], fresh)
		e.isa.Multiply(t, k)
	}
}

// transformSums computes the channels at..at+k of a panel of dw from its sums.
func (e *Engine) transformSums(s ConvShape, part *part, dw, sums []float32, panel, at, k int) {
	first, cols, width := e.isa.Panel(s.Out, panel)
	t := &part.transform
	t.Src, t.SrcRow, t.SrcCol, t.SrcTile = sums, simd.InputTile*panelStride(k, width), panelStride(k, width), width
	t.Dst, t.DstRow, t.DstCol, t.DstTile = dw[at*s.Out+first:], 3*s.In*s.Out, s.In*s.Out, s.Out
	t.Channels, t.Tiles, t.NonTemporal = cols, k, 1
	e.isa.Transform(t, simd.WeightsGradTransform)
}

// algorithm is how a 3x3 convolution is done.
type algorithm int

const (
	fastest algorithm = iota // the one of the others that is known to be faster
	direct
	winograd
)

// prefersWinograd chooses the algorithm of a convolution. Winograd's is up to
// three times as fast, except where
//   - channels do not fill the vectors of the transforms, or are so few that
//     the transforms cost more than the products: image to features, head;
//   - tiles are mostly padding, or so few that transforming the weights costs
//     more than it saves, unless they are a quad.
func (e *Engine) prefersWinograd(s ConvShape) bool {
	if s.Kernel != 3 || e.algorithm != fastest {
		return s.Kernel == 3 && e.algorithm == winograd
	}
	if e.prefersQuads(s, 1) {
		return true
	}
	fewest := 8
	if e.isa.Name == "generic" {
		fewest = 16
	}
	tiles := s.tiles()
	return min(s.In, s.Out) >= fewest && s.In%8 == 0 && s.Out%8 == 0 &&
		tiles >= 4 && s.N*s.H*s.W >= 6*tiles
}
