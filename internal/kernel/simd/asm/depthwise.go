package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// depthwise is a function over rows of Y, func(d *Depthwise): one vector of channels after
// the other, for each of them all rows. A block of outputs of a row is worked on at once, so
// that a column of X is loaded once for all outputs that it belongs to. What lies outside
// of X is skipped where it would be loaded: no image is padded.
type depthwise struct {
	block
	kernel, outputs int // outputs in a block
	columns, step   int // of X: that a block meets, and from a block to the next one
	// tap is by which tap column x meets output y of a block, if it does.
	tap func(x, y int) (j int, meets bool)

	left        Mem           // channels
	channels    reg.GPVirtual // bytes before the vector at work
	pixel, taps reg.GPVirtual // bytes from a pixel or a tap to the next one
}

func newDepthwise(kernel, outputs, step int) depthwise {
	return depthwise{
		kernel: kernel, outputs: outputs, columns: (outputs-1)*step + kernel, step: outputs * step,
		tap: func(x, y int) (int, bool) { j := x - step*y; return j, 0 <= j && j < kernel },
	}
}

// newTransposed is that of stride 2, where a column of X meets kernel outputs. A block begins
// with an output that tap 0 meets.
func newTransposed(kernel, outputs int) depthwise {
	before := (kernel - 1) / 2
	return depthwise{
		kernel: kernel, outputs: outputs, columns: before + outputs/2, step: outputs / 2,
		tap: func(x, y int) (int, bool) { j := y - 2*(x-before); return j, 0 <= j && j < kernel },
	}
}

// write writes the function that does body for each vector of channels.
func (d *depthwise) write(s vectors, name, doc string, body func()) {
	name += s.isa
	TEXT(name, NOSPLIT, "func(d *Depthwise)")
	Pragma("noescape")
	Doc(name + " " + doc)
	d.block = block{vectors: s, c: Dereference(Param("d"))}
	d.pixel, d.taps, d.channels = d.stride("Pixel"), d.stride("Tap"), GP64()
	XORQ(d.channels, d.channels)
	d.left = AllocLocal(8)
	MOVQ(d.value("Channels"), d.left)
	vector := label()
	Label(vector)
	if s.floats == 16 {
		bits, cols := GP64(), GP64()
		MOVQ(I32(-1), bits)
		MOVQ(U32(16), cols)
		CMPQ(cols, d.left)
		CMOVQGT(d.left, cols)
		BZHIQ(cols, bits, bits)
		d.mask = K()
		KMOVW(bits.As32(), d.mask)
	}
	body()
	ADDQ(Imm(uint64(d.bytes())), d.channels)
	SUBQ(Imm(uint64(d.floats)), d.left)
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

// addBlock steps a pointer by n pixels, a power of two.
func (d *depthwise) addBlock(pointer reg.GPVirtual, n int) {
	for ; n > 0; n -= 8 {
		LEAQ(Mem{Base: pointer, Index: d.pixel, Scale: uint8(min(n, 8))}, pointer)
	}
}

// addTaps steps a pointer by a row of taps.
func (d *depthwise) addTaps(w reg.GPVirtual) {
	ADDQ(d.taps, w)
	LEAQ(Mem{Base: w, Index: d.taps, Scale: uint8(d.kernel - 1)}, w)
}

// zeros are so many registers.
func (d *depthwise) zeros(n int) []reg.VecVirtual {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = d.reg()
		VXORPS(v[i], v[i], v[i])
	}
	return v
}

// pixels does body for count pixels, those from first on of a row that begin at from: of
// those that are outside of the row, which has as many as a field says, nothing is done.
func (d *depthwise) pixels(from, first reg.GPVirtual, count int, field string, body func(i int, at Mem)) {
	checked, end := label(), label()
	last, at := GP64(), GP64()
	MOVQ(from, at)
	TESTQ(first, first)
	JS(LabelRef(checked))
	LEAQ(Mem{Base: first, Disp: count}, last)
	CMPQ(last, d.field(field))
	JG(LabelRef(checked))
	for i := range count {
		body(i, Mem{Base: at})
		if i+1 < count {
			ADDQ(d.pixel, at)
		}
	}
	JMP(LabelRef(end))
	Label(checked)
	n := GP64()
	MOVQ(first, n)
	for i := range count {
		outside := label()
		CMPQ(n, d.field(field))
		JAE(LabelRef(outside)) // also before the first one
		body(i, Mem{Base: at})
		Label(outside)
		if i+1 < count {
			INCQ(n)
			ADDQ(d.pixel, at)
		}
	}
	Label(end)
}

