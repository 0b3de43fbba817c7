package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// DepthwiseShape is a convolution of each channel by itself, x (N, H, W, C) ->
// y (N, H/Stride, W/Stride, C), where H and W are multiples of Stride. Pad is the number
// of zero pixels above and left of the image; what is needed below and right follows.
// Kernel is 3 or 5, Stride 1 or 2. Its weights are w (Kernel, Kernel, C):
//
//	y[n,h,w,c] = sum over i, j of x[n, h*Stride+i-Pad, w*Stride+j-Pad, c] * w[i,j,c]
type DepthwiseShape struct{ N, H, W, C, Kernel, Stride, Pad int }

// Depthwise computes y from x and w.
func (e *Engine) Depthwise(s DepthwiseShape, y, x, w []float32) {
	e.depthwise(s.conv(y, x, w), nil)
}

// DepthwiseNorm computes act(y*scale + shift) from x and w: scale, shift (C).
func (e *Engine) DepthwiseNorm(s DepthwiseShape, y, x, w, scale, shift []float32, act Activation) {
	p := s.conv(y, x, w)
	p.Scale, p.Shift, p.Clamp = scale, shift, act.clamp()
	e.depthwise(p, nil)
}

// DepthwiseMoments computes y from x and w, and the moments of y.
func (e *Engine) DepthwiseMoments(s DepthwiseShape, y, x, w []float32, m *Moments) {
	e.depthwise(s.conv(y, x, w), m)
}

// DepthwiseGradInput computes dx (N, H, W, C), overwriting it, from dy (N, H/Stride,
// W/Stride, C) and w. For stride 1 that is the convolution of dy with the flipped weights;
// for stride 2, a row or column of dx meets every other tap only.
func (e *Engine) DepthwiseGradInput(s DepthwiseShape, dx, dy, w []float32) {
	p := s.conv(dx, dy, w)
	p.rows, p.YCols, p.XRows, p.XCols, p.Step = s.H, s.W, s.H/s.Stride, s.W/s.Stride, 1
	if s.Stride == 2 {
		p.op = simd.DepthwiseTransposed
		p.Row, p.Col = s.Pad, s.Pad
	} else {
		p.Row, p.Col = s.Pad-s.Kernel+1, s.Pad-s.Kernel+1
		p.First, p.Tap = (s.Kernel*s.Kernel-1)*s.C, -s.C
	}
	e.depthwise(p, nil)
}

// DepthwiseGradWeights computes dw (Kernel, Kernel, C), overwriting it, from
// x (N, H, W, C) and dy (N, H/Stride, W/Stride, C).
func (e *Engine) DepthwiseGradWeights(s DepthwiseShape, dw, x, dy []float32) {
	p := s.conv(dy, x, dw)
	p.op = simd.DepthwiseGradWeights
	rows := p.blockRows()
	// Workers that split the channels read no more than those that split the rows.
	input := s.N * s.H * s.W * s.C / e.pool.Threads()
	e.sumPartial(p.W, input, s.N*p.rows, vectors(s.C), func(id int, dw []float32, lo, hi, from, to int) {
		p := p
		p.W = dw
		from, to = from*simd.MaxVector, min(to*simd.MaxVector, s.C)
		for at := from; at < len(dw); at += s.C {
			clear(dw[at:][:to-from])
		}
		if to-from == s.C {
			p.Ahead = rows * s.Stride
		}
		for lo < hi {
			end := min(lo+rows, hi, (lo/p.rows+1)*p.rows) // within an image
			p.run(e, id, lo, end, from, to)
			lo = end
		}
	})
}

// depthwisePass is a loop over whole tensors.
type depthwisePass struct {
	op simd.DepthwiseOp
	simd.Depthwise
	images, rows int // of Y, and of each of its images
}

// conv is the convolution.
func (s DepthwiseShape) conv(y, x, w []float32) depthwisePass {
	return depthwisePass{images: s.N, rows: s.H / s.Stride, Depthwise: simd.Depthwise{
		Y: y, X: x, W: w[:s.Kernel*s.Kernel*s.C],
		YCols: s.W / s.Stride, XRows: s.H, XCols: s.W,
		Row: -s.Pad, Col: -s.Pad, Step: s.Stride, Kernel: s.Kernel,
		Tap: s.C, Pixel: s.C,
	}}
}

// depthwisePixels is for how many pixels a vector of channels is worked on at once: these
// and what they are computed from stay in the first-level cache.
const depthwisePixels = 128

// blockRows is that in rows.
func (p *depthwisePass) blockRows() int { return min(max(1, depthwisePixels/p.YCols), p.rows) }

// vectors is the number of the widest vectors that so many channels fill.
func vectors(channels int) int { return (channels + simd.MaxVector - 1) / simd.MaxVector }

// depthwise does a pass over Y by blocks of rows, and finds the moments of Y unless m is
// nil. Where there are few blocks, each is done in slices of its channels.
func (e *Engine) depthwise(p depthwisePass, m *Moments) {
	rows := p.blockRows()
	blocks := (p.rows + rows - 1) / rows // of an image
	width := vectors(p.Pixel)
	slices := min(width, max(1, 4*e.pool.Threads()/(p.images*blocks)))
	width = (width + slices - 1) / slices * simd.MaxVector
	slices = (p.Pixel + width - 1) / width
	if slices == 1 {
		p.Ahead = max(1, rows*p.XRows/p.rows) // as many as the next block reads anew
	}
	p.NonTemporal = nonTemporal(p.images * p.rows * p.YCols * p.Pixel)
	units, grain := p.images*blocks*slices, max(1, 8*blockFloats/(rows*p.YCols*width))
	var sums []float64
	size := simd.Padded(p.Pixel)
	if m != nil {
		sums = memory.Grow(&e.shared.sums, e.pool.StealPieces(units, grain)*2*size)
		clear(sums)
	}
	e.pool.Steal(units, grain, func(id, piece, lo, hi int) {
		p := p
		if m != nil {
			p.Sum, p.Square = sums[piece*2*size:][:size], sums[piece*2*size+size:][:size]
		}
		for u := lo; u < hi; u++ {
			block, from := u/slices, u%slices*width
			first := block / blocks * p.rows
			row := first + block%blocks*rows
			p.run(e, id, row, min(row+rows, first+p.rows), from, min(from+width, p.Pixel))
		}
	})
	if m != nil {
		m.add(sums, size, size)
	}
}

// run does some rows of Y, lo..hi of one image, for the channels from..to.
func (p *depthwisePass) run(e *Engine, id, lo, hi, from, to int) {
	d := &e.workers[id].args.depthwise
	*d = p.Depthwise
	image := lo / p.rows
	d.Rows, d.Channels = hi-lo, to-from
	d.Row += lo % p.rows * d.Step
	d.Y, d.X, d.W = d.Y[lo*d.YCols*d.Pixel+from:], d.X[image*d.XRows*d.XCols*d.Pixel+from:], d.W[from:]
	d.Scale, d.Shift = span(d.Scale, from, to), span(d.Shift, from, to)
	d.Sum, d.Square = span(d.Sum, from, len(d.Sum)), span(d.Square, from, len(d.Square))
	e.isa.Depthwise(d, p.op)
}
