package imagefile

import (
	"fmt"
	"math"
)

// Normalization maps the values x of an image to what the net sees, before the
// image is resized or cut. Its statistics are those of the whole image at its own
// size, over all pixels and channels together:
//
//	none:       x, which has to be in 0..1
//	percentile: clip((x - p) / (q - p), 0, 1), p and q the 0.5th and 99.5th percentile
//	zscore:     (x - mean) / sd, sd = sqrt(mean((x - mean)^2))
//
// Percentiles lie between two values as NumPy's do, linearly: that of share s of n
// sorted values is the one at s(n-1). Where p = q they are the least and the largest
// value. An image of one value becomes 0. With percentile and zscore x may have any
// range; scaling it by a positive factor changes nothing.
//
// Its zero value is none.
type Normalization string

// The normalizations.
const (
	AsStored   Normalization = "none"
	Percentile Normalization = "percentile"
	ZScore     Normalization = "zscore"
)

// Known reports whether it is one of the three.
func (n Normalization) Known() bool { return n == AsStored || n == Percentile || n == ZScore }

// Formula says in words what is done with the values of an image, for those who do
// it elsewhere; "" for nothing.
func (n Normalization) Formula() string {
	const over = ", over all pixels and channels of the whole image, before it is resized or cut into tiles"
	switch n {
	case Percentile:
		return "clip((x - p) / (q - p), 0, 1), p and q the 0.5th and 99.5th percentile" + over
	case ZScore:
		return "(x - mean) / standard deviation" + over
	}
	return ""
}

// Apply writes over the values of the image.
func (n Normalization) Apply(m Image) Image {
	switch n {
	case Percentile:
		const share = 0.005
		lo, hi := percentile(m.Pix, share), percentile(m.Pix, 1-share)
		if lo == hi {
			lo, hi = percentile(m.Pix, 0), percentile(m.Pix, 1)
		}
		rescale(m.Pix, lo, hi-lo)
		for i, x := range m.Pix {
			m.Pix[i] = min(max(x, 0), 1)
		}
	case ZScore:
		var sum, squares float64
		for _, x := range m.Pix {
			sum += float64(x)
		}
		mean := sum / float64(len(m.Pix))
		for _, x := range m.Pix {
			d := float64(x) - mean
			squares += float64(d * d)
		}
		rescale(m.Pix, mean, math.Sqrt(squares/float64(len(m.Pix))))
	}
	return m
}

// rescale is (x - shift) / unit, and 0 where the unit is 0.
func rescale(pix []float32, shift, unit float64) {
	for i, x := range pix {
		if unit == 0 {
			pix[i] = 0
			continue
		}
		pix[i] = float32((float64(x) - shift) / unit)
	}
}

// percentile is the value at share (0..1) of the sorted values, between its two
// neighbours where that falls between them.
func percentile(pix []float32, share float64) float64 {
	at := share * float64(len(pix)-1)
	k := int(at)
	lo := float64(ranked(pix, k))
	if f := at - float64(k); f > 0 {
		return lo + float64(f*(float64(ranked(pix, k+1))-lo))
	}
	return lo
}

// ranked is value k of the sorted values: it counts the values by their upper 16
// bits, and then those that share the upper 16 bits of value k by their lower.
func ranked(pix []float32, k int) float32 {
	const half = 1 << 16
	var upper, lower [half]int
	for _, x := range pix {
		upper[ordered(x)>>16]++
	}
	high := uint32(0)
	for ; k >= upper[high]; high++ {
		k -= upper[high]
	}
	for _, x := range pix {
		if o := ordered(x); o>>16 == high {
			lower[o%half]++
		}
	}
	low := uint32(0)
	for ; k >= lower[low]; low++ {
		k -= lower[low]
	}
	return unordered(high<<16 | low)
}

// ordered are the bits of a float as an integer that grows with it.
func ordered(x float32) uint32 {
	b := math.Float32bits(x)
	if b>>31 == 1 {
		return ^b
	}
	return b | 1<<31
}

func unordered(o uint32) float32 {
	if o>>31 == 0 {
		return math.Float32frombits(^o)
	}
	return math.Float32frombits(o &^ (1 << 31))
}

// takes reports whether a normalization can do with a value.
func (n Normalization) takes(x float32) bool {
	if n.anyRange() {
		return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0)
	}
	return x >= 0 && x <= 1
}

// anyRange reports whether values need not be in 0..1.
func (n Normalization) anyRange() bool { return n == Percentile || n == ZScore }

// wants is what takes asks for, in words.
func (n Normalization) wants() string {
	if n.anyRange() {
		return "a finite number"
	}
	return fmt.Sprintf("0..1, or data.normalize: %s", Percentile)
}
