package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Sizes in simd's onthefly.go, here in bytes; its tiles are 4, its columns a vector.
const (
	onTheFlyK        = 16
	onTheFlyTap      = 64*onTheFlyK + 64
	onTheFlyInputRow = 4 * 4 * 6 // of one channel
)

// onTheFlyCoefficients is G without fractions.
var onTheFlyCoefficients = [6][3]int{{1, 0, 0}, {1, 1, 1}, {1, -1, 1}, {1, 2, 4}, {1, -2, 4}, {0, 0, 1}}

// onTheFlyConstants holds coefficients in memory.
func onTheFlyConstants() map[int]Mem {
	table, at := GLOBL("onTheFlyConstants", 8|16), map[int]Mem{} // RODATA|NOPTR
	for i, k := range []int{2, 4, -2} {
		DATA(4*i, U32(math.Float32bits(float32(k))))
		at[k] = table.Offset(4 * i)
	}
	return at
}

// onTheFlyArgument reaches the fields of the argument.
type onTheFlyArgument struct{ gotypes.Component }

func newOnTheFly(name, doc string) onTheFlyArgument {
	name += "AVX512"
	TEXT(name, NOSPLIT, "func(q *OnTheFly)")
	Pragma("noescape")
	Doc(name + " " + doc)
	return onTheFlyArgument{Dereference(Param("q"))}
}

func (q onTheFlyArgument) base(field string) reg.GPVirtual {
	v := GP64()
	Load(q.Field(field).Base(), v)
	return v
}

// strides gives those of memory between rows and between taps, in bytes.
func (q onTheFlyArgument) strides() (row, tap reg.GPVirtual) {
	row, tap = GP64(), GP64()
	Load(q.Field("WeightsRow"), row)
	Load(q.Field("WeightsTap"), tap)
	SHLQ(Imm(2), row)
	SHLQ(Imm(2), tap)
	return row, tap
}

// inputRow is where row i of the frequencies of the input is.
func (q onTheFlyArgument) inputRow(i int) reg.GPVirtual {
	at := q.base("Input")
	ADDQ(U32(uint32(onTheFlyK*onTheFlyInputRow*i)), at)
	return at
}

// sum is a vector of sums: row i and column f of the frequencies of a tile.
func onTheFlySum(sums reg.GPVirtual, tile, i, f int) Mem {
	return Mem{Base: sums, Disp: 64 * (36*tile + 6*i + f)}
}

// onTheFlyScale is the factor of a frequency.
func onTheFlyScale(scale reg.GPVirtual, i, f int) Mem { return Mem{Base: scale, Disp: 4 * (6*i + f)} }

// factor is one number of the input, of column f of the frequencies of a tile.
func onTheFlyFactor(at reg.GPVirtual, tile, f int) Mem { return Mem{Base: at, Disp: 4 * (4*f + tile)} }

func zmms(n int) []reg.VecVirtual {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = ZMM()
	}
	return v
}

func onTheFlyRegisters() (v [6][]reg.VecVirtual) { // [column][tile]
	for f := range v {
		v[f] = zmms(4)
	}
	return v
}

// onTheFlyVertical is row i of G times a column of weights.
func onTheFlyVertical(a *sums, i int, w func(row int) Op) reg.VecVirtual {
	switch i {
	case 1:
		return a.add(w(1), a.add(w(2), w(0)))
	case 2:
		r := a.add(w(2), w(0))
		VSUBPS(w(1), r, r)
		return r
	case 3:
		return a.addScaled(a.addScaled(w(0), 4, w(2)), 2, w(1))
	case 4:
		return a.subScaled(a.addScaled(w(0), 4, w(2)), 2, w(1))
	}
	return a.load(w(2 * (i / 5)))
}

