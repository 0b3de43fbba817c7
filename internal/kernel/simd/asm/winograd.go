package main

import (
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// line is the product of a constant matrix with a column v of from vectors, in
// groups of results that share sums. The results of a group are those that
// outputs names, in that order.
type line struct {
	name, doc string
	from, to  int
	constants []float32
	groups    []group
	crowded   bool // leaves no registers to hold the constants, of the 16 that AVX2 has
}

type group struct {
	outputs []int
	compute func(s *sums, v func(i int) Op) []reg.VecVirtual
}

// sums does arithmetic on whole vectors, into a fresh register each time.
type sums struct {
	vectors
	constants map[float32]Op
}

func (s *sums) load(v Op) reg.VecVirtual {
	to := s.reg()
	if from, ok := v.(reg.VecVirtual); ok {
		VMOVAPS(from, to)
	} else {
		VMOVUPS(v, to)
	}
	return to
}

// inRegister is v, loaded if it is in memory.
func (s *sums) inRegister(v Op) reg.VecVirtual {
	if r, ok := v.(reg.VecVirtual); ok {
		return r
	}
	return s.load(v)
}

func (s *sums) add(a, b Op) reg.VecVirtual {
	left, to := s.inRegister(a), s.reg()
	VADDPS(b, left, to)
	return to
}

func (s *sums) sub(a, b Op) reg.VecVirtual {
	left, to := s.inRegister(a), s.reg()
	VSUBPS(b, left, to)
	return to
}

func (s *sums) scale(k float32, v Op) reg.VecVirtual {
	to := s.reg()
	a, b := s.factors(k, v)
	VMULPS(a, b, to)
	return to
}

// factors are k and v, of which the first one may be in memory.
func (s *sums) factors(k float32, v Op) (Op, reg.VecVirtual) {
	if held, ok := s.constants[k].(reg.VecVirtual); ok {
		return v, held
	}
	return s.constants[k], s.inRegister(v)
}

// addScaled is a + k*v, subScaled is a - k*v.
func (s *sums) addScaled(a Op, k float32, v Op) reg.VecVirtual {
	to := s.load(a)
	a, b := s.factors(k, v)
	VFMADD231PS(a, b, to)
	return to
}

func (s *sums) subScaled(a Op, k float32, v Op) reg.VecVirtual {
	to := s.load(a)
	a, b := s.factors(k, v)
	VFNMADD231PS(a, b, to)
	return to
}

func (s *sums) both(even, odd reg.VecVirtual) []reg.VecVirtual {
	return []reg.VecVirtual{s.add(even, odd), s.sub(even, odd)}
}

// bothScaled is even + k*odd and even - k*odd.
func (s *sums) bothScaled(even reg.VecVirtual, k float32, odd Op) []reg.VecVirtual {
	return []reg.VecVirtual{s.addScaled(even, k, odd), s.subScaled(even, k, odd)}
}

// The matrices are written out beside the plain loops.
var lines = []line{
	{"input", "Bᵀ x B: 6x6 pixels to 6x6 frequencies", 6, 6, []float32{2, 4, 5}, []group{
		{[]int{0}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			return []reg.VecVirtual{s.addScaled(s.subScaled(v(4), 5, v(2)), 4, v(0))}
		}},
		{[]int{5}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			return []reg.VecVirtual{s.addScaled(s.subScaled(v(5), 5, v(3)), 4, v(1))}
		}},
		{[]int{1, 2}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			return s.both(s.subScaled(v(4), 4, v(2)), s.subScaled(v(3), 4, v(1)))
		}},
		{[]int{3, 4}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			return s.bothScaled(s.sub(v(4), v(2)), 2, s.sub(v(3), v(1)))
		}},
	}, false},
	{"output", "Aᵀ m A: 6x6 frequencies to 4x4 pixels", 6, 4, []float32{2, 4, 8}, []group{
		{[]int{0, 2}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			even, even2 := s.add(v(1), v(2)), s.add(v(3), v(4))
			return []reg.VecVirtual{s.add(s.add(even, v(0)), even2), s.addScaled(even, 4, even2)}
		}},
		{[]int{1, 3}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			odd, odd2 := s.sub(v(1), v(2)), s.sub(v(3), v(4))
			return []reg.VecVirtual{s.addScaled(odd, 2, odd2), s.addScaled(s.add(odd, v(5)), 8, odd2)}
		}},
	}, true},
	{"outputGrad", "A dy Aᵀ: 4x4 pixels to 6x6 frequencies", 4, 6, []float32{2, 4}, []group{
		{[]int{0}, func(s *sums, v func(int) Op) []reg.VecVirtual { return []reg.VecVirtual{s.inRegister(v(0))} }},
		{[]int{5}, func(s *sums, v func(int) Op) []reg.VecVirtual { return []reg.VecVirtual{s.inRegister(v(3))} }},
		{[]int{1, 2}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			return s.both(s.add(v(0), v(2)), s.add(v(1), v(3)))
		}},
		{[]int{3, 4}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			return s.bothScaled(s.addScaled(v(0), 4, v(2)), 2, s.addScaled(v(1), 4, v(3)))
		}},
	}, false},
	{"weights", "G w Gᵀ: 3x3 weights to 6x6 frequencies", 3, 6, []float32{1. / 4, 1. / 6, -1. / 6, 1. / 12, 1. / 24}, []group{
		{[]int{0}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			return []reg.VecVirtual{s.scale(1./4, v(0))}
		}},
		{[]int{5}, func(s *sums, v func(int) Op) []reg.VecVirtual { return []reg.VecVirtual{s.inRegister(v(2))} }},
		{[]int{1, 2}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			even, odd := s.scale(-1./6, s.add(v(0), v(2))), v(1)
			return []reg.VecVirtual{s.addScaled(even, -1./6, odd), s.subScaled(even, -1./6, odd)}
		}},
		{[]int{3, 4}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			return s.bothScaled(s.addScaled(s.scale(1./24, v(0)), 1./6, v(2)), 1./12, v(1))
		}},
	}, false},
	{"weightsGrad", "Gᵀ du G: 6x6 frequencies to 3x3 weights", 6, 3, []float32{1. / 4, 1. / 6, 1. / 12, 1. / 24}, []group{
		{[]int{0, 2}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			even, even2 := s.add(v(1), v(2)), s.add(v(3), v(4))
			first := s.addScaled(s.subScaled(s.scale(1./4, v(0)), 1./6, even), 1./24, even2)
			return []reg.VecVirtual{first, s.addScaled(v(5), 1./6, s.sub(even2, even))}
		}},
		{[]int{1}, func(s *sums, v func(int) Op) []reg.VecVirtual {
			odd, odd2 := s.sub(v(2), v(1)), s.sub(v(3), v(4))
			return []reg.VecVirtual{s.addScaled(s.scale(1./6, odd), 1./12, odd2)}
		}},
	}, true},
}

