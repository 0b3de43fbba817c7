package simd

import "math"

// Columnwise is an operation on a block of neighbouring columns of matrices of the same
// rows, X[r*Stride+i] for r < Rows, i < Cols: the loops that are bound by memory. Columns
// are channels, or pixels for softmax. The assembly reads this struct by its field names.
type Columnwise struct {
	Y, Y2, X, X2, G []float32
	Argmax          []uint8 // of a 2x2 window: 0..3 in row-major order; of a 3x3 one: 0..8
	// Of a 3x3 window besides:
	X3, G2  []float32
	Argmax2 []uint8
	Places  [9]int32 // what Argmax calls them
	Beside  int      // floats to a neighbour, or 0 where there is none

	// Per column:
	Centre, Scale, Shift []float32
	Slope, Offset        []float32
	Sum, Product         []float64 // padded to a whole vector

	Clamp
	Rows, Stride, Cols int
	NonTemporal        int // as in RowCopy
}

// ColumnOp is one of the operations on columns.
type ColumnOp int

const (
	Affine         ColumnOp = iota // Y = (X-Centre)*Scale + Shift, clamped
	Moments                        // Sum += X, Product += X*X
	GradMoments                    // Sum += G, Product += G*(X-Centre); G counts as 0 where Affine gives Floor or Ceil
	GradInput                      // Y = Scale*G + Slope*(X-Centre) + Offset; G as in GradMoments
	ClampGrad                      // Y = G, 0 where X <= Floor or X >= Ceil
	Add                            // Y = X + G, clamped
	MaxPool                        // Y and Argmax from the pixel rows X and X2, two pixels of each for a row of Y
	MaxPoolGrad                    // the pixel rows Y and Y2 = G where Argmax says, else 0
	MaxPoolGradAdd                 // the same, plus the pixel rows X and X2
	MaxPool3                       // Y and Argmax from windows of the pixel rows X, X2 and X3
	MaxPool3Grad                   // the pixel rows Y and Y2 = what G and G2 give by Argmax and Argmax2
	Softmax                        // Y = exp(X) / sum(exp(X)) of each column
	LogSoftmax                     // Y = X - log(sum(exp(X))) of each column
	LogSoftmaxGrad                 // Y = G - exp(X)*sum(G) of each column, X <= 0
	columnOps
)

// columnKernels are those of an instruction set. Each takes at most a vector of columns
// at once, or exactly that many if whole is set; the plain loops do the rest then. The
// operations up to GradInput take any number of columns, or of whole vectors.
type columnKernels struct {
	vector int
	whole  bool
	run    [columnOps]func(*Columnwise)
}

// overAllColumns reports whether an operation takes all columns of a row at once, so
// that it goes through memory as that lies.
func overAllColumns(op ColumnOp) bool { return op <= GradInput }

// MaxVector is the number of floats in the widest vector of any instruction set.
const MaxVector = 16

// Padded is n columns rounded up to whole vectors of every instruction set.
func Padded(n int) int { return (n + MaxVector - 1) / MaxVector * MaxVector }

// ColumnBlock sets b.Cols for the block from column col on and gives its micro-kernel.
func (s *InstructionSet) ColumnBlock(b *Columnwise, col int, op ColumnOp) func(*Columnwise) {
	kernels := &s.columnwise
	b.Cols = min(kernels.vector, b.Stride-col)
	if kernels.whole && b.Cols < kernels.vector {
		kernels = &plainColumnwise
	} else if overAllColumns(op) {
		b.Cols = b.Stride - col
		if kernels.whole {
			b.Cols -= b.Cols % kernels.vector
		}
	}
	return kernels.run[op]
}

var plainColumnwise = columnKernels{
	vector: math.MaxInt,
	run: [columnOps]func(*Columnwise){
		Affine:      affinePlain,
		Moments:     momentsPlain,
		GradMoments: gradMomentsPlain,
		GradInput:   gradInputPlain,
		ClampGrad:   clampGradPlain,
		Add:         addPlain,
		MaxPool:     maxPoolPlain,
		MaxPoolGrad: maxPoolGradPlain,

		MaxPoolGradAdd: maxPoolGradAddPlain,

		MaxPool3:     maxPool3Plain,
		MaxPool3Grad: maxPool3GradPlain,

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
			y[i] = c.clamp((v-centre[i])*scale[i] + shift[i])
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
			d := c.keep(g[i], v*scale[i]+shift[i])
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
			d := c.keep(g[i], v*scale[i]+shift[i])
			y[i] = scale[i]*d + (slope[i]*v + offset[i])
		}
	}
}

func clampGradPlain(c *Columnwise) {
	for r := range c.Rows {
		y, x, g := c.Y[r*c.Stride:][:c.Cols], c.X[r*c.Stride:][:c.Cols], c.G[r*c.Stride:][:c.Cols]
		for i, v := range x {
			y[i] = c.keep(g[i], v)
		}
	}
}

func addPlain(c *Columnwise) {
	for r := range c.Rows {
		y, x, g := c.Y[r*c.Stride:][:c.Cols], c.X[r*c.Stride:][:c.Cols], c.G[r*c.Stride:][:c.Cols]
		for i, v := range x {
			y[i] = c.clamp(v + g[i])
		}
	}
}
