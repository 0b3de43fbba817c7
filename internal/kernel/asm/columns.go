package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// lanes is what the loops over columns of an instruction set differ in. With
// AVX-512 the block may be narrower than a vector; with AVX2 it must fill one.
type lanes struct {
	name  string
	count int
	reg   func() reg.VecVirtual
}

var (
	avx512Lanes = lanes{"AVX512", 16, ZMM}
	avx2Lanes   = lanes{"AVX2", 8, YMM}
)

// block is a function over one block of columns, func(c *columns).
type block struct {
	lanes
	c    gotypes.Component
	mask reg.Register // AVX-512: the lanes in use
	rows reg.GPVirtual
}

func (s lanes) function(name, doc string) block {
	name += s.name
	TEXT(name, NOSPLIT, "func(c *columns)")
	Pragma("noescape")
	Doc(name + " " + doc)
	b := block{lanes: s, c: Dereference(Param("c")), rows: GP64()}
	Load(b.c.Field("rows"), b.rows)
	if s.count == 16 {
		cols, bits, k := GP64(), GP64(), K()
		Load(b.c.Field("cols"), cols)
		MOVQ(I32(-1), bits)
		BZHIQ(cols, bits, bits)
		KMOVW(bits.As32(), k)
		b.mask = k
	}
	return b
}

func (b block) pointer(field string) reg.GPVirtual {
	p := GP64()
	Load(b.c.Field(field).Base(), p)
	return p
}

// stride is a field counted in floats, in bytes.
func (b block) stride(field string) reg.GPVirtual {
	s := GP64()
	Load(b.c.Field(field), s)
	SHLQ(Imm(2), s)
	return s
}

func (b block) load(from Mem) reg.VecVirtual {
	v := b.reg()
	if b.mask != nil {
		VMOVUPS_Z(from, b.mask, v)
	} else {
		VMOVUPS(from, v)
	}
	return v
}

func (b block) store(v reg.VecVirtual, to Mem) {
	if b.mask != nil {
		VMOVUPS(v, b.mask, to)
	} else {
		VMOVUPS(v, to)
	}
}

// vector loads the block's columns of a field (C).
func (b block) vector(field string) reg.VecVirtual {
	return b.load(Mem{Base: b.pointer(field)})
}

// floor is the field of that name in all lanes.
func (b block) floor() reg.VecVirtual {
	v := b.reg()
	VBROADCASTSS(address(b.c, "floor"), v)
	return v
}

// each repeats the body for every row and steps the pointers by their strides:
// steps is pointer, stride, ...
func (b block) each(body func(), steps ...reg.GPVirtual) {
	b.eachThen(body, func() {}, steps...)
}

// eachThen is each with something to do at the end.
func (b block) eachThen(body, end func(), steps ...reg.GPVirtual) {
	loop := label()
	Label(loop)
	body()
	for i := 0; i < len(steps); i += 2 {
		ADDQ(steps[i+1], steps[i])
	}
	DECQ(b.rows)
	JNZ(LabelRef(loop))
	end()
	VZEROUPPER()
	RET()
}

// eachWritten is each for a body that writes vectors to y, in rows of that
// stride. The whole lines that AVX-512 writes go past the caches if the block
// says so.
func (b block) eachWritten(body func(store func(v reg.VecVirtual)), y, stride reg.GPVirtual, steps ...reg.GPVirtual) {
	steps = append(steps, y, stride)
	if b.count == 16 {
		past, bits, cached := GP64(), GP64(), label()
		Load(b.c.Field("past"), past)
		TESTQ(past, past)
		JZ(LabelRef(cached))
		Load(b.c.Field("cols"), bits)
		SHLQ(Imm(2), bits)
		ORQ(y, bits)
		ORQ(stride, bits)
		TESTQ(U32(63), bits)
		JNZ(LabelRef(cached))
		b.each(func() { body(func(v reg.VecVirtual) { VMOVNTPS(v, Mem{Base: y}) }) }, steps...)
		Label(cached)
	}
	b.each(func() {
		ahead(y)
		body(func(v reg.VecVirtual) { b.store(v, Mem{Base: y}) })
	}, steps...)
}

// keep zeroes g where y <= floor.
func (b block) keep(g, y, floor reg.VecVirtual) {
	const notLessOrEqual = 6
	if b.count == 16 {
		k := K()
		VCMPPS(Imm(notLessOrEqual), floor, y, k)
		VMOVAPS_Z(g, k, g)
		return
	}
	k := b.reg()
	VCMPPS(Imm(notLessOrEqual), floor, y, k)
	VANDPS(k, g, g)
}

