package kernel

import "github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"

// Clamp computes y = act(x). y may be x.
func (e *Engine) Clamp(y, x []float32, act Activation) {
	e.flat(len(x), simd.Affine, simd.Columnwise{Y: y, X: x, Centre: zeros[:], Scale: ones[:], Shift: zeros[:], Clamp: act.clamp()})
}

// ClampGrad computes dx = dy, but 0 where y is at a limit of act. dx may be dy.
func (e *Engine) ClampGrad(dx, dy, y []float32, act Activation) {
	e.flat(len(y), simd.ClampGrad, simd.Columnwise{Y: dx, G: dy, X: y, Clamp: act.clamp()})
}

// Add computes y = act(a + b). y may be a or b.
func (e *Engine) Add(y, a, b []float32, act Activation) {
	e.flat(len(y), simd.Add, simd.Columnwise{Y: y, X: a, G: b, Clamp: act.clamp()})
}

// addition is the argument that makes simd.GradInput compute y = y + x.
func addition(y, x []float32) simd.Columnwise {
	return simd.Columnwise{
		Y: y, X: y, G: x, Clamp: None.clamp(),
		Centre: zeros[:], Scale: ones[:], Shift: zeros[:], Slope: ones[:], Offset: zeros[:],
	}
}

// Per-column arguments that change nothing.
var zeros [64]float32

var ones = func() (v [simd.MaxVector]float32) {
	for i := range v {
		v[i] = 1
	}
	return v
}()

// flat runs an operation on n floats.
func (e *Engine) flat(n int, op simd.ColumnOp, c simd.Columnwise) {
	e.pool.Steal((n+simd.MaxVector-1)/simd.MaxVector, 8*blockFloats/simd.MaxVector, func(id, _, lo, hi int) {
		e.overFloats(id, c, lo*simd.MaxVector, min(hi*simd.MaxVector, n), op)
	})
}

// overFloats runs an operation on the floats lo..hi as rows of one vector, and the rest
// as one shorter row.
func (e *Engine) overFloats(id int, c simd.Columnwise, lo, hi int, op simd.ColumnOp) {
	c.Y, c.X, c.G = span(c.Y, lo, hi), span(c.X, lo, hi), span(c.G, lo, hi)
	n := hi - lo
	rows := n / simd.MaxVector
	c.Stride = simd.MaxVector
	e.overRows(id, &c, 0, rows, op)
	if done := rows * simd.MaxVector; done < n {
		c.Stride = n - done
		c.Y, c.X, c.G = span(c.Y, done, n), span(c.X, done, n), span(c.G, done, n)
		e.overRows(id, &c, 0, 1, op)
	}
}
