package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// depthwiseOutputs is how many pixels of a row of Y, a block, are summed at once, each in a
// register: a column of X is loaded once for all of them that it belongs to.
const depthwiseOutputs = 8

// depthwise is a function over rows of Y, func(d *Depthwise): one vector of channels after
// the other, for each of them the rows, of each the blocks.
type depthwise struct {
	block
	kernel        int
	columns, step int // of X: that a block meets, and from a block to the next one
	// tap is by which tap column x meets output y of a block, if it does.
	tap        func(x, y int) (j int, meets bool)
	transposed bool

	channels    reg.GPVirtual // bytes before the vector at work
	pixel, taps reg.GPVirtual // bytes from a pixel or a tap to the next one
}

func depthwiseConv(s vectors, kernel, step int) {
	d := depthwise{
		kernel: kernel, columns: (depthwiseOutputs-1)*step + kernel, step: depthwiseOutputs * step,
		tap: func(x, y int) (int, bool) { j := x - step*y; return j, 0 <= j && j < kernel },
	}
	d.write(s, fmt.Sprintf("depthwise%dx%dStride%d", kernel, kernel, step), "convolves, and does what comes after.")
}

func depthwiseTransposed(s vectors, kernel int) {
	before := (kernel - 1) / 2
	d := depthwise{
		kernel: kernel, columns: before + depthwiseOutputs/2, step: depthwiseOutputs / 2,
		tap:        func(x, y int) (int, bool) { j := y - 2*(x-before); return j, 0 <= j && j < kernel },
		transposed: true,
	}
	d.write(s, fmt.Sprintf("depthwise%dx%dTransposed", kernel, kernel), "is the transposed convolution of stride 2.")
}

func (d *depthwise) write(s vectors, name, doc string) {
	name += s.isa
	TEXT(name, NOSPLIT, "func(d *Depthwise)")
	Pragma("noescape")
	Doc(name + " " + doc)
	d.block = block{vectors: s, c: Dereference(Param("d"))}
	d.pixel, d.taps, d.channels = d.stride("Pixel"), d.stride("Tap"), GP64()
	XORQ(d.channels, d.channels)
	vector, row, block := label(), label(), label()
	Label(vector)
	if s.floats == 16 {
		bits, cols := GP64(), GP64()
		MOVQ(I32(-1), bits)
		MOVQ(U32(16), cols)
		CMPQ(cols, d.field("left"))
		CMOVQGT(d.field("left"), cols)
		BZHIQ(cols, bits, bits)
		d.mask = K()
		KMOVW(bits.As32(), d.mask)
	}
	y, p, q := d.vectorOf("Y"), GP64(), GP64() // at work: outputs from p on, and columns from q on
	MOVQ(d.value("Rows"), d.field("rowsLeft"))
	MOVQ(d.value("Row"), d.field("row"))
	d.addPixels(y, d.value("firstOutput"))
	Label(row)
	Load(d.c.Field("firstOutput"), p)
	Load(d.c.Field("firstColumn"), q)
	d.beginRow()
	Label(block)
	sums := make([]reg.VecVirtual, depthwiseOutputs)
	for i := range sums {
		sums[i] = d.reg()
		VXORPS(sums[i], sums[i], sums[i])
	}
	d.sum(sums, q)
	d.finish(sums, y, p)
	d.prefetch()
	ADDQ(Imm(uint64(d.step)), q)
	CMPQ(p, d.field("YCols"))
	JLT(LabelRef(block))
	back := d.value("YCols")
	ADDQ(d.field("firstOutput"), back)
	SUBQ(p, back)
	d.addPixels(y, back)
	ADDQ(d.value("Step"), d.field("row"))
	DECQ(d.field("rowsLeft"))
	JNZ(LabelRef(row))
	ADDQ(Imm(uint64(d.bytes())), d.channels)
	SUBQ(Imm(uint64(d.floats)), d.field("left"))
	JG(LabelRef(vector))
	VZEROUPPER()
	RET()
}

// field is where a field of the argument is.
func (d *depthwise) field(name string) Mem { return address(d.c, name) }

// value is a field in a register of its own.
func (d *depthwise) value(name string) reg.GPVirtual {
	v := GP64()
	Load(d.c.Field(name), v)
	return v
}

// vectorOf points to the vector at work of a field.
func (d *depthwise) vectorOf(field string) reg.GPVirtual {
	p := d.pointer(field)
	ADDQ(d.channels, p)
	return p
}

// addPixels steps a pointer by so many pixels, and changes n.
func (d *depthwise) addPixels(pointer, n reg.GPVirtual) {
	IMULQ(d.pixel, n)
	ADDQ(n, pointer)
}

// beginRow sets, for the row at work, firstTap, the bytes before the first tap that meets
// it, and lines, how many rows of taps do.
func (d *depthwise) beginRow() {
	first := d.value("First")
	SHLQ(Imm(2), first)
	lines := GP64()
	if d.transposed {
		odd := d.value("row")
		ANDQ(Imm(1), odd)
		MOVQ(U32(uint32(d.kernel+1)/2), lines)
		SUBQ(odd, lines)
		IMUL3Q(Imm(uint64(d.kernel)), odd, odd)
		IMULQ(d.taps, odd)
		ADDQ(odd, first)
	} else {
		MOVQ(U32(uint32(d.kernel)), lines)
	}
	MOVQ(first, d.field("firstTap"))
	MOVQ(lines, d.field("lines"))
}