// multiply loads the columns of X that a block meets, q being the first of them, and does
// product for each output and tap that one meets.
func (d *depthwise) multiply(x, q reg.GPVirtual, product func(x reg.VecVirtual, output, j int)) {
	d.pixels(x, q, d.columns, "XCols", func(column int, at Mem) {
		v := d.load(at)
		for output := range d.outputs {
			if j, meets := d.tap(column, output); meets {
				product(v, output, j)
			}
		}
	})
}

// prefetch prefetches so many lines of the rows of X or Y that follow.
func (d *depthwise) prefetch(matrix string, lines int) {
	end, at := label(), d.value("ahead"+matrix)
	CMPQ(at, d.field("end"+matrix))
	JGE(LabelRef(end))
	ADDQ(U32(uint32(64*lines)), d.field("ahead"+matrix))
	ADDQ(d.pointer(matrix), at)
	for i := range lines {
		PREFETCHT0(Mem{Base: at, Disp: 64 * i})
	}
	Label(end)
}

// depthwiseSums is the function that computes Y. The sums of a block stay in registers.
type depthwiseSums struct {
	depthwise
	transposed bool // of stride 2: a row of Y meets every other row of taps
	sums       []reg.VecVirtual

	row               Mem // of X, at work: that of the first tap
	cached            Mem // unless whole lines are written by non-temporal stores, not 0; AVX-512 has it
	firstTap, tapRows Mem // bytes before the first tap that meets it, and how many rows of taps do
}

func depthwiseConv(s vectors, kernel, step int) {
	d := depthwiseSums{depthwise: newDepthwise(kernel, 8, step)}
	d.write(s, fmt.Sprintf("depthwise%dx%dStride%d", kernel, kernel, step), "convolves, and does what comes then.")
}

func depthwiseTransposed(s vectors, kernel int) {
	d := depthwiseSums{depthwise: newTransposed(kernel, 8), transposed: true}
	d.write(s, fmt.Sprintf("depthwise%dx%dTransposed", kernel, kernel), "is the transposed convolution of stride 2.")
}

func (d *depthwiseSums) write(s vectors, name, doc string) {
	d.depthwise.write(s, name, doc, func() {
		y, p, q := d.vectorOf("Y"), GP64(), GP64() // at work: outputs from p on, columns from q on
		row, block, rows := label(), label(), AllocLocal(8)
		d.row, d.firstTap, d.tapRows = AllocLocal(8), AllocLocal(8), AllocLocal(8)
		if s.floats == 16 {
			d.cached = AllocLocal(8)
			d.findCached(y)
		}
		MOVQ(d.value("Rows"), rows)
		MOVQ(d.value("Row"), d.row)
		d.addPixels(y, d.value("firstOutput"))
		Label(row)
		Load(d.c.Field("firstOutput"), p)
		Load(d.c.Field("firstColumn"), q)
		d.beginRow()
		Label(block)
		d.sum(q)
		d.finish(y, p)
		d.prefetch("X", d.step*d.step/d.outputs)
		ADDQ(Imm(uint64(d.step)), q)
		CMPQ(p, d.field("YCols"))
		JLT(LabelRef(block))
		back := d.value("YCols")
		ADDQ(d.field("firstOutput"), back)
		SUBQ(p, back)
		d.addPixels(y, back)
		ADDQ(d.value("Step"), d.row)
		DECQ(rows)
		JNZ(LabelRef(row))
	})
}

// findCached sets cached.
func (d *depthwiseSums) findCached(y reg.GPVirtual) {
	bits, temporal := d.value("Channels"), GP64()
	SHLQ(Imm(2), bits)
	ORQ(y, bits)
	ORQ(d.pixel, bits)
	ANDQ(U32(63), bits)
	MOVQ(U32(1), temporal)
	SUBQ(d.field("NonTemporal"), temporal)
	ORQ(temporal, bits)
	MOVQ(bits, d.cached)
}

