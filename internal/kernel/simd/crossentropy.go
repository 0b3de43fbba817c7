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
//
// Soft Dice is a function of three sums per class, over the pixels whose target is not 0:
//
//	overlap_c = p_c*Targets_c, predicted_c = p_c, labelled_c = Targets_c
//
// With the loss's slopes by them it adds, to the gradient,
//
//	p_c * (d_c - sum_k p_k d_k), d_c = slope by overlap_c * Targets_c + slope by predicted_c
//
// The assembly reads this struct by its field names.
type CrossEntropy struct {
	Logits, Targets, Weights []float32             // (classes, PixelBlock) twice; class weights (classes)
	Sums                     [3][MaxVector]float64 // of cost, weight and target, one for each float of a vector
	Factor                   float32
	Regions                  []float64 // (classes, 3, RegionSums): overlap, predicted, labelled
	Slopes                   []float32 // (classes, 3), by the same; those by labelled are not read
	Classes                  int
	Vectors                  int // of pixels; beyond the last pixel, the targets are 0
}

// RegionSums is in how many parts a sum of Regions is kept: the doubles of a vector.
const RegionSums = MaxVector / 2

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

func crossEntropyDicePlain(b *CrossEntropy) {
	crossEntropyPlain(b)
	x := Columnwise{X: b.Logits, Rows: b.Classes, Stride: PixelBlock}
	for i := range b.Vectors {
		target := 0.0
		for at := i; at < len(b.Targets); at += PixelBlock {
			target += float64(b.Targets[at])
		}
		if target == 0 {
			continue
		}
		logSum := logSumExp(&x, i)
		for c := range b.Classes {
			at, sums := c*PixelBlock+i, b.Regions[c*3*RegionSums:]
			p, y := exp(float64(b.Logits[at])-logSum), float64(b.Targets[at])
			sums[0] += p * y
			sums[RegionSums] += p
			sums[2*RegionSums] += y
		}
	}
}

func crossEntropyDiceGradPlain(b *CrossEntropy) {
	for i := range b.Vectors {
		top := b.Logits[i]
		for at := i; at < len(b.Logits); at += PixelBlock {
			top = max(top, b.Logits[at])
		}
		var sum, weight, target, slopes float64
		for c, w := range b.Weights {
			at := c*PixelBlock + i
			e, y := exp(float64(b.Logits[at])-float64(top)), float64(b.Targets[at])
			b.Logits[at] = float32(e)
			sum += e
			weight += y * float64(w)
			target += y
			slopes += e * b.slope(c, y)
		}
		weight *= float64(b.Factor)
		for c := range b.Classes {
			at := c*PixelBlock + i
			p, y := float64(b.Logits[at])/sum, float64(b.Targets[at])
			grad := 0.0
			if target != 0 {
				grad = p*(weight*target+b.slope(c, y)-slopes/sum) - weight*y
			}
			b.Logits[at] = float32(grad)
		}
	}
}

// slope is the derivative of the loss by p_c, by way of Regions, where the target is y.
func (b *CrossEntropy) slope(c int, y float64) float64 {
	return float64(b.Slopes[3*c])*y + float64(b.Slopes[3*c+1])
}
