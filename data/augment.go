package data

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// AugmentConfig is how training samples are varied. Image and mask move
// together, the image bilinearly, the mask by nearest neighbour, all moves in one
// step: flips, turn, crop, scale, rotate, shift, elastic. What they leave open is
// 0 in the image and Void in the mask. Then the image's values are changed, in
// 0..1, in the order of the fields. The zero value varies nothing.
type AugmentConfig struct {
	FlipHorizontal float64    `yaml:"flip_horizontal" range:"[0,1]"` // probability, [0, 1]
	FlipVertical   float64    `yaml:"flip_vertical" range:"[0,1]"`   // probability, [0, 1]
	Turn90         float64    `yaml:"turn_90" range:"[0,1]"`         // probability of a turn by 90, 180 or 270 degrees, [0, 1]; for square samples
	Crop           float64    `yaml:"crop" range:"[0,0.9]"`          // c: a part of height and width, of a share uniform in [1-c, 1], at a place drawn at random, fills the sample; c in [0, 0.9]
	Scale          [2]float64 `yaml:"scale" range:"[0.1,10]"`        // [lo, hi]: enlarged by a factor uniform in it, within [0.1, 10]
	Rotate         float64    `yaml:"rotate" range:"[0,180]"`        // r: turned about the centre by degrees uniform in [-r, r], r in [0, 180]
	Shift          float64    `yaml:"shift" range:"[0,1]"`           // s: moved by whole pixels, shares of width and height uniform in [-s, s], s in [0, 1]
	Elastic        float64    `yaml:"elastic" range:"[0,100]"`       // standard deviation, in pixels, of the moves of a 3x3 grid's points, bicubic in between (Ronneberger et al. 2015), [0, 100]

	Brightness float64    `yaml:"brightness" range:"[0,1]"` // b: v' = clip(v k), k uniform in [1-b, 1+b], b in [0, 1]
	Contrast   float64    `yaml:"contrast" range:"[0,1]"`   // c: v' = clip(m + (v - m) k), m the image's mean, k uniform in [1-c, 1+c], c in [0, 1]
	Gamma      [2]float64 `yaml:"gamma" range:"[0.1,10]"`   // [lo, hi]: v' = v^g, g uniform in it, within [0.1, 10]
	Saturation float64    `yaml:"saturation" range:"[0,1]"` // s: v' = clip(l + (v - l) k), l the pixel's luma (BT.601), k uniform in [1-s, 1+s], s in [0, 1]
	Hue        float64    `yaml:"hue" range:"[0,0.5]"`      // h: hue (of HSV) moved by a share of the colour circle uniform in [-h, h], h in [0, 0.5]
	Blur       float64    `yaml:"blur" range:"[0,10]"`      // b: Gaussian of a standard deviation uniform in [0, b] pixels, b in [0, 10]
	Noise      float64    `yaml:"noise" range:"[0,1]"`      // n: clip(v + Gaussian noise) of a standard deviation uniform in [0, n], n in [0, 1]
}

// Validate reports every value out of range, one line each.
func (a AugmentConfig) Validate() error {
	var errs []error
	within := func(key string, v, lo, hi float64) {
		if !(v >= lo && v <= hi) {
			errs = append(errs, fmt.Errorf("data.augment.%s = %v, want %v..%v", key, v, lo, hi))
		}
	}
	factors := func(key, what string, v [2]float64) {
		if lo, hi := v[0], v[1]; !(lo >= 0.1 && lo <= hi && hi <= 10) {
			errs = append(errs, fmt.Errorf("data.augment.%s = [%v, %v], want lowest and highest %s, 0.1 <= lowest <= highest <= 10", key, lo, hi, what))
		}
	}
	within("flip_horizontal", a.FlipHorizontal, 0, 1)
	within("flip_vertical", a.FlipVertical, 0, 1)
	within("turn_90", a.Turn90, 0, 1)
	within("crop", a.Crop, 0, 0.9)
	factors("scale", "factor", a.Scale)
	within("rotate", a.Rotate, 0, 180)
	within("shift", a.Shift, 0, 1)
	within("elastic", a.Elastic, 0, 100)
	within("brightness", a.Brightness, 0, 1)
	within("contrast", a.Contrast, 0, 1)
	factors("gamma", "exponent", a.Gamma)
	within("saturation", a.Saturation, 0, 1)
	within("hue", a.Hue, 0, 0.5)
	within("blur", a.Blur, 0, 10)
	within("noise", a.Noise, 0, 1)
	return errors.Join(errs...)
}

// withoutRecolouring reports every setting that works on values in 0..1, one line each.
func (a AugmentConfig) withoutRecolouring() error {
	var errs []error
	for _, s := range []struct {
		key string
		off bool
	}{
		{"brightness", a.Brightness == 0},
		{"contrast", a.Contrast == 0},
		{"gamma", a.Gamma == [2]float64{1, 1} || a.Gamma == [2]float64{}},
		{"saturation", a.Saturation == 0},
		{"hue", a.Hue == 0},
		{"noise", a.Noise == 0},
	} {
		if !s.off {
			errs = append(errs, fmt.Errorf("data.augment.%s works on values in 0..1, want it off with data.normalize = zscore, or data.normalize = percentile", s.key))
		}
	}
	return errors.Join(errs...)
}

// variation is one draw from an AugmentConfig.
type variation struct {
	mirror, flip bool
	turns        int        // by 90 degrees, 0..3
	share        float64    // of height and width that fills the sample, (0, 1]
	place        [2]float64 // x, y of that part among its possible places, [0, 1)
	scale, angle float64    // factor, radians
	shift        [2]float64 // x, y, shares of width and height
	elastic      float64    // pixels

	brightness, contrast float32 // factors
	gamma                float64
	saturation, hue      float32 // factor, share of the circle
	blur, noise          float64 // standard deviations

	elasticSeed, noiseSeed uint64

	centred bool // the part is not at place, but around
	centre  int  // this pixel of the sample
}

// draw takes the same number of values from r whatever is switched on, so that
// one setting does not change what another draws.
func (a AugmentConfig) draw(r *rand.Rand) variation {
	around := func(spread float64) float64 { return spread * (2*r.Float64() - 1) }
	between := func(v [2]float64) float64 {
		x := r.Float64()
		if v == [2]float64{} {
			return 1
		}
		return v[0] + float64((v[1]-v[0])*x)
	}
	v := variation{
		mirror:     r.Float64() < a.FlipHorizontal,
		flip:       r.Float64() < a.FlipVertical,
		angle:      around(a.Rotate) * math.Pi / 180,
		scale:      between(a.Scale),
		brightness: float32(1 + around(a.Brightness)),
		contrast:   float32(1 + around(a.Contrast)),
		share:      1 - float64(a.Crop*r.Float64()),
		place:      [2]float64{r.Float64(), r.Float64()},
		shift:      [2]float64{around(a.Shift), around(a.Shift)},
		elastic:    a.Elastic,
		gamma:      between(a.Gamma),
		saturation: float32(1 + around(a.Saturation)),
		hue:        float32(around(a.Hue)),
		blur:       a.Blur * r.Float64(),
		noise:      a.Noise * r.Float64(),

		elasticSeed: r.Uint64(),
		noiseSeed:   r.Uint64(),
	}
	if turned, turns := r.Float64() < a.Turn90, r.Float64(); turned {
		v.turns = 1 + int(3*turns)
	}
	return v
}

// apply writes the varied sample to out, which has the size that is wanted.
func (v variation) apply(out, s Sample) {
	v.move(out, s)
	v.recolour(out)
}
