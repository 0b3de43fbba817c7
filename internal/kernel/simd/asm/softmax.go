package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The coefficients are those of expf in Moshier's Cephes and of logf in musl,
// both within about one unit of the last place.
var (
	expCoefficients = []float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1, 1}
	logCoefficients = []float32{0xaaaaaa.0p-24, 0xccce13.0p-25, 0x91e9ee.0p-25, 0xf89e26.0p-26}
)

const (
	ln2High = 0.693145752 // few digits, so that its product with a small integer is exact
	ln2Low  = 1.42860677e-6
	round   = 3 << 22 // its sum with a small number has that, rounded, in its low bits
	lowest  = -87.33  // its exponential is nearly the least normal number

	oneBits      = 0x3f800000
	rootBits     = 0x3f3504f3 // sqrt(1/2)
	mantissaBits = 0x007fffff
)

// wideTable is a table of constants repeated to whole vectors.
type wideTable struct {
	table Mem
	at    map[uint32]Mem
}

func (w *wideTable) bits(v uint32) Mem {
	if _, ok := w.at[v]; !ok {
		first := 64 * len(w.at)
		w.at[v] = w.table.Offset(first)
		for i := range 16 {
			DATA(first+4*i, U32(v))
		}
	}
	return w.at[v]
}

func (w *wideTable) float(v float32) Mem { return w.bits(math.Float32bits(v)) }

// pass repeats the body for every row: steps as for each.
func (b block) pass(body func(), steps ...reg.GPVirtual) {
	loop, rows := label(), GP64()
	MOVQ(b.rows, rows)
	Label(loop)
	body()
	for i := 0; i < len(steps); i += 2 {
		ADDQ(steps[i+1], steps[i])
	}
	DECQ(rows)
	JNZ(LabelRef(loop))
}

// exp is e**x for x <= 0: 2**k times a polynomial in x - k*ln(2), which is
// within ln(2)/2 of 0; or 0 where x <= lowest.
func (b block) exp(x, lowest reg.VecVirtual, table *wideTable) reg.VecVirtual {
	t, k, r, p := b.reg(), b.reg(), b.reg(), b.reg()
	VMOVUPS(table.float(round), t)
	VFMADD231PS(table.float(math.Log2E), x, t)
	VSUBPS(table.float(round), t, k)
	VMOVAPS(x, r)
	VFNMADD231PS(table.float(ln2High), k, r)
	VFNMADD231PS(table.float(ln2Low), k, r)
	VMOVUPS(table.float(expCoefficients[0]), p)
	for _, c := range expCoefficients[1:] {
		VFMADD213PS(table.float(c), r, p)
	}
	VPSLLD(Imm(23), t, t)
	VPADDD(table.bits(oneBits), t, t)
	VMULPS(t, p, p)
	b.keep(p, x, notLessOrEqual, lowest)
	return p
}

// log is the logarithm of x >= 1: k*ln(2) + log(1+f), with 1+f within a factor
// sqrt(2) of 1.
func (b block) log(x reg.VecVirtual, table *wideTable) reg.VecVirtual {
	f, k := b.reg(), b.reg()
	VMOVUPS(table.bits(oneBits-rootBits), f)
	VPADDD(x, f, f)
	VPSRAD(Imm(23), f, k)
	VPSUBD(table.bits(oneBits>>23), k, k)
	VCVTDQ2PS(k, k)
	VANDPS(table.bits(mantissaBits), f, f)
	VPADDD(table.bits(rootBits), f, f)
	VSUBPS(table.float(1), f, f)

	s, z, w, even, odd, half := b.reg(), b.reg(), b.reg(), b.reg(), b.reg(), b.reg()
	VADDPS(table.float(2), f, s)
	VDIVPS(s, f, s)
	VMULPS(s, s, z)
	VMULPS(z, z, w)
	VMOVUPS(table.float(logCoefficients[2]), odd)
	VFMADD213PS(table.float(logCoefficients[0]), w, odd)
	VMOVUPS(table.float(logCoefficients[3]), even)
	VFMADD213PS(table.float(logCoefficients[1]), w, even)
	VMULPS(table.float(0.5), f, half)
	VMULPS(f, half, half)
	VMULPS(z, odd, odd)
	VFMADD231PS(w, even, odd)
	VADDPS(half, odd, odd) // f*f/2 + R
	VMULPS(s, odd, odd)
	VFMADD231PS(table.float(ln2Low), k, odd)
	VSUBPS(half, odd, odd)
	VADDPS(f, odd, odd)
	VFMADD231PS(table.float(ln2High), k, odd)
	VSUBPS(x, x, z) // a NaN if x is one, else 0
	VADDPS(z, odd, odd)
	return odd
}

// largest is the maximum of each column of x; of a column with NaN, anything.
func (b block) largest(stride reg.GPVirtual) reg.VecVirtual {
	x := b.pointer("X")
	top := b.load(Mem{Base: x})
	b.pass(func() { VMAXPS(b.load(Mem{Base: x}), top, top) }, x, stride)
	return top
}

func (b block) constant(m Mem) reg.VecVirtual {
	v := b.reg()
	VMOVUPS(m, v)
	return v
}

func (b block) zero() reg.VecVirtual {
	v := b.reg()
	VXORPS(v, v, v)
	return v
}

func softmax(s vectors, table *wideTable) {
	b := s.function("softmax", "computes y = exp(x) / sum(exp(x)) of each column.")
	stride := b.stride("Stride")
	top, sum, least := b.largest(stride), b.zero(), b.constant(table.float(lowest))
	x, y := b.pointer("X"), b.pointer("Y")
	b.pass(func() {
		v := b.load(Mem{Base: x})
		VSUBPS(top, v, v)
		p := b.exp(v, least, table)
		VADDPS(p, sum, sum)
		b.store(p, Mem{Base: y})
	}, x, stride, y, stride)
	y = b.pointer("Y")
	b.each(func() {
		p := b.load(Mem{Base: y})
		VDIVPS(sum, p, p)
		b.store(p, Mem{Base: y})
	}, y, stride)
}

func logSoftmax(s vectors, table *wideTable) {
	b := s.function("logSoftmax", "computes y = x - log(sum(exp(x))) of each column.")
	stride := b.stride("Stride")
	top, sum, least := b.largest(stride), b.zero(), b.constant(table.float(lowest))
	x, y := b.pointer("X"), b.pointer("Y")
	b.pass(func() {
		v := b.load(Mem{Base: x})
		VSUBPS(top, v, v)
		b.store(v, Mem{Base: y})
		VADDPS(b.exp(v, least, table), sum, sum)
	}, x, stride, y, stride)
	logSum := b.log(sum, table)
	y = b.pointer("Y")
	b.each(func() {
		v := b.load(Mem{Base: y})
		VSUBPS(logSum, v, v)
		b.store(v, Mem{Base: y})
	}, y, stride)
}

func logSoftmaxGrad(s vectors, table *wideTable) {
	b := s.function("logSoftmaxGrad", "computes y = g - exp(x) * sum(g) of each column.")
	stride := b.stride("Stride")
	sum, least := b.zero(), b.constant(table.float(lowest))
	g := b.pointer("G")
	b.pass(func() { VADDPS(b.load(Mem{Base: g}), sum, sum) }, g, stride)
	x, y := b.pointer("X"), b.pointer("Y")
	g = b.pointer("G")
	b.each(func() {
		p := b.exp(b.load(Mem{Base: x}), least, table)
		v := b.load(Mem{Base: g})
		VFNMADD231PS(p, sum, v)
		b.store(v, Mem{Base: y})
	}, x, stride, g, stride, y, stride)
}
