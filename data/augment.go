package data

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// AugmentConfig is how training samples are varied. Image and mask move
// together, the image bilinearly, the mask by nearest neighbour. What a turned or
// shrunk image leaves open is 0 in the image and Void in the mask. The zero
// value varies nothing.
type AugmentConfig struct {
	FlipHorizontal float64    `yaml:"flip_horizontal" range:"[0,1]"` // probability, [0, 1]
	FlipVertical   float64    `yaml:"flip_vertical" range:"[0,1]"`   // probability, [0, 1]
	Rotate         float64    `yaml:"rotate" range:"[0,180]"`        // r: turned about the centre by degrees uniform in [-r, r], r in [0, 180]
	Scale          [2]float64 `yaml:"scale" range:"[0.1,10]"`        // [lo, hi]: enlarged by a factor uniform in it, within [0.1, 10]
	Brightness     float64    `yaml:"brightness" range:"[0,1]"`      // b: v' = clip(v * k), k uniform in [1-b, 1+b], b in [0, 1]
	Contrast       float64    `yaml:"contrast" range:"[0,1]"`        // c: v' = clip(m + (v - m) * k), m the image's mean, k uniform in [1-c, 1+c], c in [0, 1]; after brightness
}

// Validate reports every value out of range, one line each.
func (a AugmentConfig) Validate() error {
	var errs []error
	within := func(key string, v, lo, hi float64) {
		if !(v >= lo && v <= hi) {
			errs = append(errs, fmt.Errorf("data.augment.%s = %v, want %v..%v", key, v, lo, hi))
		}
	}
	within("flip_horizontal", a.FlipHorizontal, 0, 1)
	within("flip_vertical", a.FlipVertical, 0, 1)
	within("rotate", a.Rotate, 0, 180)
	within("brightness", a.Brightness, 0, 1)
	within("contrast", a.Contrast, 0, 1)
	if lo, hi := a.Scale[0], a.Scale[1]; !(lo >= 0.1 && lo <= hi && hi <= 10) {
		errs = append(errs, fmt.Errorf("data.augment.scale = [%v, %v], want lowest and highest factor, 0.1 <= lowest <= highest <= 10", lo, hi))
	}
	return errors.Join(errs...)
}

// variation is one draw from an AugmentConfig.
type variation struct {
	mirror, flip         bool
	angle, scale         float64 // radians, factor
	brightness, contrast float32 // factors
}

// draw takes the same number of values from r whatever is switched on, so that
// one setting does not change what another draws.
func (a AugmentConfig) draw(r *rand.Rand) variation {
	lo, hi := a.Scale[0], a.Scale[1]
	if lo == 0 && hi == 0 {
		lo, hi = 1, 1
	}
	around := func(spread float64) float64 { return spread * (2*r.Float64() - 1) }
	return variation{
		mirror:     r.Float64() < a.FlipHorizontal,
		flip:       r.Float64() < a.FlipVertical,
		angle:      around(a.Rotate) * math.Pi / 180,
		scale:      lo + (hi-lo)*r.Float64(),
		brightness: float32(1 + around(a.Brightness)),
		contrast:   float32(1 + around(a.Contrast)),
	}
}

// apply writes the varied sample to image (H,W,3) and mask (H,W).
func (v variation) apply(image []float32, mask []uint8, s Sample) {
	if v.angle == 0 && v.scale == 1 {
		v.move(image, mask, s)
	} else {
		v.turn(image, mask, s)
	}
	v.light(image)
}

// source is the column and row that the flips bring to column x and row y.
func (v variation) source(x, y int, s Sample) (int, int) {
	if v.mirror {
		x = s.W - 1 - x
	}
	if v.flip {
		y = s.H - 1 - y
	}
	return x, y
}

// move flips without interpolation.
func (v variation) move(image []float32, mask []uint8, s Sample) {
	if !v.mirror && !v.flip {
		copy(image, s.Image)
		copy(mask, s.Mask)
		return
	}
	for y := range s.H {
		for x := range s.W {
			sx, sy := v.source(x, y, s)
			to, from := y*s.W+x, sy*s.W+sx
			mask[to] = s.Mask[from]
			copy(image[to*3:][:3], s.Image[from*3:][:3])
		}
	}
}

// turn rotates and scales about the centre, after the flips. Output pixel p
// comes from centre + R(-angle) (p - centre) / scale.
func (v variation) turn(image []float32, mask []uint8, s Sample) {
	cx, cy := float64(s.W-1)/2, float64(s.H-1)/2
	sin, cos := math.Sincos(v.angle)
	sin, cos = sin/v.scale, cos/v.scale
	for y := range s.H {
		for x := range s.W {
			dx, dy := float64(x)-cx, float64(y)-cy
			// The product is rounded before the sum on every machine: no fused multiply-add.
			px := cx + float64(cos*dx) + float64(sin*dy)
			py := cy + float64(cos*dy) - float64(sin*dx)
			to := y*s.W + x
			pixel := image[to*3:][:3]
			nx, ny := int(math.Floor(px+0.5)), int(math.Floor(py+0.5))
			if nx < 0 || nx >= s.W || ny < 0 || ny >= s.H {
				mask[to] = Void
				clear(pixel)
				continue
			}
			sx, sy := v.source(nx, ny, s)
			mask[to] = s.Mask[sy*s.W+sx]
			v.bilinear(pixel, s, px, py)
		}
	}
}

// bilinear interpolates between the four pixels around (px, py) in the flipped
// image; beyond the centre of an edge pixel that pixel is repeated.
func (v variation) bilinear(pixel []float32, s Sample, px, py float64) {
	x0, y0 := math.Floor(px), math.Floor(py)
	fx, fy := float32(px-x0), float32(py-y0)
	corner := func(dx, dy int) []float32 {
		x := min(max(int(x0)+dx, 0), s.W-1)
		y := min(max(int(y0)+dy, 0), s.H-1)
		x, y = v.source(x, y, s)
		return s.Image[(y*s.W+x)*3:][:3]
	}
	a, b, c, d := corner(0, 0), corner(1, 0), corner(0, 1), corner(1, 1)
	for i := range pixel {
		top := a[i] + float32(fx*(b[i]-a[i]))
		bottom := c[i] + float32(fx*(d[i]-c[i]))
		pixel[i] = top + float32(fy*(bottom-top))
	}
}

// light applies brightness, then contrast.
func (v variation) light(image []float32) {
	if v.brightness != 1 {
		for i, x := range image {
			image[i] = min(max(x*v.brightness, 0), 1)
		}
	}
	if v.contrast != 1 {
		var sum float64
		for _, x := range image {
			sum += float64(x)
		}
		mean := float32(sum / float64(len(image)))
		for i, x := range image {
			image[i] = min(max(mean+float32((x-mean)*v.contrast), 0), 1)
		}
	}
}
