package simd

// Depthwise is a part of a depthwise convolution: some rows of Y, of one image, and some
// channels. Y has rows of YCols pixels, X is (XRows, XCols), and pixels are Pixel floats
// apart. Taps of W are Tap floats apart, which may be negative: First is where tap (0, 0)
// begins. The loops, for r < Rows, p < YCols, i, j < Kernel and c < Channels, leave out
// what lies outside of X:
//
//	DepthwiseConv         Y[r,p,c] = sum over i, j of X[Row + r*Step + i, Col + p*Step + j, c] * W[i,j,c]
//	DepthwiseTransposed   Y[r,p,c] = sum over i, j of X[(Row + r - i) / 2, (Col + p - j) / 2, c] * W[i,j,c], where both are whole; Step is 1
//	DepthwiseGradWeights  W[i,j,c] += sum over r, p of X[Row + r*Step + i, Col + p*Step + j, c] * Y[r,p,c]
//
// The first one then clamps Y*Scale + Shift, unless Scale is nil, and adds Y and its squares
// to Sum and Square, unless these are nil. The assembly reads this struct by its field names.
type Depthwise struct {
	Y, X, W         []float32
	Rows, YCols     int
	XRows, XCols    int
	Row, Col        int
	Step, Kernel    int // stride of the convolution, size of its kernel
	First, Tap      int
	Pixel, Channels int

	// Per channel:
	Scale, Shift []float32
	Sum, Square  []float64 // padded to whole vectors
	Clamp

	NonTemporal int // as in RowCopy, of Y
	Ahead       int // rows of X behind those that are read, which are prefetched with all their channels

	// Of the assembly:
	firstOutput, firstColumn   int // of a row: 0 or the one before, and the column of X that it meets first
	aheadX, endX, aheadY, endY int // bytes that are prefetched
}

// DepthwiseOp is one of the loops of Depthwise.
type DepthwiseOp int

const (
	DepthwiseConv DepthwiseOp = iota
	DepthwiseTransposed
	DepthwiseGradWeights
)

// depthwiseKernels are those of an instruction set, for kernels of 3x3 and 5x5. They take
// whole vectors of channels, or any number of channels if tails is set.
type depthwiseKernels struct {
	vector      int
	tails       bool
	conv        [2][2]func(*Depthwise) // by the stride too
	transposed  [2]func(*Depthwise)
	gradWeights [2][2]func(*Depthwise)
}

// Depthwise does d, which it changes.
func (s *InstructionSet) Depthwise(d *Depthwise, op DepthwiseOp) {
	kernels, rest := &s.depthwise, d.Channels
	if kernels.tails {
		rest = 0
	} else if kernels.vector > 0 {
		rest %= kernels.vector
	}
	if d.Channels -= rest; d.Channels > 0 {
		d.check()
		d.firstOutput, d.firstColumn = 0, d.Col
		if op == DepthwiseTransposed { // blocks begin with an even column
			d.firstOutput, d.firstColumn = -(d.Col & 1), d.Col>>1-(d.Kernel-1)/2
		}
		d.prefetch(op)
		kernels.choose(d, op)(d)
	}
	if rest > 0 {
		d.skip(d.Channels)
		d.Channels = rest
		plainDepthwise[op](d)
	}
}

// prefetch sets what is prefetched: Ahead rows of X and, for the gradient of the weights, as
// much of Y.
func (d *Depthwise) prefetch(op DepthwiseOp) {
	row := d.Row + (d.Rows-1)*d.Step + d.Kernel // the first one that is not read
	if op == DepthwiseTransposed {
		row = (d.Row + d.Rows + 1) / 2
	}
	row = min(row, d.XRows)
	d.aheadX, d.endX = 4*row*d.XCols*d.Pixel, 4*(row+d.Ahead)*d.XCols*d.Pixel
	d.aheadY, d.endY = 4*d.Rows*d.YCols*d.Pixel, 4*(d.Rows+d.Ahead/d.Step)*d.YCols*d.Pixel
}

func (k *depthwiseKernels) choose(d *Depthwise, op DepthwiseOp) func(*Depthwise) {
	size := d.Kernel/2 - 1
	switch op {
	case DepthwiseConv:
		return k.conv[size][d.Step-1]
	case DepthwiseTransposed:
		return k.transposed[size]
	}
	return k.gradWeights[size][d.Step-1]
}

// check panics where the slices are shorter than the assembly takes them to be.
func (d *Depthwise) check() {
	pixels := func(n int) int { return (n-1)*d.Pixel + d.Channels }
	_ = d.Y[:pixels(d.Rows*d.YCols)]
	_ = d.X[:pixels(d.XRows*d.XCols)]
	last := d.First + (d.Kernel*d.Kernel-1)*d.Tap
	_ = d.W[min(d.First, last) : max(d.First, last)+d.Channels]
	if d.Scale != nil {
		_, _ = d.Scale[:d.Channels], d.Shift[:d.Channels]
	}
	if d.Sum != nil {
		_, _ = d.Sum[:Padded(d.Channels)], d.Square[:Padded(d.Channels)]
	}
}

// skip leaves out the first n channels.
func (d *Depthwise) skip(n int) {
	d.Y, d.X, d.W = d.Y[n:], d.X[n:], d.W[n:]
	if d.Scale != nil {
		d.Scale, d.Shift = d.Scale[n:], d.Shift[n:]
	}
	if d.Sum != nil {
		d.Sum, d.Square = d.Sum[n:], d.Square[n:]
	}
}

var plainDepthwise = [...]func(*Depthwise){
	DepthwiseConv:        depthwiseConvPlain,
	DepthwiseTransposed:  depthwiseTransposedPlain,
	DepthwiseGradWeights: depthwiseGradWeightsPlain,
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