// constantTable holds the constants of the lines in memory, as AVX2 vectors.
func constantTable() map[float32]Mem {
	table, at := GLOBL("constants", 8|16), map[float32]Mem{} // RODATA|NOPTR
	for _, l := range lines {
		for _, k := range l.constants {
			if _, ok := at[k]; !ok {
				first := 32 * len(at)
				at[k] = table.Offset(first)
				for i := range 8 {
					DATA(first+4*i, U32(math.Float32bits(k))) // avo writes F32(2) as an integer
				}
			}
		}
	}
	return at
}

// side is the Src or the Dst of a transform: elements of a tile in memory.
type side struct {
	field       string
	base, at    reg.GPVirtual // of the channels, of a row or column of the tile
	step, one   reg.GPVirtual // to the next row or column; within it to the next element
	three, five reg.GPVirtual // times one
	count       int
}

// newSide walks the tile along step and reaches within it along one.
func newSide(t gotypes.Component, slice, step, one string, count int) side {
	s := side{field: slice, base: GP64(), at: GP64(), step: GP64(), one: GP64(), three: GP64(), count: count}
	Load(t.Field(slice).Base(), s.base)
	Load(t.Field(step), s.step)
	Load(t.Field(one), s.one)
	SHLQ(Imm(2), s.step)
	SHLQ(Imm(2), s.one)
	LEAQ(Mem{Base: s.one, Index: s.one, Scale: 2}, s.three)
	if count > 5 {
		s.five = GP64()
		LEAQ(Mem{Base: s.one, Index: s.one, Scale: 4}, s.five)
	}
	return s
}

