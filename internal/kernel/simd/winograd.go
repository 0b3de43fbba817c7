package simd

// The transforms of Winograd's convolution F(4x4, 3x3): tiles of OutputTile x OutputTile
// outputs from InputTile x InputTile inputs, by products of Frequencies.
const (
	OutputTile  = 4
	InputTile   = OutputTile + 2
	Frequencies = InputTile * InputTile

	// ConstantFrequency is the frequency whose column of Aᵀ is all ones in both
	// directions: what is added to it is added to every output of the tile.
	ConstantFrequency = InputTile + 1

	// Skew is added to strides that would otherwise be powers of two, and put everything
	// into a few ways of the caches.
	Skew = 16
)

// Transform is one of the small products of Winograd's convolutions,
//
//	Dst = L * Src * Lᵀ
//
// for a constant matrix L, of Tiles tiles, for neighbouring channels at once: element
// (i, j) of a tile is at Src[i*SrcRow+j*SrcCol:][:Channels], that of the next one SrcTile
// floats further on; likewise in Dst. The assembly reads this struct by its field names.
type Transform struct {
	Dst, Src       []float32
	DstRow, DstCol int
	SrcRow, SrcCol int
	Channels       int

	Tiles              int
	DstTile, SrcTile   int
	dstBytes, srcBytes int // where the assembly is
	PrefetchBytes      int // from Src on to what is prefetched
	NonTemporal        int // as in RowCopy; of outputs and gradients of weights

	halfway [6][6]float4 // of the plain loop: [j][i] of L * Src
	row     [6]float4

	Moments      []float64 // of OutputMomentsTransform: per vector of channels their sums, then those of their squares
	Scale, Shift []float32 // of OutputNormTransform, per channel
	Clamp
}

// TransformKind is one of the transforms, by the letters of Lavin and Gray.
type TransformKind int

const (
	InputTransform         TransformKind = iota // Bᵀ x B: 6x6 pixels to 6x6 frequencies
	OutputTransform                             // Aᵀ m A: 6x6 frequencies to 4x4 pixels
	OutputMomentsTransform                      // the same, and adds to Moments; AVX-512 has it for whole vectors
	OutputNormTransform                         // Aᵀ m A * Scale + Shift, clamped
	OutputGradTransform                         // A dy Aᵀ: 4x4 pixels to 6x6 frequencies
	WeightsTransform                            // G w Gᵀ: 3x3 weights to 6x6 frequencies
	WeightsGradTransform                        // Gᵀ du G: 6x6 frequencies to 3x3 weights
	transformKinds
)

// float4 is what the plain loops do at once: the compiler moves it as one value.
type float4 [4]float32

// transforms gives, for each kind, the sides of the tiles Src and Dst and the product of
// L with one column.
var transforms = [transformKinds]struct {
	src, dst int
	line     func(v *[6]float4)
}{
	InputTransform:         {6, 6, inputLine},
	OutputTransform:        {6, 4, outputLine},
	OutputMomentsTransform: {6, 4, outputLine},
	OutputNormTransform:    {6, 4, outputLine},
	OutputGradTransform:    {4, 6, outputGradLine},
	WeightsTransform:       {3, 6, weightsLine},
	WeightsGradTransform:   {6, 3, weightsGradLine},
}

// transformKernels are the transforms of an instruction set, which take whole vectors of
// channels.
type transformKernels struct {
	vector int // channels
	run    [transformKinds]func(*Transform)
}

// Transform does t, which it changes.
func (s *InstructionSet) Transform(t *Transform, kind TransformKind) {
	if t.Tiles == 0 {
		return
	}
	shape := &transforms[kind]
	cols, count := t.Channels, t.Tiles
	t.Src = t.Src[:(count-1)*t.SrcTile+(shape.src-1)*(t.SrcRow+t.SrcCol)+cols]
	t.Dst = t.Dst[:(count-1)*t.DstTile+(shape.dst-1)*(t.DstRow+t.DstCol)+cols]
	for i := range s.transforms {
		kernels := &s.transforms[i]
		t.Channels = cols / kernels.vector * kernels.vector
		if t.Channels == 0 {
			continue
		}
		t.Tiles, t.dstBytes, t.srcBytes = count, 0, 0
		kernels.run[kind](t)
		if cols -= t.Channels; cols == 0 {
			return
		}
		t.Src, t.Dst = t.Src[t.Channels:], t.Dst[t.Channels:]
		if kind == OutputNormTransform {
			t.Scale, t.Shift = t.Scale[t.Channels:], t.Shift[t.Channels:]
		}
	}
	t.Channels, t.Tiles = cols, count
	transformPlain(t, kind)
}

