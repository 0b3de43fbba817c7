package data_test

import (
	"fmt"
	"image"
	"math"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

const rampH, rampW = 21, 31

// rampClass is the class of the ramp's pixel (x, y).
func rampClass(x, y int) int { return (x + 2*y) % 4 }

// ramp is a data set of one image whose red is 8x+8 and green 8y+8, so that an
// interpolated colour tells from where in the source it was taken.
func ramp(t *testing.T) *data.Split {
	t.Helper()
	img, mask := filetest.RGB(rampH, rampW), filetest.Grey(rampH, rampW)
	for y := range rampH {
		for x := range rampW {
			o := img.PixOffset(x, y)
			img.Pix[o], img.Pix[o+1], img.Pix[o+2] = uint8(8*x+8), uint8(8*y+8), 128
			mask.Pix[y*rampW+x] = uint8(rampClass(x, y))
		}
	}
	return single(t, img, mask, folderConfig(rampH, rampW))
}

// single is a data set of one image.
func single(t *testing.T, img, mask image.Image, cfg data.Config) *data.Split {
	t.Helper()
	t.Chdir(t.TempDir())
	filetest.Write(t, "images/a.png", filetest.Encode(t, ".png", img))
	filetest.Write(t, "masks/a.png", filetest.Encode(t, ".png", mask))
	s, err := data.Open(cfg, 1, "train")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// position is the place in the ramp that pixel (x, y) was taken from.
func (o one) position(x, y int) (px, py float64) {
	p := o.image[(y*rampW+x)*3:]
	return (float64(p[0])*255 - 8) / 8, (float64(p[1])*255 - 8) / 8
}

// class of pixel (x, y), or -1 for void.
func (o one) class(x, y int) int {
	for c, v := range o.target[(y*rampW+x)*4:][:4] {
		if v == 1 {
			return c
		}
	}
	return -1
}

func augmented(t *testing.T, s *data.Split, a data.AugmentConfig, epoch int) one {
	t.Helper()
	all, _ := collect(t, data.NewLoader(s, data.LoaderConfig{BatchSize: 1, Augment: a, Seed: 4}), epoch, 0)
	return all[0]
}

func TestImageAndMaskMoveTogether(t *testing.T) {
	s := ramp(t)
	for _, tt := range []struct {
		name string
		a    data.AugmentConfig
	}{
		{"nothing", data.AugmentConfig{}},
		{"flips", data.AugmentConfig{FlipHorizontal: 0.5, FlipVertical: 0.5}},
		{"rotate", data.AugmentConfig{Rotate: 180}},
		{"scale", data.AugmentConfig{Scale: [2]float64{0.5, 2}}},
		{"crop", data.AugmentConfig{Crop: 0.7}},
		{"shift", data.AugmentConfig{Shift: 0.4}},
		{"elastic", data.AugmentConfig{Elastic: 2}},
		{"all", data.AugmentConfig{FlipHorizontal: 0.5, FlipVertical: 0.5, Crop: 0.3, Scale: [2]float64{0.5, 2}, Rotate: 45, Shift: 0.1, Elastic: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for epoch := range 20 {
				got := augmented(t, s, tt.a, epoch)
				labelled := 0
				for y := range rampH {
					for x := range rampW {
						px, py := got.position(x, y)
						class := got.class(x, y)
						if class < 0 {
							if px != -1 || py != -1 {
								t.Fatalf("void pixel (%d, %d) is %v, want 0", x, y, got.image[(y*rampW+x)*3:][:3])
							}
							continue
						}
						labelled++
						tie := func(v float64) bool { return math.Abs(v-math.Floor(v)-0.5) < 1e-3 }
						if tie(px) || tie(py) {
							continue
						}
						if want := rampClass(int(math.Round(px)), int(math.Round(py))); class != want {
							t.Fatalf("epoch %d: pixel (%d, %d) comes from (%.2f, %.2f) with class %d, want %d", epoch, x, y, px, py, class, want)
						}
					}
				}
				if labelled < rampH*rampW/5 {
					t.Errorf("epoch %d: %d labelled pixels of %d", epoch, labelled, rampH*rampW)
				}
			}
		})
	}
}

func TestFlips(t *testing.T) {
	s := ramp(t)
	for _, tt := range []struct {
		horizontal, vertical float64
		x, y                 float64 // source of pixel (3, 4)
	}{{0, 0, 3, 4}, {1, 0, rampW - 1 - 3, 4}, {0, 1, 3, rampH - 1 - 4}, {1, 1, rampW - 1 - 3, rampH - 1 - 4}} {
		got := augmented(t, s, data.AugmentConfig{FlipHorizontal: tt.horizontal, FlipVertical: tt.vertical}, 0)
		if x, y := got.position(3, 4); math.Abs(x-tt.x)+math.Abs(y-tt.y) > 1e-3 {
			t.Errorf("flips %v, %v: pixel (3, 4) comes from (%v, %v), want (%v, %v)", tt.horizontal, tt.vertical, x, y, tt.x, tt.y)
		}
	}
	mirrored := 0
	for epoch := range 200 {
		if x, _ := augmented(t, s, data.AugmentConfig{FlipHorizontal: 0.25}, epoch).position(3, 4); x > 4 {
			mirrored++
		}
	}
	if mirrored < 25 || mirrored > 75 { // 50 expected, standard deviation 6
		t.Errorf("%d of 200 mirrored with probability 0.25", mirrored)
	}
}

// The step from the middle to a pixel four to its right is in the source 4/scale
// long and turned by the angle; the step down stands at a right angle to it.
func TestRotateAndScaleRanges(t *testing.T) {
	s := ramp(t)
	var angles, scales []float64
	for epoch := range 100 {
		got := augmented(t, s, data.AugmentConfig{Rotate: 20, Scale: [2]float64{0.8, 1.6}}, epoch)
		x0, y0 := got.position(rampW/2, rampH/2)
		x1, y1 := got.position(rampW/2+4, rampH/2)
		if math.Hypot(x0-rampW/2, y0-rampH/2) > 1e-3 {
			t.Fatalf("the middle comes from (%v, %v)", x0, y0)
		}
		x2, y2 := got.position(rampW/2, rampH/2+4)
		if math.Hypot((x2-x0)+(y1-y0), (y2-y0)-(x1-x0)) > 1e-3 {
			t.Fatalf("epoch %d: right comes from (%v, %v) and down from (%v, %v)", epoch, x1-x0, y1-y0, x2-x0, y2-y0)
		}
		angles = append(angles, math.Atan2(y1-y0, x1-x0)*180/math.Pi)
		scales = append(scales, 4/math.Hypot(x1-x0, y1-y0))
	}
	for _, tt := range []struct {
		name   string
		got    []float64
		lo, hi float64
	}{{"angle", angles, -20, 20}, {"scale", scales, 0.8, 1.6}} {
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, v := range tt.got {
			lo, hi = min(lo, v), max(hi, v)
		}
		slack := (tt.hi - tt.lo) / 10
		if lo < tt.lo-0.01 || hi > tt.hi+0.01 || lo > tt.lo+slack || hi < tt.hi-slack {
			t.Errorf("%s in [%v, %v], want it to fill [%v, %v]", tt.name, lo, hi, tt.lo, tt.hi)
		}
	}
}

// Each turn is one of the four, and each of them comes as often as it should.
func TestTurns(t *testing.T) {
	const n = 5
	img, mask := filetest.RGB(n, n), filetest.Grey(n, n)
	for i := range n * n {
		img.Pix[i*4], mask.Pix[i] = uint8(10*i), uint8(i%4)
	}
	s := single(t, img, mask, folderConfig(n, n))
	turned := func(x, y, turns int) (int, int) { // counterclockwise, where (x, y) comes from
		for range turns {
			x, y = n-1-y, x
		}
		return x, y
	}
	var seen [4]int
	for epoch := range 400 {
		got := augmented(t, s, data.AugmentConfig{Turn90: 0.6}, epoch)
		turns := 0
		for ; turns < 4; turns++ {
			if x, y := turned(0, 0, turns); math.Round(float64(got.image[0])*255) == float64(10*(y*n+x)) {
				break
			}
		}
		for y := range n {
			for x := range n {
				sx, sy := turned(x, y, turns)
				from := sy*n + sx
				if v := got.image[(y*n+x)*3]; v != float32(10*from)/255 || got.target[(y*n+x)*4+from%4] != 1 {
					t.Fatalf("epoch %d: pixel (%d, %d) is %v with target %v, want pixel %d turned %d times", epoch, x, y, v, got.target[(y*n+x)*4:][:4], from, turns)
				}
			}
		}
		seen[turns]++
	}
	for turns, count := range seen { // 160 and 80 each expected, standard deviations 10 and 8
		if want := [4]int{160, 80, 80, 80}[turns]; count < want-40 || count > want+40 {
			t.Errorf("turned %d times: %d of 400, want about %d", turns, count, want)
		}
	}
}

// A part of equal shares of height and width fills the sample; nothing is left open.
func TestCrop(t *testing.T) {
	s := ramp(t)
	lo, hi := 1.0, 0.0
	for epoch := range 200 {
		got := augmented(t, s, data.AugmentConfig{Crop: 0.5}, epoch)
		x0, y0 := got.position(1, 1)
		x1, y1 := got.position(rampW-2, rampH-2)
		share := (x1 - x0) / (rampW - 3)
		if math.Abs(share-(y1-y0)/(rampH-3)) > 1e-3 || share < 0.499 || share > 1.001 {
			t.Fatalf("epoch %d: shares %v and %v", epoch, share, (y1-y0)/(rampH-3))
		}
		for i := range rampH * rampW {
			if got.class(i%rampW, i/rampW) < 0 {
				t.Fatalf("epoch %d: pixel (%d, %d) is void", epoch, i%rampW, i/rampW)
			}
		}
		lo, hi = min(lo, share), max(hi, share)
	}
	if lo > 0.53 || hi < 0.97 {
		t.Errorf("shares in [%v, %v], want them to fill [0.5, 1]", lo, hi)
	}
}

func TestShift(t *testing.T) {
	s := ramp(t)
	var most [2]float64
	for epoch := range 100 {
		got := augmented(t, s, data.AugmentConfig{Shift: 0.2}, epoch)
		x, y := got.position(rampW/2, rampH/2)
		x, y = x-rampW/2, y-rampH/2
		if math.Abs(x-math.Round(x))+math.Abs(y-math.Round(y)) > 1e-3 {
			t.Fatalf("epoch %d: moved by (%v, %v), want whole pixels", epoch, x, y)
		}
		most = [2]float64{max(most[0], math.Abs(x)), max(most[1], math.Abs(y))}
	}
	if math.Abs(most[0]-6) > 1e-3 || math.Abs(most[1]-4) > 1e-3 { // 0.2 of 31 and of 21
		t.Errorf("moved by up to %v, want 6 and 4", most)
	}
}

// The middle is a point of the 3x3 grid: its move has the standard deviation that
// was asked for. From pixel to pixel the moves change little.
func TestElastic(t *testing.T) {
	s := ramp(t)
	const strength, epochs = 1.5, 300
	var sum, squares float64
	for epoch := range epochs {
		got := augmented(t, s, data.AugmentConfig{Elastic: strength}, epoch)
		x, y := got.position(rampW/2, rampH/2)
		for _, d := range []float64{x - rampW/2, y - rampH/2} {
			sum += d
			squares += d * d
		}
		for x := 8; x < rampW-8; x++ {
			ax, ay := got.position(x, rampH/2)
			bx, by := got.position(x+1, rampH/2)
			if d := math.Hypot(bx-ax-1, by-ay); d > 1 {
				t.Fatalf("epoch %d: moves of pixels %d and %d differ by %v", epoch, x, x+1, d)
			}
		}
	}
	mean, deviation := sum/(2*epochs), math.Sqrt(squares/(2*epochs))
	if math.Abs(mean) > 0.25 || math.Abs(deviation-strength) > 0.15 { // standard errors 0.06 and 0.04
		t.Errorf("moves have mean %v and standard deviation %v, want 0 and %v", mean, deviation, strength)
	}
}

// By the formulas: v' = clip(v k), and v' = clip(m + (v - m) k).
func TestBrightnessAndContrast(t *testing.T) {
	s := ramp(t)
	plain := augmented(t, s, data.AugmentConfig{}, 0).image
	mean := 0.0
	for _, v := range plain {
		mean += float64(v) / float64(len(plain))
	}
	for _, tt := range []struct {
		name string
		a    data.AugmentConfig
		zero float64 // the value that stays
	}{{"brightness", data.AugmentConfig{Brightness: 0.4}, 0}, {"contrast", data.AugmentConfig{Contrast: 0.4}, mean}} {
		t.Run(tt.name, func(t *testing.T) {
			lo, hi := math.Inf(1), math.Inf(-1)
			for epoch := range 60 {
				got := augmented(t, s, tt.a, epoch).image
				k := (float64(got[0]) - tt.zero) / (float64(plain[0]) - tt.zero)
				if tt.name == "contrast" { // the first value is dark and may be clipped
					k = (float64(got[2]) - tt.zero) / (float64(plain[2]) - tt.zero)
				}
				lo, hi = min(lo, k), max(hi, k)
				for i, v := range got {
					want := min(max(tt.zero+(float64(plain[i])-tt.zero)*k, 0), 1)
					if math.Abs(float64(v)-want) > 1e-3 {
						t.Fatalf("epoch %d: value %v became %v, want %v with factor %v", epoch, plain[i], v, want, k)
					}
				}
			}
			if lo < 0.599 || hi > 1.401 || lo > 0.7 || hi < 1.3 {
				t.Errorf("factors in [%v, %v], want them to fill [0.6, 1.4]", lo, hi)
			}
		})
	}
}

// Samples and epochs vary each in its own way.
func TestAugmentationDiffers(t *testing.T) {
	l := data.NewLoader(shapes(t, 8, "ram"), data.LoaderConfig{BatchSize: 8, Augment: data.AugmentConfig{Brightness: 0.5}})
	plain, _ := collect(t, data.NewLoader(shapes(t, 8, "ram"), data.LoaderConfig{BatchSize: 8}), 0, 0)
	seen := map[string]bool{}
	for epoch := range 3 {
		all, _ := collect(t, l, epoch, 0)
		for i, o := range all {
			for p, v := range plain[i].image {
				if v > 0.2 && v < 0.5 {
					seen[fmt.Sprintf("%.4f", o.image[p]/v)] = true
					break
				}
			}
		}
	}
	if len(seen) < 22 {
		t.Errorf("%d factors of 24 differ", len(seen))
	}
}