func (s side) element(i int) Mem {
	switch i {
	case 0:
		return Mem{Base: s.at}
	case 3:
		return Mem{Base: s.at, Index: s.three, Scale: 1}
	case 5:
		return Mem{Base: s.at, Index: s.five, Scale: 1}
	}
	return Mem{Base: s.at, Index: s.one, Scale: uint8(i)}
}

// transform writes the function that does a line to all columns and then to
// all rows of a tile. One group of its rows after the other stays in
// registers between the two: all of them at once would not fit.
//
// The epilogue may be "Moments", which also adds the stored values and their
// squares to Moments, in float32 within a tile and in float64 beyond; or
// "Norm", which stores v*Scale + Shift, clamped.
func transform(s vectors, l line, table map[float32]Mem, epilogue string) {
	name := l.name + epilogue + "Transform" + s.isa
	TEXT(name, NOSPLIT, "func(t *Transform)")
	Pragma("noescape")
	Doc(name + " computes " + l.doc + map[string]string{"": "", "Moments": ", and adds up its moments", "Norm": ", then scales, shifts and clamps"}[epilogue] + ", for whole vectors of channels.")
	t := Dereference(Param("t"))
	src := newSide(t, "Src", "SrcCol", "SrcRow", l.from)
	dst := newSide(t, "Dst", "DstRow", "DstCol", l.to)
	a := &sums{s, map[float32]Op{}}
	for _, k := range l.constants {
		if l.crowded && s.floats == 8 {
			a.constants[k] = table[k]
			continue
		}
		v := s.reg()
		VBROADCASTSS(table[k], v)
		a.constants[k] = v
	}
	if (l.name == "output" || l.name == "weightsGrad") && s.floats == 16 {
		// Whole lines may be written by non-temporal stores, which do not read a line
		// from memory to overwrite it. The atomic operations that end a piece of work
		// order these stores too.
		bits, unaligned := GP64(), label()
		Load(t.Field("NonTemporal"), bits)
		TESTQ(bits, bits)
		JZ(LabelRef(unaligned))
		Load(t.Field("DstTile"), bits)
		SHLQ(Imm(2), bits)
		ORQ(dst.base, bits)
		ORQ(dst.step, bits)
		ORQ(dst.one, bits)
		TESTQ(U32(63), bits)
		JNZ(LabelRef(unaligned))
		transformLoop(a, t, l, src, dst, epilogue, func(v, to Op) { VMOVNTPS(v, to) })
		Label(unaligned)
	}
	transformLoop(a, t, l, src, dst, epilogue, func(v, to Op) { VMOVUPS(v, to) })
}

// address is where a field of the argument is.
func address(t gotypes.Component, field string) Mem {
	f, err := t.Field(field).Resolve()
	if err != nil {
		panic(err)
	}
	return f.Addr
}

// tileMoments are sums over the values of a tile, for a vector of channels.
type tileMoments struct {
	vectors
	at          reg.GPVirtual // of the sums in float64 and, behind them, those of squares
	sum, square reg.VecVirtual
}

func newMoments(t gotypes.Component, s vectors) *tileMoments {
	m := &tileMoments{s, GP64(), s.reg(), s.reg()}
	Load(t.Field("Moments").Base(), m.at)
	return m
}

func (m *tileMoments) clear() {
	VXORPS(m.sum, m.sum, m.sum)
	VXORPS(m.square, m.square, m.square)
}

func (m *tileMoments) add(v reg.VecVirtual) {
	VADDPS(v, m.sum, m.sum)
	VFMADD231PS(v, v, m.square)
}

func (m *tileMoments) save() {
	b := block{vectors: m.vectors}
	for i, v := range []reg.VecVirtual{m.sum, m.square} {
		for half := range 2 {
			d, to := b.double(v, half), Mem{Base: m.at, Disp: (2*i + half) * b.bytes()}
			VADDPD(to, d, d)
			VMOVUPD(d, to)
		}
	}
	ADDQ(U32(uint32(4*b.bytes())), m.at)
}

