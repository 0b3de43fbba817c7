// Command asm writes the micro-kernels of package simd as Go assembly.
//
// It takes the layout of the arguments from the package itself, whose Go must type-check
// for that: declare a new function by hand in kernels_amd64.go before it is generated.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

func main() {
	Package("github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd")
	ConstraintExpr("amd64")
	tails := maskTable()
	for _, width := range []int{32, 16} {
		for rows := 1; rows <= 12; rows++ {
			avx512GEMM(rows, width)
		}
	}
	for _, width := range []int{16, 8} {
		for rows := 1; rows <= 6; rows++ {
			avx2GEMM(rows, width, tails)
		}
	}
	for _, s := range []vectors{avx512Vectors, avx2Vectors} {
		affine(s)
		moments(s)
		gradMoments(s)
		gradInput(s)
		clampGrad(s)
		add(s)
		maxPool(s)
		maxPoolGrad(s)
		maxPoolGradAdd(s)
		maxPool3(s)
		maxPool3Grad(s)
	}
	constants := constantTable()
	for _, s := range []vectors{avx512Vectors, avx2Vectors} {
		for _, l := range lines {
			transform(s, l, constants, "")
			if l.name != "output" {
				continue
			}
			transform(s, l, constants, "Norm")
			if s.floats == 16 { // AVX2 has no registers left for it
				transform(s, l, constants, "Moments")
			}
		}
	}
	wide := &wideTable{GLOBL("wide", 8|16), map[uint32]Mem{}} // RODATA|NOPTR
	for _, s := range []vectors{avx512Vectors, avx2Vectors} {
		softmax(s, wide)
		logSoftmax(s, wide)
		logSoftmaxGrad(s, wide)
		transposeFour(s)
		transposeFourBack(s)
		crossEntropy(s, wide)
		crossEntropyGrad(s, wide)
		crossEntropyDice(s, wide)
		crossEntropyDiceGrad(s, wide)
	}
	for _, s := range []vectors{avx512Vectors, avx2Vectors} {
		for _, kernel := range []int{3, 5} {
			depthwiseConv(s, kernel, 1)
			depthwiseConv(s, kernel, 2)
			depthwiseTransposed(s, kernel)
			depthwiseGradWeights(s, kernel, 1)
			depthwiseGradWeights(s, kernel, 2)
		}
	}
	copyRows()
	prefetchRows()
	transpose()
	coefficients := onTheFlyConstants()
	onTheFlyMultiply(coefficients)
	onTheFlyGradWeights(coefficients)
	onTheFlyTranspose()
	for _, s := range []vectors{avx512Vectors, avx2Vectors} {
		adam(s)
		sgd(s)
		momentum(s)
		sumSquares(s)
	}
	Generate()
}

var labels int

func label() string {
	labels++
	return fmt.Sprintf("l%d", labels)
}
