package kernel

import "math"

// ReLU computes y = max(0, x). y may be x.
func (e *Engine) ReLU(y, x []float32) {
	e.flat(len(x), affine, columns{y: y, x: x, centre: zeros[:], scale: ones[:], shift: zeros[:]})
}

// ReLUGrad computes dx = dy where y > 0, else 0. dx may be dy.
func (e *Engine) ReLUGrad(dx, dy, y []float32) {
	e.flat(len(y), reluGrad, columns{y: dx, g: dy, x: y})
}

var ones = func() (v [maxLanes]float32) {
	for i := range v {
		v[i] = 1
	}
	return v
}()

// relu lifts v to 0, within a piece of Parallel.
func (e *Engine) relu(part int, v []float32) {
	e.overFlat(part, columns{y: v, x: v, centre: zeros[:], scale: ones[:], shift: zeros[:]}, 0, len(v), affine)
}

// flat runs a loop on n floats.
func (e *Engine) flat(n, loop int, c columns) {
	e.Parallel((n+maxLanes-1)/maxLanes, func(part, lo, hi int) {
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

// Softmax computes p = exp(x) / sum(exp(x)) over each row of c logits. p may
// be logits.
func (e *Engine) Softmax(p, logits []float32, c int) {
	e.Parallel(len(logits)/c, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			to, row := p[r*c:][:c], logits[r*c:][:c]
			logSum := logSumExp(row)
			for i, v := range row {
				to[i] = float32(exp(float64(v) - logSum))
			}
		}
	})
}

// LogSoftmax computes logp = x - log(sum(exp(x))) over each row of c logits.
// logp may be logits.
func (e *Engine) LogSoftmax(logp, logits []float32, c int) {
	e.Parallel(len(logits)/c, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			to, row := logp[r*c:][:c], logits[r*c:][:c]
			logSum := logSumExp(row)
			for i, v := range row {
				to[i] = float32(float64(v) - logSum)
			}
		}
	})
}

// logSumExp is log(sum(exp(x))), shifted by the maximum so that it does not
// overflow.
func logSumExp(row []float32) float64 {
	top := row[0]
	for _, v := range row[1:] {
		if v > top {
			top = v
		}
	}
	var sum float64
	for _, v := range row {
		sum += exp(float64(v) - float64(top))
	}
	return float64(top) + math.Log(sum)
}

// LogSoftmaxGrad computes dlogits = dlogp - exp(logp) * sum(dlogp) over each
// row of c. dlogits may be dlogp.
func (e *Engine) LogSoftmaxGrad(dlogits, dlogp, logp []float32, c int) {
	e.Parallel(len(logp)/c, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			to, g, row := dlogits[r*c:][:c], dlogp[r*c:][:c], logp[r*c:][:c]
			var sum float64
			for _, v := range g {
				sum += float64(v)
			}
			for i, v := range row {
				to[i] = float32(float64(g[i]) - exp(float64(v))*sum)
			}
		}
	})
}

// exp is e**x to within 1e-8 of its value, enough for results in float32:
// 2**k times a polynomial in x - k*ln(2), which is within ln(2)/2 of 0.
func exp(x float64) float64 {
	if !(-700 < x && x < 700) {
		return math.Exp(x)
	}
	const round = 3 << 51 // its sum with a small number has that, rounded, in its low bits
	t := x*math.Log2E + round
	r := x - (t-round)*math.Ln2
	p := 1 + r*(1+r*(1./2+r*(1./6+r*(1./24+r*(1./120+r*(1./720+r*(1./5040)))))))
	return p * math.Float64frombits((math.Float64bits(t)+1023)<<52)
}
