package predict_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
)

const h, w, classes = 8, 12, 2

// pointwise is a net that sees each pixel alone: its probabilities are the red
// value and what is missing to 1.
func pointwise(batch int) predict.Net {
	out := make([]float32, batch*h*w*classes)
	return predict.Net{H: h, W: w, Classes: classes, Batch: batch, Run: func(images []float32, n int) ([]float32, error) {
		if len(images) != n*h*w*3 || n < 1 || n > batch {
			return nil, fmt.Errorf("%d values for %d images", len(images), n)
		}
		for i := range n * h * w {
			out[i*2], out[i*2+1] = images[i*3], 1-images[i*3]
		}
		return out[:n*h*w*classes], nil
	}}
}

// placed is a net that knows where in its image a pixel stands, and nothing of the pixel.
func placed() predict.Net {
	n := pointwise(1)
	out := make([]float32, h*w*classes)
	n.Run = func([]float32, int) ([]float32, error) {
		for i := range h * w {
			out[i*2] = float32(i)
		}
		return out, nil
	}
	return n
}

func noise(height, width int) imagefile.Image {
	r := rand.New(rand.NewPCG(uint64(height), uint64(width)))
	m := imagefile.Image{Pix: make([]float32, height*width*3), H: height, W: width}
	for i := range m.Pix {
		m.Pix[i] = r.Float32()
	}
	return m
}

