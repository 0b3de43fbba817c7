package simd

import "math"

// Columnwise is a block of neighbouring columns (channels) of matrices of the
// same rows, x[r*stride+i] for r < rows, i < cols: what the memory-bound loops
// work on. The assembly reads this struct by its field names.
type Columnwise struct {
	Y, Y2, X, X2, G []float32
	Argmax          []uint8
	// Per column:
	Centre, Scale, Shift []float32
	Slope, Offset        []float32
	Sum, Product         []float64 // padded to a whole vector

	Floor              float32 // 0 behind a ReLU, else -Inf
	Rows, Stride, Cols int
	NonTemporal        int // as in rowCopy
}

// ColumnOp is one of the operations on columns.
type ColumnOp int

// The loops over columns. Those up to gradInput go over all columns of a row: see
// columnLoops.
const (
	Affine         ColumnOp = iota // y = max(floor, (x-centre)*scale + shift)
	Moments                        // sum += x, product += x*x
	GradMoments                    // sum += g, product += g*(x-centre); g counts as 0 where affine <= floor
	GradInput                      // y = scale*g + slope*(x-centre) + offset; g as in gradMoments
	ReLUGrad                       // y = g, 0 where x <= floor
	MaxPool                        // y and which from the pixel rows x and x2, two pixels of each to a row of y
	MaxPoolGrad                    // the pixel rows y and y2 = g where which says, else 0
	MaxPoolGradAdd                 // the same, plus the pixel rows x and x2
	Softmax                        // y = exp(x) / sum(exp(x)) of each column
	LogSoftmax                     // y = x - log(sum(exp(x))) of each column
	LogSoftmaxGrad                 // y = g - exp(x)*sum(g) of each column, x <= 0
	columnOps
)

// columnKernels are the loops of an instruction set. Each takes at most lanes
// columns at once, or exactly that many if whole is set; the plain loops do
// the rest then. The loops over all columns take any number of them, or of whole
// vectors.
type columnKernels struct {
	vector int
	whole  bool
	run    [columnOps]func(*Columnwise)
}

// overAllColumns tells whether a loop goes over all columns of a row, so that it goes
// through memory as that lies.
func overAllColumns(loop ColumnOp) bool { return loop <= GradInput }

// MaxVector is the number of floats in the widest vector of any instruction set.
const MaxVector = 16

// Padded is n columns rounded up to whole vectors of any instruction set.
func Padded(n int) int { return (n + MaxVector - 1) / MaxVector * MaxVector }

// ColumnBlock sets b.cols for the block from column col on and gives its loop.
func (s *InstructionSet) ColumnBlock(b *Columnwise, col int, loop ColumnOp) func(*Columnwise) {
	loops := &s.columnwise
	b.Cols = min(loops.vector, b.Stride-col)
	if loops.whole && b.Cols < loops.vector {
		loops = &plainColumnwise
	} else if overAllColumns(loop) {
		b.Cols = b.Stride - col
		if loops.whole {
			b.Cols -= b.Cols % loops.vector
		}
	}
	return loops.run[loop]
}

var plainColumnwise = columnKernels{
	vector: math.MaxInt,
	run: [columnOps]func(*Columnwise){
		Affine:      affinePlain,
		Moments:     momentsPlain,
		GradMoments: gradMomentsPlain,
		GradInput:   gradInputPlain,
		ReLUGrad:    reluGradPlain,
		MaxPool:     maxPoolPlain,
		MaxPoolGrad: maxPoolGradPlain,

		MaxPoolGradAdd: maxPoolGradAddPlain,

		Softmax:        softmaxPlain,
		LogSoftmax:     logSoftmaxPlain,
		LogSoftmaxGrad: logSoftmaxGradPlain,
	},
}

func affinePlain(c *Columnwise) {
	centre, scale, shift := c.Centre[:c.Cols], c.Scale[:c.Cols], c.Shift[:c.Cols]
	for r := range c.Rows {
		y, x := c.Y[r*c.Stride:][:c.Cols], c.X[r*c.Stride:][:c.Cols]
		for i, v := range x {
			y[i] = max((v-centre[i])*scale[i]+shift[i], c.Floor)
		}
	}
}

func momentsPlain(c *Columnwise) {
	sum, product := c.Sum[:c.Cols], c.Product[:c.Cols]
	for r := range c.Rows {
		for i, v := range c.X[r*c.Stride:][:c.Cols] {
			v := float64(v)
			sum[i] += v
			product[i] += v * v
		}
	}
}

func gradMomentsPlain(c *Columnwise) {
	centre, scale, shift := c.Centre[:c.Cols], c.Scale[:c.Cols], c.Shift[:c.Cols]
	sum, product := c.Sum[:c.Cols], c.Product[:c.Cols]
	for r := range c.Rows {
		x, g := c.X[r*c.Stride:][:c.Cols], c.G[r*c.Stride:][:c.Cols]
		for i, v := range x {
			v -= centre[i]
			d := keep(g[i], v*scale[i]+shift[i], c.Floor)
			sum[i] += float64(d)
			product[i] += float64(d) * float64(v)
		}
	}
}

func gradInputPlain(c *Columnwise) {
	centre, scale, shift := c.Centre[:c.Cols], c.Scale[:c.Cols], c.Shift[:c.Cols]
	slope, offset := c.Slope[:c.Cols], c.Offset[:c.Cols]
	for r := range c.Rows {
		y, x, g := c.Y[r*c.Stride:][:c.Cols], c.X[r*c.Stride:][:c.Cols], c.G[r*c.Stride:][:c.Cols]
		for i, v := range x {
			v -= centre[i]
			d := keep(g[i], v*scale[i]+shift[i], c.Floor)
			y[i] = scale[i]*d + (slope[i]*v + offset[i])
		}
	}
}

// keep is g, or 0 where y <= floor. The choice is made between integers, which
// the compiler does without a branch that signs at random would mislead.
func keep(g, y, floor float32) float32 {
	bits := math.Float32bits(g)
	if y <= floor {
		bits = 0
	}
	return math.Float32frombits(bits)
}

func reluGradPlain(c *Columnwise) {
	for r := range c.Rows {
		y, x, g := c.Y[r*c.Stride:][:c.Cols], c.X[r*c.Stride:][:c.Cols], c.G[r*c.Stride:][:c.Cols]
		for i, v := range x {
			y[i] = keep(g[i], v, c.Floor)
		}
	}
}
