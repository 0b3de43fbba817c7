package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// Channels are some channels of an image, as a tensor of their own: Values
// (N, H, W, Count). What takes several of them takes an image whose channels
// they are, one after the other.
type Channels struct {
	Values []float32
	Count  int
}

// join gives the image (pixels, channels) of x as one tensor.
func (e *Engine) join(x []Channels, pixels int) []float32 {
	if len(x) == 1 {
		return x[0].Values[:pixels*x[0].Count]
	}
	total := 0
	for _, c := range x {
		total += c.Count
	}
	joined := memory.Grow(&e.shared.joined, pixels*total)
	from := 0
	for _, c := range x {
		e.copyChannels(joined[from:], total, c.Values, c.Count, c.Count, pixels)
		from += c.Count
	}
	return joined
}

// whole is a tensor of all channels.
func whole(x []float32, channels int) []Channels { return []Channels{{x, channels}} }

// sample is join of the pixels that a 1x1 convolution of some stride meets.
func (e *Engine) sample(s ConvShape, x []Channels) []float32 {
	if s.Stride == 1 {
		return e.join(x, s.inPixels())
	}
	cols := s.W / s.Stride
	met := memory.Grow(&e.shared.joined, s.outPixels()*s.In)
	from := 0
	for _, c := range x {
		e.pool.Split(s.N*(s.H/s.Stride), func(id, lo, hi int) {
			t := &e.workers[id].args.rowCopy
			for r := lo; r < hi; r++ {
				*t = simd.RowCopy{Y: met[r*cols*s.In+from:], X: c.Values[r*s.Stride*s.W*c.Count:], YStride: s.In, XStride: s.Stride * c.Count, Cols: c.Count, Rows: cols}
				e.isa.CopyRows(t)
			}
		})
		from += c.Count
	}
	return met
}

// spread is the opposite: it gives the tensors of y those pixels, and zeros elsewhere.
// Out is the channels of y.
func (e *Engine) spread(s ConvShape, y []Channels, met []float32) {
	cols := s.W / s.Stride
	from := 0
	for _, c := range y {
		row := s.W * c.Count
		e.pool.Split(s.N*s.H, func(id, lo, hi int) {
			t := &e.workers[id].args.rowCopy
			for r := lo; r < hi; r++ {
				dst := c.Values[r*row:][:row]
				clear(dst)
				if r%s.Stride == 0 { // H is a multiple
					*t = simd.RowCopy{Y: dst, X: met[r/s.Stride*cols*s.Out+from:], YStride: s.Stride * c.Count, XStride: s.Out, Cols: c.Count, Rows: cols}
					e.isa.CopyRows(t)
				}
			}
		})
		from += c.Count
	}
}

// separate copies the channels of an image to the tensors of y.
func (e *Engine) separate(y []Channels, joined []float32) {
	total := 0
	for _, c := range y {
		total += c.Count
	}
	from := 0
	for _, c := range y {
		e.copyChannels(c.Values, c.Count, joined[from:], total, c.Count, len(joined)/total)
		from += c.Count
	}
}

// copyChannels copies cols channels of each pixel, where pixels have strides.
func (e *Engine) copyChannels(y []float32, yStride int, x []float32, xStride, cols, pixels int) {
	e.pool.Split(pixels, func(id, lo, hi int) {
		t := &e.workers[id].args.rowCopy
		*t = simd.RowCopy{Y: y[lo*yStride:], X: x[lo*xStride:], YStride: yStride, XStride: xStride, Cols: cols, Rows: hi - lo, NonTemporal: nonTemporal(pixels * cols)}
		e.isa.CopyRows(t)
	})
}

// nonTemporalFloats is the size of results from which on they leave the caches before
// they are read again: non-temporal stores spare reading a line to overwrite it.
const nonTemporalFloats = 1 << 20

// nonTemporal is the argument of that name for results of so many floats.
func nonTemporal(floats int) int {
	if floats >= nonTemporalFloats {
		return 1
	}
	return 0
}

// nonTemporalUnlessInPlace is nonTemporal for y, but 0 if y is x, whose lines are in the
// caches.
func nonTemporalUnlessInPlace(y, x []float32) int {
	if len(y) == 0 || &y[0] == &x[0] {
		return 0
	}
	return nonTemporal(len(y))
}
