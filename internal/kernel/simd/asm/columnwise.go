package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// vectors is what the micro-kernels of an instruction set differ in. With AVX-512
// the block may be narrower than a vector; with AVX2 it must fill one.
type vectors struct {
	isa    string
	floats int // in a vector
	reg    func() reg.VecVirtual
}

var (
	avx512Vectors = vectors{"AVX512", 16, ZMM}
	avx2Vectors   = vectors{"AVX2", 8, YMM}
)

// block is a function over one block of columns, func(c *Columnwise).
type block struct {
	vectors
	c    gotypes.Component
	mask reg.Register // AVX-512: the lanes in use
	rows reg.GPVirtual
}

func (s vectors) function(name, doc string) block {
	name += s.isa
	TEXT(name, NOSPLIT, "func(c *Columnwise)")
	Pragma("noescape")
	Doc(name + " " + doc)
	b := block{vectors: s, c: Dereference(Param("c")), rows: GP64()}
	Load(b.c.Field("Rows"), b.rows)
	if s.floats == 16 {
		cols, bits, k := GP64(), GP64(), K()
		Load(b.c.Field("Cols"), cols)
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

// clamp is the range of results, in all lanes of two registers.
type clamp struct{ floor, ceil reg.VecVirtual }

func (s vectors) clamp(argument gotypes.Component) clamp {
	c := clamp{s.reg(), s.reg()}
	VBROADCASTSS(address(argument.Field("Clamp"), "Floor"), c.floor)
	VBROADCASTSS(address(argument.Field("Clamp"), "Ceil"), c.ceil)
	return c
}

// apply changes v.
func (c clamp) apply(v reg.VecVirtual) {
	VMAXPS(v, c.floor, v) // of a NaN and a number: the second operand, v
	VMINPS(v, c.ceil, v)
}

// each repeats the body for every row and steps the pointers by their strides:
// steps is pointer, stride, ...
func (b block) each(body func(), steps ...reg.GPVirtual) {
	loop := label()
	Label(loop)
	body()
	for i := 0; i < len(steps); i += 2 {
		ADDQ(steps[i+1], steps[i])
	}
	DECQ(b.rows)
	JNZ(LabelRef(loop))
	VZEROUPPER()
	RET()
}

// groupRows is how many rows of a matrix are gone through for one vector of columns
// after the other: enough to use what belongs to the columns again, and few enough
// to go through memory as it lies, which is what the processor expects.
const groupRows = 8

// groupAhead is how many bytes beyond the next group of rows it prefetches.
const groupAhead = 1024

// matrix is a function over all columns of rows, func(c *Columnwise). With AVX-512 there
// may be any number of columns; with AVX2 they must fill vectors.
type matrix struct {
	block
	doc    string
	fields []string // the matrices
	// columns loads what belongs to a vector of columns, and gives what is to be done
	// for each of its rows, and then.
	columns func(b columnBlock) (row, end func())
}

// columnBlock is a vector of columns in a group of rows.
type columnBlock struct {
	block
	at     map[string]reg.GPVirtual // of the matrices, in the row at work
	column reg.GPVirtual            // bytes of the columns before
	store  func(v reg.VecVirtual, to Mem)
}

// load loads the row at work of a matrix.
func (b columnBlock) load(field string) reg.VecVirtual {
	return b.block.load(Mem{Base: b.at[field]})
}

// vector loads the columns of a field (C).
func (b columnBlock) vector(field string) reg.VecVirtual {
	return b.block.load(Mem{Base: b.pointer(field), Index: b.column, Scale: 1})
}

// doubles is the columns of a field (C) of float64, padded to whole vectors: loaded
// at once, and stored by the second result.
func (b columnBlock) doubles(field string) (v [2]reg.VecVirtual, save func()) {
	part := func(i int) Mem {
		return Mem{Base: b.pointer(field), Index: b.column, Scale: 2, Disp: i * b.bytes()}
	}
	for i := range v {
		v[i] = b.reg()
		VMOVUPD(part(i), v[i])
	}
	return v, func() {
		for i := range v {
			VMOVUPD(v[i], part(i))
		}
	}
}

// write writes the function. AVX-512 writes whole lines of Y by non-temporal stores if
// the argument says so.
func (m matrix) write(s vectors, name string) {
	name += s.isa
	TEXT(name, NOSPLIT, "func(c *Columnwise)")
	Pragma("noescape")
	Doc(name + " " + m.doc)
	m.vectors, m.c = s, Dereference(Param("c"))
	bases, bits, cached := map[string]reg.GPVirtual{}, GP64(), label()
	for _, field := range m.fields {
		bases[field] = m.pointer(field)
	}
	stride := m.stride("Stride")
	if y, written := bases["Y"]; written && s.floats == 16 {
		Load(m.c.Field("NonTemporal"), bits)
		TESTQ(bits, bits)
		JZ(LabelRef(cached))
		Load(m.c.Field("Cols"), bits)
		SHLQ(Imm(2), bits)
		ORQ(y, bits)
		ORQ(stride, bits)
		TESTQ(U32(63), bits)
		JNZ(LabelRef(cached))
		m.groups(bases, stride, true)
		Label(cached)
	}
	m.groups(bases, stride, false)
}

// groups does one group of rows after the other, and returns. It counts in c.Rows.
func (m matrix) groups(bases map[string]reg.GPVirtual, stride reg.GPVirtual, nonTemporal bool) {
	group, column, row := label(), label(), label()
	rows, left := GP64(), GP64()
	b := columnBlock{block: m.block, at: map[string]reg.GPVirtual{}, column: GP64()}
	for _, field := range m.fields {
		b.at[field] = GP64()
	}
	Label(group)
	MOVQ(U32(groupRows), rows)
	CMPQ(rows, address(m.c, "Rows"))
	CMOVQGT(address(m.c, "Rows"), rows)
	XORQ(b.column, b.column)
	Load(m.c.Field("Cols"), left)
	Label(column)
	if m.floats == 16 {
		bits, k := GP64(), K()
		MOVQ(U32(uint32(m.floats)), bits)
		CMPQ(left, bits)
		CMOVQLT(left, bits)
		ones := GP64()
		MOVQ(I32(-1), ones)
		BZHIQ(bits, ones, ones)
		KMOVW(ones.As32(), k)
		b.mask = k
	}
	if b.store = b.block.store; nonTemporal {
		b.store = func(v reg.VecVirtual, to Mem) { VMOVNTPS(v, to) }
	}
	for _, field := range m.fields {
		LEAQ(Mem{Base: bases[field], Index: b.column, Scale: 1}, b.at[field])
	}
	each, end := m.columns(b)
	count := GP64()
	MOVQ(rows, count)
	Label(row)
	for _, field := range m.fields {
		if field != "Y" || !nonTemporal {
			PREFETCHT0(Mem{Base: b.at[field], Index: stride, Scale: groupRows, Disp: groupAhead})
		}
	}
	each()
	for _, field := range m.fields {
		ADDQ(stride, b.at[field])
	}
	DECQ(count)
	JNZ(LabelRef(row))
	end()
	ADDQ(Imm(uint64(m.bytes())), b.column)
	SUBQ(Imm(uint64(m.floats)), left)
	JG(LabelRef(column))
	SUBQ(rows, address(m.c, "Rows"))
	IMULQ(stride, rows)
	for _, field := range m.fields {
		ADDQ(rows, bases[field])
	}
	CMPQ(address(m.c, "Rows"), Imm(0))
	JNE(LabelRef(group))
	VZEROUPPER()
	RET()
}

// Comparisons, which are true of a NaN.
const notLessOrEqual, notGreaterOrEqual = 6, 9

// keep zeroes g unless the comparison of y with the limit is true.
func (b block) keep(g, y reg.VecVirtual, comparison uint64, limit reg.VecVirtual) {
	if b.floats == 16 {
		k := K()
		VCMPPS(Imm(comparison), limit, y, k)
		VMOVAPS_Z(g, k, g)
		return
	}
	k := b.reg()
	VCMPPS(Imm(comparison), limit, y, k)
	VANDPS(k, g, g)
}

// keepInside zeroes g where y is clamped.
func (b block) keepInside(g, y reg.VecVirtual, c clamp) {
	b.keep(g, y, notLessOrEqual, c.floor)
	b.keep(g, y, notGreaterOrEqual, c.ceil)
}

// double widens the lower or the upper half of v to float64.
func (b block) double(v reg.VecVirtual, upper int) reg.VecVirtual {
	d := b.reg()
	switch {
	case upper == 0 && b.floats == 16:
		VCVTPS2PD(v.AsY(), d)
	case upper == 0:
		VCVTPS2PD(v.AsX(), d)
	case b.floats == 16:
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

func (b block) bytes() int { return 4 * b.floats }

func affine(s vectors) {
	matrix{doc: "computes y = (x-centre)*scale + shift, clamped.", fields: []string{"Y", "X"}, columns: func(b columnBlock) (row, end func()) {
		centre, scale, shift, limits := b.vector("Centre"), b.vector("Scale"), b.vector("Shift"), b.clamp(b.c)
		return func() {
			v := b.load("X")
			VSUBPS(centre, v, v)
			VFMADD213PS(shift, scale, v)
			limits.apply(v)
			b.store(v, Mem{Base: b.at["Y"]})
		}, func() {}
	}}.write(s, "affine")
}

func moments(s vectors) {
	matrix{doc: "adds x to sum and x*x to product.", fields: []string{"X"}, columns: func(b columnBlock) (row, end func()) {
		sum, saveSum := b.doubles("Sum")
		product, saveProduct := b.doubles("Product")
		return func() {
			v := b.load("X")
			for i := range 2 {
				d := b.double(v, i)
				VADDPD(d, sum[i], sum[i])
				VFMADD231PD(d, d, product[i])
			}
		}, func() { saveSum(); saveProduct() }
	}}.write(s, "moments")
}

// behindClamp is x-centre and g, which is 0 where (x-centre)*scale + shift is clamped.
func (b columnBlock) behindClamp(centre, scale, shift reg.VecVirtual, limits clamp) (v, g reg.VecVirtual) {
	v, g = b.load("X"), b.load("G")
	VSUBPS(centre, v, v)
	y := b.reg()
	VMOVAPS(v, y)
	VFMADD213PS(shift, scale, y)
	b.keepInside(g, y, limits)
	return v, g
}

func gradMoments(s vectors) {
	matrix{doc: "adds g to sum and g*(x-centre) to product, where y is not clamped.", fields: []string{"X", "G"}, columns: func(b columnBlock) (row, end func()) {
		centre, scale, shift, limits := b.vector("Centre"), b.vector("Scale"), b.vector("Shift"), b.clamp(b.c)
		sum, saveSum := b.doubles("Sum")
		product, saveProduct := b.doubles("Product")
		return func() {
			v, d := b.behindClamp(centre, scale, shift, limits)
			for i := range 2 {
				wide := b.double(d, i)
				VADDPD(wide, sum[i], sum[i])
				VFMADD231PD(b.double(v, i), wide, product[i])
			}
		}, func() { saveSum(); saveProduct() }
	}}.write(s, "gradMoments")
}

func gradInput(s vectors) {
	matrix{doc: "computes y = scale*g + slope*(x-centre) + offset, with g = 0 where the affine result is clamped.", fields: []string{"Y", "X", "G"}, columns: func(b columnBlock) (row, end func()) {
		centre, scale, shift, limits := b.vector("Centre"), b.vector("Scale"), b.vector("Shift"), b.clamp(b.c)
		slope, offset := b.vector("Slope"), b.vector("Offset")
		return func() {
			v, d := b.behindClamp(centre, scale, shift, limits)
			VFMADD213PS(offset, slope, v)
			VFMADD231PS(scale, d, v)
			b.store(v, Mem{Base: b.at["Y"]})
		}, func() {}
	}}.write(s, "gradInput")
}

func clampGrad(s vectors) {
	b := s.function("clampGrad", "computes y = g, but 0 where x is clamped.")
	y, x, g, stride := b.pointer("Y"), b.pointer("X"), b.pointer("G"), b.stride("Stride")
	limits := b.clamp(b.c)
	b.each(func() {
		d := b.load(Mem{Base: g})
		b.keepInside(d, b.load(Mem{Base: x}), limits)
		b.store(d, Mem{Base: y})
	}, y, stride, x, stride, g, stride)
}

func add(s vectors) {
	b := s.function("add", "computes y = x + g, clamped.")
	y, x, g, stride := b.pointer("Y"), b.pointer("X"), b.pointer("G"), b.stride("Stride")
	limits := b.clamp(b.c)
	b.each(func() {
		v := b.load(Mem{Base: x})
		VADDPS(b.load(Mem{Base: g}), v, v)
		limits.apply(v)
		b.store(v, Mem{Base: y})
	}, y, stride, x, stride, g, stride)
}

// windows gives the four places of a pooling window in two rows of pixels, and
// the distance of windows: x and x2 are the rows.
func (b block) windows(top, bottom string) (places [4]Mem, steps []reg.GPVirtual) {
	x, x2, stride, pair := b.pointer(top), b.pointer(bottom), b.stride("Stride"), GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 1}, pair)
	return [4]Mem{
		{Base: x}, {Base: x, Index: stride, Scale: 1}, {Base: x2}, {Base: x2, Index: stride, Scale: 1},
	}, []reg.GPVirtual{x, pair, x2, pair}
}

// number is i in each 32-bit lane.
func (b block) number(i int) reg.VecVirtual {
	v, r := b.reg(), GP32()
	MOVL(U32(uint32(i)), r)
	if b.floats == 16 {
		VPBROADCASTD(r, v)
		return v
	}
	x := XMM()
	MOVD(r, x)
	VPBROADCASTD(x, v)
	return v
}

func maxPool(s vectors) {
	b := s.function("maxPool", "computes y and which from the rows x and x2.")
	places, steps := b.windows("X", "X2")
	y, which, stride, bytes := b.pointer("Y"), b.pointer("Argmax"), b.stride("Stride"), GP64()
	Load(b.c.Field("Stride"), bytes)
	var numbers [4]reg.VecVirtual
	for i := range numbers {
		numbers[i] = b.number(i)
	}
	b.each(func() {
		best, at := b.load(places[0]), b.reg()
		b.move(numbers[0], at)
		for i := 1; i < 4; i++ {
			b.better(b.load(places[i]), numbers[i], best, at)
		}
		b.store(best, Mem{Base: y})
		b.storeBytes(at, Mem{Base: which})
	}, append(steps, y, stride, which, bytes)...)
}

// move copies whole numbers.
func (b block) move(from, to reg.VecVirtual) {
	if b.floats == 16 {
		VMOVDQA32(from, to)
	} else {
		VMOVDQA(from, to)
	}
}

// better puts v and its number in the place of best and at where it is greater, or the
// first NaN.
func (b block) better(v, number, best, at reg.VecVirtual) {
	const ordered = 7
	if b.floats == 16 {
		k, both := K(), K()
		VCMPPS(Imm(notLessOrEqual), best, v, k)
		VCMPPS(Imm(ordered), best, best, k, both)
		VMOVAPS(v, both, best)
		VMOVDQA32(number, both, at)
		return
	}
	k, ok := b.reg(), b.reg()
	VCMPPS(Imm(notLessOrEqual), best, v, k)
	VCMPPS(Imm(ordered), best, best, ok)
	VANDPS(ok, k, k)
	VBLENDVPS(k, v, best, best)
	VPBLENDVB(k, number, at, at)
}

// loadBytes widens a byte for each lane.
func (b block) loadBytes(from Mem) reg.VecVirtual {
	v := b.reg()
	if b.floats == 16 {
		VPMOVZXBD_Z(from, b.mask, v)
	} else {
		VPMOVZXBD(from, v)
	}
	return v
}

// storeBytes stores a byte of each lane.
func (b block) storeBytes(v reg.VecVirtual, to Mem) {
	if b.floats == 16 {
		VPMOVDB(v, b.mask, to)
		return
	}
	upper, x := XMM(), v.AsX()
	VEXTRACTI128(Imm(1), v, upper)
	VPACKSSDW(upper, x, upper)
	VPACKUSWB(upper, upper, upper)
	VMOVQ(upper, to)
}

// where is d in the lanes in which at is the number, else 0.
func (b block) where(at, number, d reg.VecVirtual) reg.VecVirtual {
	v := b.reg()
	if b.floats == 16 {
		k := K()
		VPCMPEQD(number, at, k)
		VMOVAPS_Z(d, k, v)
		return v
	}
	VPCMPEQD(number, at, v)
	VANDPS(d, v, v)
	return v
}

// places gives an element of the field of that name in all lanes. AVX2 has no registers to
// keep all of them.
func (b block) places() (number func(i int) reg.VecVirtual) {
	load := func(i int) reg.VecVirtual {
		place, err := b.c.Field("Places").Index(i).Resolve()
		if err != nil {
			panic(err)
		}
		v := b.reg()
		VPBROADCASTD(place.Addr, v)
		return v
	}
	if b.floats == 8 {
		return load
	}
	var all [9]reg.VecVirtual
	for i := range all {
		all[i] = load(i)
	}
	return func(i int) reg.VecVirtual { return all[i] }
}

func maxPool3(s vectors) {
	b := s.function("maxPool3", "computes y and which from windows of the rows x, x2 and x3.")
	rows := [3]reg.GPVirtual{b.pointer("X"), b.pointer("X2"), b.pointer("X3")}
	y, which, stride, bytes := b.pointer("Y"), b.pointer("Argmax"), b.stride("Stride"), GP64()
	Load(b.c.Field("Stride"), bytes)
	beside, next, pair := b.stride("Beside"), GP64(), GP64()
	LEAQ(Mem{Base: beside, Index: stride, Scale: 1}, next)
	LEAQ(Mem{Base: stride, Index: stride, Scale: 1}, pair)
	number := b.places()
	b.each(func() {
		best, at := b.load(Mem{Base: rows[0]}), b.reg()
		b.move(number(0), at)
		for i := 1; i < 9; i++ {
			pixel := Mem{Base: rows[i/3]}
			if i%3 > 0 {
				pixel.Index, pixel.Scale = [...]reg.GPVirtual{beside, next}[i%3-1], 1
			}
			b.better(b.load(pixel), number(i), best, at)
		}
		b.store(best, Mem{Base: y})
		b.storeBytes(at, Mem{Base: which})
	}, rows[0], pair, rows[1], pair, rows[2], pair, y, stride, which, bytes)
}

func maxPool3Grad(s vectors) {
	b := s.function("maxPool3Grad", "gathers two pixels of the rows Y and Y2 from windows of the rows G and G2.")
	pixels, steps := b.windows("Y", "Y2")
	g, which := []reg.GPVirtual{b.pointer("G"), b.pointer("G2")}, []reg.GPVirtual{b.pointer("Argmax"), b.pointer("Argmax2")}
	stride, bytes, beside, besideBytes := b.stride("Stride"), GP64(), b.stride("Beside"), GP64()
	Load(b.c.Field("Stride"), bytes)
	Load(b.c.Field("Beside"), besideBytes)
	number := b.places()
	b.each(func() {
		var sums [4]reg.VecVirtual
		place := 0
		for window, reached := range simd.MaxPool3Reach {
			gradient, argmax := Mem{Base: g[window/2]}, Mem{Base: which[window/2]}
			if window%2 == 1 {
				gradient.Index, gradient.Scale = beside, 1
				argmax.Index, argmax.Scale = besideBytes, 1
			}
			d, at := b.load(gradient), b.loadBytes(argmax)
			for _, pixel := range reached {
				v := b.where(at, number(place), d)
				if place++; window == 0 {
					sums[pixel] = v
				} else {
					VADDPS(v, sums[pixel], sums[pixel])
				}
			}
		}
		for i, to := range pixels {
			b.store(sums[i], to)
		}
	}, append(steps, g[0], stride, g[1], stride, which[0], bytes, which[1], bytes)...)
}

func maxPoolGrad(s vectors) {
	b := s.function("maxPoolGrad", "spreads g to the places of the rows Y and Y2 that Argmax names.")
	places, steps := b.windows("Y", "Y2")
	b.spread(places, [4]Mem{}, steps)
}

func maxPoolGradAdd(s vectors) {
	b := s.function("maxPoolGradAdd", "spreads g to the places of the rows Y and Y2 that Argmax names, and adds the rows X and X2.")
	places, steps := b.windows("Y", "Y2")
	others, otherSteps := b.windows("X", "X2")
	b.spread(places, others, append(steps, otherSteps...))
}

// spread writes G to the place that Argmax names and zeros to the other places,
// plus what others hold, if they are given.
func (b block) spread(places, others [4]Mem, steps []reg.GPVirtual) {
	g, which, stride, bytes := b.pointer("G"), b.pointer("Argmax"), b.stride("Stride"), GP64()
	Load(b.c.Field("Stride"), bytes)
	var numbers [4]reg.VecVirtual
	for i := range numbers {
		numbers[i] = b.number(i)
	}
	b.each(func() {
		d, at := b.load(Mem{Base: g}), b.loadBytes(Mem{Base: which})
		for i, to := range places {
			v := b.where(at, numbers[i], d)
			if others[i].Base != nil {
				VADDPS(b.load(others[i]), v, v)
			}
			b.store(v, to)
		}
	}, append(steps, g, stride, which, bytes)...)
}
