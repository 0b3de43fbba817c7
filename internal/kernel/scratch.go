package kernel

import "github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"

// Scratch memory. Every algorithm owns a struct of named buffers for each worker, and
// some own one that all workers share. Algorithms run one after the other, so buffers
// of different owners are the same memory, which is then warm in the caches and not
// held twice; worker.init says which. A buffer grows to the largest need
// (memory.Grow); what it holds before an algorithm writes to it is undefined.

// worker is what belongs to one thread of the pool while a piece of work runs.
type worker struct {
	direct   directScratch
	winograd winogradScratch
	onTheFly onTheFlyScratch
	bfloat16 bfloat16Scratch
	upConv   upConvScratch
	classes  *[]float32 // logits and gradients or targets of a block of pixels, by class
	args     arguments

	floats  [5][]float32
	numbers [4][]uint16 // bfloat16

	_ [128]byte // no two workers on one cache line, or on two that are prefetched as a pair
}

// arguments are what the micro-kernels are called with. Assembly takes pointers, and
// these stay off the heap of each call.
type arguments struct {
	gemm         simd.GEMM
	columnwise   simd.Columnwise
	crossEntropy simd.CrossEntropy
	transform    simd.Transform
	rowCopy      simd.RowCopy
	onTheFly     simd.OnTheFly
	gemmBFloat16 simd.GEMMBFloat16
	gradWeights  simd.GradWeightsBFloat16
	conversion   simd.Conversion
	depthwise    simd.Depthwise
}

// directScratch belongs to the direct convolution and to sums over pixels.
type directScratch struct {
	rows  *[]float32 // zero-padded rows of the input
	panel *[]float32 // a packed panel of output gradients
}

// winogradScratch belongs to Winograd's algorithm.
type winogradScratch struct {
	input    *[]float32 // transformed: (tiles, 36, channels)
	weights  *[]float32 // transformed: (36, channels, NR), of one panel or of all
	packed   *[]float32 // weights before they are transformed: (9, channels, NR)
	products *[]float32 // (tiles, 36, NR) of some panels
	tile     *[]float32 // one that reaches over the border of its image
	// In the gradient of the weights:
	outputGrads *[]float32 // transformed: (36, tiles, NR) of some panels
	sums        *[]float32 // of products over tiles: (36, channels, NR) of some panels
}

// onTheFlyScratch belongs to Winograd's algorithm with weights transformed on the fly.
type onTheFlyScratch struct {
	transformed *[]float32 // input: (groups of tiles, 6, 6, 4, channels)
	input       *[]float32 // the same, (groups, blocks of 16 channels, 6, 16, 6, 4)
	panel       *[]float32 // (9, 16, 16), by simd.OnTheFlyTap
	previous    *[]float32 // the panel before, of gradients
	sums        *[]float32 // (panels, groups, 4, 36, 16)
	outputGrads *[]float32 // transformed: (panels, 4, 36, 16)
	tile        *[]float32 // one that reaches over the border of its image
}

// bfloat16Scratch belongs to the algorithms in bfloat16.
type bfloat16Scratch struct {
	rows        *[]uint16  // zero-padded rows of the input
	weights     *[]float32 // packed, before they are rounded: (taps, k, 32)
	output      *[]float32 // sums of one panel, before the epilogue
	pixelLines  *[]uint16  // input by channel, pixels in a line
	outputGrads *[]uint16  // packed pairs of pixels, by panel
	inputPairs  *[]uint16  // packed pairs of pixels of the input
	sums        *[]float32 // (taps, 32, 32) of the gradient of the weights
}

// upConvScratch belongs to the transposed convolution in float32.
type upConvScratch struct {
	panel *[]float32 // of packed weights
}

// init lays the owners' buffers over the worker's memory. Buffers that one algorithm
// uses at the same time must differ.
func (w *worker) init() {
	rows, panel, packed, products, tile := &w.floats[0], &w.floats[1], &w.floats[2], &w.floats[3], &w.floats[4]
	w.direct = directScratch{rows: rows, panel: panel}
	w.winograd = winogradScratch{
		input: rows, weights: panel, packed: packed, products: products, tile: tile,
		outputGrads: panel, sums: products,
	}
	w.onTheFly = onTheFlyScratch{
		transformed: products, // ends before sums and outputGrads begin
		input:       rows, panel: panel, previous: packed, sums: products, outputGrads: products, tile: tile,
	}
	w.bfloat16 = bfloat16Scratch{
		rows: &w.numbers[0], weights: packed, output: products,
		pixelLines: &w.numbers[1], outputGrads: &w.numbers[2], inputPairs: &w.numbers[3], sums: tile,
	}
	w.upConv = upConvScratch{panel: panel}
	w.classes = rows
}

// shared is what all workers of an engine read and write.
type shared struct {
	weights         []float32 // as the algorithm wants them: packed, or transformed
	weightsBFloat16 []uint16  // packed
	joined          []float32 // the channels of several tensors as one
	partial         []float32 // gradients of weights that workers have summed, before they are added
	sums            []float64 // per piece and channel

	// Per channel:
	zero, scale, slope, offset []float32
	bias                       []float32 // of both columns of a 2x2 window
}
