package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// Softmax computes p = exp(x) / sum(exp(x)) over each row of c logits. p may
// be logits. What is less than 1.2e-38 may become 0.
func (e *Engine) Softmax(p, logits []float32, c int) {
	e.overClasses(p, logits, nil, c, simd.Softmax)
}

// LogSoftmax computes logp = x - log(sum(exp(x))) over each row of c logits.
// logp may be logits.
func (e *Engine) LogSoftmax(logp, logits []float32, c int) {
	e.overClasses(logp, logits, nil, c, simd.LogSoftmax)
}

// LogSoftmaxGrad computes dlogits = dlogp - exp(logp) * sum(dlogp) over each
// row of c. dlogits may be dlogp.
func (e *Engine) LogSoftmaxGrad(dlogits, dlogp, logp []float32, c int) {
	e.overClasses(dlogits, logp, dlogp, c, simd.LogSoftmaxGrad)
}

// overClasses runs an operation on the pixels (rows of c) of x and, unless it is nil,
// g. Blocks of them are transposed, so that a vector holds the same class of
// its neighbours; what the last block lacks is computed too and ignored.
func (e *Engine) overClasses(y, x, g []float32, c int, op simd.ColumnOp) {
	e.pool.Split(len(x)/c, func(id, lo, hi int) {
		scratch := memory.Grow(e.workers[id].classes, 2*c*simd.PixelBlock)
		classes, grads := scratch[:c*simd.PixelBlock], scratch[c*simd.PixelBlock:]
		b := &e.workers[id].args.columnwise
		for lo < hi {
			end := min(lo+simd.PixelBlock, hi)
			e.isa.Pixels.ToClasses(classes, x[lo*c:end*c], c)
			if g != nil {
				e.isa.Pixels.ToClasses(grads, g[lo*c:end*c], c)
			}
			for col := 0; col < end-lo; col += b.Cols {
				*b = simd.Columnwise{Y: classes[col:], X: classes[col:], G: grads[col:], Rows: c, Stride: simd.PixelBlock}
				e.isa.ColumnBlock(b, col, op)(b)
			}
			e.isa.Pixels.ToPixels(y[lo*c:end*c], classes, c)
			lo = end
		}
	})
}