// beginRow sets firstTap and tapRows.
func (d *depthwiseSums) beginRow() {
	first, rows := d.value("First"), GP64()
	SHLQ(Imm(2), first)
	if d.transposed {
		odd := GP64()
		MOVQ(d.row, odd)
		ANDQ(Imm(1), odd)
		MOVQ(U32(uint32(d.kernel+1)/2), rows)
		SUBQ(odd, rows)
		IMUL3Q(Imm(uint64(d.kernel)), odd, odd)
		IMULQ(d.taps, odd)
		ADDQ(odd, first)
	} else {
		MOVQ(U32(uint32(d.kernel)), rows)
	}
	MOVQ(first, d.firstTap)
	MOVQ(rows, d.tapRows)
}

// sum finds the sums of the block that meets columns from q on.
func (d *depthwiseSums) sum(q reg.GPVirtual) {
	d.sums = d.zeros(d.outputs)
	// line is a row of X, and x where it begins for the block.
	x, line, w, rows, lineBytes := d.vectorOf("X"), GP64(), d.vectorOf("W"), GP64(), d.value("XCols")
	MOVQ(d.row, line)
	MOVQ(d.tapRows, rows)
	ADDQ(d.firstTap, w)
	if d.transposed {
		SARQ(Imm(1), line)
	}
	at := GP64()
	MOVQ(line, at)
	IMULQ(lineBytes, at)
	ADDQ(q, at)
	d.addPixels(x, at)
	IMULQ(d.pixel, lineBytes)
	tapRow, outside, next := label(), label(), label()
	Label(tapRow)
	CMPQ(line, d.field("XRows"))
	JAE(LabelRef(outside)) // also above the first one
	taps := make([]reg.VecVirtual, d.kernel)
	for j := range taps {
		taps[j] = d.load(Mem{Base: w})
		ADDQ(d.taps, w)
	}
	d.multiply(x, q, func(v reg.VecVirtual, output, j int) { VFMADD231PS(v, taps[j], d.sums[output]) })
	JMP(LabelRef(next))
	Label(outside)
	d.addTaps(w)
	Label(next)
	if d.transposed {
		d.addTaps(w)
		SUBQ(lineBytes, x)
		DECQ(line)
	} else {
		ADDQ(lineBytes, x)
		INCQ(line)
	}
	DECQ(rows)
	JNZ(LabelRef(tapRow))
}

// finish does what comes after the sums of a block, stores those that are outputs of the
// row, from p on, and steps y and p to the next block.
func (d *depthwiseSums) finish(y, p reg.GPVirtual) {
	store := func(then func(v reg.VecVirtual)) {
		end := label()
		write := func(store func(v reg.VecVirtual, to Mem)) {
			d.pixels(y, p, d.outputs, "YCols", func(i int, at Mem) {
				store(d.sums[i], at)
				then(d.sums[i])
			})
		}
		if d.cached != (Mem{}) {
			cached := label()
			CMPQ(d.cached, Imm(0))
			JNE(LabelRef(cached))
			write(func(v reg.VecVirtual, to Mem) { VMOVNTPS(v, to) })
			JMP(LabelRef(end))
			Label(cached)
		}
		write(d.store)
		Label(end)
	}
	nothing := func(reg.VecVirtual) {}
	if d.transposed {
		store(nothing)
	} else {
		plain, counted, end := label(), label(), label()
		scale := d.pointer("Scale")
		TESTQ(scale, scale)
		JZ(LabelRef(plain))
		a, b, limits := d.load(Mem{Base: scale, Index: d.channels, Scale: 1}), d.load(Mem{Base: d.vectorOf("Shift")}), d.clamp(d.c)
		for _, v := range d.sums {
			VFMADD213PS(b, a, v)
			limits.apply(v)
		}
		Label(plain)
		sum := d.pointer("Sum")
		TESTQ(sum, sum)
		JNZ(LabelRef(counted))
		store(nothing)
		JMP(LabelRef(end))
		Label(counted)
		totals := d.zeros(2) // of a block in float32, of all in float64
		store(func(v reg.VecVirtual) {
			VADDPS(v, totals[0], totals[0])
			VFMADD231PS(v, v, totals[1])
		})
		for i, field := range []string{"Sum", "Square"} {
			at := d.pointer(field)
			for half := range 2 {
				wide, to := d.double(totals[i], half), Mem{Base: at, Index: d.channels, Scale: 2, Disp: half * d.bytes()}
				VADDPD(to, wide, wide)
				VMOVUPD(wide, to)
			}
		}
		Label(end)
	}
	ADDQ(Imm(uint64(d.outputs)), p)
	d.addBlock(y, d.outputs)
}

