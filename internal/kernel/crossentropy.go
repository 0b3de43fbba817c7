package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// CrossEntropy sums over pixels, with p = softmax(x) of their logits x and y
// their target, a distribution over the classes or zeros:
//
//	cost   = sum of W * -(sum_c y_c log p_c), W = sum_c y_c w_c
//	weight = sum of W
//	target = sum of sum_c y_c
//
// A pixel whose target is all zeros counts nowhere, whatever its logits.
// logits, targets: (M, C); weights: (C).
func (e *Engine) CrossEntropy(logits, targets, weights []float32) (cost, weight, target float64) {
	n := len(logits) / len(weights)
	e.pool.Split(n, func(part, lo, hi int) {
		b := &e.parts[part].pixels
		b.Sums = [3][simd.MaxVector]float64{}
		for ; lo < hi; lo += simd.PixelBlock {
			e.loadPixels(part, lo, min(lo+simd.PixelBlock, hi), logits, targets, weights)
			e.isa.Pixels.CrossEntropy(b)
		}
	})
	for part := range e.pool.Pieces(n) {
		sums := &e.parts[part].pixels.Sums
		for i := range simd.MaxVector {
			cost += sums[0][i]
			weight += sums[1][i]
			target += sums[2][i]
		}
	}
	return cost, weight, target
}

// CrossEntropyGrad computes the gradient of factor times the cost of
// CrossEntropy by the logits:
//
//	dlogits_c = factor * W * (p_c sum_k y_k - y_c)
func (e *Engine) CrossEntropyGrad(dlogits []float32, factor float32, logits, targets, weights []float32) {
	c := len(weights)
	e.pool.Steal(len(logits)/c, 8*simd.PixelBlock, func(part, _, lo, hi int) {
		b := &e.parts[part].pixels
		b.Factor = factor
		for lo < hi {
			end := min(lo+simd.PixelBlock, hi)
			e.loadPixels(part, lo, end, logits, targets, weights)
			e.isa.Pixels.CrossEntropyGrad(b)
			e.isa.Pixels.ToPixels(dlogits[lo*c:end*c], b.Logits, c)
			lo = end
		}
	})
}

// loadPixels transposes the pixels lo..end.
func (e *Engine) loadPixels(part, lo, end int, logits, targets, weights []float32) {
	c, b, lanes := len(weights), &e.parts[part].pixels, e.isa.Pixels.Vector
	scratch := memory.Grow(&e.parts[part].band, 2*c*simd.PixelBlock)
	b.Logits, b.Targets, b.Weights = scratch[:c*simd.PixelBlock], scratch[c*simd.PixelBlock:], weights
	b.Classes, b.Vectors = c, (end-lo+lanes-1)/lanes
	if end-lo < simd.PixelBlock {
		clear(b.Targets)
	}
	e.isa.Pixels.ToClasses(b.Logits, logits[lo*c:end*c], c)
	e.isa.Pixels.ToClasses(b.Targets, targets[lo*c:end*c], c)
}
