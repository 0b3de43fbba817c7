package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// pixels is a function over the vectors of a simd.CrossEntropy.
type pixels struct {
	block                 // rows are classes
	x, y    reg.GPVirtual // logits and target of the vector's first class
	vectors reg.GPVirtual // left
}

func (s vectors) pixels(name, doc string) pixels {
	name += s.isa
	TEXT(name, NOSPLIT, "func(p *CrossEntropy)")
	Pragma("noescape")
	Doc(name + " " + doc)
	p := pixels{block: block{vectors: s, c: Dereference(Param("p")), rows: GP64()}, vectors: GP64()}
	p.x, p.y = p.pointer("Logits"), p.pointer("Targets")
	Load(p.c.Field("Classes"), p.rows)
	Load(p.c.Field("Vectors"), p.vectors)
	return p
}

// each repeats the body for every vector and returns.
func (p pixels) each(body func()) {
	loop := label()
	Label(loop)
	body()
	ADDQ(Imm(uint64(p.bytes())), p.x)
	ADDQ(Imm(uint64(p.bytes())), p.y)
	DECQ(p.vectors)
	JNZ(LabelRef(loop))
	VZEROUPPER()
	RET()
}

// classes repeats the body for every class, with the places of what the
// pixels have of it and of its weight.
func (p pixels) classes(body func(x, y, w Mem)) {
	x, y, w := GP64(), GP64(), p.pointer("Weights")
	MOVQ(p.x, x)
	MOVQ(p.y, y)
	loop, left := label(), GP64()
	MOVQ(p.rows, left)
	Label(loop)
	body(Mem{Base: x}, Mem{Base: y}, Mem{Base: w})
	ADDQ(U32(classStride), x)
	ADDQ(U32(classStride), y)
	ADDQ(Imm(4), w)
	DECQ(left)
	JNZ(LabelRef(loop))
}

// top is the largest logit of each pixel; of a pixel with NaN, anything.
func (p pixels) top() reg.VecVirtual {
	top := p.load(Mem{Base: p.x})
	p.classes(func(x, _, _ Mem) { VMAXPS(x, top, top) })
	return top
}

// where zeroes v where y is zero.
func (p pixels) where(y, v, zero reg.VecVirtual) {
	const notEqual = 4
	if p.floats == 16 {
		k := K()
		VCMPPS(Imm(notEqual), zero, y, k)
		VMOVAPS_Z(v, k, v)
		return
	}
	k := p.reg()
	VCMPPS(Imm(notEqual), zero, y, k)
	VANDPS(k, v, v)
}

// add adds a vector to one of the sums.
func (p pixels) add(sum int, v reg.VecVirtual) {
	for half := range 2 {
		m, err := p.c.Field("Sums").Index(sum).Index(half * p.floats / 2).Resolve()
		if err != nil {
			panic(err)
		}
		d := p.double(v, half)
		VADDPD(m.Addr, d, d)
		VMOVUPD(d, m.Addr)
	}
}

// addWeighted adds y to target and y*w to weight.
func (p pixels) addWeighted(y reg.VecVirtual, w Mem, target, weight reg.VecVirtual) {
	f := p.reg()
	VBROADCASTSS(w, f)
	VADDPS(y, target, target)
	VFMADD231PS(f, y, weight)
}

func crossEntropy(s vectors, table *wideTable) {
	p := s.pixels("crossEntropy", "adds the cost, the weight and the target of pixels to the sums.")
	least, zero := p.constant(table.float(lowest)), p.zero()
	p.each(func() {
		p.entropy(least, zero, table, func(_ reg.VecVirtual, _ Mem) {})
	})
}

// entropy adds to the sums and gives their sum to the exponentials of a pixel, which
// keep is called with, and its target.
func (p pixels) entropy(least, zero reg.VecVirtual, table *wideTable, keep func(exp reg.VecVirtual, x Mem)) (sum, target reg.VecVirtual) {
	top, weight, share := p.top(), p.zero(), p.zero()
	sum, target = p.zero(), p.zero()
	p.classes(func(x, y, w Mem) {
		v, t, part := p.load(x), p.load(y), p.reg()
		VSUBPS(top, v, v)
		p.addWeighted(t, w, target, weight)
		VMULPS(v, t, part)
		p.where(t, part, zero) // a logit of -Inf too
		VADDPS(part, share, share)
		e := p.exp(v, least, table)
		VADDPS(e, sum, sum)
		keep(e, x)
	})
	cost := p.log(sum, table)
	VFMSUB213PS(share, target, cost)
	VMULPS(weight, cost, cost)
	p.where(target, cost, zero)
	for i, v := range []reg.VecVirtual{cost, weight, target} {
		p.add(i, v)
	}
	return sum, target
}