// tiles gathers all bands, which have to follow each other.
func tiles(t *testing.T, n predict.Net, m imagefile.Image) []float32 {
	t.Helper()
	var all []float32
	if err := n.Tiles(t.Context(), m, func(y int, probabilities []float32) error {
		if len(probabilities)%(m.W*classes) != 0 || len(all) != y*m.W*classes {
			t.Fatalf("band of %d values from row %d on, after %d values", len(probabilities), y, len(all))
		}
		if len(probabilities) > h*m.W*classes {
			t.Errorf("band of %d values, want at most a tile's %d rows", len(probabilities), h)
		}
		all = append(all, probabilities...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(all) != m.H*m.W*classes {
		t.Fatalf("%d values, want %d", len(all), m.H*m.W*classes)
	}
	return all
}

// A net that sees single pixels gives each its own probabilities, whatever tiles
// it is in: every pixel is covered, by weights that sum to 1, from the right place.
func TestTilesOfAPointwiseNet(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {8, 12}, {1, 50}, {50, 1}, {7, 11}, {9, 13}, {8, 200}, {40, 12}, {33, 47}, {100, 3}} {
		for _, batch := range []int{1, 4} {
			m := noise(size[0], size[1])
			for i, p := range tiles(t, pointwise(batch), m) {
				want := m.Pix[i/2*3]
				if i%2 == 1 {
					want = 1 - want
				}
				if math.Abs(float64(p-want)) > 1e-6 {
					t.Fatalf("%v in batches of %d: pixel %d is %v, want %v", size, batch, i/2, p, want)
				}
			}
		}
	}
}

// An image of the net's size is one tile, and its result the net's, bit for bit.
func TestTilesOfOneTile(t *testing.T) {
	m := noise(h, w)
	want, err := placed().Resized(m)
	if err != nil {
		t.Fatal(err)
	}
	if got := tiles(t, placed(), m); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Where tiles contradict each other, the result goes over from one to the next by
// small steps: no seam.
func TestBlending(t *testing.T) {
	const width = 90
	got := tiles(t, placed(), noise(h, width))
	whole := float64(w - 1) // by so much do tiles contradict each other
	for x := 1; x < width; x++ {
		if d := math.Abs(float64(got[x*2] - got[x*2-2])); d > 0.3*whole {
			t.Errorf("from column %d to %d: a step of %v", x-1, x, d)
		}
	}
	// In the middle of a tile it counts most: exp(0) against exp(-8) of its neighbours' edges.
	if got := tiles(t, placed(), noise(h, w+w/2))[w/2*2-2]; math.Abs(float64(got-(w/2-1))) > 0.2 {
		t.Errorf("the middle of the first tile is %v, want nearly %d", got, w/2-1)
	}
}

// Smaller images are continued by their reflection.
func TestSmallImage(t *testing.T) {
	var seen []float32
	n := pointwise(1)
	run := n.Run
	n.Run = func(images []float32, count int) ([]float32, error) {
		seen = slices.Clone(images)
		return run(images, count)
	}
	m := noise(h, 4)
	tiles(t, n, m)
	want := []int{2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1} // columns of the image
	for x, from := range want {
		if seen[x*3] != m.Pix[from*3] {
			t.Errorf("column %d is not column %d of the image", x, from)
		}
	}
}

// flipped is the image mirrored, or upside down.
func flipped(m imagefile.Image, mirror bool) imagefile.Image {
	out := imagefile.Image{Pix: make([]float32, len(m.Pix)), H: m.H, W: m.W}
	for y := range m.H {
		for x := range m.W {
			sx, sy := x, m.H-1-y
			if mirror {
				sx, sy = m.W-1-x, y
			}
			copy(out.Pix[(y*m.W+x)*3:][:3], m.Pix[(sy*m.W+sx)*3:])
		}
	}
	return out
}

// lopsided is a net whose probabilities hang on the place and on the pixel to the left.
func lopsided() predict.Net {
	n := pointwise(1)
	out := make([]float32, h*w*classes)
	n.Run = func(images []float32, _ int) ([]float32, error) {
		for i := range h * w {
			out[i*2] = images[i*3]*float32(i) + images[max(i-1, 0)*3+1]
			out[i*2+1] = images[i*3+2]
		}
		return out, nil
	}
	return n
}

func TestFlips(t *testing.T) {
	m := noise(h, w)
	resized := func(n predict.Net, m imagefile.Image) imagefile.Image {
		p, err := n.Resized(m)
		if err != nil {
			t.Fatal(err)
		}
		pix := make([]float32, h*w*3) // as an image, so that it can be flipped
		for i := range h * w {
			copy(pix[i*3:], p[i*2:][:2])
		}
		return imagefile.Image{Pix: pix, H: h, W: w}
	}
	mean := func(images ...imagefile.Image) []float32 {
		sum := make([]float32, h*w*3)
		for _, m := range images {
			for i, v := range m.Pix {
				sum[i] += v / float32(len(images))
			}
		}
		return sum
	}
	a := resized(lopsided(), m)
	b := flipped(resized(lopsided(), flipped(m, true)), true)
	c := flipped(resized(lopsided(), flipped(m, false)), false)
	d := flipped(flipped(resized(lopsided(), flipped(flipped(m, true), false)), false), true)
	for _, tt := range []struct {
		name string
		net  predict.Net
		want []float32
	}{
		{"mirrored", lopsided().Flipped(), mean(a, b)},
		{"upside down", lopsided().FlippedVertically(), mean(a, c)},
		{"all four", lopsided().Flipped().FlippedVertically(), mean(a, b, c, d)},
	} {
		got := resized(tt.net, m)
		for i, v := range got.Pix {
			if math.Abs(float64(v-tt.want[i])) > 1e-4 {
				t.Errorf("%s: value %d is %v, want %v", tt.name, i, v, tt.want[i])
				break
			}
		}
		// The image flipped gives the result flipped, bit for bit.
		if back := flipped(resized(tt.net, flipped(m, tt.name != "upside down")), tt.name != "upside down"); !slices.Equal(back.Pix, got.Pix) {
			t.Errorf("%s: the flipped image gives another result", tt.name)
		}
	}
}

// Segment chooses the class of the greatest probability at the image's own size,
// and hands out the probabilities as the net gives them.
func TestSegment(t *testing.T) {
	m := imagefile.Image{Pix: make([]float32, 20*30*3), H: 20, W: 30}
	for i := 0; i < len(m.Pix); i += 3 {
		if i/3%30 >= 18 { // columns 18 to 29 are red, of class 0
			m.Pix[i] = 1
		}
	}
	for _, tiled := range []bool{false, true} {
		n := pointwise(2)
		n.Tiled = tiled
		wantShape := []int{h, w, classes}
		if tiled {
			wantShape = []int{20, 30, classes}
		}
		if got := n.Shape(m); !slices.Equal(got, wantShape) {
			t.Errorf("tiled %v: shape %v, want %v", tiled, got, wantShape)
		}
		var rows []float32
		mask, err := n.Segment(t.Context(), m, func(p []float32) error { rows = append(rows, p...); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if len(mask) != 20*30 || len(rows) != wantShape[0]*wantShape[1]*classes {
			t.Fatalf("tiled %v: %d pixels, %d probabilities", tiled, len(mask), len(rows))
		}
		for i, class := range mask {
			if x := i % 30; (x < 17 || x > 18) && (class == 0) != (x >= 18) { // resizing may move the edge by a pixel
				t.Fatalf("tiled %v: pixel %d of a row is of class %d", tiled, x, class)
			}
		}
		plain, err := n.Segment(t.Context(), m, nil)
		if err != nil || !slices.Equal(plain, mask) {
			t.Errorf("tiled %v: another mask without rows, %v", tiled, err)
		}
		broken := errors.New("broken")
		if _, err := n.Segment(t.Context(), m, func([]float32) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("tiled %v: error of rows: %v", tiled, err)
		}
	}
}

// The first of equal scores wins.
func TestArgmax(t *testing.T) {
	got := predict.Argmax([]uint8{7}, []float32{1, 2, 2, 3, 0, 3, -3, -2, -1, 0, 0, 0}, 3)
	if want := []uint8{7, 1, 0, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	n := pointwise(1)
	if err := n.Tiles(t.Context(), noise(20, 20), func(int, []float32) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error of the band: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	bands := 0
	if err := n.Tiles(ctx, noise(99, 20), func(int, []float32) error { bands++; cancel(); return nil }); !errors.Is(err, context.Canceled) || bands != 1 {
		t.Errorf("cancelled after a band: %v after %d", err, bands)
	}
	n.Run = func([]float32, int) ([]float32, error) { return nil, broken }
	for name, n := range map[string]predict.Net{"net": n, "flipped net": n.Flipped()} {
		if err := n.Tiles(t.Context(), noise(20, 20), func(int, []float32) error { return nil }); !errors.Is(err, broken) {
			t.Errorf("error of the %s: %v", name, err)
		}
	}
}
