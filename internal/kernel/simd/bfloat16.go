package simd

import (
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/internal/float16"
)

// Products of operands in bfloat16, the first 16 bits of a float32, with sums in float32:
// the tile registers of AMX hold 16 rows of 32 such numbers, and one instruction
// multiplies two of them. The right operand is packed in pairs along k, as that
// instruction wants it (oneDNN's VNNI layout).
const (
	BFloat16K  = 32 // of one instruction
	BFloat16NR = 32 // of a panel: two tile registers
	BFloat16MR = 32 // of a micro-tile: two tile registers
)

// BFloat16Kernels are those of an instruction set.
type BFloat16Kernels struct {
	GEMM        func(*GEMMBFloat16)
	GradWeights func(*GradWeightsBFloat16)
	Convert     func(*Conversion)
	Pack        func(y []uint16, x []float32, stride int) // y[k/2*64+n*2+k%2] = x[k*stride+n] in bfloat16, for k < len(y)/32, n < 32
	start       func() error                              // asks the OS for what the kernels need, such as tile registers
}

// GEMMBFloat16 is
//
//	C[m*32+n] = Init[n] + sum over j < KOuter, k < KBlocks*32 of
//	            A[m*AStride+j*(KBlocks*32+AJump)+k] * b(j*KBlocks*32+k, n)
//
// for m < MBlocks*32, n < 32, where b(k, n) is B[k/2*64+n*2+k%2]. The assembly reads
// this struct by its field names.
type GEMMBFloat16 struct {
	C, Init         []float32
	A, B            []uint16
	AStride, AJump  int
	KOuter, KBlocks int
	MBlocks         int
}

// GradWeightsBFloat16 is
//
//	C[i*CTap+m*CStride+n] = Init[i*InitTap+m*InitStride+n] + sum over k < KBlocks*32 of
//	                        A[m*AStride+i/3*Line+i%3+k] * b(k, n)
//
// for i < Taps (9 or 1), m < 32, n < 32, where b(k, n) is B[k/2*64+n*2+k%2]. The
// assembly reads this struct by its field names.
type GradWeightsBFloat16 struct {
	C, Init                            []float32
	A, B                               []uint16
	CTap, CStride, InitTap, InitStride int
	AStride, Line                      int
	Taps, KBlocks                      int
}

// Conversion is
//
//	Y[r*YStride+i] = X[r*XStride+i], rounded to bfloat16, for r < Rows, i < Cols
//
// The assembly reads this struct by its field names.
type Conversion struct {
	Y                []uint16
	X                []float32
	YStride, XStride int
	Cols, Rows       int
}

// Accumulate makes t add to C, or overwrite it if that is fresh.
func (t *GradWeightsBFloat16) Accumulate(fresh bool) {
	t.Init, t.InitTap, t.InitStride = t.C, t.CTap, t.CStride
	if fresh {
		t.Init, t.InitTap, t.InitStride = zeros[:], 0, 0
	}
}

// plainBFloat16 is what the AMX kernels are tested against, and what runs the code
// around them on a CPU without AMX.
var plainBFloat16 = &BFloat16Kernels{
	GEMM: gemmBFloat16Generic, GradWeights: gradWeightsBFloat16Generic,
	Convert: convertBFloat16Generic, Pack: packBFloat16Generic,
	start: func() error { return nil },
}

func gemmBFloat16Generic(t *GEMMBFloat16) {
	k := t.KBlocks * BFloat16K
	for m := range t.MBlocks * BFloat16MR {
		c := t.C[m*BFloat16NR:][:BFloat16NR]
		copy(c, t.Init)
		for j := range t.KOuter {
			a := t.A[m*t.AStride+j*(k+t.AJump):][:k]
			addProductsBFloat16(c, a, t.B[j*k*BFloat16NR:])
		}
	}
}

func gradWeightsBFloat16Generic(t *GradWeightsBFloat16) {
	for i := range t.Taps {
		for m := range BFloat16MR {
			c := t.C[i*t.CTap+m*t.CStride:][:BFloat16NR]
			copy(c, t.Init[i*t.InitTap+m*t.InitStride:])
			a := t.A[m*t.AStride+i/3*t.Line+i%3:][:t.KBlocks*BFloat16K]
			addProductsBFloat16(c, a, t.B)
		}
	}
}

// addProductsBFloat16 does c[n] += a[k] * b[k/2*64+n*2+k%2] for all k, an even number
// of them, and n < 32.
func addProductsBFloat16(c []float32, a, b []uint16) {
	sums := (*[BFloat16NR]float32)(c)
	for k := 0; k < len(a); k += 2 {
		x0, x1 := float16.Bfloat16(a[k]), float16.Bfloat16(a[k+1])
		row := (*[2 * BFloat16NR]uint16)(b[k*BFloat16NR:])
		for n := range sums {
			s := sums[n] + float32(x0*float16.Bfloat16(row[2*n]))
			sums[n] = s + float32(x1*float16.Bfloat16(row[2*n+1]))
		}
	}
}

func convertBFloat16Generic(t *Conversion) {
	for r := range t.Rows {
		x, y := t.X[r*t.XStride:][:t.Cols], t.Y[r*t.YStride:]
		for i, v := range x {
			y[i] = roundBFloat16(v)
		}
	}
}

func packBFloat16Generic(y []uint16, x []float32, stride int) {
	for k := range len(y) / BFloat16NR {
		for n, v := range x[k*stride:][:BFloat16NR] {
			y[k/2*2*BFloat16NR+n*2+k%2] = roundBFloat16(v)
		}
	}
}

// roundBFloat16 is the nearest bfloat16, the even one of two. The AMX kernels take
// subnormal numbers for zero, as the instruction does.
func roundBFloat16(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 0x40 // quiet, or the payload's upper bits may be those of infinity
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