// double widens the lower or the upper half of v to float64.
func (b block) double(v reg.VecVirtual, upper int) reg.VecVirtual {
	d := b.reg()
	switch {
	case upper == 0 && b.count == 16:
		VCVTPS2PD(v.AsY(), d)
	case upper == 0:
		VCVTPS2PD(v.AsX(), d)
	case b.count == 16:
		half := YMM()
		VEXTRACTF32X8(Imm(1), v, half)
		VCVTPS2PD(half, d)
	default:
		half := XMM()
		VEXTRACTF128(Imm(1), v, half)
		VCVTPS2PD(half, d)
	}
	return d
}

func (b block) bytes() int { return 4 * b.count }

// doubles is the block's columns of a field (C) of float64, padded to whole
// vectors: loaded at once, and stored by the second result.
func (b block) doubles(field string) (v [2]reg.VecVirtual, save func()) {
	at := b.pointer(field)
	for i := range v {
		v[i] = b.reg()
		VMOVUPD(Mem{Base: at, Disp: i * b.bytes()}, v[i])
	}
	return v, func() {
		for i := range v {
			VMOVUPD(v[i], Mem{Base: at, Disp: i * b.bytes()})
		}
	}
}

// aheadBytes is how far ahead the loops ask for what they will read. The processor
// does so by itself, but not from one page to the next, and not where a row is
// wider than a block of columns.
const aheadBytes = 2048

// ahead asks for what the loop will read from the pointers some rows later.
func ahead(pointers ...reg.GPVirtual) {
	for _, p := range pointers {
		PREFETCHT0(Mem{Base: p, Disp: aheadBytes})
	}
}

func affine(s lanes) {
	b := s.function("affine", "computes y = max(floor, (x-centre)*scale + shift).")
	y, x, stride := b.pointer("y"), b.pointer("x"), b.stride("stride")
	centre, scale, shift, floor := b.vector("centre"), b.vector("scale"), b.vector("shift"), b.floor()
	b.eachWritten(func(store func(reg.VecVirtual)) {
		ahead(x)
		v := b.load(Mem{Base: x})
		VSUBPS(centre, v, v)
		VFMADD213PS(shift, scale, v)
		VMAXPS(v, floor, v) // of a NaN and a number: the second operand, v
		store(v)
	}, y, stride, x, stride)
}

func moments(s lanes) {
	b := s.function("moments", "adds x to sum and x*x to product.")
	x, stride := b.pointer("x"), b.stride("stride")
	sum, saveSum := b.doubles("sum")
	product, saveProduct := b.doubles("product")
	b.eachThen(func() {
		ahead(x)
		v := b.load(Mem{Base: x})
		for i := range 2 {
			d := b.double(v, i)
			VADDPD(d, sum[i], sum[i])
			VFMADD231PD(d, d, product[i])
		}
	}, func() { saveSum(); saveProduct() }, x, stride)
}

func gradMoments(s lanes) {
	b := s.function("gradMoments", "adds g to sum and g*(x-centre) to product, where y > floor.")
	x, g, stride := b.pointer("x"), b.pointer("g"), b.stride("stride")
	centre, scale, shift, floor := b.vector("centre"), b.vector("scale"), b.vector("shift"), b.floor()
	sum, saveSum := b.doubles("sum")
	product, saveProduct := b.doubles("product")
	b.eachThen(func() {
		ahead(x, g)
		v, d := b.load(Mem{Base: x}), b.load(Mem{Base: g})
		VSUBPS(centre, v, v)
		y := b.reg()
		VMOVAPS(v, y)
		VFMADD213PS(shift, scale, y)
		b.keep(d, y, floor)
		for i := range 2 {
			wide := b.double(d, i)
			VADDPD(wide, sum[i], sum[i])
			VFMADD231PD(b.double(v, i), wide, product[i])
		}
	}, func() { saveSum(); saveProduct() }, x, stride, g, stride)
}

func gradInput(s lanes) {
	b := s.function("gradInput", "computes y = scale*g + slope*(x-centre) + offset, with g = 0 where the affine result is <= floor.")
	y, x, g, stride := b.pointer("y"), b.pointer("x"), b.pointer("g"), b.stride("stride")
	centre, scale, shift, floor := b.vector("centre"), b.vector("scale"), b.vector("shift"), b.floor()
	slope, offset := b.vector("slope"), b.vector("offset")
	b.eachWritten(func(store func(reg.VecVirtual)) {
		ahead(x, g)
		v, d := b.load(Mem{Base: x}), b.load(Mem{Base: g})
		VSUBPS(centre, v, v)
		z := b.reg()
		VMOVAPS(v, z)
		VFMADD213PS(shift, scale, z)
		b.keep(d, z, floor)
		VFMADD213PS(offset, slope, v)
		VFMADD231PS(scale, d, v)
		store(v)
	}, y, stride, x, stride, g, stride)
}

