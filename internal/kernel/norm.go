package kernel

import (
	"math"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// BatchNorm normalises the channels of x (M, C) by their statistics over the M
// rows (Ioffe and Szegedy, "Batch Normalization", 2015):
//
//	y = gamma * (x - mean) / sqrt(variance + epsilon) + beta
//
// followed by act. gamma and beta are (C); mean and
// variance (C) get the batch mean and the biased variance. The moments of x are
// found here if they are nil. y may be x.
//
// The batch may be in several parts, each with an engine of its own: all then adds up
// values over them, in place; nil: x is all of it. rows is M of all parts.
func (e *Engine) BatchNorm(y, x, gamma, beta []float32, of *Moments, mean, variance []float32, epsilon float32, act Activation, all func([]float64)) (rows int) {
	c := len(mean)
	if of == nil {
		of = &e.moments
		e.findMoments(of, x, c)
	}
	sum, square, m := of.sum[:c], of.square[:c], float64(len(x)/c)
	if all != nil {
		sums := slices.Concat(sum, square, []float64{m})
		all(sums)
		sum, square, m = sums[:c], sums[c:2*c], sums[2*c]
	}
	for i := range c {
		mu := sum[i] / m
		v := square[i]/m - mu*mu
		if v < 0 {
			v = 0 // rounding of equal values
		}
		mean[i], variance[i] = float32(mu), float32(v)
	}
	e.scaleRows(y, x, mean, e.inverseScale(gamma, variance, epsilon), beta, act)
	return int(m)
}

// Moments are the sums of the rows of a matrix (M, C) and of their squares, for
// each column: what batch norm needs to know of it.
type Moments struct{ sum, square []float64 }

// findMoments finds those of x (M, channels), summed in float64.
func (e *Engine) findMoments(m *Moments, x []float32, channels int) {
	sum, square := e.sumColumns(len(x)/channels, &simd.Columnwise{X: x, Stride: channels}, simd.Moments)
	m.sum, m.square = append(m.sum[:0], sum...), append(m.square[:0], square...)
}

// add sets m to the sums of the pieces' sums, in the order of the pieces. Each piece has,
// for each group of so many channels, their sums and behind these those of their squares.
func (m *Moments) add(sums []float64, channels, group int) {
	m.sum, m.square = memory.Grow(&m.sum, channels), memory.Grow(&m.square, channels)
	clear(m.sum)
	clear(m.square)
	for ; len(sums) > 0; sums = sums[2*channels:] {
		for c := range channels {
			at := c + c/group*group
			m.sum[c] += sums[at]
			m.square[c] += sums[at+group]
		}
	}
}

// inverseScale gives gamma / sqrt(variance + epsilon).
func (e *Engine) inverseScale(gamma, variance []float32, epsilon float32) []float32 {
	scale := memory.Grow(&e.shared.scale, len(gamma))
	for i, g := range gamma {
		scale[i] = float32(float64(g) / math.Sqrt(float64(variance[i])+float64(epsilon)))
	}
	return scale
}

// Scale computes y = x*scale[c] over rows (M, C). y may be x.
func (e *Engine) Scale(y, x, scale []float32) {
	zero := e.zeroRow(len(scale))
	e.scaleRows(y, x, zero, scale, zero, None)
}

// zeroRow is zero for each of so many channels.
func (e *Engine) zeroRow(channels int) []float32 {
	zero := memory.Grow(&e.shared.zero, channels)
	clear(zero)
	return zero
}

// scaleRows computes y = (x-centre[c])*scale[c] + shift[c]. The difference is
// taken first because x*scale - centre*scale would lose the digits that a large
// mean shares with x.
func (e *Engine) scaleRows(y, x, centre, scale, shift []float32, act Activation) {
	whole := &simd.Columnwise{Y: y, X: x, Centre: centre, Scale: scale, Shift: shift, Clamp: act.clamp(), Stride: len(scale), NonTemporal: nonTemporalUnlessInPlace(y, x)}
	e.pool.Steal(len(x)/len(scale), grain(whole), func(id, _, lo, hi int) { e.overRows(id, whole, lo, hi, simd.Affine) })
}

// sumColumns runs simd.Moments or simd.GradMoments over m rows of c: the sums of each
// piece are added in the order of the pieces.
func (e *Engine) sumColumns(m int, c *simd.Columnwise, op simd.ColumnOp) (sum, product []float64) {
	size := simd.Padded(c.Stride)
	pieces := e.pool.StealPieces(m, grain(c))
	sums := memory.Grow(&e.shared.sums, pieces*2*size)
	clear(sums)
	e.pool.Steal(m, grain(c), func(id, piece, lo, hi int) {
		whole := *c
		whole.Sum, whole.Product = sums[piece*2*size:][:size], sums[piece*2*size+size:][:size]
		e.overRows(id, &whole, lo, hi, op)
	})
	total := sums[:2*size]
	for p := 1; p < pieces; p++ {
		for i, v := range sums[p*2*size:][:2*size] {
			total[i] += v
		}
	}
	return total[:size], total[size:]
}

// BatchNormGrad computes the gradients of BatchNorm, overwriting dx (M, C),
// dgamma (C) and dbeta (C), from dy (M, C) and what BatchNorm was given and
// gave. Where act clamped is computed again from x. With x^ the normalised
// input, g = dy behind act, and sums over the M rows:
//
//	dbeta = sum(g);  dgamma = sum(g x^);  dx = gamma/sqrt(variance+epsilon) * (g - dbeta/M - x^ dgamma/M)
//
// dx may be dy. Of a batch in parts, dgamma and dbeta are those of this part; rows is
// M of all parts, as BatchNorm returned it.
func (e *Engine) BatchNormGrad(dx, dgamma, dbeta, dy, x, gamma, beta, mean, variance []float32, rows int, epsilon float32, act Activation, all func([]float64)) {
	c := len(mean)
	m := len(x) / c
	scale := e.inverseScale(gamma, variance, epsilon)
	whole := &simd.Columnwise{
		Y: dx, X: x, G: dy, Centre: mean, Scale: scale, Shift: beta, Clamp: act.clamp(), Stride: c,
		Slope: memory.Grow(&e.shared.slope, c), Offset: memory.Grow(&e.shared.offset, c),
	}
	sums, products := e.sumColumns(m, whole, simd.GradMoments)
	inverse := func(i int) float64 { return 1 / math.Sqrt(float64(variance[i])+float64(epsilon)) }
	for i := range c {
		dbeta[i] = float32(sums[i])
		dgamma[i] = float32(products[i] * inverse(i))
	}
	if all != nil {
		both := slices.Concat(sums[:c], products[:c])
		all(both)
		sums, products = both[:c], both[c:]
	}
	for i := range c {
		inverse := inverse(i)
		s := float64(gamma[i]) * inverse / float64(rows)
		whole.Slope[i] = float32(-s * products[i] * inverse * inverse)
		whole.Offset[i] = float32(-s * sums[i])
	}
	whole.NonTemporal = nonTemporalUnlessInPlace(dx, dy)
	e.pool.Steal(m, grain(whole), func(id, _, lo, hi int) { e.overRows(id, whole, lo, hi, simd.GradInput) })
}

// SumRows computes db (C) = the sum of the rows of dy (M, C), C = len(db): the
// gradient of a bias. Sums are kept in float64.
func (e *Engine) SumRows(db, dy []float32) {
	sums, _ := e.sumColumns(len(dy)/len(db), &simd.Columnwise{X: dy, Stride: len(db)}, simd.Moments)
	for i := range db {
		db[i] = float32(sums[i])
	}
}
