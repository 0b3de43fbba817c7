package kernel

import "math"

// columns is a block of neighbouring columns (channels) of matrices of the
// same rows, x[r*stride+i] for r < rows, i < cols: what the memory-bound loops
// work on. The assembly reads this struct by its field names.
type columns struct {
	y, y2, x, x2, g []float32
	which           []uint8
	// Per column:
	centre, scale, shift []float32
	slope, offset        []float32
	sum, product         []float64 // padded to a whole vector

	floor              float32 // 0 behind a ReLU, else -Inf
	rows, stride, cols int
	past               int // as in rowCopy
}

// The loops over columns. Those up to gradInput go over all columns of a row: see
// columnLoops.
const (
	affine         = iota // y = max(floor, (x-centre)*scale + shift)
	moments               // sum += x, product += x*x
	gradMoments           // sum += g, product += g*(x-centre); g counts as 0 where affine <= floor
	gradInput             // y = scale*g + slope*(x-centre) + offset; g as in gradMoments
	reluGrad              // y = g, 0 where x <= floor
	maxPool               // y and which from the pixel rows x and x2, two pixels of each to a row of y
	maxPoolGrad           // the pixel rows y and y2 = g where which says, else 0
	maxPoolGradAdd        // the same, plus the pixel rows x and x2
	softmax               // y = exp(x) / sum(exp(x)) of each column
	logSoftmax            // y = x - log(sum(exp(x))) of each column
	logSoftmaxGrad        // y = g - exp(x)*sum(g) of each column, x <= 0
	loopCount
)

// columnLoops are the loops of an instruction set. Each takes at most lanes
// columns at once, or exactly that many if whole is set; the plain loops do
// the rest then. The loops over all columns take any number of them, or of whole
// vectors.
type columnLoops struct {
	lanes int
	whole bool
	run   [loopCount]func(*columns)
}

// overAllColumns tells whether a loop goes over all columns of a row, so that it goes
// through memory as that lies.
func overAllColumns(loop int) bool { return loop <= gradInput }

const (
	maxLanes    = 16
	blockFloats = 4 << 10 // floats of a matrix that are worked on at once, to stay in the first cache
)

// floor is what ReLU, if there is one, lifts its input to.
func floor(relu bool) float32 {
	if relu {
		return 0
	}
	return float32(math.Inf(-1))
}

// padded is n columns rounded up to whole vectors of any instruction set.
func padded(n int) int { return (n + maxLanes - 1) / maxLanes * maxLanes }

// grain is the number of rows below which it is not worth to share them out.
func (c *columns) grain() int { return max(1, 8*blockFloats/c.stride) }

// overRows runs a loop on rows lo..hi of c, which holds whole matrices
// (M, stride).
func (e *Engine) overRows(part int, c *columns, lo, hi, loop int) {
	b := &e.parts[part].columns
	step := max(1, blockFloats/c.stride)
	for lo < hi {
		end := min(lo+step, hi)
		for col := 0; col < c.stride; {
			*b = *c
			b.rows = end - lo
			run := e.columnBlock(b, col, loop)
			to := col + b.cols
			from, last := lo*c.stride+col, (end-1)*c.stride+to
			b.y, b.x, b.g = span(c.y, from, last), span(c.x, from, last), span(c.g, from, last)
			b.centre, b.scale, b.shift = span(c.centre, col, to), span(c.scale, col, to), span(c.shift, col, to)
			b.slope, b.offset = span(c.slope, col, to), span(c.offset, col, to)
			b.sum, b.product = span(c.sum, col, len(c.sum)), span(c.product, col, len(c.product))
			run(b)
			col = to
		}
		lo = end
	}
}

// columnBlock sets b.cols for the block from column col on and gives its loop.
func (e *Engine) columnBlock(b *columns, col, loop int) func(*columns) {
	loops := &e.isa.loops
	b.cols = min(loops.lanes, b.stride-col)
	if loops.whole && b.cols < loops.lanes {
		loops = &plainLoops
	} else if overAllColumns(loop) {
		b.cols = b.stride - col
		if loops.whole {
			b.cols -= b.cols % loops.lanes
		}
	}
	return loops.run[loop]
}

func span[T any](v []T, from, to int) []T {
	if v == nil {
		return nil
	}
	return v[from:to]
}

