package data_test

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// painted is a data set of one image (9,11) of many colours.
func painted(t *testing.T) *data.Split {
	t.Helper()
	const h, w = 9, 11
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range h * w {
		img.SetNRGBA(i%w, i/w, color.NRGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255})
	}
	return single(t, img, filetest.Grey(h, w), folderConfig(h, w))
}

func TestGamma(t *testing.T) {
	s := painted(t)
	plain := augmented(t, s, data.AugmentConfig{}, 0).image
	lo, hi := math.Inf(1), math.Inf(-1)
	for epoch := range 100 {
		got := augmented(t, s, data.AugmentConfig{Gamma: [2]float64{0.5, 2}}, epoch).image
		var g float64 // from the value that tells it best
		best := math.Inf(1)
		for i, v := range plain {
			if d := math.Abs(float64(v) - 0.4); d < best {
				best, g = d, math.Log(float64(got[i]))/math.Log(float64(v))
			}
		}
		lo, hi = min(lo, g), max(hi, g)
		for i, v := range got {
			if want := math.Pow(float64(plain[i]), g); math.Abs(float64(v)-want) > 1e-3 {
				t.Fatalf("epoch %d: value %v became %v, want %v with exponent %v", epoch, plain[i], v, want, g)
			}
		}
	}
	if lo < 0.499 || hi > 2.001 || lo > 0.6 || hi < 1.9 {
		t.Errorf("exponents in [%v, %v], want them to fill [0.5, 2]", lo, hi)
	}
}

// Where no value is clipped, all three values of a pixel keep the luma and move
// away from it by one factor.
func TestSaturation(t *testing.T) {
	s := painted(t)
	plain := augmented(t, s, data.AugmentConfig{}, 0).image
	luma := func(p []float32) float64 { return 0.299*float64(p[0]) + 0.587*float64(p[1]) + 0.114*float64(p[2]) }
	lo, hi := math.Inf(1), math.Inf(-1)
	for epoch := range 60 {
		got := augmented(t, s, data.AugmentConfig{Saturation: 0.8}, epoch).image
		factor := math.NaN()
		for p := 0; p < len(got); p += 3 {
			a, b := plain[p:][:3], got[p:][:3]
			if min(b[0], b[1], b[2]) == 0 || max(b[0], b[1], b[2]) == 1 {
				continue
			}
			if math.Abs(luma(a)-luma(b)) > 1e-5 {
				t.Fatalf("epoch %d: luma %v became %v", epoch, luma(a), luma(b))
			}
			for i := range 3 {
				if away := float64(a[i]) - luma(a); math.Abs(away) > 0.1 {
					k := (float64(b[i]) - luma(b)) / away
					if math.IsNaN(factor) {
						factor = k
					}
					if math.Abs(k-factor) > 1e-4 {
						t.Fatalf("epoch %d: factors %v and %v", epoch, factor, k)
					}
				}
			}
		}
		lo, hi = min(lo, factor), max(hi, factor)
	}
	if lo < 0.199 || hi > 1.801 || lo > 0.3 || hi < 1.7 {
		t.Errorf("factors in [%v, %v], want them to fill [0.2, 1.8]", lo, hi)
	}
}

// hue is that of HSV, in turns, by its definition on the hexagon of colours.
func hue(p []float32) float64 {
	r, g, b := float64(p[0]), float64(p[1]), float64(p[2])
	hi, lo := max(r, g, b), min(r, g, b)
	var h float64
	switch hi {
	case r:
		h = (g - b) / (hi - lo)
	case g:
		h = 2 + (b-r)/(hi-lo)
	default:
		h = 4 + (r-g)/(hi-lo)
	}
	return math.Mod(h+6, 6) / 6
}

func TestHue(t *testing.T) {
	s := painted(t)
	plain := augmented(t, s, data.AugmentConfig{}, 0).image
	lo, hi := math.Inf(1), math.Inf(-1)
	for epoch := range 60 {
		got := augmented(t, s, data.AugmentConfig{Hue: 0.3}, epoch).image
		turn := math.NaN()
		for p := 0; p < len(got); p += 3 {
			a, b := plain[p:][:3], got[p:][:3]
			if math.Abs(float64(max(a[0], a[1], a[2])-max(b[0], b[1], b[2]))) > 1e-5 || math.Abs(float64(min(a[0], a[1], a[2])-min(b[0], b[1], b[2]))) > 1e-5 {
				t.Fatalf("epoch %d: %v became %v, want the largest and the smallest value to stay", epoch, a, b)
			}
			if max(a[0], a[1], a[2])-min(a[0], a[1], a[2]) < 0.2 {
				continue
			}
			d := hue(b) - hue(a)
			d -= math.Round(d)
			if math.IsNaN(turn) {
				turn = d
			}
			if math.Abs(d-turn) > 1e-4 {
				t.Fatalf("epoch %d: hues moved by %v and %v", epoch, turn, d)
			}
		}
		lo, hi = min(lo, turn), max(hi, turn)
	}
	if lo < -0.301 || hi > 0.301 || lo > -0.25 || hi < 0.25 {
		t.Errorf("hues moved by [%v, %v], want them to fill [-0.3, 0.3]", lo, hi)
	}
}

