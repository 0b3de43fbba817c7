package imagefile

import "slices"

// Resize brings x (h,w,c) to (outH,outW,c). An axis that shrinks is averaged by
// area, one that grows is interpolated linearly between pixel centres (the edge
// pixel is repeated). At equal size it returns x itself.
func Resize(x []float32, h, w, c, outH, outW int) []float32 {
	if outW != w {
		y := make([]float32, h*outW*c)
		for o, t := range taps(w, outW) {
			for row := range h {
				dst := y[(row*outW+o)*c:][:c]
				for k, weight := range t.weights {
					src := x[(row*w+t.first+k)*c:][:c]
					for i, v := range src {
						dst[i] += weight * v
					}
				}
			}
		}
		x = y
	}
	if outH != h {
		n := outW * c
		y := make([]float32, outH*n)
		for o, t := range taps(h, outH) {
			dst := y[o*n:][:n]
			for k, weight := range t.weights {
				for i, v := range x[(t.first+k)*n:][:n] {
					dst[i] += weight * v
				}
			}
		}
		x = y
	}
	return x
}

// tap is what one output pixel takes from consecutive input pixels; the weights sum to 1.
type tap struct {
	first   int
	weights []float32
}

func taps(in, out int) []tap {
	ts := make([]tap, out)
	for o := range ts {
		if out < in {
			ts[o] = areaTap(o, in, out)
		} else {
			ts[o] = linearTap(o, in, out)
		}
	}
	return ts
}

// areaTap covers the input interval [o*in/out, (o+1)*in/out). In units of 1/out
// of an input pixel all bounds are whole numbers.
func areaTap(o, in, out int) tap {
	lo, hi := o*in, (o+1)*in
	t := tap{first: lo / out}
	for i := t.first; i*out < hi; i++ {
		cover := min(hi, (i+1)*out) - max(lo, i*out)
		t.weights = append(t.weights, float32(float64(cover)/float64(in)))
	}
	return t
}

// linearTap interpolates at the input position (o+1/2)*in/out - 1/2.
func linearTap(o, in, out int) tap {
	pos := (float64(o)+0.5)*float64(in)/float64(out) - 0.5
	pos = min(max(pos, 0), float64(in-1))
	i := int(pos)
	f := float32(pos - float64(i))
	if f == 0 {
		return tap{first: i, weights: []float32{1}}
	}
	return tap{first: i, weights: []float32{1 - f, f}}
}

// ResizeMask takes for every output pixel the input pixel under its centre.
func ResizeMask(m []uint8, h, w, outH, outW int) []uint8 {
	if h == outH && w == outW {
		return m
	}
	y := make([]uint8, outH*outW)
	columns := slices.Collect(nearest(w, outW))
	row := 0
	for sy := range nearest(h, outH) {
		for x, sx := range columns {
			y[row*outW+x] = m[sy*w+sx]
		}
		row++
	}
	return y
}

// nearest yields for each of out pixels the input pixel under its centre, floor((o+1/2)*in/out).
func nearest(in, out int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for o := range out {
			if !yield((2*o + 1) * in / (2 * out)) {
				return
			}
		}
	}
}
