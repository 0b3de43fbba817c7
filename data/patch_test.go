package data_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// numbered is a folder data set of images of the given heights and widths, in
// which pixel (x, y) is (x+1, y+1) of 255 and has the class (x+y) % 4, and every
// pixel in the last row is void.
func numbered(t *testing.T, cfg data.Config, sizes ...[2]int) *data.Split {
	t.Helper()
	t.Chdir(t.TempDir())
	for i, size := range sizes {
		h, w := size[0], size[1]
		img, mask := filetest.RGB(h, w), filetest.Grey(h, w)
		for p := range h * w {
			x, y := p%w, p/w
			img.Pix[p*4], img.Pix[p*4+1] = uint8(x+1), uint8(y+1)
			mask.Pix[p] = uint8((x + y) % 4)
			if y == h-1 {
				mask.Pix[p] = 255
			}
		}
		filetest.Write(t, fmt.Sprintf("images/%d.png", i), filetest.Encode(t, ".png", img))
		filetest.Write(t, fmt.Sprintf("masks/%d.png", i), filetest.Encode(t, ".png", mask))
	}
	s, err := data.Open(cfg, 1, "train")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func patchConfig(h, w int) data.Config {
	c := folderConfig(h, w)
	c.Patches = 3
	return c
}

// pixel is where a value of an image of numbered comes from.
func pixel(image []float32, i int) (x, y int) {
	return int(image[i*3]*255+0.5) - 1, int(image[i*3+1]*255+0.5) - 1
}

// The grid shows every labelled pixel of every image once, whatever their sizes,
// and continues small images by reflection.
func TestGridCoversEachPixelOnce(t *testing.T) {
	sizes := [][2]int{{8, 8}, {9, 8}, {17, 23}, {3, 20}, {30, 5}, {2, 1}, {1, 1}}
	for _, cache := range []string{"ram", "off"} {
		cfg := patchConfig(8, 8)
		cfg.Cache = cache
		s := numbered(t, cfg, sizes...)
		loader := data.NewLoader(s, data.LoaderConfig{BatchSize: 3})
		all, _ := collect(t, loader, 0, 0)
		if want := 1 + 2 + 3*3 + 3 + 4 + 1 + 1; len(all) != want || loader.Len() != want {
			t.Fatalf("%d samples, and Len is %d, want %d", len(all), loader.Len(), want)
		}
		seen := map[string]int{}
		names := map[string]bool{}
		for _, o := range all {
			if names[o.name] {
				t.Errorf("two patches are named %s", o.name)
			}
			names[o.name] = true
			for i := range 64 {
				x, y := pixel(o.image, i)
				if class := slices.Index(o.target[i*4:][:4], 1); class >= 0 {
					seen[fmt.Sprintf("%c %d %d", o.name[0], x, y)]++
					if class != (x+y)%4 {
						t.Errorf("%s: pixel (%d, %d) has class %d", o.name, x, y, class)
					}
				}
				if i%8 > 0 { // neighbours are neighbours, or the same at a reflected edge
					if px, py := pixel(o.image, i-1); py != y || max(x-px, px-x) > 1 {
						t.Errorf("%s: (%d, %d) stands beside (%d, %d)", o.name, px, py, x, y)
					}
				}
			}
		}
		want := 0
		for _, size := range sizes {
			want += (size[0] - 1) * size[1]
		}
		if len(seen) != want {
			t.Errorf("%d labelled pixels, want %d", len(seen), want)
		}
		for p, n := range seen {
			if n != 1 {
				t.Errorf("pixel %s counts %d times", p, n)
			}
		}
	}
}

// An epoch has n random patches of each image, of neighbouring pixels of it, and
// they reach its corners.
func TestRandomPatches(t *testing.T) {
	s := numbered(t, patchConfig(8, 8), [2]int{20, 11}, [2]int{8, 8}, [2]int{4, 30})
	loader := data.NewLoader(s, data.LoaderConfig{BatchSize: 4, Shuffle: true, Patches: 5, Seed: 3})
	if loader.Len() != 15 {
		t.Fatalf("Len is %d, want 5 patches of 3 images", loader.Len())
	}
	corners := map[[2]int]int{}
	for epoch := range 60 {
		all, _ := collect(t, loader, epoch, 0)
		count := map[string]int{}
		for _, o := range all {
			count[o.name]++
			x0, y0 := pixel(o.image, 0)
			for i := range 64 {
				x, y := pixel(o.image, i)
				class := slices.Index(o.target[i*4:][:4], 1)
				if o.name == "2" { // of 4 rows, 2 rows of reflection above and below
					if inside := i/8 >= 2 && i/8 < 5; inside != (class >= 0) {
						t.Fatalf("row %d of a patch of a low image has class %d", i/8, class)
					}
				} else if x != x0+i%8 || y != y0+i/8 {
					t.Fatalf("%s: pixel %d is (%d, %d) of a patch at (%d, %d)", o.name, i, x, y, x0, y0)
				}
				if class >= 0 && class != (x+y)%4 {
					t.Fatalf("%s: pixel (%d, %d) has class %d", o.name, x, y, class)
				}
			}
			if o.name == "0" {
				corners[[2]int{x0, y0}]++
			}
		}
		for _, name := range []string{"0", "1", "2"} {
			if count[name] != 5 {
				t.Fatalf("%d patches of image %s, want 5", count[name], name)
			}
		}
	}
	if len(corners) != 4*13 {
		t.Errorf("%d places of 4x13", len(corners))
	}
}

// Rotated patches show what lies beside them in the image; nothing is left open
// far from its edges.
func TestRotatedPatchIsFull(t *testing.T) {
	mask := image.NewGray(image.Rect(0, 0, 90, 90)) // class 0
	s := single(t, filetest.RGB(90, 90), mask, patchConfig(8, 8))
	loader := data.NewLoader(s, data.LoaderConfig{BatchSize: 1, Patches: 1, Augment: data.AugmentConfig{Rotate: 180}})
	full := 0
	for epoch := range 100 {
		smp, err := loader.Sample(epoch, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(smp.Mask, data.Void) {
			full++
		}
	}
	if full < 90 {
		t.Errorf("%d of 100 patches are full", full)
	}
}

// Counted are all pixels of the images at their own sizes.
func TestCountsOfPatches(t *testing.T) {
	s := numbered(t, patchConfig(8, 8), [2]int{5, 8}, [2]int{31, 12})
	got, err := data.CountClasses(context.Background(), s, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []int64{98, 98, 98, 98}; !slices.Equal(got.Pixels, want) || got.Ignored != 20 || got.Images != 2 { // (4*8 + 30*12) / 4
		t.Errorf("counted %+v, want %v", got, want)
	}
}

// Sample is what an epoch delivers.
func TestSample(t *testing.T) {
	s := numbered(t, patchConfig(8, 8), [2]int{20, 11}, [2]int{8, 8})
	loader := data.NewLoader(s, data.LoaderConfig{BatchSize: 4, Patches: 3, Augment: everything, Seed: 3})
	all, _ := collect(t, loader, 7, 0)
	for i, want := range all {
		got, err := loader.Sample(7, i)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Image, want.image) {
			t.Errorf("sample %d differs", i)
		}
	}
}

// spots is a data set of one image of h x w pixels of class 0, a last row of void, and
// 3x3 pixels of other classes, in whose middle the image is white.
func spots(t *testing.T, h, w int, middles map[image.Point]uint8) *data.Split {
	t.Helper()
	img, mask := filetest.RGB(h, w), filetest.Grey(h, w)
	for x := range w {
		mask.SetGray(x, h-1, color.Gray{Y: 255})
	}
	for p, class := range middles {
		img.Set(p.X, p.Y, color.White)
		for i := range 9 {
			if q := p.Add(image.Pt(i%3-1, i/3-1)); q.In(mask.Rect) {
				mask.SetGray(q.X, q.Y, color.Gray{Y: class})
			}
		}
	}
	return single(t, img, mask, patchConfig(16, 16))
}

// middle are the pixels in the middle of a patch of 16x16.
var middle = []int{7*16 + 7, 7*16 + 8, 8*16 + 7, 8*16 + 8}

// A rare patch shows the class for which it was cut, however it is moved, and in its
// middle where the image reaches far enough.
func TestRarePatchShowsItsClass(t *testing.T) {
	anyway := data.AugmentConfig{FlipHorizontal: 0.5, FlipVertical: 0.5, Turn90: 0.7}
	with := func(change func(*data.AugmentConfig)) data.AugmentConfig {
		a := anyway
		change(&a)
		return a
	}
	for _, tt := range []struct {
		name string
		a    data.AugmentConfig
	}{
		{"nothing", data.AugmentConfig{}},
		{"flips and turns", anyway},
		{"crop", with(func(a *data.AugmentConfig) { a.Crop = 0.6 })},
		{"scale", with(func(a *data.AugmentConfig) { a.Scale = [2]float64{0.7, 4} })},
		{"rotate", with(func(a *data.AugmentConfig) { a.Rotate = 180 })},
		{"shift", with(func(a *data.AugmentConfig) { a.Shift = 1 })},
		{"elastic", with(func(a *data.AugmentConfig) { a.Elastic = 1 })},
		{"all", with(func(a *data.AugmentConfig) {
			a.Crop, a.Scale, a.Rotate, a.Shift, a.Elastic = 0.3, [2]float64{0.7, 2}, 180, 0.7, 1
		})},
	} {
		for _, at := range []image.Point{{35, 22}, {0, 0}, {59, 38}, {1, 20}, {58, 3}} {
			t.Run(fmt.Sprintf("%s/%v", tt.name, at), func(t *testing.T) {
				s := spots(t, 40, 60, map[image.Point]uint8{at: 1})
				loader := data.NewLoader(s, data.LoaderConfig{BatchSize: 3, Patches: 3, RarePatches: 1, Augment: tt.a, Seed: 5})
				for epoch := range 30 {
					for i := range loader.Len() {
						smp, err := loader.Sample(epoch, i)
						if err != nil {
							t.Fatal(err)
						}
						if !slices.Contains(smp.Mask, 1) {
							t.Fatalf("epoch %d, patch %d does not show the class", epoch, i)
						}
						inside := at == image.Pt(35, 22) && tt.a.Shift == 0 && tt.a.Elastic == 0
						if inside && !slices.ContainsFunc(middle, func(p int) bool { return smp.Mask[p] == 1 }) {
							t.Fatalf("epoch %d, patch %d does not have the class in its middle", epoch, i)
						}
					}
				}
			})
		}
	}
}

// Among the rare patches each class but the most frequent one is as likely, however
// many pixels it has, and only the share that was asked for is rare.
func TestShareOfRarePatches(t *testing.T) {
	s := spots(t, 400, 400, map[image.Point]uint8{{50, 50}: 2, {350, 60}: 3, {200, 60}: 3, {60, 330}: 3, {350, 350}: 3})
	for _, share := range []float64{0, 0.3, 1} {
		loader := data.NewLoader(s, data.LoaderConfig{BatchSize: 100, Patches: 2000, RarePatches: share, Seed: 5})
		all, _ := collect(t, loader, 0, 0)
		count := map[int]float64{}
		for _, o := range all {
			for _, p := range middle {
				if class := slices.Index(o.target[p*4:][:4], 1); class > 0 {
					count[class]++
					break
				}
			}
		}
		for _, class := range []int{2, 3} {
			if got, want := count[class]/2000, share/2; math.Abs(got-want) > 0.04 {
				t.Errorf("share %v: %.3f of the patches have class %d in their middle, want %.3f", share, got, class, want)
			}
		}
	}
}

// Without a second class, rare patches are random ones.
func TestRarePatchesOfOneClass(t *testing.T) {
	s := spots(t, 40, 60, nil)
	cfg := data.LoaderConfig{BatchSize: 4, Patches: 7, Augment: everything, Seed: 5}
	want, _ := collect(t, data.NewLoader(s, cfg), 0, 0)
	cfg.RarePatches = 1
	got, _ := collect(t, data.NewLoader(s, cfg), 0, 0)
	if err := same(got, want); err != nil {
		t.Error(err)
	}
}

// Rare patches depend on (seed, epoch, sample) only.
func TestRarePatchesAreReproducible(t *testing.T) {
	s := numbered(t, patchConfig(8, 8), [2]int{20, 11}, [2]int{8, 8}, [2]int{4, 30})
	cfg := data.LoaderConfig{BatchSize: 4, Shuffle: true, Patches: 3, RarePatches: 0.5, Augment: everything, Seed: 9}
	whole, _ := collect(t, data.NewLoader(s, cfg), 1, 0)
	for _, from := range []int{0, 2, 5} {
		cfg.BatchSize, cfg.Workers = 1+from, 1+from
		got, _ := collect(t, data.NewLoader(s, cfg), 1, from)
		if err := same(got, whole[from:]); err != nil {
			t.Errorf("from %d: %v", from, err)
		}
	}
	cfg.RarePatches = 0
	if got, _ := collect(t, data.NewLoader(s, cfg), 1, 0); same(got, whole) == nil {
		t.Error("no patch is rare")
	}
}
