package simd

// GEMM is the one matrix product that all convolutions in float32 are made of. A
// micro-kernel computes micro-tiles of MR x N results with all sums in registers:
//
//	C[m*CStride+n] = Init[m*InitStride+n] + sum over j < KOuter, k < K of
//	                 A[m*AStride + j*AJump + k*AStep] * B[j*BJump + k*BStep + n]
//
// for m < MR, n < N <= NR. Init is a bias (InitStride 0), zeros, or C itself. B is a
// packed panel (PackPanel) if BStep is 0; like A it can be read in place, where it must
// have NR columns even if N are fewer. Strides are in floats. The assembly reads this
// struct by its field names.
type GEMM struct {
	C, Init, A, B       []float32
	CStride, InitStride int // between rows
	AStride, AStep      int // between rows, and between neighbours along k
	AJump               int // from one K to the next
	BStep, BJump        int // as in A
	KOuter, K           int // what is summed over: KOuter times K
	MR, N, NR           int

	// So many micro-tiles, one below the other. The assembly counts the rest: where in
	// C, Init and A it is, in bytes.
	tiles                     int
	cBytes, initBytes, aBytes int
	bStep, bBack              int // BStep, and from the end of one K to the next, of what B is

	// So many cache lines are prefetched for each j, from prefetchBytes on: see Prefetch.
	prefetch                     []float32
	prefetchLines, prefetchBytes int
}

// StartFrom makes t start its sums from bias[first:], or from zeros if bias is nil.
func (t *GEMM) StartFrom(bias []float32, first int) {
	t.InitStride = 0
	if t.Init = zeros[:]; bias != nil {
		t.Init = bias[first:]
	}
}

// Accumulate makes t add to c, or overwrite it if that is fresh.
func (t *GEMM) Accumulate(c []float32, fresh bool) {
	t.C = c
	if fresh {
		t.StartFrom(nil, 0)
	} else {
		t.Init, t.InitStride = c, t.CStride
	}
}

// Multiply computes m rows of one panel, as micro-tiles. t holds the strides, KOuter, K,
// N, NR and B; Init, A and C begin at their first elements and are moved on.
func (s *InstructionSet) Multiply(t *GEMM, m int) {
	c, i, a := t.C, t.Init, t.A
	bJump := t.BJump
	if t.bStep = t.BStep; t.bStep == 0 {
		t.bStep, bJump = t.NR, t.K*t.NR
	}
	t.bBack = bJump - t.K*t.bStep
	t.B = t.B[:(t.KOuter-1)*bJump+(t.K-1)*t.bStep+t.NR]
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

// tiles gives the rows of the next micro-tiles of m rows, and their number: full ones,
// and at the end two even ones rather than a full one and a sliver.
func (s *InstructionSet) tiles(m int) (mr, count int) {
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

// prefetchEvery is how many k a micro-kernel goes through before it prefetches again.
const prefetchEvery = 16

// Prefetch makes t prefetch x while it computes m rows: a few lines at a time, because
// the processor can wait for a few only. The sums stay as they are; they are cut into
// pieces of prefetchEvery, one for each j.
func (t *GEMM) Prefetch(s *InstructionSet, x []float32, m int) {
	if t.prefetchLines, t.prefetchBytes = 0, 0; s.prefetch == nil || len(x) == 0 || t.KOuter > 1 || t.K%prefetchEvery != 0 {
		return
	}
	t.KOuter, t.K, t.AJump, t.BJump = t.K/prefetchEvery, prefetchEvery, prefetchEvery*t.AStep, prefetchEvery*t.BStep
	times := t.KOuter * ((m + s.MR - 1) / s.MR)
	const line = 16
	t.prefetch, t.prefetchLines = x, (len(x)/line+times-1)/times
}

var zeros [64]float32

// gemmGeneric is the plain micro-kernel, of NR = 4, and what the others are tested against.
func gemmGeneric(t *GEMM) {
	for tile := range t.tiles {
		row := tile * t.MR
		c, i, a := t.C[row*t.CStride:], t.Init[row*t.InitStride:], t.A[row*t.AStride:]
		if t.MR == 2 && t.N == 4 {
			gemm2x4(t, c, i, a)
			continue
		}
		for m := range t.MR {
			var sum [4]float32
			copy(sum[:], i[m*t.InitStride:m*t.InitStride+t.N])
			bAt := 0
			for j := range t.KOuter {
				at := m*t.AStride + j*t.AJump
				for range t.K {
					a, b := a[at], t.B[bAt:]
					sum[0] += a * b[0]
					sum[1] += a * b[1]
					sum[2] += a * b[2]
					sum[3] += a * b[3]
					at += t.AStep
					bAt += t.bStep
				}
				bAt += t.bBack
			}
			copy(c[m*t.CStride:m*t.CStride+t.N], sum[:])
		}
	}
}

// gemm2x4 is a full micro-tile: eight sums, which fit the registers of amd64 with
// their operands. The bounds checks in the loop stay on purpose: they keep the
// compiler from doing all products before all sums and spilling them.
func gemm2x4(t *GEMM, c, i, a []float32) {
	i0, i1 := i[:4], i[t.InitStride:t.InitStride+4]
	s00, s01, s02, s03 := i0[0], i0[1], i0[2], i0[3]
	s10, s11, s12, s13 := i1[0], i1[1], i1[2], i1[3]
	b, step, bStep := t.B, t.AStep, t.bStep
	for j := range t.KOuter {
		a0 := a[j*t.AJump:]
		a1 := a0[t.AStride:]
		bj := b[j*(t.K*bStep+t.bBack):][:(t.K-1)*bStep+4]
		at := 0
		for k := 0; k+3 < len(bj); k += bStep {
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
