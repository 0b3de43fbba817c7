package kernel

// rowCopy is y[r*yStride+i] = x[r*xStride+i] for r < rows, i < cols. The
// assembly reads this struct by its field names.
type rowCopy struct {
	y, x             []float32
	yStride, xStride int
	cols, rows       int
	past             int // not 0: write past the caches where whole lines are written
}

// Results of so many floats leave the caches before they are read again, and
// those lines need not be fetched from memory to be overwritten.
const pastFloats = 1 << 20

func past(floats int) int {
	if floats >= pastFloats {
		return 1
	}
	return 0
}

// pastUnless is past for y, but 0 if y is x: those lines are in the caches.
func pastUnless(y, x []float32) int {
	if len(y) == 0 || &y[0] == &x[0] {
		return 0
	}
	return past(len(y))
}

// copyRows does c.
func (s *instructionSet) copyRows(c *rowCopy) {
	if c.rows == 0 || c.cols == 0 {
		return
	}
	c.y = c.y[:(c.rows-1)*c.yStride+c.cols]
	c.x = c.x[:(c.rows-1)*c.xStride+c.cols]
	if s.copyVectors != nil && c.cols%8 == 0 {
		s.copyVectors(c)
		return
	}
	for r := range c.rows {
		copy(c.y[r*c.yStride:][:c.cols], c.x[r*c.xStride:])
	}
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
	joined := grow(&e.apart, pixels*total)
	from := 0
	for _, c := range x {
		e.copyChannels(joined[from:], total, c.Values, c.Count, c.Count, pixels)
		from += c.Count
	}
	return joined
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
	e.Parallel(pixels, func(part, lo, hi int) {
		t := &e.parts[part].rowCopy
		*t = rowCopy{y: y[lo*yStride:], x: x[lo*xStride:], yStride: yStride, xStride: xStride, cols: cols, rows: hi - lo, past: past(pixels * cols)}
		e.isa.copyRows(t)
	})
}