func reluGrad(s lanes) {
	b := s.function("reluGrad", "computes y = g where x > floor, else 0.")
	y, x, g, stride := b.pointer("y"), b.pointer("x"), b.pointer("g"), b.stride("stride")
	floor := b.floor()
	b.each(func() {
		d := b.load(Mem{Base: g})
		b.keep(d, b.load(Mem{Base: x}), floor)
		b.store(d, Mem{Base: y})
	}, y, stride, x, stride, g, stride)
}

// windows gives the four places of a pooling window in two rows of pixels, and
// the distance of windows: x and x2 are the rows.
func (b block) windows(top, bottom string) (places [4]Mem, steps []reg.GPVirtual) {
	x, x2, stride, pair := b.pointer(top), b.pointer(bottom), b.stride("stride"), GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 1}, pair)
	return [4]Mem{
		{Base: x}, {Base: x, Index: stride, Scale: 1}, {Base: x2}, {Base: x2, Index: stride, Scale: 1},
	}, []reg.GPVirtual{x, pair, x2, pair}
}

// number is i in each 32-bit lane.
func (b block) number(i int) reg.VecVirtual {
	v, r := b.reg(), GP32()
	MOVL(U32(uint32(i)), r)
	if b.count == 16 {
		VPBROADCASTD(r, v)
		return v
	}
	x := XMM()
	MOVD(r, x)
	VPBROADCASTD(x, v)
	return v
}

func maxPool(s lanes) {
	b := s.function("maxPool", "computes y and which from the rows x and x2.")
	places, steps := b.windows("x", "x2")
	y, which, stride, bytes := b.pointer("y"), b.pointer("which"), b.stride("stride"), GP64()
	Load(b.c.Field("stride"), bytes)
	var numbers [4]reg.VecVirtual
	for i := range numbers {
		numbers[i] = b.number(i)
	}
	const notLessOrEqual, ordered = 6, 7
	b.each(func() {
		best, at := b.load(places[0]), b.reg()
		if b.count == 16 {
			VMOVDQA32(numbers[0], at)
		} else {
			VMOVDQA(numbers[0], at)
		}
		for i := 1; i < 4; i++ {
			v := b.load(places[i])
			if b.count == 16 {
				k, both := K(), K()
				VCMPPS(Imm(notLessOrEqual), best, v, k)
				VCMPPS(Imm(ordered), best, best, k, both)
				VMOVAPS(v, both, best)
				VMOVDQA32(numbers[i], both, at)
				continue
			}
			k, ok := b.reg(), b.reg()
			VCMPPS(Imm(notLessOrEqual), best, v, k)
			VCMPPS(Imm(ordered), best, best, ok)
			VANDPS(ok, k, k)
			VBLENDVPS(k, v, best, best)
			VPBLENDVB(k, numbers[i], at, at)
		}
		b.store(best, Mem{Base: y})
		if b.count == 16 {
			VPMOVDB(at, b.mask, Mem{Base: which})
			return
		}
		upper, x := XMM(), at.AsX()
		VEXTRACTI128(Imm(1), at, upper)
		VPACKSSDW(upper, x, upper)
		VPACKUSWB(upper, upper, upper)
		VMOVQ(upper, Mem{Base: which})
	}, append(steps, y, stride, which, bytes)...)
}

func maxPoolGrad(s lanes) {
	b := s.function("maxPoolGrad", "spreads g to the places of the rows y and y2 that which names.")
	places, steps := b.windows("y", "y2")
	b.spread(places, [4]Mem{}, steps)
}

func maxPoolGradAdd(s lanes) {
	b := s.function("maxPoolGradAdd", "spreads g to the places of the rows y and y2 that which names, and adds the rows x and x2.")
	places, steps := b.windows("y", "y2")
	others, otherSteps := b.windows("x", "x2")
	b.spread(places, others, append(steps, otherSteps...))
}

// spread writes g to the place that which names and zeros to the other places,
// plus what others hold, if they are given.
func (b block) spread(places, others [4]Mem, steps []reg.GPVirtual) {
	g, which, stride, bytes := b.pointer("g"), b.pointer("which"), b.stride("stride"), GP64()
	Load(b.c.Field("stride"), bytes)
	var numbers [4]reg.VecVirtual
	for i := range numbers {
		numbers[i] = b.number(i)
	}
	b.each(func() {
		d, at := b.load(Mem{Base: g}), b.reg()
		if b.count == 16 {
			VPMOVZXBD_Z(Mem{Base: which}, b.mask, at)
		} else {
			VPMOVZXBD(Mem{Base: which}, at)
		}
		for i, to := range places {
			v := b.reg()
			if b.count == 16 {
				k := K()
				VPCMPEQD(numbers[i], at, k)
				VMOVAPS_Z(d, k, v)
			} else {
				VPCMPEQD(numbers[i], at, v)
				VANDPS(d, v, v)
			}
			if others[i].Base != nil {
				VADDPS(b.load(others[i]), v, v)
			}
			b.store(v, to)
		}
	}, append(steps, g, stride, which, bytes)...)
}
