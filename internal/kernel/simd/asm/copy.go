package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// copyRows writes the function that copies rows of whole AVX2 vectors, whole lines by
// non-temporal stores if the argument says so.
func copyRows() {
	TEXT("copyRowsAVX2", NOSPLIT, "func(c *RowCopy)")
	Pragma("noescape")
	Doc("copyRowsAVX2 does c, for Cols which are a multiple of 8.")
	c := Dereference(Param("c"))
	field := func(name string) reg.GPVirtual {
		v := GP64()
		Load(c.Field(name), v)
		return v
	}
	y, x := GP64(), GP64()
	Load(c.Field("Y").Base(), y)
	Load(c.Field("X").Base(), x)
	yStep, xStep, cols, rows := field("YStride"), field("XStride"), field("Cols"), field("Rows")
	SHLQ(Imm(2), yStep)
	SHLQ(Imm(2), xStep)
	SHLQ(Imm(2), cols)
	loop := func(store func(v, to Op)) {
		row, vector := label(), label()
		Label(row)
		at := GP64()
		XORQ(at, at)
		Label(vector)
		v := YMM()
		VMOVUPS(Mem{Base: x, Index: at, Scale: 1}, v)
		store(v, Mem{Base: y, Index: at, Scale: 1})
		ADDQ(Imm(32), at)
		CMPQ(at, cols)
		JNE(LabelRef(vector))
		ADDQ(xStep, x)
		ADDQ(yStep, y)
		DECQ(rows)
		JNZ(LabelRef(row))
		VZEROUPPER()
		RET()
	}
	cached := label()
	nonTemporal, bits := field("NonTemporal"), GP64()
	TESTQ(nonTemporal, nonTemporal)
	JZ(LabelRef(cached))
	MOVQ(y, bits) // whole lines only
	ORQ(yStep, bits)
	ORQ(cols, bits)
	TESTQ(U32(63), bits)
	JNZ(LabelRef(cached))
	loop(func(v, to Op) { VMOVNTPS(v, to) })
	Label(cached)
	loop(func(v, to Op) { VMOVUPS(v, to) })
}

// prefetchRows writes the function that prefetches rows of memory into the caches.
func prefetchRows() {
	TEXT("prefetchRowsSSE", NOSPLIT, "func(x []float32, rows, stride, cols int)")
	Doc("prefetchRowsSSE prefetches the cache lines of some columns of rows.")
	field := func(name string) reg.GPVirtual {
		v := GP64()
		Load(Param(name), v)
		return v
	}
	x, rows, stride, cols := GP64(), field("rows"), field("stride"), field("cols")
	Load(Param("x").Base(), x)
	SHLQ(Imm(2), stride)
	SHLQ(Imm(2), cols)
	row, line := label(), label()
	Label(row)
	at := GP64()
	XORQ(at, at)
	Label(line)
	PREFETCHT0(Mem{Base: x, Index: at, Scale: 1})
	ADDQ(Imm(64), at)
	CMPQ(at, cols)
	JLT(LabelRef(line))
	ADDQ(stride, x)
	DECQ(rows)
	JNZ(LabelRef(row))
	RET()
}
