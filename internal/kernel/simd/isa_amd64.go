package simd

import "golang.org/x/sys/cpu"

//go:generate go run ./asm -out kernels_amd64.s -stubs kernels_amd64.go -pkg simd

// InstructionSets lists what this program knows, best first.
func InstructionSets() []*InstructionSet {
	x := &cpu.X86
	sets := []*InstructionSet{
		{
			Name:    "avx512",
			Missing: missing(x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512BW && x.HasBMI2 && x.HasAVX2 && x.HasFMA, "AVX-512 F, DQ, VL and BW, and BMI2"),
			MR:      12, NR: 32, NRNarrow: 16,
			gemm: func(t *GEMM) {
				if t.NR == 32 {
					gemm32AVX512[t.MR-1](t)
				} else {
					gemm16AVX512[t.MR-1](t)
				}
			},
			columnwise: columnKernels{vector: 16, run: [columnOps]func(*Columnwise){
				Affine: affineAVX512, Moments: momentsAVX512, GradMoments: gradMomentsAVX512, GradInput: gradInputAVX512,
				ClampGrad: clampGradAVX512, Add: addAVX512, MaxPool: maxPoolAVX512, MaxPoolGrad: maxPoolGradAVX512, MaxPoolGradAdd: maxPoolGradAddAVX512,
				MaxPool3: maxPool3AVX512, MaxPool3Grad: maxPool3GradAVX512,
				Softmax: softmaxAVX512, LogSoftmax: logSoftmaxAVX512, LogSoftmaxGrad: logSoftmaxGradAVX512,
			}},
			depthwise: depthwiseKernels{
				vector: 16, tails: true,
				conv: [2][2]func(*Depthwise){
					{depthwise3x3Stride1AVX512, depthwise3x3Stride2AVX512},
					{depthwise5x5Stride1AVX512, depthwise5x5Stride2AVX512},
				},
				transposed: [2]func(*Depthwise){depthwise3x3TransposedAVX512, depthwise5x5TransposedAVX512},
				gradWeights: [2][2]func(*Depthwise){
					{depthwise3x3Stride1GradWeightsAVX512, depthwise3x3Stride2GradWeightsAVX512},
					{depthwise5x5Stride1GradWeightsAVX512, depthwise5x5Stride2GradWeightsAVX512},
				},
			},
			copyRows:      copyRowsAVX2,
			transpose:     transposeAVX2,
			prefetch:      prefetchRowsSSE,
			transforms:    []transformKernels{avx512Transforms, avx2Transforms},
			OutputMoments: true,
			OnTheFly:      &OnTheFlyKernels{onTheFlyMultiplyAVX512, onTheFlyGradWeightsAVX512, onTheFlyTransposeAVX512},
			Pixels:        PixelKernels{transposeFourAVX512, transposeFourBackAVX512, 16, crossEntropyAVX512, crossEntropyGradAVX512, crossEntropyDiceAVX512, crossEntropyDiceGradAVX512},
			updates:       updateKernels{16, adamAVX512, sgdAVX512, momentumAVX512, sumSquaresAVX512},
		},
		{
			Name:    "avx2",
			Missing: missing(x.HasAVX2 && x.HasFMA, "AVX2 and FMA"),
			MR:      6, NR: 16, NRNarrow: 8,
			gemm: func(t *GEMM) {
				if t.NR == 16 {
					gemm16AVX2[t.MR-1](t)
				} else {
					gemm8AVX2[t.MR-1](t)
				}
			},
			columnwise: columnKernels{vector: 8, whole: true, run: [columnOps]func(*Columnwise){
				Affine: affineAVX2, Moments: momentsAVX2, GradMoments: gradMomentsAVX2, GradInput: gradInputAVX2,
				ClampGrad: clampGradAVX2, Add: addAVX2, MaxPool: maxPoolAVX2, MaxPoolGrad: maxPoolGradAVX2, MaxPoolGradAdd: maxPoolGradAddAVX2,
				MaxPool3: maxPool3AVX2, MaxPool3Grad: maxPool3GradAVX2,
				Softmax: softmaxAVX2, LogSoftmax: logSoftmaxAVX2, LogSoftmaxGrad: logSoftmaxGradAVX2,
			}},
			depthwise: depthwiseKernels{
				vector: 8,
				conv: [2][2]func(*Depthwise){
					{depthwise3x3Stride1AVX2, depthwise3x3Stride2AVX2},
					{depthwise5x5Stride1AVX2, depthwise5x5Stride2AVX2},
				},
				transposed: [2]func(*Depthwise){depthwise3x3TransposedAVX2, depthwise5x5TransposedAVX2},
				gradWeights: [2][2]func(*Depthwise){
					{depthwise3x3Stride1GradWeightsAVX2, depthwise3x3Stride2GradWeightsAVX2},
					{depthwise5x5Stride1GradWeightsAVX2, depthwise5x5Stride2GradWeightsAVX2},
				},
			},
			copyRows:   copyRowsAVX2,
			transpose:  transposeAVX2,
			prefetch:   prefetchRowsSSE,
			transforms: []transformKernels{avx2Transforms},
			Pixels:     PixelKernels{transposeFourAVX2, transposeFourBackAVX2, 8, crossEntropyAVX2, crossEntropyGradAVX2, crossEntropyDiceAVX2, crossEntropyDiceGradAVX2},
			updates:    updateKernels{8, adamAVX2, sgdAVX2, momentumAVX2, sumSquaresAVX2},
		},
		generic,
	}
	if x.HasAVX512BF16 && x.HasAMXTile && x.HasAMXBF16 {
		sets[0].bfloat16 = &BFloat16Kernels{gemmBFloat16AMX, gradWeightsBFloat16AMX, convertBFloat16AMX, packBFloat16AMX, requestTiles}
	}
	return sets
}

