package kernel

import "golang.org/x/sys/cpu"

//go:generate go run ./asm -out simd_amd64.s -stubs simd_amd64.go -pkg kernel

// instructionSets lists what this program knows, best first. The last one is not chosen
// unless it is asked for: its results are less exact.
func instructionSets() []*instructionSet {
	x := &cpu.X86
	sets := []*instructionSet{
		{
			name:    "avx512",
			missing: missing(x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512BW && x.HasBMI2 && x.HasAVX2 && x.HasFMA, "AVX-512 F, DQ, VL and BW, and BMI2"),
			rows:    12, wide: 32, narrow: 16,
			run: func(t *tile) {
				if t.width == 32 {
					avx512Wide[t.rows-1](t)
				} else {
					avx512Narrow[t.rows-1](t)
				}
			},
			loops: columnLoops{lanes: 16, run: [loopCount]func(*columns){
				affine: affineAVX512, moments: momentsAVX512, gradMoments: gradMomentsAVX512, gradInput: gradInputAVX512,
				reluGrad: reluGradAVX512, maxPool: maxPoolAVX512, maxPoolGrad: maxPoolGradAVX512, maxPoolGradAdd: maxPoolGradAddAVX512,
				softmax: softmaxAVX512, logSoftmax: logSoftmaxAVX512, logSoftmaxGrad: logSoftmaxGradAVX512,
			}},
			copyVectors:   copyRowsAVX2,
			transpose:     transposeAVX2,
			fetch:         fetchRowsSSE,
			transforms:    []transformLoops{avx512Transforms, avx2Transforms},
			countsMoments: true,
			quads:         &quadLoops{quadProductsAVX512, quadGradWeightsAVX512, quadTransposeAVX512},
			pixels:        pixelLoops{transposeFourAVX512, transposeFourBackAVX512, 16, crossEntropyAVX512, crossEntropyGradAVX512},
			updates:       updateLoops{16, adamAVX512, sgdAVX512, momentumAVX512, sumSquaresAVX512},
		},
		{
			name:    "avx2",
			missing: missing(x.HasAVX2 && x.HasFMA, "AVX2 and FMA"),
			rows:    6, wide: 16, narrow: 8,
			run: func(t *tile) {
				if t.width == 16 {
					avx2Wide[t.rows-1](t)
				} else {
					avx2Narrow[t.rows-1](t)
				}
			},
			loops: columnLoops{lanes: 8, whole: true, run: [loopCount]func(*columns){
				affine: affineAVX2, moments: momentsAVX2, gradMoments: gradMomentsAVX2, gradInput: gradInputAVX2,
				reluGrad: reluGradAVX2, maxPool: maxPoolAVX2, maxPoolGrad: maxPoolGradAVX2, maxPoolGradAdd: maxPoolGradAddAVX2,
				softmax: softmaxAVX2, logSoftmax: logSoftmaxAVX2, logSoftmaxGrad: logSoftmaxGradAVX2,
			}},
			copyVectors: copyRowsAVX2,
			transpose:   transposeAVX2,
			fetch:       fetchRowsSSE,
			transforms:  []transformLoops{avx2Transforms},
			pixels:      pixelLoops{transposeFourAVX2, transposeFourBackAVX2, 8, crossEntropyAVX2, crossEntropyGradAVX2},
			updates:     updateLoops{8, adamAVX2, sgdAVX2, momentumAVX2, sumSquaresAVX2},
		},
		generic,
	}
	rounding := *sets[0]
	rounding.name = "bfloat16"
	if rounding.missing == "" {
		rounding.missing = missing(x.HasAVX512BF16 && x.HasAMXTile && x.HasAMXBF16, "AVX-512 and AMX for bfloat16")
	}
	rounding.bfloat16 = &bfloat16Loops{bfloat16ProductsAMX, bfloat16GradWeightsAMX, bfloat16RoundAMX, bfloat16PairsAMX, requestTiles}
	return append(sets, &rounding)
}

func missing(has bool, features string) string {
	if has {
		return ""
	}
	return features
}

var (
	avx512Transforms = transformLoops{16, [transformCount]func(*transform){
		imageTransform: imageTransformAVX512, resultTransform: resultTransformAVX512, resultMomentsTransform: resultMomentsTransformAVX512, resultNormTransform: resultNormTransformAVX512, resultGradTransform: resultGradTransformAVX512,
		weightsTransform: weightsTransformAVX512, weightsGradTransform: weightsGradTransformAVX512,
	}}
	avx2Transforms = transformLoops{8, [transformCount]func(*transform){
		imageTransform: imageTransformAVX2, resultTransform: resultTransformAVX2, resultNormTransform: resultNormTransformAVX2, resultGradTransform: resultGradTransformAVX2,
		weightsTransform: weightsTransformAVX2, weightsGradTransform: weightsGradTransformAVX2,
	}}
)

// The tiles by their number of rows less one.
var (
	avx512Wide = [12]func(*tile){
		tileAVX512w32r1, tileAVX512w32r2, tileAVX512w32r3, tileAVX512w32r4, tileAVX512w32r5, tileAVX512w32r6,
		tileAVX512w32r7, tileAVX512w32r8, tileAVX512w32r9, tileAVX512w32r10, tileAVX512w32r11, tileAVX512w32r12,
	}
	avx512Narrow = [12]func(*tile){
		tileAVX512w16r1, tileAVX512w16r2, tileAVX512w16r3, tileAVX512w16r4, tileAVX512w16r5, tileAVX512w16r6,
		tileAVX512w16r7, tileAVX512w16r8, tileAVX512w16r9, tileAVX512w16r10, tileAVX512w16r11, tileAVX512w16r12,
	}
	avx2Wide = [6]func(*tile){
		tileAVX2w16r1, tileAVX2w16r2, tileAVX2w16r3, tileAVX2w16r4, tileAVX2w16r5, tileAVX2w16r6,
	}
	avx2Narrow = [6]func(*tile){
		tileAVX2w8r1, tileAVX2w8r2, tileAVX2w8r3, tileAVX2w8r4, tileAVX2w8r5, tileAVX2w8r6,
	}
)
