package simd

// Operations on the classes of pixels (softmax, cross entropy) want a vector to hold one
// class of neighbouring pixels, but in memory the classes of a pixel are neighbours. So
// they work on blocks of pixels, transposed.

// PixelBlock is how many pixels are transposed at once.
const PixelBlock = 4 * MaxVector

// PixelKernels are the micro-kernels on blocks of pixels of an instruction set.
type PixelKernels struct {
	// Four classes of a whole block, whose pixels have c classes; or nil.
	transposeFour     func(classes, pixels []float32, c int)
	transposeFourBack func(pixels, classes []float32, c int)

	Vector               int                 // pixels in a vector
	CrossEntropy         func(*CrossEntropy) // adds to Sums
	CrossEntropyGrad     func(*CrossEntropy) // replaces Logits by their gradient
	CrossEntropyDice     func(*CrossEntropy) // adds to Sums and Regions; Logits are lost
	CrossEntropyDiceGrad func(*CrossEntropy) // replaces Logits by their gradient
}

var plainPixels = PixelKernels{
	Vector:       1,
	CrossEntropy: crossEntropyPlain, CrossEntropyGrad: crossEntropyGradPlain,
	CrossEntropyDice: crossEntropyDicePlain, CrossEntropyDiceGrad: crossEntropyDiceGradPlain,
}

// ToClasses computes classes (c, PixelBlock) from pixels (M, c), M <= PixelBlock.
func (l *PixelKernels) ToClasses(classes, pixels []float32, c int) {
	if l.transposeFour != nil && c >= 4 && len(pixels) == c*PixelBlock {
		for i := 0; i < c; i += 4 {
			first := min(i, c-4) // the last four overlap those before
			l.transposeFour(classes[first*PixelBlock:], pixels[first:], c)
		}
		return
	}
	for i := range c {
		to := classes[i*PixelBlock:][:len(pixels)/c]
		for r := range to {
			to[r] = pixels[r*c+i]
		}
	}
}

// ToPixels computes pixels (M, c) from classes (c, PixelBlock).
func (l *PixelKernels) ToPixels(pixels, classes []float32, c int) {
	if l.transposeFourBack != nil && c >= 4 && len(pixels) == c*PixelBlock {
		for i := 0; i < c; i += 4 {
			first := min(i, c-4)
			l.transposeFourBack(pixels[first:], classes[first*PixelBlock:], c)
		}
		return
	}
	for i := range c {
		for r, v := range classes[i*PixelBlock:][:len(pixels)/c] {
			pixels[r*c+i] = v
		}
	}
}