// transformPlain is the plain loop, and what the others are tested against.
func transformPlain(t *Transform, kind TransformKind) {
	for i := range t.Tiles {
		transformTile(t, kind, t.Dst[i*t.DstTile:], t.Src[i*t.SrcTile:])
	}
}

// transformTile transforms one tile: its columns, and then the rows of what that gives.
func transformTile(t *Transform, kind TransformKind, dst, src []float32) {
	shape := &transforms[kind]
	for from := 0; from < t.Channels; from += len(float4{}) {
		src, dst := src[from:], dst[from:]
		n := min(len(float4{}), t.Channels-from)
		for j := range shape.src {
			v := &t.halfway[j]
			for i := range shape.src {
				at := i*t.SrcRow + j*t.SrcCol
				if n == len(float4{}) {
					v[i] = float4(src[at:])
				} else {
					copy(v[i][:n], src[at:])
				}
			}
			shape.line(v)
		}
		for i := range shape.dst {
			v := &t.row
			for j := range shape.src {
				v[j] = t.halfway[j][i]
			}
			shape.line(v)
			if kind == OutputNormTransform {
				for j := range v {
					for c := range n {
						v[j][c] = t.clamp(v[j][c]*t.Scale[from+c] + t.Shift[from+c])
					}
				}
			}
			for j := range shape.dst {
				copy(dst[i*t.DstRow+j*t.DstCol:][:n], v[j][:])
			}
		}
	}
}

// inputLine multiplies v by Bᵀ:
//
//	4  0 -5  0  1  0
//	0 -4 -4  1  1  0
//	0  4 -4 -1  1  0
//	0 -2 -1  2  1  0
//	0  2 -1 -2  1  0
//	0  4  0 -5  0  1
func inputLine(v *[6]float4) {
	for c := range v[0] {
		v0, v1, v2, v3, v4, v5 := v[0][c], v[1][c], v[2][c], v[3][c], v[4][c], v[5][c]
		even, odd := v4-4*v2, v3-4*v1
		even2, odd2 := v4-v2, 2*(v3-v1)
		v[0][c] = v4 - 5*v2 + 4*v0
		v[1][c], v[2][c] = even+odd, even-odd
		v[3][c], v[4][c] = even2+odd2, even2-odd2
		v[5][c] = v5 - 5*v3 + 4*v1
	}
}

// outputLine multiplies v by Aᵀ:
//
//	1  1  1  1  1  0
//	0  1 -1  2 -2  0
//	0  1  1  4  4  0
//	0  1 -1  8 -8  1
func outputLine(v *[6]float4) {
	for c := range v[0] {
		v0, v1, v2, v3, v4, v5 := v[0][c], v[1][c], v[2][c], v[3][c], v[4][c], v[5][c]
		even, odd := v1+v2, v1-v2
		even2, odd2 := v3+v4, v3-v4
		v[0][c], v[1][c] = v0+even+even2, odd+2*odd2
		v[2][c], v[3][c] = even+4*even2, v5+odd+8*odd2
	}
}

// outputGradLine multiplies the first four of v by A.
func outputGradLine(v *[6]float4) {
	for c := range v[0] {
		v0, v1, v2, v3 := v[0][c], v[1][c], v[2][c], v[3][c]
		even, odd := v0+v2, v1+v3
		even2, odd2 := v0+4*v2, 2*(v1+4*v3)
		v[1][c], v[2][c] = even+odd, even-odd
		v[3][c], v[4][c] = even2+odd2, even2-odd2
		v[5][c] = v3
	}
}

// weightsLine multiplies the first three of v by G:
//
//	 1/4    0     0
//	-1/6  -1/6  -1/6
//	-1/6   1/6  -1/6
//	 1/24  1/12  1/6
//	 1/24 -1/12  1/6
//	  0     0     1
func weightsLine(v *[6]float4) {
	for c := range v[0] {
		v0, v1, v2 := v[0][c], v[1][c], v[2][c]
		even, odd := (v0+v2)*(-1./6), v1*(-1./6)
		even2, odd2 := v0*(1./24)+v2*(1./6), v1*(1./12)
		v[0][c] = v0 * (1. / 4)
		v[1][c], v[2][c] = even+odd, even-odd
		v[3][c], v[4][c] = even2+odd2, even2-odd2
		v[5][c] = v2
	}
}

// weightsGradLine multiplies v by Gᵀ.
func weightsGradLine(v *[6]float4) {
	for c := range v[0] {
		v0, v1, v2, v3, v4, v5 := v[0][c], v[1][c], v[2][c], v[3][c], v[4][c], v[5][c]
		even, odd := v1+v2, v2-v1
		even2, odd2 := v3+v4, v3-v4
		v[0][c] = v0*(1./4) - even*(1./6) + even2*(1./24)
		v[1][c] = odd*(1./6) + odd2*(1./12)
		v[2][c] = (even2-even)*(1./6) + v5
	}
}
