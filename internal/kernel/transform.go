package kernel

// transform is one of the small products of Winograd's convolutions,
//
//	dst = L * src * Lᵀ
//
// for a constant matrix L, done for cols neighbouring channels at once: src is
// a square of (i, j) at src[i*srcRow+j*srcCol:][:cols], and so is dst. The
// assembly reads this struct by its field names.
type transform struct {
	dst, src       []float32
	dstRow, dstCol int
	srcRow, srcCol int
	cols           int

	count              int // of squares, so many floats apart in dst and src
	dstNext, srcNext   int
	dstBytes, srcBytes int // where the assembly is
	ahead              int // bytes from src on to what is fetched for later
	past               int // of the results and the gradients of weights: as in rowCopy

	columns [6][6]lane // of the plain loop: [j][i] of L * src
	row     [6]lane

	moments      []float64 // of resultMomentsTransform: see Moments
	scale, shift []float32 // of resultNormTransform, for each column
}

// The transforms by the letters of Lavin and Gray.
const (
	imageTransform         = iota // Bᵀ x B: 6x6 pixels to 6x6 frequencies
	resultTransform               // Aᵀ m A: 6x6 frequencies to 4x4 pixels
	resultMomentsTransform        // the same, and its moments; AVX-512 has it for whole vectors
	resultNormTransform           // max(0, Aᵀ m A * scale + shift)
	resultGradTransform           // A dy Aᵀ: 4x4 pixels to 6x6 frequencies
	weightsTransform              // G w Gᵀ: 3x3 weights to 6x6 frequencies
	weightsGradTransform          // Gᵀ du G: 6x6 frequencies to 3x3 weights
	transformCount
)

// lane is what the plain loops do at once: the compiler moves it as one.
type lane [4]float32

// transforms gives, for each of them, the sides of src and dst and the product
// of L with one column.
var transforms = [transformCount]struct {
	src, dst int
	line     func(v *[6]lane)
}{
	imageTransform:         {6, 6, imageLine},
	resultTransform:        {6, 4, resultLine},
	resultMomentsTransform: {6, 4, resultLine},
	resultNormTransform:    {6, 4, resultLine},
	resultGradTransform:    {4, 6, resultGradLine},
	weightsTransform:       {3, 6, weightsLine},
	weightsGradTransform:   {6, 3, weightsGradLine},
}

// transformLoops are the transforms of an instruction set, which take a
// multiple of lanes columns.
type transformLoops struct {
	lanes int
	run   [transformCount]func(*transform)
}

// transform runs t, which it changes.
func (s *instructionSet) transform(t *transform, kind int) {
	if t.count == 0 {
		return
	}
	shape := &transforms[kind]
	cols, count := t.cols, t.count
	t.src = t.src[:(count-1)*t.srcNext+(shape.src-1)*(t.srcRow+t.srcCol)+cols]
	t.dst = t.dst[:(count-1)*t.dstNext+(shape.dst-1)*(t.dstRow+t.dstCol)+cols]
	for i := range s.transforms {
		loops := &s.transforms[i]
		t.cols = cols / loops.lanes * loops.lanes
		if t.cols == 0 {
			continue
		}
		t.count, t.dstBytes, t.srcBytes = count, 0, 0
		loops.run[kind](t)
		if cols -= t.cols; cols == 0 {
			return
		}
		t.src, t.dst = t.src[t.cols:], t.dst[t.cols:]
		if kind == resultNormTransform {
			t.scale, t.shift = t.scale[t.cols:], t.shift[t.cols:]
		}
	}
	t.cols, t.count = cols, count
	transformPlain(t, kind)
}

// transformPlain is the plain loop, and what the others are tested against.
func transformPlain(t *transform, kind int) {
	for i := range t.count {
		transformSquare(t, kind, t.dst[i*t.dstNext:], t.src[i*t.srcNext:])
	}
}

func transformSquare(t *transform, kind int, dst, src []float32) {
	shape := &transforms[kind]
	for from := 0; from < t.cols; from += len(lane{}) {
		src, dst := src[from:], dst[from:]
		n := min(len(lane{}), t.cols-from)
		for j := range shape.src {
			v := &t.columns[j]
			for i := range shape.src {
				at := i*t.srcRow + j*t.srcCol
				if n == len(lane{}) {
					v[i] = lane(src[at:])
				} else {
					copy(v[i][:n], src[at:])
				}
			}
			shape.line(v)
		}
		for i := range shape.dst {
			v := &t.row
			for j := range shape.src {
				v[j] = t.columns[j][i]
			}
			shape.line(v)
			if kind == resultNormTransform {
				for j := range v {
					for c := range n {
						v[j][c] = max(v[j][c]*t.scale[from+c]+t.shift[from+c], 0)
					}
				}
			}
			for j := range shape.dst {
				copy(dst[i*t.dstRow+j*t.dstCol:][:n], v[j][:])
			}
		}
	}
}

// imageLine multiplies v by Bᵀ:
//
//	4  0 -5  0  1  0
//	0 -4 -4  1  1  0
//	0  4 -4 -1  1  0
//	0 -2 -1  2  1  0
//	0  2 -1 -2  1  0
//	0  4  0 -5  0  1
func imageLine(v *[6]lane) {
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

// resultLine multiplies v by Aᵀ:
//
//	1  1  1  1  1  0
//	0  1 -1  2 -2  0
//	0  1  1  4  4  0
//	0  1 -1  8 -8  1
func resultLine(v *[6]lane) {
	for c := range v[0] {
		v0, v1, v2, v3, v4, v5 := v[0][c], v[1][c], v[2][c], v[3][c], v[4][c], v[5][c]
		even, odd := v1+v2, v1-v2
		even2, odd2 := v3+v4, v3-v4
		v[0][c], v[1][c] = v0+even+even2, odd+2*odd2
		v[2][c], v[3][c] = even+4*even2, v5+odd+8*odd2
	}
}

// resultGradLine multiplies the first four of v by A.
func resultGradLine(v *[6]lane) {
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
func weightsLine(v *[6]lane) {
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
func weightsGradLine(v *[6]lane) {
	for c := range v[0] {
		v0, v1, v2, v3, v4, v5 := v[0][c], v[1][c], v[2][c], v[3][c], v[4][c], v[5][c]
		even, odd := v1+v2, v2-v1
		even2, odd2 := v3+v4, v3-v4
		v[0][c] = v0*(1./4) - even*(1./6) + even2*(1./24)
		v[1][c] = odd*(1./6) + odd2*(1./12)
		v[2][c] = (even2-even)*(1./6) + v5
	}
}
