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

// vectors is what the tiles of an instruction set differ in.
type vectors struct {
	bytes int
	reg   func() reg.VecVirtual
	// load and store move the v-th vector of a row; masked: only its first
	// tile.cols columns.
	load  func(masked bool, v int, from Mem, to reg.VecVirtual)
	store func(masked bool, v int, from reg.VecVirtual, to Mem)
	// broadcast adds to sum the product of one number in memory and right; nil
	// if there is no such instruction.
	broadcast func(left Mem, right, sum reg.VecVirtual)
	// mask prepares for masked load and store.
	mask func(cols reg.GPVirtual)
}

func avx512Tile(rows, width int) {
	var masks []reg.Register
	name := fmt.Sprintf("tileAVX512w%dr%d", width, rows)
	tile(name, rows, width, vectors{
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
			for range width / 16 {
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

func avx2Tile(rows, width int, tails Mem) {
	var at reg.GPVirtual
	mask := func(v int) reg.VecVirtual {
		m := YMM()
		VMOVUPS(Mem{Base: at, Disp: 32 * v}, m)
		return m
	}
	name := fmt.Sprintf("tileAVX2w%dr%d", width, rows)
	tile(name, rows, width, vectors{
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

// tile writes the function that computes kernel.tile's blocks of exactly rows
// rows and panel width, all sums of a block in registers.
func tile(name string, rows, width int, s vectors) {
	TEXT(name, NOSPLIT, "func(t *tile)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes a tile of %d rows and panel width %d.", name, rows, width))
	t := Dereference(Param("t"))
	field := func(name string) Mem { return address(t, name) }
	next := label()
	Label(next)
	lanes := s.bytes / 4
	count := width / lanes // vectors in a row

	sums := make([][]reg.VecVirtual, rows)
	for m := range sums {
		for range count {
			sums[m] = append(sums[m], s.reg())
		}
	}

	// each runs f for each row with its address: a row past a third is reached
	// by stepping, so that any stride will do.
	each := func(base, stride reg.GPVirtual, f func(m int, row Mem)) {
		for m := range rows {
			row := Mem{Base: base}
			if m%3 != 0 {
				row.Index, row.Scale = stride, uint8(m%3)
			}
			f(m, row)
			if m%3 == 2 && m+1 < rows {
				LEAQ(Mem{Base: base, Index: stride, Scale: 2}, base)
				ADDQ(stride, base)
			}
		}
	}
	both := func(f func(masked bool)) { // full panels without masks, which may be slow
		cols := GP64()
		Load(t.Field("cols"), cols)
		masked, end := label(), label()
		CMPQ(cols, Imm(uint64(width)))
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
		Load(t.Field("i").Base(), base)
		ADDQ(field("iBytes"), base)
		Load(t.Field("iRow"), stride)
		SHLQ(Imm(2), stride)
		each(base, stride, func(m int, row Mem) {
			for v, sum := range sums[m] {
				s.load(masked, v, row.Offset(v*s.bytes), sum)
			}
		})
	})

	b, aRow, aStep, back, ks, js := GP64(), GP64(), GP64(), GP64(), GP64(), GP64()
	Load(t.Field("b").Base(), b)
	Load(t.Field("aRow"), aRow)
	Load(t.Field("aStep"), aStep)
	Load(t.Field("aJump"), back)
	Load(t.Field("ks"), ks)
	Load(t.Field("js"), js)
	SHLQ(Imm(2), aRow)
	SHLQ(Imm(2), aStep)
	SHLQ(Imm(2), back)
	{ // from the end of one j to the beginning of the next
		walked := GP64()
		MOVQ(aStep, walked)
		IMULQ(ks, walked)
		SUBQ(walked, back)
	}
	a := []reg.GPVirtual{GP64()} // every third row
	Load(t.Field("a").Base(), a[0])
	ADDQ(field("aBytes"), a[0])
	for m := 3; m < rows; m += 3 {
		p := GP64()
		LEAQ(Mem{Base: a[len(a)-1], Index: aRow, Scale: 2}, p)
		ADDQ(aRow, p)
		a = append(a, p)
	}

	outer, inner := label(), label()
	k := GP64()
	Label(outer)
	fetched, line := label(), label()
	MOVQ(field("aheadLines"), k)
	TESTQ(k, k)
	JZ(LabelRef(fetched))
	ahead := GP64()
	Load(t.Field("ahead").Base(), ahead)
	ADDQ(field("aheadBytes"), ahead)
	Label(line)
	PREFETCHT0(Mem{Base: ahead})
	ADDQ(Imm(64), ahead)
	ADDQ(Imm(64), field("aheadBytes"))
	DECQ(k)
	JNZ(LabelRef(line))
	Label(fetched)
	MOVQ(ks, k)
	Label(inner)
	right := make([]reg.VecVirtual, count)
	for v := range right {
		right[v] = s.reg()
		VMOVUPS(Mem{Base: b, Disp: v * s.bytes}, right[v])
	}
	for m := range rows {
		at := Mem{Base: a[m/3]}
		if m%3 != 0 {
			at.Index, at.Scale = aRow, uint8(m%3)
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
	ADDQ(Imm(uint64(width*4)), b)
	for _, p := range a {
		ADDQ(aStep, p)
	}
	DECQ(k)
	JNZ(LabelRef(inner))
	for _, p := range a {
		ADDQ(back, p)
	}
	DECQ(js)
	JNZ(LabelRef(outer))

	both(func(masked bool) {
		base, stride := GP64(), GP64()
		Load(t.Field("c").Base(), base)
		ADDQ(field("cBytes"), base)
		Load(t.Field("cRow"), stride)
		SHLQ(Imm(2), stride)
		each(base, stride, func(m int, row Mem) {
			for v, sum := range sums[m] {
				s.store(masked, v, sum, row.Offset(v*s.bytes))
			}
		})
	})

	done := label()
	DECQ(field("blocks"))
	JZ(LabelRef(done))
	for _, v := range []string{"c", "i", "a"} {
		step := GP64()
		Load(t.Field(v+"Row"), step)
		IMUL3Q(Imm(uint64(4*rows)), step, step)
		ADDQ(step, field(v+"Bytes"))
	}
	JMP(LabelRef(next))
	Label(done)
	VZEROUPPER()
	RET()
}