// tileNorm is v*Scale + Shift, clamped, on the vectors of a tile.
type tileNorm struct {
	vectors
	t            gotypes.Component
	scale, shift reg.GPVirtual // where those of the columns at work are
}

// find points n at the columns of which cols are left.
func (n *tileNorm) find(t gotypes.Component, cols reg.GPVirtual) {
	Load(t.Field("Channels"), n.shift)
	SUBQ(cols, n.shift)
	SHLQ(Imm(2), n.shift)
	Load(t.Field("Scale").Base(), n.scale)
	ADDQ(n.shift, n.scale)
	shift, err := t.Field("Shift").Base().Resolve()
	if err != nil {
		panic(err)
	}
	ADDQ(shift.Addr, n.shift)
}

// apply changes v, which must be a result and not an operand that is kept.
func (n *tileNorm) apply(v reg.VecVirtual) {
	VMULPS(Mem{Base: n.scale}, v, v)
	VADDPS(Mem{Base: n.shift}, v, v)
	n.clamp(n.t).apply(v)
}

// transformLoop does the tiles one after the other, of each the vectors of
// channels, and returns.
func transformLoop(a *sums, t gotypes.Component, l line, src, dst side, epilogue string, store func(v, to Op)) {
	next, loop := label(), label()
	Label(next)
	for _, s := range []side{src, dst} {
		Load(t.Field(s.field).Base(), s.base)
		ADDQ(address(t, strings.ToLower(s.field)+"Bytes"), s.base)
	}
	cols := GP64()
	Load(t.Field("Channels"), cols)
	var moments *tileMoments
	var norm *tileNorm
	switch epilogue {
	case "Moments":
		moments = newMoments(t, a.vectors)
	case "Norm":
		norm = &tileNorm{a.vectors, t, src.at, GP64()}
	}
	Label(loop)
	if moments != nil {
		moments.clear()
	}
	if first, ok := map[string]int{"weights": 0, "input": 2, "outputGrad": 0}[l.name]; ok {
		MOVQ(src.base, src.at)
		ADDQ(address(t, "PrefetchBytes"), src.at)
		for j := range l.from {
			for i := range l.from {
				if j >= first { // the columns before belong to the tile before too
					PREFETCHT0(src.element(i))
				}
			}
			if j+1 < l.from {
				ADDQ(src.step, src.at)
			}
		}
	}
	for _, rows := range l.groups {
		held := make([][]reg.VecVirtual, l.from) // [column][row of the group]
		MOVQ(src.base, src.at)
		for j := range held {
			held[j] = rows.compute(a, func(i int) Op { return src.element(i) })
			if j+1 < l.from {
				ADDQ(src.step, src.at)
			}
		}
		for r, row := range rows.outputs {
			MOVQ(dst.base, dst.at)
			for range row {
				ADDQ(dst.step, dst.at)
			}
			if norm != nil {
				norm.find(t, cols)
			}
			for _, columns := range l.groups {
				v := columns.compute(a, func(j int) Op { return held[j][r] })
				for c, column := range columns.outputs {
					if norm != nil {
						norm.apply(v[c])
					}
					store(v[c], dst.element(column))
					if moments != nil {
						moments.add(v[c])
					}
				}
			}
		}
	}
	if moments != nil {
		moments.save()
	}
	bytes := uint32(4 * a.floats)
	ADDQ(U32(bytes), src.base)
	ADDQ(U32(bytes), dst.base)
	SUBQ(Imm(uint64(a.floats)), cols)
	JNZ(LabelRef(loop))
	for _, s := range []side{src, dst} {
		Load(t.Field(s.field+"Tile"), s.at)
		SHLQ(Imm(2), s.at)
		ADDQ(s.at, address(t, strings.ToLower(s.field)+"Bytes"))
	}
	DECQ(address(t, "Tiles"))
	JNZ(LabelRef(next))
	VZEROUPPER()
	RET()
}
