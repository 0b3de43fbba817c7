package kernel

// pixels is a block of at most pixelBlock neighbouring pixels, transposed: row
// c of x and y holds the logits and the target of class c. The assembly reads
// this struct by its field names.
type pixels struct {
	x, y, w []float32            // (classes, pixelBlock) twice; class weights (classes)
	sums    [3][maxLanes]float64 // of cost, weight and target, in as many parts as a vector has lanes
	factor  float32
	classes int
	vectors int // of pixels; beyond the last pixel, the target is 0
}

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
	e.Parallel(n, func(part, lo, hi int) {
		b := &e.parts[part].pixels
		b.sums = [3][maxLanes]float64{}
		for ; lo < hi; lo += pixelBlock {
			e.loadPixels(part, lo, min(lo+pixelBlock, hi), logits, targets, weights)
			e.isa.pixels.crossEntropy(b)
		}
	})
	for part := range e.pieces(n) {
		sums := &e.parts[part].pixels.sums
		for i := range maxLanes {
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
	e.Share(len(logits)/c, 8*pixelBlock, func(part, _, lo, hi int) {
		b := &e.parts[part].pixels
		b.factor = factor
		for lo < hi {
			end := min(lo+pixelBlock, hi)
			e.loadPixels(part, lo, end, logits, targets, weights)
			e.isa.pixels.crossEntropyGrad(b)
			e.isa.pixels.transposeBack(dlogits[lo*c:end*c], b.x, c)
			lo = end
		}
	})
}

// loadPixels transposes the pixels lo..end.
func (e *Engine) loadPixels(part, lo, end int, logits, targets, weights []float32) {
	c, b, lanes := len(weights), &e.parts[part].pixels, e.isa.pixels.lanes
	scratch := grow(&e.parts[part].band, 2*c*pixelBlock)
	b.x, b.y, b.w = scratch[:c*pixelBlock], scratch[c*pixelBlock:], weights
	b.classes, b.vectors = c, (end-lo+lanes-1)/lanes
	if end-lo < pixelBlock {
		clear(b.y)
	}
	e.isa.pixels.transpose(b.x, logits[lo*c:end*c], c)
	e.isa.pixels.transpose(b.y, targets[lo*c:end*c], c)
}

func crossEntropyPlain(b *pixels) {
	x := columns{x: b.x, rows: b.classes, stride: pixelBlock}
	for i := range b.vectors {
		var loss, weight, target float64
		logSum := logSumExp(&x, i)
		for c, w := range b.w {
			if y := float64(b.y[c*pixelBlock+i]); y != 0 {
				loss += y * (logSum - float64(b.x[c*pixelBlock+i]))
				weight += y * float64(w)
				target += y
			}
		}
		if target != 0 {
			b.sums[0][0] += weight * loss
			b.sums[1][0] += weight
			b.sums[2][0] += target
		}
	}
}

func crossEntropyGradPlain(b *pixels) {
	for i := range b.vectors {
		top := b.x[i]
		for at := i; at < len(b.x); at += pixelBlock {
			top = max(top, b.x[at])
		}
		var sum, weight, target float64
		for c, w := range b.w {
			at := c*pixelBlock + i
			e, y := exp(float64(b.x[at])-float64(top)), float64(b.y[at])
			b.x[at] = float32(e)
			sum += e
			weight += y * float64(w)
			target += y
		}
		weight *= float64(b.factor)
		for at := i; at < len(b.x); at += pixelBlock {
			grad := 0.0
			if target != 0 {
				grad = weight * (target/sum*float64(b.x[at]) - float64(b.y[at]))
			}
			b.x[at] = float32(grad)
		}
	}
}