// onTheFlyMultiply writes the function that multiplies four tiles by a panel.
func onTheFlyMultiply(constants map[int]Mem) {
	q := newOnTheFly("onTheFlyMultiply", "adds the products of the input and the weights in memory to the sums, and copies the weights to the panel.")
	two, four := ZMM(), ZMM()
	VBROADCASTSS(constants[2], two)
	VBROADCASTSS(constants[4], four)
	a := &sums{avx512Vectors, map[float32]Op{2: two, 4: four}}
	pieces := q.base("PrefetchAt")
	for n, i := range []int{1, 2, 3, 4, 0, 5} { // the first one needs all weights
		products := onTheFlyRegisters()
		at := q.base("Sums")
		for f, tiles := range products {
			for tile, v := range tiles {
				VMOVUPS(onTheFlySum(at, tile, i, f), v)
			}
		}
		input, panel := q.inputRow(i), q.base("Panel")
		var memory [3]reg.GPVirtual // by the row of the tap
		var row, tap reg.GPVirtual
		if n == 0 {
			row, tap = q.strides()
			memory[0] = q.base("Weights")
			for i := 1; i < 3; i++ {
				memory[i] = GP64()
				LEAQ(Mem{Base: memory[i-1], Index: tap, Scale: 2}, memory[i])
				ADDQ(tap, memory[i])
			}
		}
		// weight is that of a tap; the first time it is copied on the way.
		weight := func(i, j int) Op {
			to := Mem{Base: panel, Disp: onTheFlyTap * (3*i + j)}
			if n > 0 {
				return to
			}
			from, v := Mem{Base: memory[i]}, ZMM()
			if j > 0 {
				from.Index, from.Scale = tap, uint8(j)
			}
			VMOVUPS(from, v)
			VMOVUPS(v, to)
			return v
		}
		multiply := func(f int, u reg.VecVirtual) {
			for tile, v := range products[f] {
				VFMADD231PS_BCST(onTheFlyFactor(input, tile, f), u, v)
			}
		}
		eights, eight, loop := GP64(), label(), label()
		MOVQ(U32(onTheFlyK/8), eights)
		Label(eight)
		piece, other, rows := q.base("Prefetch"), GP64(), GP64()
		MOVQ(piece, other)
		ADDQ(Mem{Base: pieces}, piece)
		ADDQ(Mem{Base: pieces, Disp: 8}, other)
		ADDQ(Imm(16), pieces)
		MOVQ(U32(8), rows)
		Label(loop)
		var r [3]reg.VecVirtual
		for j := range r {
			var w [3]Op
			for row, c := range onTheFlyCoefficients[i] {
				if c != 0 {
					w[row] = weight(row, j)
				}
			}
			r[j] = onTheFlyVertical(a, i, func(row int) Op { return w[row] })
		}
		multiply(0, r[0])
		multiply(5, r[2])
		even := a.add(r[0], r[2])
		multiply(1, a.add(even, r[1]))
		VSUBPS(r[1], even, even)
		multiply(2, even)
		VFMADD231PS(r[2], four, r[0])
		multiply(3, a.addScaled(r[0], 2, r[1]))
		VFNMADD231PS(r[1], two, r[0])
		multiply(4, r[0])
		PREFETCHT0(Mem{Base: piece})
		PREFETCHT0(Mem{Base: other})
		for _, p := range []reg.GPVirtual{piece, other, panel} {
			ADDQ(Imm(64), p)
		}
		ADDQ(Imm(onTheFlyInputRow), input)
		if n == 0 {
			for _, p := range memory {
				ADDQ(row, p)
			}
		}
		DECQ(rows)
		JNZ(LabelRef(loop))
		DECQ(eights)
		JNZ(LabelRef(eight))
		at, scale := q.base("Sums"), q.base("Scale")
		for f, tiles := range products {
			for tile, v := range tiles {
				VMULPS_BCST(onTheFlyScale(scale, i, f), v, v)
				VMOVUPS(v, onTheFlySum(at, tile, i, f))
			}
		}
	}
	VZEROUPPER()
	RET()
}

// onTheFlyGradWeights writes the function that multiplies the input of four tiles by
// the gradients of their outputs.
func onTheFlyGradWeights(constants map[int]Mem) {
	q := newOnTheFly("onTheFlyGradWeights", "computes the panel from the input and the sums, and copies the previous one to memory.")
	unaligned := label()
	bits := q.base("Weights")
	row, tap := q.strides()
	ORQ(row, bits)
	ORQ(tap, bits)
	TESTQ(U32(63), bits)
	JNZ(LabelRef(unaligned))
	onTheFlyGradRows(q, constants, func(v, to Op) { VMOVNTPS(v, to) }) // see transform
	Label(unaligned)
	onTheFlyGradRows(q, constants, func(v, to Op) { VMOVUPS(v, to) })
}

