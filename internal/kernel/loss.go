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
	e.pool.Split(n, func(id, lo, hi int) {
		b := &e.workers[id].args.crossEntropy
		b.Sums = [3][simd.MaxVector]float64{}
		for ; lo < hi; lo += simd.PixelBlock {
			e.loadBlock(id, lo, min(lo+simd.PixelBlock, hi), logits, targets, weights)
			e.isa.Pixels.CrossEntropy(b)
		}
	})
	for id := range e.pool.Pieces(n) {
		sums := &e.workers[id].args.crossEntropy.Sums
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
	e.pool.Steal(len(logits)/c, 8*simd.PixelBlock, func(id, _, lo, hi int) {
		b := &e.workers[id].args.crossEntropy
		b.Factor = factor
		for lo < hi {
			end := min(lo+simd.PixelBlock, hi)
			e.loadBlock(id, lo, end, logits, targets, weights)
			e.isa.Pixels.CrossEntropyGrad(b)
			e.isa.Pixels.ToPixels(dlogits[lo*c:end*c], b.Logits, c)
			lo = end
		}
	})
}

// loadPixels transposes the pixels lo..end.
func (e *Engine) loadBlock(id, lo, end int, logits, targets, weights []float32) {
	c, b, lanes := len(weights), &e.workers[id].args.crossEntropy, e.isa.Pixels.Vector
	scratch := memory.Grow(e.workers[id].classes, 2*c*simd.PixelBlock)
	b.Logits, b.Targets, b.Weights = scratch[:c*simd.PixelBlock], scratch[c*simd.PixelBlock:], weights
	b.Classes, b.Vectors = c, (end-lo+lanes-1)/lanes
	if end-lo < simd.PixelBlock {
		clear(b.Targets)
	}
	e.isa.Pixels.ToClasses(b.Logits, logits[lo*c:end*c], c)
	e.isa.Pixels.ToClasses(b.Targets, targets[lo*c:end*c], c)
}