func missing(has bool, features string) string {
	if has {
		return ""
	}
	return features
}

var (
	avx512Transforms = transformKernels{16, [transformKinds]func(*Transform){
		InputTransform: inputTransformAVX512, OutputTransform: outputTransformAVX512, OutputMomentsTransform: outputMomentsTransformAVX512, OutputNormTransform: outputNormTransformAVX512, OutputGradTransform: outputGradTransformAVX512,
		WeightsTransform: weightsTransformAVX512, WeightsGradTransform: weightsGradTransformAVX512,
	}}
	avx2Transforms = transformKernels{8, [transformKinds]func(*Transform){
		InputTransform: inputTransformAVX2, OutputTransform: outputTransformAVX2, OutputNormTransform: outputNormTransformAVX2, OutputGradTransform: outputGradTransformAVX2,
		WeightsTransform: weightsTransformAVX2, WeightsGradTransform: weightsGradTransformAVX2,
	}}
)

// The micro-kernels GEMM by NR, then by MR less one.
var (
	gemm32AVX512 = [12]func(*GEMM){
		gemm1x32AVX512, gemm2x32AVX512, gemm3x32AVX512, gemm4x32AVX512, gemm5x32AVX512, gemm6x32AVX512,
		gemm7x32AVX512, gemm8x32AVX512, gemm9x32AVX512, gemm10x32AVX512, gemm11x32AVX512, gemm12x32AVX512,
	}
	gemm16AVX512 = [12]func(*GEMM){
		gemm1x16AVX512, gemm2x16AVX512, gemm3x16AVX512, gemm4x16AVX512, gemm5x16AVX512, gemm6x16AVX512,
		gemm7x16AVX512, gemm8x16AVX512, gemm9x16AVX512, gemm10x16AVX512, gemm11x16AVX512, gemm12x16AVX512,
	}
	gemm16AVX2 = [6]func(*GEMM){
		gemm1x16AVX2, gemm2x16AVX2, gemm3x16AVX2, gemm4x16AVX2, gemm5x16AVX2, gemm6x16AVX2,
	}
	gemm8AVX2 = [6]func(*GEMM){
		gemm1x8AVX2, gemm2x8AVX2, gemm3x8AVX2, gemm4x8AVX2, gemm5x8AVX2, gemm6x8AVX2,
	}
)
