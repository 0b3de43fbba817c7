package kernel

import "math"

// BatchNorm normalises the channels of x (M, C) by their statistics over the M
// rows (Ioffe and Szegedy, "Batch Normalization", 2015):
//
//	y = gamma * (x - mean) / sqrt(variance + epsilon) + beta
//
// followed by max(0, y) if relu is set. gamma and beta are (C); mean and
// variance (C) get the batch mean and the biased variance, summed in float64.
// y may be x.
func (e *Engine) BatchNorm(y, x, gamma, beta []float32, mean, variance []float32, epsilon float32, relu bool) {
	c := len(mean)
	m := len(x) / c
	pieces := e.pieces(m)
	sums := grow(&e.sums, pieces*2*c)
	clear(sums)
	e.Parallel(m, func(part, lo, hi int) {
		sum := sums[part*2*c:][:c]
		squares := sums[part*2*c+c:][:c]
		for r := lo; r < hi; r++ {
			row := x[r*c:][:c]
			for i := range row {
				v := float64(row[i])
				sum[i] += v
				squares[i] += v * v
			}
		}
	})
	for i := range c {
		var sum, squares float64
		for p := range pieces {
			sum += sums[p*2*c+i]
			squares += sums[p*2*c+c+i]
		}
		mu := sum / float64(m)
		v := squares/float64(m) - mu*mu
		if v < 0 {
			v = 0 // rounding of equal values
		}
		mean[i], variance[i] = float32(mu), float32(v)
	}
	e.affine(y, x, mean, e.inverseScale(gamma, variance, epsilon), beta, relu)
}

// inverseScale gives gamma / sqrt(variance + epsilon) in e.rows.
func (e *Engine) inverseScale(gamma, variance []float32, epsilon float32) []float32 {
	scale := grow(&e.rows, 3*len(gamma))[:len(gamma)]
	for i, g := range gamma {
		scale[i] = float32(float64(g) / math.Sqrt(float64(variance[i])+float64(epsilon)))
	}
	return scale
}

// ScaleShift computes y = x*scale[c] + shift[c] over rows (M, C), then
// max(0, y) if relu is set: batch norm in evaluation. y may be x.
func (e *Engine) ScaleShift(y, x, scale, shift []float32, relu bool) {
	centre := grow(&e.rows, len(scale))
	clear(centre)
	e.affine(y, x, centre, scale, shift, relu)
}

// affine computes y = (x-centre[c])*scale[c] + shift[c]. The difference is
// taken first because x*scale - centre*scale would lose the digits that a large
// mean shares with x.
func (e *Engine) affine(y, x, centre, scale, shift []float32, relu bool) {
	c := len(scale)
	centre, shift = centre[:c], shift[:c]
	e.Parallel(len(x)/c, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			to, row := y[r*c:][:c], x[r*c:][:c]
			for i, s := range scale {
				v := (row[i]-centre[i])*s + shift[i]
				if relu && v < 0 {
					v = 0
				}
				to[i] = v
			}
		}
	})
}

// BatchNormGrad computes the gradients of BatchNorm, overwriting dx (M, C),
// dgamma (C) and dbeta (C), from dy (M, C) and what BatchNorm was given and
// gave. With relu the mask y > 0 is recomputed from x. With x^ the normalised
// input, g = dy behind the mask, and sums over the M rows:
//
//	dbeta = sum(g);  dgamma = sum(g x^);  dx = gamma/sqrt(variance+epsilon) * (g - dbeta/M - x^ dgamma/M)
//
// dx may be dy.
func (e *Engine) BatchNormGrad(dx, dgamma, dbeta, dy, x, gamma, beta, mean, variance []float32, epsilon float32, relu bool) {
	c := len(mean)
	m := len(x) / c
	scale := e.inverseScale(gamma, variance, epsilon)
	pieces := e.pieces(m)
	sums := grow(&e.sums, pieces*2*c)
	clear(sums)
	e.Parallel(m, func(part, lo, hi int) {
		sum := sums[part*2*c:][:c]
		products := sums[part*2*c+c:][:c]
		for r := lo; r < hi; r++ {
			row, g := x[r*c:][:c], dy[r*c:][:c]
			for i, v := range row {
				v -= mean[i]
				if relu && v*scale[i]+beta[i] <= 0 {
					continue
				}
				sum[i] += float64(g[i])
				products[i] += float64(g[i]) * float64(v)
			}
		}
	})
	// dx = scale*g + slope*(x-mean) + offset
	rest := e.rows[c : 3*c]
	slope, offset := rest[:c], rest[c:]
	for i := range c {
		var sum, products float64
		for p := range pieces {
			sum += sums[p*2*c+i]
			products += sums[p*2*c+c+i]
		}
		inverse := 1 / math.Sqrt(float64(variance[i])+float64(epsilon))
		dbeta[i] = float32(sum)
		dgamma[i] = float32(products * inverse)
		s := float64(gamma[i]) * inverse / float64(m)
		slope[i] = float32(-s * products * inverse * inverse)
		offset[i] = float32(-s * sum)
	}
	e.Parallel(m, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			to, row, g := dx[r*c:][:c], x[r*c:][:c], dy[r*c:][:c]
			for i, v := range row {
				v -= mean[i]
				d := g[i]
				if relu && v*scale[i]+beta[i] <= 0 {
					d = 0
				}
				to[i] = scale[i]*d + (slope[i]*v + offset[i])
			}
		}
	})
}
