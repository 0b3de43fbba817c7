package simd

// Depthwise is a part of a depthwise convolution: some rows of Y, of one image, and some
// channels. Y has rows of YCols pixels, X is (XRows, XCols), and a pixel begins Pixel floats
// after the one before. The taps of W are Tap floats apart, which may be negative: then they
// are flipped, and First is where the first one is. The loops, for r < Rows, p < YCols,
// i, j < Kernel and c < Channels, leave out what lies outside of X:
//
//	DepthwiseConv         Y[r,p,c] = sum over i, j of X[Row + r*Step + i, Col + p*Step + j, c] * W[i,j,c]
//	DepthwiseTransposed   Y[r,p,c] = sum over i, j of X[(Row + r - i) / 2, (Col + p - j) / 2, c] * W[i,j,c], where both are whole
//	DepthwiseGradWeights  W[i,j,c] += sum over r, p of X[Row + r*Step + i, Col + p*Step + j, c] * Y[r,p,c]
//
// The first one then clamps Y*Scale + Shift, unless Scale is nil, and adds the sums of Y and
// of its squares to Sum and Square, unless these are nil. The assembly reads this struct by
// its field names.
type Depthwise struct {
	Y, X, W         []float32
	Rows, YCols     int
	XRows, XCols    int
	Row, Col        int // of X: where the first tap of the first pixel of Y is
	Step            int // stride of the convolution
	Kernel          int
	First, Tap      int
	Pixel, Channels int
	Scale, Shift    []float32 // per channel
	Clamp
	Sum, Square []float64 // per channel, padded to whole vectors
}

// DepthwiseOp is one of the loops of Depthwise.
type DepthwiseOp int

const (
	DepthwiseConv DepthwiseOp = iota
	DepthwiseTransposed
	DepthwiseGradWeights
)

// Depthwise does d.
func (s *InstructionSet) Depthwise(d *Depthwise, op DepthwiseOp) {
	switch op {
	case DepthwiseConv:
		depthwiseConvPlain(d)
	case DepthwiseTransposed:
		depthwiseTransposedPlain(d)
	case DepthwiseGradWeights:
		depthwiseGradWeightsPlain(d)
	}
}

func depthwiseConvPlain(d *Depthwise) {
	for r := range d.Rows {
		for p := range d.YCols {
			y := d.y(r, p)
			clear(y)
			for i := range d.Kernel {
				for j := range d.Kernel {
					if x := d.x(d.Row+r*d.Step+i, d.Col+p*d.Step+j); x != nil {
						addProducts(y, x, d.w(i, j))
					}
				}
			}
			d.finish(y)
		}
	}
}

func depthwiseTransposedPlain(d *Depthwise) {
	for r := range d.Rows {
		for p := range d.YCols {
			y := d.y(r, p)
			clear(y)
			for i := (d.Row + r) % 2; i < d.Kernel; i += 2 {
				for j := (d.Col + p) % 2; j < d.Kernel; j += 2 {
					if x := d.x((d.Row+r-i)/2, (d.Col+p-j)/2); x != nil {
						addProducts(y, x, d.w(i, j))
					}
				}
			}
		}
	}
}

func depthwiseGradWeightsPlain(d *Depthwise) {
	for r := range d.Rows {
		for p := range d.YCols {
			y := d.y(r, p)
			for i := range d.Kernel {
				for j := range d.Kernel {
					if x := d.x(d.Row+r*d.Step+i, d.Col+p*d.Step+j); x != nil {
						addProducts(d.w(i, j), x, y)
					}
				}
			}
		}
	}
}

// y is a pixel of Y.
func (d *Depthwise) y(r, p int) []float32 {
	return d.Y[(r*d.YCols+p)*d.Pixel:][:d.Channels]
}

// x is a pixel of X, or nil outside of it.
func (d *Depthwise) x(r, p int) []float32 {
	if r < 0 || r >= d.XRows || p < 0 || p >= d.XCols {
		return nil
	}
	return d.X[(r*d.XCols+p)*d.Pixel:][:d.Channels]
}

// w is a tap of W.
func (d *Depthwise) w(i, j int) []float32 {
	return d.W[d.First+(i*d.Kernel+j)*d.Tap:][:d.Channels]
}

// finish does to a pixel of Y what comes after the sums.
func (d *Depthwise) finish(y []float32) {
	if d.Scale != nil {
		scale, shift := d.Scale[:len(y)], d.Shift[:len(y)]
		for c, v := range y {
			y[c] = d.clamp(v*scale[c] + shift[c])
		}
	}
	if d.Sum != nil {
		sum, square := d.Sum[:len(y)], d.Square[:len(y)]
		for c, v := range y {
			v := float64(v)
			sum[c] += v
			square[c] += v * v
		}
	}
}

// addProducts adds a*b to y.
func addProducts(y, a, b []float32) {
	a, b = a[:len(y)], b[:len(y)]
	for c := range y {
		y[c] += a[c] * b[c]
	}
}
