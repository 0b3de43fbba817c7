package simd

// StartFrom makes t begin from bias[first:], or from zero without a bias.
func (t *GEMM) StartFrom(bias []float32, first int) {
	t.InitStride = 0
	if t.Init = zeros[:]; bias != nil {
		t.Init = bias[first:]
	}
}

// Accumulate makes t add to c, or overwrite it if it is fresh.
func (t *GEMM) Accumulate(c []float32, fresh bool) {
	t.C = c
	if fresh {
		t.StartFrom(nil, 0)
	} else {
		t.Init, t.InitStride = c, t.CStride
	}
}

// GEMM is the one product that all convolutions are made of, on a block of at
// most instructionSet.rows x width results:
//
//	c[m*cRow+n] = i[m*iRow+n] + sum over j < js, k < ks of
//	              a[m*aRow+j*aJump+k*aStep] * b[(j*ks+k)*width+n]
//
// for m < rows, n < cols <= width. The initial value i is a bias (iRow 0),
// zeros, or c itself. b is a packed panel: see pack. The assembly reads this
// struct, so its layout is known to asm/main.go.
type GEMM struct {
	C, Init, A, B       []float32
	CStride, InitStride int
	AStride, AStep      int
	AJump               int
	KOuter, K           int
	MR, N, NR           int

	// So many blocks of rows, one below the other, are done; the assembly counts
	// the others up: where in c, i and a it is, in bytes.
	tiles                     int
	cBytes, initBytes, aBytes int

	// So many cache lines are fetched from memory for each j, from aheadBytes on: see
	// fetch.
	prefetch                     []float32
	prefetchLines, prefetchBytes int
}

// Multiply computes m rows of one panel as tiles. t holds the strides, js, ks,
// cols, width and b; i, a and c begin at their first elements and are moved on.
func (s *InstructionSet) Multiply(t *GEMM, m int) {
	c, i, a := t.C, t.Init, t.A
	t.B = t.B[:t.KOuter*t.K*t.NR]
	for m > 0 {
		t.MR, t.tiles = s.tiles(m)
		rows := t.MR * t.tiles
		last := rows - 1
		t.C = c[:last*t.CStride+t.N]
		t.Init = i[:last*t.InitStride+t.N]
		t.A = a[:last*t.AStride+(t.KOuter-1)*t.AJump+(t.K-1)*t.AStep+1]
		t.cBytes, t.initBytes, t.aBytes = 0, 0, 0
		s.gemm(t)
		if m -= rows; m > 0 {
			c, i, a = c[rows*t.CStride:], i[rows*t.InitStride:], a[rows*t.AStride:]
		}
	}
}

// tiles gives the rows of the next tiles of m rows, and their number: full ones,
// and at the end two even ones rather than a full one and a sliver.
func (s *InstructionSet) tiles(m int) (rows, blocks int) {
	switch {
	case m%s.MR == 0:
		return s.MR, m / s.MR
	case m < s.MR:
		return m, 1
	case m < 2*s.MR:
		return (m + 1) / 2, 1
	}
	return s.MR, m/s.MR - 1
}

// prefetchEvery is how many k a tile goes through before it fetches some more lines.
const prefetchEvery = 16

// Prefetch makes t fetch x into the caches while it computes m rows: a few lines at a
// time, for the processor can wait for a few only. The sums stay as they are; they are
// cut into pieces of fetchEach, one for each j.
func (t *GEMM) Prefetch(s *InstructionSet, x []float32, m int) {
	if t.prefetchLines, t.prefetchBytes = 0, 0; s.prefetch == nil || len(x) == 0 || t.KOuter > 1 || t.K%prefetchEvery != 0 {
		return
	}
	t.KOuter, t.K, t.AJump = t.K/prefetchEvery, prefetchEvery, prefetchEvery*t.AStep
	times := t.KOuter * ((m + s.MR - 1) / s.MR)
	const line = 16
	t.prefetch, t.prefetchLines = x, (len(x)/line+times-1)/times
}

var zeros [64]float32

func gemmGeneric(t *GEMM) {
	for block := range t.tiles {
		row := block * t.MR
		c, i, a := t.C[row*t.CStride:], t.Init[row*t.InitStride:], t.A[row*t.AStride:]
		if t.MR == 2 && t.N == 4 {
			gemm2x4(t, c, i, a)
			continue
		}
		for m := range t.MR {
			var sum [4]float32
			copy(sum[:], i[m*t.InitStride:m*t.InitStride+t.N])
			b := t.B
			for j := range t.KOuter {
				at := m*t.AStride + j*t.AJump
				for range t.K {
					a := a[at]
					sum[0] += a * b[0]
					sum[1] += a * b[1]
					sum[2] += a * b[2]
					sum[3] += a * b[3]
					at += t.AStep
					b = b[4:]
				}
			}
			copy(c[m*t.CStride:m*t.CStride+t.N], sum[:])
		}
	}
}

// gemm2x4 is a full tile: eight sums, which fit the registers of amd64 with
// their operands. The bounds checks in the loop stay on purpose: they keep the
// compiler from doing all products before all sums and spilling them.
func gemm2x4(t *GEMM, c, i, a []float32) {
	i0, i1 := i[:4], i[t.InitStride:t.InitStride+4]
	s00, s01, s02, s03 := i0[0], i0[1], i0[2], i0[3]
	s10, s11, s12, s13 := i1[0], i1[1], i1[2], i1[3]
	b, step := t.B, t.AStep
	for j := range t.KOuter {
		a0 := a[j*t.AJump:]
		a1 := a0[t.AStride:]
		bj := b[j*t.K*4:][:t.K*4]
		at := 0
		for k := 0; k < len(bj); k += 4 {
			x0, x1 := a0[at], a1[at]
			v := bj[k]
			s00 += x0 * v
			s10 += x1 * v
			v = bj[k+1]
			s01 += x0 * v
			s11 += x1 * v
			v = bj[k+2]
			s02 += x0 * v
			s12 += x1 * v
			v = bj[k+3]
			s03 += x0 * v
			s13 += x1 * v
			at += step
		}
	}
	c0, c1 := c[:4], c[t.CStride:t.CStride+4]
	c0[0], c0[1], c0[2], c0[3] = s00, s01, s02, s03
	c1[0], c1[1], c1[2], c1[3] = s10, s11, s12, s13
}