var plainLoops = columnLoops{
	lanes: math.MaxInt,
	run: [loopCount]func(*columns){
		affine:      affinePlain,
		moments:     momentsPlain,
		gradMoments: gradMomentsPlain,
		gradInput:   gradInputPlain,
		reluGrad:    reluGradPlain,
		maxPool:     maxPoolPlain,
		maxPoolGrad: maxPoolGradPlain,

		maxPoolGradAdd: maxPoolGradAddPlain,

		softmax:        softmaxPlain,
		logSoftmax:     logSoftmaxPlain,
		logSoftmaxGrad: logSoftmaxGradPlain,
	},
}

func affinePlain(c *columns) {
	centre, scale, shift := c.centre[:c.cols], c.scale[:c.cols], c.shift[:c.cols]
	for r := range c.rows {
		y, x := c.y[r*c.stride:][:c.cols], c.x[r*c.stride:][:c.cols]
		for i, v := range x {
			y[i] = max((v-centre[i])*scale[i]+shift[i], c.floor)
		}
	}
}

func momentsPlain(c *columns) {
	sum, product := c.sum[:c.cols], c.product[:c.cols]
	for r := range c.rows {
		for i, v := range c.x[r*c.stride:][:c.cols] {
			v := float64(v)
			sum[i] += v
			product[i] += v * v
		}
	}
}

func gradMomentsPlain(c *columns) {
	centre, scale, shift := c.centre[:c.cols], c.scale[:c.cols], c.shift[:c.cols]
	sum, product := c.sum[:c.cols], c.product[:c.cols]
	for r := range c.rows {
		x, g := c.x[r*c.stride:][:c.cols], c.g[r*c.stride:][:c.cols]
		for i, v := range x {
			v -= centre[i]
			d := keep(g[i], v*scale[i]+shift[i], c.floor)
			sum[i] += float64(d)
			product[i] += float64(d) * float64(v)
		}
	}
}

func gradInputPlain(c *columns) {
	centre, scale, shift := c.centre[:c.cols], c.scale[:c.cols], c.shift[:c.cols]
	slope, offset := c.slope[:c.cols], c.offset[:c.cols]
	for r := range c.rows {
		y, x, g := c.y[r*c.stride:][:c.cols], c.x[r*c.stride:][:c.cols], c.g[r*c.stride:][:c.cols]
		for i, v := range x {
			v -= centre[i]
			d := keep(g[i], v*scale[i]+shift[i], c.floor)
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

func reluGradPlain(c *columns) {
	for r := range c.rows {
		y, x, g := c.y[r*c.stride:][:c.cols], c.x[r*c.stride:][:c.cols], c.g[r*c.stride:][:c.cols]
		for i, v := range x {
			y[i] = keep(g[i], v, c.floor)
		}
	}
}

func maxPoolPlain(c *columns) {
	for r := range c.rows {
		y, which := c.y[r*c.stride:][:c.cols], c.which[r*c.stride:][:c.cols]
		x0, x1 := c.x[2*r*c.stride:][:c.cols], c.x[(2*r+1)*c.stride:][:c.cols]
		x2, x3 := c.x2[2*r*c.stride:][:c.cols], c.x2[(2*r+1)*c.stride:][:c.cols]
		for i := range y {
			best, at := x0[i], uint8(0)
			if v := x1[i]; !(v <= best) && best == best { // greater, or the first NaN
				best, at = v, 1
			}
			if v := x2[i]; !(v <= best) && best == best {
				best, at = v, 2
			}
			if v := x3[i]; !(v <= best) && best == best {
				best, at = v, 3
			}
			y[i], which[i] = best, at
		}
	}
}

func maxPoolGradPlain(c *columns) {
	for r := range 2 * c.rows {
		clear(c.y[r*c.stride:][:c.cols])
		clear(c.y2[r*c.stride:][:c.cols])
	}
	spreadPlain(c)
}

func maxPoolGradAddPlain(c *columns) {
	for r := range 2 * c.rows {
		copy(c.y[r*c.stride:][:c.cols], c.x[r*c.stride:])
		copy(c.y2[r*c.stride:][:c.cols], c.x2[r*c.stride:])
	}
	spreadPlain(c)
}

// spreadPlain adds g to the places that which names.
func spreadPlain(c *columns) {
	for r := range c.rows {
		g, which := c.g[r*c.stride:][:c.cols], c.which[r*c.stride:][:c.cols]
		places := [4][]float32{
			c.y[2*r*c.stride:][:c.cols], c.y[(2*r+1)*c.stride:][:c.cols],
			c.y2[2*r*c.stride:][:c.cols], c.y2[(2*r+1)*c.stride:][:c.cols],
		}
		for i, at := range which {
			places[at][i] += g[i]
		}
	}
}
