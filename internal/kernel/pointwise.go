package kernel

// ReLU computes y = max(0, x). y may be x.
func (e *Engine) ReLU(y, x []float32) {
	e.flat(len(x), affine, columns{y: y, x: x, centre: zeros[:], scale: ones[:], shift: zeros[:]})
}

// ReLUGrad computes dx = dy where y > 0, else 0. dx may be dy.
func (e *Engine) ReLUGrad(dx, dy, y []float32) {
	e.flat(len(y), reluGrad, columns{y: dx, g: dy, x: y})
}

// add computes y = y + x.
func (e *Engine) add(y, x []float32) { e.flat(len(y), gradInput, addition(y, x)) }

// addition makes of gradInput y = y + x.
func addition(y, x []float32) columns {
	return columns{
		y: y, x: y, g: x, floor: floor(false),
		centre: zeros[:], scale: ones[:], shift: zeros[:], slope: ones[:], offset: zeros[:],
	}
}

var ones = func() (v [maxLanes]float32) {
	for i := range v {
		v[i] = 1
	}
	return v
}()

// flat runs a loop on n floats.
func (e *Engine) flat(n, loop int, c columns) {
	e.Share((n+maxLanes-1)/maxLanes, 8*blockFloats/maxLanes, func(part, _, lo, hi int) {
		e.overFlat(part, c, lo*maxLanes, min(hi*maxLanes, n), loop)
	})
}

// overFlat runs a loop on the floats lo..hi as rows of one vector, and the rest
// as one shorter row.
func (e *Engine) overFlat(part int, c columns, lo, hi, loop int) {
	c.y, c.x, c.g = span(c.y, lo, hi), span(c.x, lo, hi), span(c.g, lo, hi)
	n := hi - lo
	rows := n / maxLanes
	c.stride = maxLanes
	e.overRows(part, &c, 0, rows, loop)
	if done := rows * maxLanes; done < n {
		c.stride = n - done
		c.y, c.x, c.g = span(c.y, done, n), span(c.x, done, n), span(c.g, done, n)
		e.overRows(part, &c, 0, 1, loop)
	}
}
