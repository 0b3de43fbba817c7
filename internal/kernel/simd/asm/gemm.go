package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// maskTable holds 16 set and then 16 clear words: 8 words from word 16-n on are
// an AVX2 mask of the first n <= 8 lanes, and the 8 after them of lanes 8..n.
func maskTable() Mem {
	table := GLOBL("tails", 8|16) // RODATA|NOPTR
	for i := range 32 {
		v := U32(0)
		if i < 16 {
			v = ^v
		}
		DATA(4*i, v)
	}
	return table
}

// gemmVectors is what the micro-kernels GEMM of an instruction set differ in.
type gemmVectors struct {
	bytes int
	reg   func() reg.VecVirtual
	// load and store move the v-th vector of a row; masked: only its first
	// GEMM.N columns.
	load  func(masked bool, v int, from Mem, to reg.VecVirtual)
	store func(masked bool, v int, from reg.VecVirtual, to Mem)
	// broadcast adds to sum the product of one number in memory and right; nil
	// if there is no such instruction.
	broadcast func(left Mem, right, sum reg.VecVirtual)
	// mask prepares for masked load and store.
	mask func(cols reg.GPVirtual)
}

func avx512GEMM(mr, nr int) {
	var masks []reg.Register
	name := fmt.Sprintf("gemm%dx%dAVX512", mr, nr)
	gemm(name, mr, nr, gemmVectors{
		bytes: 64,
		reg:   ZMM,
		broadcast: func(left Mem, right, sum reg.VecVirtual) {
			VFMADD231PS_BCST(left, right, sum)
		},
		mask: func(cols reg.GPVirtual) {
			masks = nil
			bits := GP64()
			MOVQ(I32(-1), bits)
			BZHIQ(cols, bits, bits)
			for range nr / 16 {
				k := K()
				KMOVW(bits.As32(), k)
				masks = append(masks, k)
				SHRQ(Imm(16), bits)
			}
		},
		load: func(masked bool, v int, from Mem, to reg.VecVirtual) {
			if masked {
				VMOVUPS_Z(from, masks[v], to)
			} else {
				VMOVUPS(from, to)
			}
		},
		store: func(masked bool, v int, from reg.VecVirtual, to Mem) {
			if masked {
				VMOVUPS(from, masks[v], to)
			} else {
				VMOVUPS(from, to)
			}
		},
	})
}

func avx2GEMM(mr, nr int, tails Mem) {
	var at reg.GPVirtual
	mask := func(v int) reg.VecVirtual {
		m := YMM()
		VMOVUPS(Mem{Base: at, Disp: 32 * v}, m)
		return m
	}
	name := fmt.Sprintf("gemm%dx%dAVX2", mr, nr)
	gemm(name, mr, nr, gemmVectors{
		bytes: 32,
		reg:   YMM,
		mask: func(cols reg.GPVirtual) {
			at = GP64()
			LEAQ(tails.Offset(64), at)
			SHLQ(Imm(2), cols)
			SUBQ(cols, at)
		},
		load: func(masked bool, v int, from Mem, to reg.VecVirtual) {
			if masked {
				VMASKMOVPS(from, mask(v), to)
			} else {
				VMOVUPS(from, to)
			}
		},
		store: func(masked bool, v int, from reg.VecVirtual, to Mem) {
			if masked {
				VMASKMOVPS(from, mask(v), to)
			} else {
				VMOVUPS(from, to)
			}
		},
	})
}

