package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// octet reaches 8 rows of a matrix from a pointer.
type octet struct{ at, one, three, five, seven reg.GPVirtual }

func newOctet(at, stride reg.GPVirtual) octet {
	o := octet{at, stride, GP64(), GP64(), GP64()}
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, o.three)
	LEAQ(Mem{Base: stride, Index: stride, Scale: 4}, o.five)
	LEAQ(Mem{Base: o.three, Index: stride, Scale: 4}, o.seven)
	return o
}

func (o octet) row(i int) Mem {
	m := Mem{Base: o.at}
	switch i {
	case 1, 2, 4:
		m.Index, m.Scale = o.one, uint8(i)
	case 3, 6:
		m.Index, m.Scale = o.three, uint8(i/3)
	case 5:
		m.Index, m.Scale = o.five, 1
	case 7:
		m.Index, m.Scale = o.seven, 1
	}
	return m
}

// transpose writes the function that transposes a matrix by squares of 8.
func transpose() {
	TEXT("transposeAVX2", NOSPLIT, "func(t Transposition)")
	Doc("transposeAVX2 does t, for Rows and Cols which are multiples of 8.")
	t := Param("t")
	field := func(name string) reg.GPVirtual {
		v := GP64()
		Load(t.Field(name), v)
		return v
	}
	dst, src := GP64(), GP64()
	Load(t.Field("Dst").Base(), dst)
	Load(t.Field("Src").Base(), src)
	dstRow, srcRow := field("DstStride"), field("SrcStride")
	SHLQ(Imm(2), dstRow)
	SHLQ(Imm(2), srcRow)
	to, from := newOctet(GP64(), dstRow), newOctet(GP64(), srcRow)
	cols, rows := field("Cols"), GP64()

	column, square := label(), label()
	Label(column)
	MOVQ(dst, to.at)
	MOVQ(src, from.at)
	Load(t.Field("Rows"), rows)
	Label(square)
	var r, pairs, quads [8]reg.VecVirtual
	for i := range r {
		r[i] = YMM()
		VMOVUPS(from.row(i), r[i])
	}
	for i := 0; i < 8; i += 2 { // of rows i and i+1: elements 0 1 of each half, then 2 3
		pairs[i], pairs[i+1] = YMM(), YMM()
		VUNPCKLPS(r[i+1], r[i], pairs[i])
		VUNPCKHPS(r[i+1], r[i], pairs[i+1])
	}
	for i := 0; i < 8; i += 4 { // of rows i to i+3: element 0 of each half, then 1, 2, 3
		for k := range 4 {
			quads[i+k] = YMM()
			VSHUFPS(Imm(uint64(0x44+0xaa*(k%2))), pairs[i+2+k/2], pairs[i+k/2], quads[i+k])
		}
	}
	for k := range 8 {
		row := YMM()
		VPERM2F128(Imm(uint64(0x20+0x11*(k/4))), quads[4+k%4], quads[k%4], row)
		VMOVUPS(row, to.row(k))
	}
	ADDQ(Imm(32), from.at)
	LEAQ(Mem{Base: to.at, Index: to.one, Scale: 8}, to.at)
	SUBQ(Imm(8), rows)
	JNZ(LabelRef(square))
	ADDQ(Imm(32), dst)
	LEAQ(Mem{Base: src, Index: from.one, Scale: 8}, src)
	SUBQ(Imm(8), cols)
	JNZ(LabelRef(column))
	VZEROUPPER()
	RET()
}
