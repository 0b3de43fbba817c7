package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// stretch is a function over vectors of equally long slices, whose length is a
// multiple of a vector and not 0.
type stretch struct {
	vectors
	n, i reg.GPVirtual // elements in all, and before the vector at work
	read *[]Mem        // the slices
}

// stretch begins the function; the length is that of the slice named last.
func (s vectors) stretch(name, signature, doc, last string) stretch {
	name += s.isa
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(name + " " + doc)
	f := stretch{vectors: s, n: GP64(), i: GP64(), read: new([]Mem)}
	Load(Param(last).Len(), f.n)
	XORQ(f.i, f.i)
	return f
}

// slice is the vector at work of a slice.
func (f stretch) slice(name string) Mem {
	p := GP64()
	Load(Param(name).Base(), p)
	m := Mem{Base: p, Index: f.i, Scale: 4}
	*f.read = append(*f.read, m)
	return m
}

// constants are fields of the parameter s in all lanes.
func (f stretch) constants(fields ...string) map[string]reg.VecVirtual {
	step, of := Dereference(Param("s")), map[string]reg.VecVirtual{}
	for _, field := range fields {
		m, err := step.Field(field).Resolve()
		if err != nil {
			panic(err)
		}
		of[field] = f.reg()
		VBROADCASTSS(m.Addr, of[field])
	}
	return of
}

// aheadBytes is how far ahead loops prefetch what they will read: the processor does so
// by itself, but not from one page to the next.
const aheadBytes = 2048

// each repeats the body for steps of so many elements.
func (f stretch) each(elements int, body func()) {
	loop := label()
	Label(loop)
	for _, m := range *f.read {
		for line := 0; line < max(1, elements/16); line++ {
			PREFETCHT0(m.Offset(aheadBytes + 64*line))
		}
	}
	body()
	ADDQ(Imm(uint64(elements)), f.i)
	CMPQ(f.i, f.n)
	JB(LabelRef(loop))
}

// decayed is Clip*grad + Decay*p.
func (f stretch) decayed(c map[string]reg.VecVirtual, grad Mem, p reg.VecVirtual) reg.VecVirtual {
	g, d := f.reg(), f.reg()
	VMULPS(grad, c["Clip"], g)
	VMULPS(p, c["Decay"], d)
	VADDPS(d, g, g)
	return g
}

func adam(s vectors) {
	f := s.stretch("adam", "func(s *AdamStep, p, m, v, grad []float32)", "does a step of Adam.", "grad")
	c := f.constants("Clip", "Decay", "Gain1", "Beta2", "Gain2", "Keep", "Rate", "Scale", "Epsilon")
	p, m, v, grad := f.slice("p"), f.slice("m"), f.slice("v"), f.slice("grad")
	f.each(f.floats, func() {
		x, mean, square, t := f.reg(), f.reg(), f.reg(), f.reg()
		VMOVUPS(p, x)
		g := f.decayed(c, grad, x)
		VMOVUPS(m, mean)
		VSUBPS(mean, g, t)
		VMULPS(t, c["Gain1"], t)
		VADDPS(t, mean, mean)
		VMOVUPS(mean, m)

		VMULPS(v, c["Beta2"], square)
		VMULPS(g, c["Gain2"], t)
		VMULPS(g, t, t)
		VADDPS(t, square, square)
		VMOVUPS(square, v)

		VSQRTPS(square, t)
		VMULPS(c["Scale"], t, t)
		VADDPS(c["Epsilon"], t, t)
		VMULPS(mean, c["Rate"], mean)
		VDIVPS(t, mean, mean)
		VMULPS(x, c["Keep"], x)
		VSUBPS(mean, x, x)
		VMOVUPS(x, p)
	})
	VZEROUPPER()
	RET()
}

func sgd(s vectors) {
	f := s.stretch("sgd", "func(s *SGDStep, p, grad []float32)", "does a step of gradient descent.", "grad")
	c := f.constants("Clip", "Decay", "Rate")
	p, grad := f.slice("p"), f.slice("grad")
	f.each(f.floats, func() {
		x := f.reg()
		VMOVUPS(p, x)
		g := f.decayed(c, grad, x)
		VMULPS(g, c["Rate"], g)
		VSUBPS(g, x, x)
		VMOVUPS(x, p)
	})
	VZEROUPPER()
	RET()
}

func momentum(s vectors) {
	f := s.stretch("momentum", "func(s *SGDStep, p, m, grad []float32)", "does a step of gradient descent with momentum.", "grad")
	c := f.constants("Clip", "Decay", "Momentum", "Rate")
	p, m, grad := f.slice("p"), f.slice("m"), f.slice("grad")
	f.each(f.floats, func() {
		x, mean := f.reg(), f.reg()
		VMOVUPS(p, x)
		g := f.decayed(c, grad, x)
		VMULPS(m, c["Momentum"], mean)
		VADDPS(g, mean, mean)
		VMOVUPS(mean, m)
		VMULPS(mean, c["Rate"], mean)
		VSUBPS(mean, x, x)
		VMOVUPS(x, p)
	})
	VZEROUPPER()
	RET()
}

// sumSquares keeps simd.sumsOfSquares sums. A square of a float32 is exact in
// float64, so it makes no difference that it is fused with the addition.
func sumSquares(s vectors) {
	const sumsOfSquares = 32
	f := s.stretch("sumSquares", "func(x []float32) float64", "adds up the squares of x.", "x")
	x := f.slice("x")
	wide := s.floats / 2 // float64 in a vector
	sums := make([]reg.VecVirtual, sumsOfSquares/wide)
	for i := range sums {
		sums[i] = s.reg()
		VXORPS(sums[i], sums[i], sums[i])
	}
	f.each(sumsOfSquares, func() {
		for i, sum := range sums {
			v := s.reg()
			VCVTPS2PD(x.Offset(4*wide*i), v)
			VFMADD231PD(v, v, sum)
		}
	})
	for half := len(sums) / 2; half > 0; half /= 2 {
		for i := range half {
			VADDPD(sums[i+half], sums[i], sums[i])
		}
	}
	sum, high := sums[0], XMM()
	if wide == 8 {
		upper := YMM()
		VEXTRACTF64X4(Imm(1), sum, upper)
		VADDPD(upper, sum.AsY(), sum.AsY())
	}
	VEXTRACTF128(Imm(1), sum.AsY(), high)
	VADDPD(high, sum.AsX(), sum.AsX())
	VPERMILPD(Imm(1), sum.AsX(), high)
	VADDSD(high, sum.AsX(), sum.AsX())
	VZEROUPPER() // before the store, which has an old encoding
	Store(sum.AsX(), ReturnIndex(0))
	RET()
}
