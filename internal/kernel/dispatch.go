package kernel

import "github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"

// algorithm is how a convolution is done.
//
//	algorithm    when                                       why
//	             3x3 of stride 1 that keeps the size:
//	bfloat16     precision bfloat16, input and              AMX multiplies so fast that Winograd's algorithm,
//	             output channels multiples of 32            which would lose most of the few bits, has nothing to save
//	on the fly   AVX-512, at most 4 tiles of 4x4            reading the weights is most of the work, and transformed
//	             outputs (or 8 where Winograd is chosen,    ones are four times as large: they are made in registers,
//	             but for gradients of weights), input and   multiplied and forgotten
//	             output channels multiples of 16
//	Winograd     8 channels (plain Go: 16) or more,         a quarter of the multiplications
//	             multiples of 8, at least 4 tiles, and
//	             tiles at least 3/8 inside the image
//	             any kernel but 1x1:
//	narrow       at most NRNarrow/2 output channels (AVX-   panels of so few channels would be mostly empty:
//	             512: 8, AVX2: 4); the output of stride 1   pixels, or input channels, fill them instead
//	direct       otherwise: few channels, tiny images,      transforms would cost more than they save, or there
//	             1x1, 5x5, 7x7, stride 2                    are none
//
// TUNING.md says where the figures come from.
type algorithm int

const (
	automatic  algorithm = iota // one of the others, by choose
	direct                      // direct.go
	winograd                    // winograd.go
	onTheFly                    // onthefly.go
	inBFloat16                  // bfloat16.go
	narrow                      // narrow.go
)

// pass is what of a convolution is computed.
type pass int

const (
	forward     pass = iota // the output, or the gradient of the input, which is a convolution too
	gradWeights             // the gradient of the weights
)

// choose gives the algorithm for a pass of a convolution x -> y.
func (e *Engine) choose(s ConvShape, y, x []Channels, p pass) algorithm {
	groups := 2 // of four tiles, that on the fly is the faster one for
	if p == gradWeights {
		groups = 1
	}
	switch {
	case e.prefersBFloat16(s, y, x):
		return inBFloat16
	case !e.prefersWinograd(s):
		if e.prefersNarrow(s, y, p) {
			return narrow
		}
		return direct
	case e.prefersOnTheFly(s, groups):
		return onTheFly
	}
	return winograd
}

// convolve computes y from x and w, and what the epilogue says. For a gradient y is dx and
// x is dy: s has In and Out exchanged, and w is transposed.
func (e *Engine) convolve(s ConvShape, y, x []Channels, bias []float32, ep epilogue, w weights) {
	a := e.choose(s, y, x, forward)
	if m := ep.moments; m != nil && a != inBFloat16 && !e.fusesMoments(s) {
		defer func() { e.findMoments(m, y[0].Values[:s.outPixels()*s.Out], s.Out) }()
	}
	switch a {
	case inBFloat16:
		e.convBFloat16(s, y, x, bias, ep, w)
	case onTheFly:
		e.convOnTheFly(s, y, x, bias, ep, w)
	case winograd:
		e.convWinograd(s, y, x, bias, ep, w)
	case narrow:
		e.convNarrow(s, y, x, bias, ep, w)
	default:
		e.convDirect(s, y, x, bias, ep, w)
	}
}

// prefersBFloat16 reports whether a convolution is done in bfloat16.
func (e *Engine) prefersBFloat16(s ConvShape, y, x []Channels) bool {
	if e.isa.BFloat16 == nil || !s.isSame3x3() {
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

// prefersOnTheFly reports whether not to keep transformed weights, or sums of their
// gradients, is faster, where that is so for at most so many groups of four tiles.
func (e *Engine) prefersOnTheFly(s ConvShape, groups int) bool {
	return e.isa.OnTheFly != nil && s.tileGroups() <= groups && s.In%simd.OnTheFlyK == 0 && s.Out%simd.OnTheFlyNR == 0
}

// prefersNarrow reports whether to go by output channels is faster. The output of a 1x1
// convolution or by strides gains nothing.
func (e *Engine) prefersNarrow(s ConvShape, y []Channels, p pass) bool {
	return e.forced == automatic && len(y) == 1 && e.isNarrow(s.Out) && s.Kernel > 1 && (s.Stride == 1 || p == gradWeights)
}

// prefersWinograd reports whether Winograd's algorithm, in either way, is faster than
// the direct one. It is up to three times as fast, except where
//   - channels do not fill the vectors of the transforms, or are so few that
//     the transforms cost more than the products: image to features, head;
//   - tiles are mostly padding, or so few that transforming the weights costs
//     more than it saves, unless that is done on the fly.
func (e *Engine) prefersWinograd(s ConvShape) bool {
	if !s.isSame3x3() || e.forced != automatic {
		return s.isSame3x3() && e.forced == winograd
	}
	if e.prefersOnTheFly(s, 1) {
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

// fusesMoments reports whether a convolution in float32 finds the moments of its
// output on the way: then it need not be read once more. Those of a tile are summed
// in float32, those of all tiles in float64.
func (e *Engine) fusesMoments(s ConvShape) bool {
	return !s.isSame3x3() || e.isa.OutputMoments && e.prefersWinograd(s) && s.Out%simd.MaxVector == 0 && s.H%simd.OutputTile == 0 && s.W%simd.OutputTile == 0
}
