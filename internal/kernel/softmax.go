package kernel

import "math"

// Softmax computes p = exp(x) / sum(exp(x)) over each row of c logits. p may
// be logits. What is less than 1.2e-38 may become 0.
func (e *Engine) Softmax(p, logits []float32, c int) {
	e.overPixels(p, logits, nil, c, softmax)
}

// LogSoftmax computes logp = x - log(sum(exp(x))) over each row of c logits.
// logp may be logits.
func (e *Engine) LogSoftmax(logp, logits []float32, c int) {
	e.overPixels(logp, logits, nil, c, logSoftmax)
}

// LogSoftmaxGrad computes dlogits = dlogp - exp(logp) * sum(dlogp) over each
// row of c. dlogits may be dlogp.
func (e *Engine) LogSoftmaxGrad(dlogits, dlogp, logp []float32, c int) {
	e.overPixels(dlogits, logp, dlogp, c, logSoftmaxGrad)
}

// overPixels runs a loop on the pixels (rows of c) of x and, unless it is nil,
// g. Blocks of them are transposed, so that a vector holds the same class of
// its neighbours; what the last block lacks is computed too and left behind.
func (e *Engine) overPixels(y, x, g []float32, c, loop int) {
	e.Parallel(len(x)/c, func(part, lo, hi int) {
		scratch := grow(&e.parts[part].band, 2*c*pixelBlock)
		classes, grads := scratch[:c*pixelBlock], scratch[c*pixelBlock:]
		b := &e.parts[part].columns
		for lo < hi {
			end := min(lo+pixelBlock, hi)
			e.isa.pixels.transpose(classes, x[lo*c:end*c], c)
			if g != nil {
				e.isa.pixels.transpose(grads, g[lo*c:end*c], c)
			}
			for col := 0; col < end-lo; col += b.cols {
				*b = columns{y: classes[col:], x: classes[col:], g: grads[col:], rows: c, stride: pixelBlock}
				e.columnBlock(b, col, loop)(b)
			}
			e.isa.pixels.transposeBack(y[lo*c:end*c], classes, c)
			lo = end
		}
	})
}

func softmaxPlain(c *columns) {
	for i := range c.cols {
		logSum := logSumExp(c, i)
		for at := i; at < c.rows*c.stride; at += c.stride {
			c.y[at] = float32(exp(float64(c.x[at]) - logSum))
		}
	}
}

func logSoftmaxPlain(c *columns) {
	for i := range c.cols {
		logSum := logSumExp(c, i)
		for at := i; at < c.rows*c.stride; at += c.stride {
			c.y[at] = float32(float64(c.x[at]) - logSum)
		}
	}
}

// logSumExp is log(sum(exp(x))) of column i, shifted by the maximum so that it
// does not overflow.
func logSumExp(c *columns, i int) float64 {
	top := c.x[i]
	for at := i; at < c.rows*c.stride; at += c.stride {
		if v := c.x[at]; v > top {
			top = v
		}
	}
	var sum float64
	for at := i; at < c.rows*c.stride; at += c.stride {
		sum += exp(float64(c.x[at]) - float64(top))
	}
	return float64(top) + math.Log(sum)
}

func logSoftmaxGradPlain(c *columns) {
	for i := range c.cols {
		var sum float64
		for at := i; at < c.rows*c.stride; at += c.stride {
			sum += float64(c.g[at])
		}
		for at := i; at < c.rows*c.stride; at += c.stride {
			c.y[at] = float32(float64(c.g[at]) - exp(float64(c.x[at]))*sum)
		}
	}
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
