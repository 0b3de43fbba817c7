package data

import (
	"errors"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// syntheticClasses are background, disc, square and triangle.
const syntheticClasses = 4

// synthetic draws discs and squares of many colours, sizes and positions on
// textured ground, and in every other image a small triangle, which is the rare
// class: well under 1 % of all pixels. Sample i depends on (seed, split, i) only.
type synthetic struct {
	h, w, n int
	seed    uint64
	split   string

	normalize imagefile.Normalization
}

func newSynthetic(size [2]int, n int, seed uint64, split string) *synthetic {
	return &synthetic{h: size[0], w: size[1], n: n, seed: seed, split: split}
}

func (s *synthetic) Len() int          { return s.n }
func (s *synthetic) Name(i int) string { return fmt.Sprintf("%s-%06d", s.split, i) }

func (s *synthetic) size(int) (h, w int) { return s.h, s.w }

func (s *synthetic) identity(i int) string { return fmt.Sprintf("%s %d", s.Name(i), s.seed) }

func (s *synthetic) Load(i int) (Sample, error) {
	key := []uint64{s.seed, forSynthetic, uint64(i)}
	for _, b := range []byte(s.split) {
		key = append(key, uint64(b))
	}
	smp := drawShapes(s.h, s.w, i%2 == 0, random(key...))
	smp.Image = s.normalize.Apply(imagefile.Image{Pix: smp.Image, H: s.h, W: s.w}).Pix
	return smp, nil
}

// WriteSynthetic writes the first n images of the synthetic training set as a
// folder data set, the pixels equal to those of the synthetic source. Folders
// with files in them are refused, so that no two data sets are mixed.
func WriteSynthetic(dir string, size [2]int, n int, seed uint64) error {
	if n < 1 || size[0] < 1 || size[1] < 1 {
		return fmt.Errorf("data: %d images of %dx%d, want at least 1 of at least 1x1", n, size[1], size[0])
	}
	cfg := DefaultConfig()
	for _, sub := range []string{"images", "masks"} {
		path := filepath.Join(dir, sub)
		if err := durable.MakeFolder(path); err != nil {
			return fmt.Errorf("data: %w", err)
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return fmt.Errorf("data: %w", err)
		}
		if len(entries) > 0 {
			return fmt.Errorf("data: %s is not empty, want a new folder", path)
		}
	}
	src := newSynthetic(size, n, seed, "train")
	for i := range n {
		s, err := src.Load(i)
		if err != nil {
			return err
		}
		name := src.Name(i) + ".png"
		if err := errors.Join(
			imagefile.WritePNG(filepath.Join(dir, "images", name), rgbImage(s)),
			imagefile.WriteMask(filepath.Join(dir, "masks", name), s.Mask, s.H, s.W, Colors(cfg)),
		); err != nil {
			return err
		}
	}
	return nil
}

// rgbImage is an image (H,W,3) in 0..1, rounded to bytes.
func rgbImage(s Sample) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, s.W, s.H))
	for p := range s.H * s.W {
		for i, v := range s.Image[p*3:][:3] {
			img.Pix[p*4+i] = uint8(v*255 + 0.5)
		}
		img.Pix[p*4+3] = 255
	}
	return img
}

type rgb [3]float64

// shape is a figure; inside reports whether (x, y), measured from its centre, is in it.
type shape struct {
	class  uint8
	colour rgb
	cx, cy float64
	inside func(x, y float64) bool
}

func drawShapes(h, w int, triangle bool, r *rand.Rand) Sample {
	side := float64(min(h, w))
	var ground rgb
	for i := range ground {
		ground[i] = 0.3 + 0.4*r.Float64()
	}
	var shapes []shape
	add := func(class uint8, base rgb, radius float64, inside func(x, y float64) bool) {
		s := shape{class: class, inside: inside}
		for range 10 { // tries to stand out from the ground
			for i := range s.colour {
				s.colour[i] = min(max(base[i]+0.5*(r.Float64()-0.5), 0), 1)
			}
			if distance(s.colour, ground) > 0.3 {
				break
			}
		}
		s.cx = radius + r.Float64()*(float64(w)-2*radius)
		s.cy = radius + r.Float64()*(float64(h)-2*radius)
		shapes = append(shapes, s)
	}
	disc := func() {
		radius := side * (0.08 + 0.12*r.Float64())
		add(1, rgb{0.75, 0.35, 0.35}, radius, func(x, y float64) bool { return x*x+y*y <= radius*radius })
	}
	square := func() {
		half := side * (0.07 + 0.10*r.Float64())
		sin, cos := math.Sincos(r.Float64() * math.Pi / 2)
		add(2, rgb{0.35, 0.45, 0.75}, half*math.Sqrt2, func(x, y float64) bool {
			return math.Abs(cos*x+sin*y) <= half && math.Abs(cos*y-sin*x) <= half
		})
	}
	for range 1 + r.IntN(2) {
		disc()
	}
	for range 1 + r.IntN(2) {
		square()
	}
	r.Shuffle(len(shapes), func(i, j int) { shapes[i], shapes[j] = shapes[j], shapes[i] })
	if triangle { // last, so that nothing covers it
		radius := side * (0.07 + 0.03*r.Float64())
		turn := r.Float64() * 2 * math.Pi
		add(3, rgb{0.75, 0.7, 0.3}, radius, func(x, y float64) bool {
			for k := range 3 { // within the three sides, each radius/2 from the centre
				sin, cos := math.Sincos(turn + float64(k)*2*math.Pi/3)
				if cos*x+sin*y > radius/2 {
					return false
				}
			}
			return true
		})
	}
	return paint(h, w, ground, shapes, r)
}

func distance(a, b rgb) float64 {
	return math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2])
}

// paint draws the shapes, later ones on top, over a ground shaded by three slow waves, and
// adds noise to every pixel. Values are whole bytes, so that a PNG holds them.
func paint(h, w int, ground rgb, shapes []shape, r *rand.Rand) Sample {
	s := Sample{Image: make([]float32, h*w*3), Mask: make([]uint8, h*w), H: h, W: w}
	type wave struct{ fx, fy, phase, height float64 }
	var waves [3]wave
	for i := range waves {
		frequency := func() float64 { return (r.Float64() - 0.5) * 16 * math.Pi / float64(min(h, w)) }
		waves[i] = wave{frequency(), frequency(), r.Float64() * 2 * math.Pi, 0.02 + 0.05*r.Float64()}
	}
	noise := 0.02 + 0.05*r.Float64()
	for y := range h {
		for x := range w {
			colour := ground
			var class uint8
			for _, sh := range shapes {
				if sh.inside(float64(x)-sh.cx, float64(y)-sh.cy) {
					class, colour = sh.class, sh.colour
				}
			}
			var shade float64
			for _, v := range waves {
				shade += v.height * math.Sin(v.fx*float64(x)+v.fy*float64(y)+v.phase)
			}
			p := y*w + x
			s.Mask[p] = class
			for i, c := range colour {
				v := min(max(c+shade+noise*r.NormFloat64(), 0), 1)
				s.Image[p*3+i] = float32(math.Round(v*255)) / 255
			}
		}
	}
	return s
}
