package simd

// CrossEntropy is the weighted cross entropy of a block of at most PixelBlock
// neighbouring pixels, transposed: row c of Logits and Targets holds those of class c.
// Per pixel, with p = softmax(Logits):
//
//	cost   = W * -(sum_c Targets_c log p_c), W = sum_c Targets_c Weights_c
//	weight = W
//	target = sum_c Targets_c
//
// and the gradient of Factor*cost by the logits is Factor * W * (p_c*target - Targets_c).
// The assembly reads this struct by its field names.
type CrossEntropy struct {
	Logits, Targets, Weights []float32             // (classes, PixelBlock) twice; class weights (classes)
	Sums                     [3][MaxVector]float64 // of cost, weight and target, one for each float of a vector
	Factor                   float32
	Classes                  int
	Vectors                  int // of pixels; beyond the last pixel, the targets are 0
}

func crossEntropyPlain(b *CrossEntropy) {
	x := Columnwise{X: b.Logits, Rows: b.Classes, Stride: PixelBlock}
	for i := range b.Vectors {
		var loss, weight, target float64
		logSum := logSumExp(&x, i)
		for c, w := range b.Weights {
			if y := float64(b.Targets[c*PixelBlock+i]); y != 0 {
				loss += y * (logSum - float64(b.Logits[c*PixelBlock+i]))
				weight += y * float64(w)
				target += y
			}
		}
		if target != 0 {
			b.Sums[0][0] += weight * loss
			b.Sums[1][0] += weight
			b.Sums[2][0] += target
		}
	}
}

func crossEntropyGradPlain(b *CrossEntropy) {
	for i := range b.Vectors {
		top := b.Logits[i]
		for at := i; at < len(b.Logits); at += PixelBlock {
			top = max(top, b.Logits[at])
		}
		var sum, weight, target float64
		for c, w := range b.Weights {
			at := c*PixelBlock + i
			e, y := exp(float64(b.Logits[at])-float64(top)), float64(b.Targets[at])
			b.Logits[at] = float32(e)
			sum += e
			weight += y * float64(w)
			target += y
		}
		weight *= float64(b.Factor)
		for at := i; at < len(b.Logits); at += PixelBlock {
			grad := 0.0
			if target != 0 {
				grad = weight * (target/sum*float64(b.Logits[at]) - float64(b.Targets[at]))
			}
			b.Logits[at] = float32(grad)
		}
	}
}
