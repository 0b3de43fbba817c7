package kernel

import "github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"

// ConvShape is a convolution x (N, H, W, In) -> y (N, H/Stride, W/Stride, Out), H and
// W multiples of Stride, with weights w (Kernel, Kernel, In, Out):
//
//	y[n,h,w,o] = bias[o] + sum over i, j, c of x[n, h*Stride+i-Pad, w*Stride+j-Pad, c] * w[i,j,c,o]
//
// where x is 0 outside the image. Pad is at most Kernel-1: Kernel/2 is 'same' of stride 1
// and PyTorch's symmetric padding; what is needed below and right of the image follows.
// A Kernel of 1 has no Pad.
type ConvShape struct{ N, H, W, In, Out, Kernel, Stride, Pad int }

// inPixels and outPixels are those of all images of x and of y.
func (s ConvShape) inPixels() int { return s.N * s.H * s.W }

func (s ConvShape) outPixels() int { return s.N * (s.H / s.Stride) * (s.W / s.Stride) }

// isSame3x3 reports whether the convolution is the common one, 3x3 of stride 1 that
// keeps the size, for which there are several algorithms.
func (s ConvShape) isSame3x3() bool { return s.Kernel == 3 && s.Stride == 1 && s.Pad == 1 }

// Conv computes y from x, w and bias (Out), which may be nil.
func (e *Engine) Conv(s ConvShape, y []float32, x []Channels, w, bias []float32) {
	e.conv(s, y, x, w, bias, epilogue{})
}

// ConvNorm computes act(y*scale + shift) from x and w: scale, shift (Out).
func (e *Engine) ConvNorm(s ConvShape, y []float32, x []Channels, w, scale, shift []float32, act Activation) {
	e.conv(s, y, x, w, nil, epilogue{scale: scale, shift: shift, clamp: act.clamp()})
}

// ConvMoments computes y from x and w, and the moments of y.
func (e *Engine) ConvMoments(s ConvShape, y []float32, x []Channels, w []float32, m *Moments) {
	e.conv(s, y, x, w, nil, epilogue{moments: m})
}

// epilogue is what is done to the output of a convolution while it is at hand.
type epilogue struct {
	moments      *Moments  // of y, unless nil
	sums         []float64 // of a piece, where these are found on the way: see Moments.add
	scale, shift []float32 // y = y*scale + shift, clamped, unless nil
	clamp        simd.Clamp
}

func (e *Engine) conv(s ConvShape, y []float32, x []Channels, w, bias []float32, ep epilogue) {
	e.convolve(s, []Channels{{y, s.Out}}, x, bias, ep, weights{plain: w, pack: func(dst []float32, tap, from, k, first, cols, nr int) {
		e.isa.PackPanel(dst, nr, cols, k, w[(tap*s.In+from)*s.Out+first:], s.Out, 1)
	}})
}

// ConvGradInput computes dx (N, H, W, In), overwriting it, from dy
// (N, H/Stride, W/Stride, Out): for stride 1 the convolution of dy with the flipped,
// transposed weights.
func (e *Engine) ConvGradInput(s ConvShape, dx []Channels, dy, w []float32) {
	taps := s.Kernel * s.Kernel
	in, out := s.In, s.Out
	s.In, s.Out = out, in
	e.convolve(s, dx, []Channels{{dy, s.In}}, nil, epilogue{}, weights{transposed: w, pack: func(dst []float32, tap, from, k, first, cols, nr int) {
		e.isa.PackPanel(dst, nr, cols, k, w[(taps-1-tap)*in*out+first*out+from:], 1, out)
	}})
}

// weights are those of a convolution, (Kernel, Kernel, In, Out).
type weights struct {
	plain      []float32 // as they stand in memory, or
	transposed []float32 // (Kernel, Kernel, Out, In), taps in reverse
	// pack fills a panel (k, nr) with the rows from..from+k of In and the columns
	// first..first+cols of a tap.
	pack func(dst []float32, tap, from, k, first, cols, nr int)
}

// packTaps is pack for the taps of a 3x3 convolution: a panel (3, 3, k, nr).
func (w weights) packTaps(dst []float32, from, k, first, cols, nr int) {
	for tap := range 9 {
		w.pack(dst[tap*k*nr:], tap, from, k, first, cols, nr)
	}
}

// ConvGradWeights computes dw (Kernel, Kernel, In, Out), overwriting it, from
// x (N, H, W, In) and dy (N, H/Stride, W/Stride, Out).
func (e *Engine) ConvGradWeights(s ConvShape, dw []float32, x []Channels, dy []float32) {
	dw = dw[:s.Kernel*s.Kernel*s.In*s.Out]
	dy = dy[:s.outPixels()*s.Out]
	switch e.choose(s, []Channels{{dy, s.Out}}, x, gradWeights) {
	case inBFloat16:
		e.gradWeightsBFloat16(s, dw, x, dy)
	case onTheFly:
		e.gradWeightsOnTheFly(s, dw, x, dy)
	case winograd:
		e.gradWeightsWinograd(s, dw, x, dy)
	case narrow:
		e.gradWeightsNarrow(s, dw, x, dy)
	default:
		e.gradWeightsDirect(s, dw, x, dy)
	}
}