func crossEntropyDice(s vectors, table *wideTable) {
	p := s.pixels("crossEntropyDice", "adds the cost, the weight and the target of pixels to the sums, and to those of regions.")
	least, zero := p.constant(table.float(lowest)), p.zero()
	p.each(func() {
		sum, target := p.entropy(least, zero, table, func(e reg.VecVirtual, x Mem) { p.store(e, x) })
		scale, regions := p.constant(table.float(1)), p.pointer("Regions")
		VDIVPS(sum, scale, scale)
		p.classes(func(x, y, _ Mem) {
			predicted, labelled, overlap := p.reg(), p.load(y), p.reg()
			VMULPS(x, scale, predicted)
			p.where(target, predicted, zero)
			VMULPS(predicted, labelled, overlap)
			for _, v := range []reg.VecVirtual{overlap, predicted, labelled} {
				low, high := p.double(v, 0), p.double(v, 1)
				VADDPD(high, low, low)
				VADDPD(Mem{Base: regions}, low, low)
				VMOVUPD(low, Mem{Base: regions})
				ADDQ(Imm(8*simd.RegionSums), regions)
			}
		})
	})
}

func crossEntropyDiceGrad(s vectors, table *wideTable) {
	p := s.pixels("crossEntropyDiceGrad", "replaces the logits of pixels by the gradient, of regions too.")
	least, zero := p.constant(table.float(lowest)), p.zero()
	factor, err := p.c.Field("Factor").Resolve()
	if err != nil {
		panic(err)
	}
	// slope is the derivative by the probability of the class whose slopes come next.
	slope := func(y reg.VecVirtual, slopes reg.GPVirtual) reg.VecVirtual {
		byOverlap, d := p.reg(), p.reg()
		VBROADCASTSS(Mem{Base: slopes}, byOverlap)
		VBROADCASTSS(Mem{Base: slopes, Disp: 4}, d)
		VFMADD231PS(byOverlap, y, d)
		ADDQ(Imm(3*4), slopes)
		return d
	}
	p.each(func() {
		top, sum, target, weight, mean := p.top(), p.zero(), p.zero(), p.zero(), p.zero()
		slopes := p.pointer("Slopes")
		p.classes(func(x, y, w Mem) {
			v, t := p.load(x), p.load(y)
			VSUBPS(top, v, v)
			p.addWeighted(t, w, target, weight)
			e := p.exp(v, least, table)
			VADDPS(e, sum, sum)
			p.store(e, x)
			VFMADD231PS(slope(t, slopes), e, mean)
		})
		scale := p.reg()
		VBROADCASTSS(factor.Addr, scale)
		VMULPS(scale, weight, weight)
		VMOVUPS(table.float(1), scale)
		VDIVPS(sum, scale, scale) // the exponentials times scale are the probabilities
		VMULPS(scale, mean, mean)
		shift := p.reg() // what all slopes of the pixel have in common
		VMOVAPS(target, shift)
		VFMSUB213PS(mean, weight, shift)
		slopes = p.pointer("Slopes")
		p.classes(func(x, y, _ Mem) {
			t, probability := p.load(y), p.reg()
			VMULPS(x, scale, probability)
			grad := slope(t, slopes)
			VADDPS(shift, grad, grad)
			VMULPS(weight, t, t)
			VFMSUB213PS(t, probability, grad)
			p.where(target, grad, zero)
			p.store(grad, x)
		})
	})
}

func crossEntropyGrad(s vectors, table *wideTable) {
	p := s.pixels("crossEntropyGrad", "replaces the logits of pixels by the gradient.")
	least, zero := p.constant(table.float(lowest)), p.zero()
	factor, err := p.c.Field("Factor").Resolve()
	if err != nil {
		panic(err)
	}
	p.each(func() {
		top, sum, target, weight := p.top(), p.zero(), p.zero(), p.zero()
		p.classes(func(x, y, w Mem) {
			v := p.load(x)
			VSUBPS(top, v, v)
			p.addWeighted(p.load(y), w, target, weight)
			e := p.exp(v, least, table)
			VADDPS(e, sum, sum)
			p.store(e, x)
		})
		scale := p.reg() // of the exponentials
		VBROADCASTSS(factor.Addr, scale)
		VMULPS(scale, weight, weight)
		VDIVPS(sum, target, scale)
		VMULPS(weight, scale, scale)
		p.classes(func(x, y, _ Mem) {
			grad := p.reg()
			VMULPS(y, weight, grad)
			VFMSUB231PS(x, scale, grad)
			p.where(target, grad, zero)
			p.store(grad, x)
		})
	})
}