// sum adds to the sums of a block, whose first column of X is q.
func (d *depthwise) sum(sums []reg.VecVirtual, q reg.GPVirtual) {
	// line is a row of X, and x its first column that the block meets.
	x, line, w, lines, lineBytes := d.vectorOf("X"), d.value("row"), d.vectorOf("W"), d.value("lines"), d.value("XCols")
	ADDQ(d.field("firstTap"), w)
	if d.transposed {
		SARQ(Imm(1), line)
	}
	at := GP64()
	MOVQ(line, at)
	IMULQ(lineBytes, at)
	ADDQ(q, at)
	d.addPixels(x, at)
	IMULQ(d.pixel, lineBytes)
	tapRow, outside, checked, next := label(), label(), label(), label()
	Label(tapRow)
	CMPQ(line, d.field("XRows"))
	JAE(LabelRef(outside)) // also above the first one
	taps := make([]reg.VecVirtual, d.kernel)
	for j := range taps {
		taps[j] = d.load(Mem{Base: w})
		ADDQ(d.taps, w)
	}
	columns := func(check func(inside func())) {
		at := GP64()
		MOVQ(x, at)
		for column := range d.columns {
			check(func() {
				v := d.load(Mem{Base: at})
				for output, sum := range sums {
					if j, meets := d.tap(column, output); meets {
						VFMADD231PS(v, taps[j], sum)
					}
				}
			})
			if column+1 < d.columns {
				ADDQ(d.pixel, at)
			}
		}
	}
	end := GP64()
	TESTQ(q, q)
	JS(LabelRef(checked))
	LEAQ(Mem{Base: q, Disp: d.columns}, end)
	CMPQ(end, d.field("XCols"))
	JG(LabelRef(checked))
	columns(func(inside func()) { inside() })
	JMP(LabelRef(next))
	Label(checked)
	n := GP64()
	MOVQ(q, n)
	columns(func(inside func()) {
		over := label()
		CMPQ(n, d.field("XCols"))
		JAE(LabelRef(over))
		inside()
		Label(over)
		INCQ(n)
	})
	JMP(LabelRef(next))
	Label(outside)
	d.addTaps(w)
	Label(next)
	if d.transposed { // every other row of taps, of those before
		d.addTaps(w)
		SUBQ(lineBytes, x)
		DECQ(line)
	} else {
		ADDQ(lineBytes, x)
		INCQ(line)
	}
	DECQ(lines)
	JNZ(LabelRef(tapRow))
}

// prefetch prefetches a block's share of what follows in X.
func (d *depthwise) prefetch() {
	lines := d.step * d.step / depthwiseOutputs
	end, at := label(), d.value("prefetchAt")
	CMPQ(at, d.field("prefetchEnd"))
	JGE(LabelRef(end))
	ADDQ(U32(uint32(64*lines)), d.field("prefetchAt"))
	ADDQ(d.pointer("X"), at)
	for i := range lines {
		PREFETCHT0(Mem{Base: at, Disp: 64 * i})
	}
	Label(end)
}

// addTaps steps a pointer by a row of taps.
func (d *depthwise) addTaps(w reg.GPVirtual) {
	ADDQ(d.taps, w)
	LEAQ(Mem{Base: w, Index: d.taps, Scale: uint8(d.kernel - 1)}, w)
}

// finish does what comes after the sums of a block, and stores those that are outputs of
// the row, from p on.
func (d *depthwise) finish(sums []reg.VecVirtual, y, p reg.GPVirtual) {
	store := func(then func(v reg.VecVirtual)) {
		for _, v := range sums {
			over := label()
			CMPQ(p, d.field("YCols"))
			JAE(LabelRef(over)) // also before the first one
			d.store(v, Mem{Base: y})
			then(v)
			Label(over)
			INCQ(p)
			ADDQ(d.pixel, y)
		}
	}
	if d.transposed {
		store(func(reg.VecVirtual) {})
		return
	}
	plain, counted, end := label(), label(), label()
	scale := d.pointer("Scale")
	TESTQ(scale, scale)
	JZ(LabelRef(plain))
	s, b := d.load(Mem{Base: scale, Index: d.channels, Scale: 1}), d.load(Mem{Base: d.vectorOf("Shift")})
	limits := d.clamp(d.c)
	for _, v := range sums {
		VFMADD213PS(b, s, v)
		limits.apply(v)
	}
	Label(plain)
	sum := d.pointer("Sum")
	TESTQ(sum, sum)
	JNZ(LabelRef(counted))
	store(func(reg.VecVirtual) {})
	JMP(LabelRef(end))
	Label(counted)
	total, squares := d.reg(), d.reg() // of a block in float32, of all in float64
	VXORPS(total, total, total)
	VXORPS(squares, squares, squares)
	store(func(v reg.VecVirtual) {
		VADDPS(v, total, total)
		VFMADD231PS(v, v, squares)
	})
	for i, v := range []reg.VecVirtual{total, squares} {
		at := d.pointer([]string{"Sum", "Square"}[i])
		for half := range 2 {
			wide, to := d.double(v, half), Mem{Base: at, Index: d.channels, Scale: 2, Disp: half * d.bytes()}
			VADDPD(to, wide, wide)
			VMOVUPD(wide, to)
		}
	}
	Label(end)
}
