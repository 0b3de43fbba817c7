package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	pixelBlock  = 64 // as in simd
	classStride = 4 * pixelBlock
)

// fourByFour transposes the 4x4 numbers that four vectors have in each quarter
// of 128 bits.
func (s vectors) fourByFour(v [4]reg.VecVirtual) [4]reg.VecVirtual {
	pair := func(unpack func(ops ...Op), a, b reg.VecVirtual) reg.VecVirtual {
		to := s.reg()
		unpack(b, a, to)
		return to
	}
	low, high := pair(VUNPCKLPS, v[0], v[1]), pair(VUNPCKHPS, v[0], v[1])
	low2, high2 := pair(VUNPCKLPS, v[2], v[3]), pair(VUNPCKHPS, v[2], v[3])
	return [4]reg.VecVirtual{
		pair(VUNPCKLPD, low, low2), pair(VUNPCKHPD, low, low2),
		pair(VUNPCKLPD, high, high2), pair(VUNPCKHPD, high, high2),
	}
}

// fourClasses calls body for the vectors of a block of pixels, with the places
// of four classes of each pixel and of each of four classes of all its pixels.
func (s vectors) fourClasses(name, signature, doc string, body func(pixel func(i int) Mem, class func(i int) Mem)) {
	name += s.isa
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(name + " " + doc)
	classes, step, step3, vector, left := GP64(), GP64(), GP64(), GP64(), GP64()
	Load(Param("classes").Base(), classes)
	Load(Param("c"), step)
	SHLQ(Imm(2), step)
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, step3)
	IMUL3Q(U32(uint32(s.floats)), step, vector)
	fours := make([]reg.GPVirtual, s.floats/4) // every fourth pixel
	for i := range fours {
		fours[i] = GP64()
		if i == 0 {
			Load(Param("pixels").Base(), fours[i])
		} else {
			LEAQ(Mem{Base: fours[i-1], Index: step, Scale: 4}, fours[i])
		}
	}
	MOVQ(U32(pixelBlock/s.floats), left)
	loop := label()
	Label(loop)
	body(func(i int) Mem {
		switch base := fours[i/4]; i % 4 {
		case 0:
			return Mem{Base: base}
		case 3:
			return Mem{Base: base, Index: step3, Scale: 1}
		default:
			return Mem{Base: base, Index: step, Scale: uint8(i % 4)}
		}
	}, func(i int) Mem { return Mem{Base: classes, Disp: i * classStride} })
	ADDQ(Imm(uint64(4*s.floats)), classes)
	for _, p := range fours {
		ADDQ(vector, p)
	}
	DECQ(left)
	JNZ(LabelRef(loop))
	VZEROUPPER()
	RET()
}

func transposeFour(s vectors) {
	s.fourClasses("transposeFour", "func(classes, pixels []float32, c int)", "gathers four classes of a block of pixels.", func(pixel, class func(int) Mem) {
		var v [4]reg.VecVirtual
		for i := range v {
			v[i] = s.reg()
			VMOVUPS(pixel(i), v[i].AsX())
			for quarter := 1; quarter < s.floats/4; quarter++ {
				from := pixel(4*quarter + i)
				if s.floats == 16 {
					VINSERTF32X4(Imm(uint64(quarter)), from, v[i], v[i])
				} else {
					VINSERTF128(Imm(uint64(quarter)), from, v[i], v[i])
				}
			}
		}
		for i, v := range s.fourByFour(v) {
			VMOVUPS(v, class(i))
		}
	})
}

func transposeFourBack(s vectors) {
	s.fourClasses("transposeFourBack", "func(pixels, classes []float32, c int)", "scatters four classes of a block of pixels.", func(pixel, class func(int) Mem) {
		var v [4]reg.VecVirtual
		for i := range v {
			v[i] = s.reg()
			VMOVUPS(class(i), v[i])
		}
		for i, v := range s.fourByFour(v) {
			VMOVUPS(v.AsX(), pixel(i))
			for quarter := 1; quarter < s.floats/4; quarter++ {
				to := pixel(4*quarter + i)
				if s.floats == 16 {
					VEXTRACTF32X4(Imm(uint64(quarter)), v, to)
				} else {
					VEXTRACTF128(Imm(uint64(quarter)), v, to)
				}
			}
		}
	})
}