// depthwiseGrad is the function that adds to the gradient of the weights, by one row of taps
// after the other. A block of Y stays in registers, and so do the sums of the taps: several
// for each, because a sum waits for the one before.
type depthwiseGrad struct {
	depthwise
	tapRow Mem
}

func depthwiseGradWeights(s vectors, kernel, step int) {
	outputs, sums := 8, 12/kernel
	if s.floats == 8 { // AVX2 has 16 registers
		sums = 2
		if kernel == 5 {
			outputs = 4
		}
	}
	d := depthwiseGrad{depthwise: newDepthwise(kernel, outputs, step)}
	d.write(s, fmt.Sprintf("depthwise%dx%dStride%dGradWeights", kernel, kernel, step), "adds to the gradient of the weights.", func() {
		w, taps := d.vectorOf("W"), label()
		d.tapRow = AllocLocal(8)
		MOVQ(U32(0), d.tapRow)
		Label(taps)
		all := d.zeros(sums * kernel)
		d.sum(all)
		for j, sum := range all[:kernel] {
			for k := j + kernel; k < len(all); k += kernel {
				VADDPS(all[k], sum, sum)
			}
			VADDPS(d.load(Mem{Base: w}), sum, sum)
			d.store(sum, Mem{Base: w})
			ADDQ(d.taps, w)
		}
		INCQ(d.tapRow)
		CMPQ(d.tapRow, Imm(uint64(kernel)))
		JNE(LabelRef(taps))
	})
}

// sum adds to the sums of a row of taps.
func (d *depthwiseGrad) sum(sums []reg.VecVirtual) {
	row, block, outside, next := label(), label(), label(), label()
	y, line, rows := d.vectorOf("Y"), d.value("Row"), d.value("Rows")
	ADDQ(d.tapRow, line)
	Label(row)
	CMPQ(line, d.field("XRows"))
	JAE(LabelRef(outside)) // also above the first one
	x, p, q, at := d.vectorOf("X"), GP64(), d.value("Col"), d.value("XCols")
	IMULQ(line, at)
	ADDQ(q, at)
	d.addPixels(x, at)
	XORQ(p, p)
	Label(block)
	outputs := d.zeros(d.outputs)
	d.pixels(y, p, d.outputs, "YCols", func(i int, at Mem) {
		if d.mask != nil {
			VMOVUPS_Z(at, d.mask, outputs[i])
		} else {
			VMOVUPS(at, outputs[i])
		}
	})
	n := len(sums) / d.kernel
	d.multiply(x, q, func(v reg.VecVirtual, output, j int) { VFMADD231PS(v, outputs[output], sums[output%n*d.kernel+j]) })
	d.prefetch("X", (d.step*d.step/d.outputs+d.kernel-1)/d.kernel)
	d.prefetch("Y", (d.outputs+d.kernel-1)/d.kernel)
	d.addBlock(x, d.step)
	d.addBlock(y, d.outputs)
	ADDQ(Imm(uint64(d.outputs)), p)
	ADDQ(Imm(uint64(d.step)), q)
	CMPQ(p, d.field("YCols"))
	JLT(LabelRef(block))
	back := d.value("YCols")
	SUBQ(p, back)
	d.addPixels(y, back)
	JMP(LabelRef(next))
	Label(outside)
	d.addPixels(y, d.value("YCols"))
	Label(next)
	ADDQ(d.field("Step"), line)
	DECQ(rows)
	JNZ(LabelRef(row))
}