// onTheFlyGradRows does one row of frequencies after the other, and returns.
func onTheFlyGradRows(q onTheFlyArgument, constants map[int]Mem, store func(v, to Op)) {
	a := &sums{avx512Vectors, nil}
	var begun [3]bool // rows of the panel
	for n, i := range []int{0, 5, 1, 2, 3, 4} {
		grads := onTheFlyRegisters()
		sums, scale := q.base("Sums"), q.base("Scale")
		for f, tiles := range grads {
			for tile, v := range tiles {
				VMOVUPS(onTheFlySum(sums, tile, i, f), v)
				VMULPS_BCST(onTheFlyScale(scale, i, f), v, v)
			}
		}
		input, panel, last, memory := q.inputRow(i), q.base("Panel"), q.base("Previous"), q.base("Weights")
		row, tap := q.strides()
		taps := []int{2 * n, 2*n + 1} // that are copied meanwhile: nine in all
		if n >= 3 {
			taps = []int{n + 3}
		}
		skip := GP64()
		IMUL3Q(Imm(uint64(taps[0])), tap, skip)
		ADDQ(skip, memory)
		rows, loop := GP64(), label()
		MOVQ(U32(onTheFlyK), rows)
		Label(loop)
		u := zmms(6)
		for f, tiles := range grads {
			VMULPS_BCST(onTheFlyFactor(input, 0, f), tiles[0], u[f])
			for tile := 1; tile < len(tiles); tile++ {
				VFMADD231PS_BCST(onTheFlyFactor(input, tile, f), tiles[tile], u[f])
			}
		}
		even := a.add(u[1], u[2])
		VSUBPS(u[2], u[1], u[2])
		VADDPS(u[4], u[3], u[1]) // the even part of the second pair
		VSUBPS(u[4], u[3], u[4])
		VADDPS(even, u[0], u[0])
		VADDPS(u[1], u[0], u[0])
		VADDPS(even, u[5], u[5])
		VFMADD231PS_BCST(constants[4], u[1], u[5])
		VFMADD231PS_BCST(constants[2], u[4], u[2])
		for j, r := range []reg.VecVirtual{u[0], u[2], u[5]} {
			for row, c := range onTheFlyCoefficients[i] {
				to := Mem{Base: panel, Disp: onTheFlyTap * (3*row + j)}
				switch {
				case c == 0:
					continue
				case !begun[row]: // then c is 1
					VMOVUPS(r, to)
					continue
				}
				sum := ZMM()
				switch c {
				case 1:
					VADDPS(to, r, sum)
				case -1:
					VMOVUPS(to, sum)
					VSUBPS(r, sum, sum)
				default:
					VMOVUPS(to, sum)
					VFMADD231PS_BCST(constants[c], r, sum)
				}
				VMOVUPS(sum, to)
			}
		}
		for row, c := range onTheFlyCoefficients[i] {
			begun[row] = begun[row] || c != 0
		}
		for i, t := range taps {
			v, to := ZMM(), Mem{Base: memory}
			if i > 0 {
				to.Index, to.Scale = tap, 1
			}
			VMOVUPS(Mem{Base: last, Disp: onTheFlyTap * t}, v)
			store(v, to)
		}
		ADDQ(Imm(64), panel)
		ADDQ(Imm(64), last)
		ADDQ(row, memory)
		ADDQ(Imm(onTheFlyInputRow), input)
		DECQ(rows)
		JNZ(LabelRef(loop))
	}
	VZEROUPPER()
	RET()
}

// onTheFlyTranspose writes the function that fills a panel from weights whose
// columns are rows in memory, by squares of 16.
func onTheFlyTranspose() {
	q := newOnTheFly("onTheFlyTranspose", "fills the panel from memory, with rows and columns exchanged and the taps in reverse.")
	from, to := q.base("Weights"), q.base("Panel")
	row, tap := q.strides()
	ADDQ(U32(8*onTheFlyTap), to)
	taps, nextTap, squares, square := GP64(), label(), GP64(), label()
	MOVQ(U32(9), taps)
	Label(nextTap)
	MOVQ(U32(onTheFlyK/16), squares)
	Label(square)
	lower, upper := newOctet(from, row), newOctet(GP64(), row)
	LEAQ(Mem{Base: from, Index: row, Scale: 8}, upper.at)
	r, pairs, quads := zmms(16), zmms(16), zmms(16)
	for i := range 8 {
		VMOVUPS(lower.row(i), r[i])
		VMOVUPS(upper.row(i), r[8+i])
	}
	for i := 0; i < 16; i += 2 { // of rows i and i+1: elements 0 1 of each quarter, then 2 3
		VUNPCKLPS(r[i+1], r[i], pairs[i])
		VUNPCKHPS(r[i+1], r[i], pairs[i+1])
	}
	for i := 0; i < 16; i += 4 { // of rows i to i+3: element 0 of each quarter, then 1, 2, 3
		for k := range 4 {
			VSHUFPS(Imm(uint64(0x44+0xaa*(k%2))), pairs[i+2+k/2], pairs[i+k/2], quads[i+k])
		}
	}
	// quarters gives the even or odd quarters of a and those of b.
	quarters := func(odd int, a, b reg.VecVirtual) reg.VecVirtual {
		v := ZMM()
		VSHUFF32X4(Imm(uint64(0x88+0x55*odd)), b, a, v)
		return v
	}
	for k := range 4 {
		for odd := range 2 {
			low := quarters(odd, quads[k], quads[4+k])
			high := quarters(odd, quads[8+k], quads[12+k])
			for second := range 2 {
				VMOVUPS(quarters(second, low, high), Mem{Base: to, Disp: 64 * (8*second + 4*odd + k)})
			}
		}
	}
	ADDQ(Imm(64), from)
	ADDQ(U32(64*16), to)
	DECQ(squares)
	JNZ(LabelRef(square))
	ADDQ(tap, from)
	SUBQ(Imm(4*onTheFlyK), from)
	SUBQ(U32(onTheFlyTap+64*onTheFlyK), to)
	DECQ(taps)
	JNZ(LabelRef(nextTap))
	VZEROUPPER()
	RET()
}