// gemm writes the micro-kernel that computes simd.GEMM's micro-tiles of exactly mr rows
// and panels nr wide, all sums of a micro-tile in registers.
func gemm(name string, mr, nr int, s gemmVectors) {
	TEXT(name, NOSPLIT, "func(p *GEMM)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes micro-tiles of mr = %d rows of a panel nr = %d wide.", name, mr, nr))
	g := Dereference(Param("p"))
	field := func(name string) Mem { return address(g, name) }
	next := label()
	Label(next)
	floats := s.bytes / 4
	count := nr / floats // vectors in a row

	sums := make([][]reg.VecVirtual, mr)
	for m := range sums {
		for range count {
			sums[m] = append(sums[m], s.reg())
		}
	}

	// each runs f for each row with its address: a row past a third is reached
	// by stepping, so that any stride will do.
	each := func(base, stride reg.GPVirtual, f func(m int, row Mem)) {
		for m := range mr {
			row := Mem{Base: base}
			if m%3 != 0 {
				row.Index, row.Scale = stride, uint8(m%3)
			}
			f(m, row)
			if m%3 == 2 && m+1 < mr {
				LEAQ(Mem{Base: base, Index: stride, Scale: 2}, base)
				ADDQ(stride, base)
			}
		}
	}
	both := func(f func(masked bool)) { // full panels without masks, which may be slow
		cols := GP64()
		Load(g.Field("N"), cols)
		masked, end := label(), label()
		CMPQ(cols, Imm(uint64(nr)))
		JNE(LabelRef(masked))
		f(false)
		JMP(LabelRef(end))
		Label(masked)
		s.mask(cols)
		f(true)
		Label(end)
	}

	both(func(masked bool) {
		base, stride := GP64(), GP64()
		Load(g.Field("Init").Base(), base)
		ADDQ(field("initBytes"), base)
		Load(g.Field("InitStride"), stride)
		SHLQ(Imm(2), stride)
		each(base, stride, func(m int, row Mem) {
			for v, sum := range sums[m] {
				s.load(masked, v, row.Offset(v*s.bytes), sum)
			}
		})
	})

	b, bStep, aStride, aStep, back, kOuter := GP64(), GP64(), GP64(), GP64(), GP64(), GP64()
	Load(g.Field("B").Base(), b)
	Load(g.Field("AStride"), aStride)
	Load(g.Field("AStep"), aStep)
	Load(g.Field("AJump"), back)
	Load(g.Field("KOuter"), kOuter)
	Load(g.Field("bStep"), bStep)
	SHLQ(Imm(2), bStep)
	SHLQ(Imm(2), aStride)
	SHLQ(Imm(2), aStep)
	SHLQ(Imm(2), back)
	{ // from the end of one k to the beginning of the next
		walked := GP64()
		MOVQ(aStep, walked)
		IMULQ(field("K"), walked)
		SUBQ(walked, back)
	}
	a := []reg.GPVirtual{GP64()} // every third row
	Load(g.Field("A").Base(), a[0])
	ADDQ(field("aBytes"), a[0])
	for m := 3; m < mr; m += 3 {
		p := GP64()
		LEAQ(Mem{Base: a[len(a)-1], Index: aStride, Scale: 2}, p)
		ADDQ(aStride, p)
		a = append(a, p)
	}

	outer, inner := label(), label()
	k := GP64()
	Label(outer)
	prefetched, line := label(), label()
	MOVQ(field("prefetchLines"), k)
	TESTQ(k, k)
	JZ(LabelRef(prefetched))
	ahead := GP64()
	Load(g.Field("prefetch").Base(), ahead)
	ADDQ(field("prefetchBytes"), ahead)
	Label(line)
	PREFETCHT0(Mem{Base: ahead})
	ADDQ(Imm(64), ahead)
	ADDQ(Imm(64), field("prefetchBytes"))
	DECQ(k)
	JNZ(LabelRef(line))
	Label(prefetched)
	Load(g.Field("K"), k)
	Label(inner)
	right := make([]reg.VecVirtual, count)
	for v := range right {
		right[v] = s.reg()
		VMOVUPS(Mem{Base: b, Disp: v * s.bytes}, right[v])
	}
	for m := range mr {
		at := Mem{Base: a[m/3]}
		if m%3 != 0 {
			at.Index, at.Scale = aStride, uint8(m%3)
		}
		if count == 1 && s.broadcast != nil { // the register would be used once only
			s.broadcast(at, right[0], sums[m][0])
			continue
		}
		left := s.reg()
		VBROADCASTSS(at, left)
		for v, sum := range sums[m] {
			VFMADD231PS(right[v], left, sum)
		}
	}
	ADDQ(bStep, b)
	for _, p := range a {
		ADDQ(aStep, p)
	}
	DECQ(k)
	JNZ(LabelRef(inner))
	for _, p := range a {
		ADDQ(back, p)
	}
	bBack := GP64()
	Load(g.Field("bBack"), bBack)
	LEAQ(Mem{Base: b, Index: bBack, Scale: 4}, b)
	DECQ(kOuter)
	JNZ(LabelRef(outer))

	both(func(masked bool) {
		base, stride := GP64(), GP64()
		Load(g.Field("C").Base(), base)
		ADDQ(field("cBytes"), base)
		Load(g.Field("CStride"), stride)
		SHLQ(Imm(2), stride)
		each(base, stride, func(m int, row Mem) {
			for v, sum := range sums[m] {
				s.store(masked, v, sum, row.Offset(v*s.bytes))
			}
		})
	})

	done := label()
	DECQ(field("tiles"))
	JZ(LabelRef(done))
	for _, v := range []struct{ stride, bytes string }{{"CStride", "cBytes"}, {"InitStride", "initBytes"}, {"AStride", "aBytes"}} {
		step := GP64()
		Load(g.Field(v.stride), step)
		IMUL3Q(Imm(uint64(4*mr)), step, step)
		ADDQ(step, field(v.bytes))
	}
	JMP(LabelRef(next))
	Label(done)
	VZEROUPPER()
	RET()
}
