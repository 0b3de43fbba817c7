package kernel

// Loops over pixels that do the same to each want a vector to hold the same
// class of its neighbours, but in memory the classes of a pixel are neighbours.
// So they work on blocks of pixels, transposed.

const pixelBlock = 4 * maxLanes // pixels that are transposed at once

// pixelLoops are the loops over blocks of pixels of an instruction set.
type pixelLoops struct {
	// Four classes of a whole block, whose pixels have c classes; or nil.
	transposeFour     func(classes, pixels []float32, c int)
	transposeFourBack func(pixels, classes []float32, c int)

	lanes            int           // pixels in a vector
	crossEntropy     func(*pixels) // adds to sums
	crossEntropyGrad func(*pixels) // replaces x by the gradient
}

var plainPixels = pixelLoops{lanes: 1, crossEntropy: crossEntropyPlain, crossEntropyGrad: crossEntropyGradPlain}

// transpose computes classes (c, pixelBlock) from pixels (M, c), M <= pixelBlock.
func (l *pixelLoops) transpose(classes, pixels []float32, c int) {
	if l.transposeFour != nil && c >= 4 && len(pixels) == c*pixelBlock {
		for i := 0; i < c; i += 4 {
			first := min(i, c-4) // the last four overlap those before
			l.transposeFour(classes[first*pixelBlock:], pixels[first:], c)
		}
		return
	}
	for i := range c {
		to := classes[i*pixelBlock:][:len(pixels)/c]
		for r := range to {
			to[r] = pixels[r*c+i]
		}
	}
}

// transposeBack computes pixels from classes.
func (l *pixelLoops) transposeBack(pixels, classes []float32, c int) {
	if l.transposeFourBack != nil && c >= 4 && len(pixels) == c*pixelBlock {
		for i := 0; i < c; i += 4 {
			first := min(i, c-4)
			l.transposeFourBack(pixels[first:], classes[first*pixelBlock:], c)
		}
		return
	}
	for i := range c {
		for r, v := range classes[i*pixelBlock:][:len(pixels)/c] {
			pixels[r*c+i] = v
		}
	}
}
