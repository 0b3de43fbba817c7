package kernel

// ConvShape is a convolution x (N, H, W, In) -> y (N, H, W, Out) of stride 1
// with zero padding Kernel/2; Kernel is 1 or 3. Its weights are
// w (Kernel, Kernel, In, Out):
//
//	y[n,h,w,o] = bias[o] + sum over i, j, c of x[n, h+i-Kernel/2, w+j-Kernel/2, c] * w[i,j,c,o]
type ConvShape struct{ N, H, W, In, Out, Kernel int }

// Conv computes y from x, w and bias (Out), which may be nil.
func (e *Engine) Conv(s ConvShape, y []float32, x []Channels, w, bias []float32) {
	e.conv(s, y, x, w, bias, epilogue{})
}

// ConvNormReLU computes max(0, y*scale + shift) from x and w: scale, shift (Out).
func (e *Engine) ConvNormReLU(s ConvShape, y []float32, x []Channels, w, scale, shift []float32) {
	e.conv(s, y, x, w, nil, epilogue{scale: scale, shift: shift})
}

// ConvMoments computes y from x and w, and the moments of y.
func (e *Engine) ConvMoments(s ConvShape, y []float32, x []Channels, w []float32, m *Moments) {
	e.conv(s, y, x, w, nil, epilogue{moments: m})
}

// epilogue is what is done to the output of a convolution while it is at hand.
type epilogue struct {
	moments      *Moments  // of y, unless nil
	sums         []float64 // of a piece, where these are found on the way: see Moments.add
	scale, shift []float32 // y = max(0, y*scale + shift), unless nil
}

func (e *Engine) conv(s ConvShape, y []float32, x []Channels, w, bias []float32, ep epilogue) {
	taps := s.Kernel * s.Kernel
	e.convolve(s, []Channels{{y, s.Out}}, x, bias, ep, weights{plain: w, pack: func(dst []float32, from, k, first, cols, nr int) {
		for t := range taps {
			e.isa.PackPanel(dst[t*k*nr:], nr, cols, k, w[(t*s.In+from)*s.Out+first:], s.Out, 1)
		}
	}})
}

// ConvGradInput computes dx (N, H, W, In), overwriting it: the convolution of
// dy (N, H, W, Out) with the flipped, transposed weights.
func (e *Engine) ConvGradInput(s ConvShape, dx []Channels, dy, w []float32) {
	taps := s.Kernel * s.Kernel
	in, out := s.In, s.Out
	s.In, s.Out = out, in
	e.convolve(s, dx, []Channels{{dy, s.In}}, nil, epilogue{}, weights{transposed: w, pack: func(dst []float32, from, k, first, cols, nr int) {
		for t := range taps {
			tap := w[(taps-1-t)*in*out:]
			e.isa.PackPanel(dst[t*k*nr:], nr, cols, k, tap[first*out+from:], 1, out)
		}
	}})
}

// weights are those of a convolution, (Kernel, Kernel, In, Out).
type weights struct {
	plain      []float32 // as they stand in memory, or
	transposed []float32 // (Kernel, Kernel, Out, In), taps in reverse
	// pack fills a panel (Kernel, Kernel, k, nr) with the rows from..from+k of
	// In and the columns first..first+cols.
	pack func(dst []float32, from, k, first, cols, nr int)
}

// ConvGradWeights computes dw (Kernel, Kernel, In, Out), overwriting it, from
// x (N, H, W, In) and dy (N, H, W, Out).
func (e *Engine) ConvGradWeights(s ConvShape, dw []float32, x []Channels, dy []float32) {
	dw = dw[:s.Kernel*s.Kernel*s.In*s.Out]
	dy = dy[:s.N*s.H*s.W*s.Out]
	switch e.choose(s, []Channels{{dy, s.Out}}, x, gradWeights) {
	case inBFloat16:
		e.gradWeightsBFloat16(s, dw, x, dy)
	case onTheFly:
		e.gradWeightsOnTheFly(s, dw, x, dy)
	case winograd:
		e.gradWeightsWinograd(s, dw, x, dy)
	default:
		e.gradWeightsDirect(s, dw, x, dy)
	}
}
