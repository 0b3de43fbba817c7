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
	return e.crossEntropy(nil, logits, targets, weights, e.isa.Pixels.CrossEntropy)
}

// crossEntropy sums over pixels by run. Each piece of them has its part of regions.
func (e *Engine) crossEntropy(regions []float64, logits, targets, weights []float32, run func(*simd.CrossEntropy)) (cost, weight, target float64) {
	n := len(logits) / len(weights)
	size := len(regions) / e.pool.Pieces(n)
	e.pool.Split(n, func(id, lo, hi int) {
		b := &e.workers[id].args.crossEntropy
		b.Sums, b.Regions = [3][simd.MaxVector]float64{}, regions[id*size:][:size]
		for ; lo < hi; lo += simd.PixelBlock {
			e.loadBlock(id, lo, min(lo+simd.PixelBlock, hi), logits, targets, weights)
			run(b)
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
	e.crossEntropyGrad(dlogits, factor, nil, logits, targets, weights, e.isa.Pixels.CrossEntropyGrad)
}

// CrossEntropyDice is CrossEntropy and, in the same pass, what soft Dice is a function
// of: regions (C, 3) gets, of each class, over the pixels whose target is not all zeros,
//
//	overlap_c   = sum of p_c y_c
//	predicted_c = sum of p_c
//	labelled_c  = sum of y_c
func (e *Engine) CrossEntropyDice(regions []float64, logits, targets, weights []float32) (cost, weight, target float64) {
	size := len(regions) * simd.RegionSums
	sums := memory.Grow(&e.shared.sums, e.pool.Pieces(len(logits)/len(weights))*size)
	clear(sums)
	cost, weight, target = e.crossEntropy(sums, logits, targets, weights, e.isa.Pixels.CrossEntropyDice)
	clear(regions)
	for i, v := range sums {
		regions[i%size/simd.RegionSums] += v
	}
	return cost, weight, target
}

// CrossEntropyDiceGrad computes the gradient by the logits of a function of the cost
// and the regions of CrossEntropyDice, whose derivatives are factor and slopes (C, 3):
//
//	dlogits_c = factor * W * (p_c sum_k y_k - y_c) + p_c (d_c - sum_k p_k d_k)
//	d_c = slope of overlap_c * y_c + slope of predicted_c
//
// Of no effect are the slopes of labelled_c, which does not depend on logits.
func (e *Engine) CrossEntropyDiceGrad(dlogits []float32, factor float32, slopes, logits, targets, weights []float32) {
	e.crossEntropyGrad(dlogits, factor, slopes, logits, targets, weights, e.isa.Pixels.CrossEntropyDiceGrad)
}

func (e *Engine) crossEntropyGrad(dlogits []float32, factor float32, slopes, logits, targets, weights []float32, run func(*simd.CrossEntropy)) {
	c := len(weights)
	e.pool.Steal(len(logits)/c, 8*simd.PixelBlock, func(id, _, lo, hi int) {
		b := &e.workers[id].args.crossEntropy
		b.Factor, b.Slopes = factor, slopes
		for lo < hi {
			end := min(lo+simd.PixelBlock, hi)
			e.loadBlock(id, lo, end, logits, targets, weights)
			run(b)
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
