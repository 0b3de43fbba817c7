package simd

// Convolutions of operands that are rounded to bfloat16, the first 16 bits of a
// float32, with sums in float32: the processor's tile registers (AMX) hold 16 rows of
// 32 such numbers, and a product of two tiles is one instruction. That is so much
// faster than float32 that Winograd's algorithm, which would lose most of the few
// bits, is not needed.
//
// The image is rounded into a band with a border of zeros. The pixels of the band lie
// in one line, so for each tap the products are those of the pixels, a constant
// further on; what comes out for pixels of the border is not used.
const (
	BFloat16K  = 32 // of one product of tiles
	BFloat16NR = 32 // of a panel of weights: two tiles
	BFloat16MR = 32 // at once: two tiles
)

// BFloat16Kernels are the loops of an instruction set.
type BFloat16Kernels struct {
	GEMM        func(*GEMMBFloat16)
	GradWeights func(*GradWeightsBFloat16)
	Convert     func(*Conversion)
	Pack        func(y []uint16, x []float32, stride int) // y (k/2, 32, 2) from x (k, stride)
	Start       func() error                              // asks the system for the tile registers
}

// GEMMBFloat16 is
//
//	c[m*32+n] = initial[n] + sum over j < rows, k < blocks*32 of
//	            a[m*aRow+j*(blocks*32+aJump)+k] * b(j*blocks*32+k, n)
//
// for m < steps*32, n < 32, where b(k, n) is b[k/2*64+n*2+k%2]. The assembly reads
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
//	c[i*cTap+m*cRow+n] = initial[i*iTap+m*iRow+n] + sum over k < steps*32 of
//	                     a[m*aRow+i/3*line+i%3+k] * b(k, n)
//
// for i < taps (9 or 1), m < 32, n < 32, where b(k, n) is b[k/2*64+n*2+k%2]. The
// assembly reads this struct by its field names.
type GradWeightsBFloat16 struct {
	C, Init                            []float32
	A, B                               []uint16
	CTap, CStride, InitTap, InitStride int
	AStride, Line                      int
	Taps, KBlocks                      int
}

// Conversion is y[r*yStride+i] = x[r*xStride+i] in bfloat16, for r < rows, i < cols.
// The assembly reads this struct by its field names.
type Conversion struct {
	Y                []uint16
	X                []float32
	YStride, XStride int
	Cols, Rows       int
}

// Accumulate makes t add to c, or overwrite it if it is fresh.
func (t *GradWeightsBFloat16) Accumulate(fresh bool) {
	t.Init, t.InitTap, t.InitStride = t.C, t.CTap, t.CStride
	if fresh {
		t.Init, t.InitTap, t.InitStride = zeros[:], 0, 0
	}
}
