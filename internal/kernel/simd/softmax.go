package simd

import "math"

func softmaxPlain(c *Columnwise) {
	for i := range c.Cols {
		logSum := logSumExp(c, i)
		for at := i; at < c.Rows*c.Stride; at += c.Stride {
			c.Y[at] = float32(exp(float64(c.X[at]) - logSum))
		}
	}
}

func logSoftmaxPlain(c *Columnwise) {
	for i := range c.Cols {
		logSum := logSumExp(c, i)
		for at := i; at < c.Rows*c.Stride; at += c.Stride {
			c.Y[at] = float32(float64(c.X[at]) - logSum)
		}
	}
}

// logSumExp is log(sum(exp(x))) of column i, shifted by the maximum so that it
// does not overflow.
func logSumExp(c *Columnwise, i int) float64 {
	top := c.X[i]
	for at := i; at < c.Rows*c.Stride; at += c.Stride {
		if v := c.X[at]; v > top {
			top = v
		}
	}
	var sum float64
	for at := i; at < c.Rows*c.Stride; at += c.Stride {
		sum += exp(float64(c.X[at]) - float64(top))
	}
	return float64(top) + math.Log(sum)
}

func logSoftmaxGradPlain(c *Columnwise) {
	for i := range c.Cols {
		var sum float64
		for at := i; at < c.Rows*c.Stride; at += c.Stride {
			sum += float64(c.G[at])
		}
		for at := i; at < c.Rows*c.Stride; at += c.Stride {
			c.Y[at] = float32(float64(c.G[at]) - exp(float64(c.X[at]))*sum)
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