// A white point on black becomes a bell whose variance is that of its standard
// deviation; grey stays grey up to the edges.
func TestBlur(t *testing.T) {
	const n = 31
	img := filetest.RGB(n, n)
	img.SetNRGBA(n/2, n/2, color.NRGBA{255, 255, 255, 255})
	s := single(t, img, filetest.Grey(n, n), folderConfig(n, n))
	lo, hi := math.Inf(1), math.Inf(-1)
	for epoch := range 60 {
		got := augmented(t, s, data.AugmentConfig{Blur: 2}, epoch).image
		var sum, xx, yy float64
		for i := range n * n {
			v, x, y := float64(got[i*3]), float64(i%n-n/2), float64(i/n-n/2)
			sum, xx, yy = sum+v, xx+v*x*x, yy+v*y*y
		}
		if math.Abs(sum-1) > 1e-4 || math.Abs(xx-yy) > 1e-3 {
			t.Fatalf("epoch %d: sum %v, variances %v and %v", epoch, sum, xx, yy)
		}
		sigma := math.Sqrt(xx)
		lo, hi = min(lo, sigma), max(hi, sigma)
		if sigma < 0.8 { // there the sum over pixels is not the integral
			continue
		}
		for _, at := range [][2]int{{0, 0}, {1, 0}, {2, 1}} {
			d := float64(at[0]*at[0] + at[1]*at[1])
			want := math.Exp(-d/(2*xx)) / (2 * math.Pi * xx)
			if v := float64(got[((n/2+at[1])*n+n/2+at[0])*3]); math.Abs(v-want) > 0.03*want+0.001 {
				t.Errorf("epoch %d: %v at %v, want %v with standard deviation %v", epoch, v, at, want, sigma)
			}
		}
	}
	if hi > 2.001 || lo > 0.2 || hi < 1.8 {
		t.Errorf("standard deviations in [%v, %v], want them to fill [0, 2]", lo, hi)
	}

	for i := range img.Pix {
		img.Pix[i] = 100
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	s = single(t, img, filetest.Grey(n, n), folderConfig(n, n))
	for i, v := range augmented(t, s, data.AugmentConfig{Blur: 10}, 1).image {
		if math.Abs(float64(v)-100.0/255) > 1e-5 {
			t.Fatalf("value %d of a grey image became %v", i, v)
		}
	}
}

func TestNoise(t *testing.T) {
	const n = 24
	img := filetest.RGB(n, n)
	for i := range n * n {
		img.SetNRGBA(i%n, i/n, color.NRGBA{128, 128, 128, 255})
	}
	s := single(t, img, filetest.Grey(n, n), folderConfig(n, n))
	lo, hi := math.Inf(1), math.Inf(-1)
	for epoch := range 60 {
		got := augmented(t, s, data.AugmentConfig{Noise: 0.1}, epoch).image
		var sum, squares, neighbours float64
		for i, v := range got {
			d := float64(v) - 128.0/255
			sum, squares = sum+d, squares+d*d
			if i > 0 {
				neighbours += d * (float64(got[i-1]) - 128.0/255)
			}
		}
		count := float64(len(got))
		sigma := math.Sqrt(squares / count)
		if math.Abs(sum/count) > 5*sigma/math.Sqrt(count) || math.Abs(neighbours/squares) > 5/math.Sqrt(count) {
			t.Errorf("epoch %d: mean %v, correlation %v", epoch, sum/count, neighbours/squares)
		}
		lo, hi = min(lo, sigma), max(hi, sigma)
	}
	if hi > 0.104 || lo > 0.01 || hi < 0.09 {
		t.Errorf("standard deviations in [%v, %v], want them to fill [0, 0.1]", lo, hi)
	}
}

// What one setting draws does not depend on another.
func TestSettingsAreIndependent(t *testing.T) {
	s := painted(t)
	noise := augmented(t, s, data.AugmentConfig{Noise: 0.01}, 3).image
	plain := augmented(t, s, data.AugmentConfig{}, 3).image
	mirrored := augmented(t, s, data.AugmentConfig{Noise: 0.01, FlipHorizontal: 1, Elastic: 1e-9}, 3).image
	for y := range 9 {
		for x := range 11 {
			a, b := (y*11+x)*3, (y*11+10-x)*3
			v := plain[b]
			if v < 0.1 || v > 0.9 {
				continue
			}
			if d := mirrored[a] - v - (noise[a] - plain[a]); plain[a] > 0.1 && plain[a] < 0.9 && math.Abs(float64(d)) > 1e-5 {
				t.Fatalf("pixel (%d, %d): the noise differs by %v", x, y, d)
			}
		}
	}
}
