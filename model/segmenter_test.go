package model_test

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

const recipe = `
data: {size: [16, 24], classes: [sky, ground, tree], palette: [[1, 2, 3], [40, 50, 60], [7, 8, 9]], a_later_key: 1}
model: {base_channels: 3, depth: 2, a_later_key: [1]}
train: {batch_size: 4}
a_later_section: {x: 1}
`

// save writes the checkpoint of a random net with a configuration of any kind.
func save(t testing.TB, cfg model.Config, classes int, yaml string) string {
	t.Helper()
	p := parameters(t, cfg, 3, classes, 1)
	shake(p, rand.New(rand.NewPCG(1, 1)))
	c := &checkpoint.Checkpoint{Meta: checkpoint.Run{Config: []byte(yaml)}.Metadata()}
	for _, q := range p.All() {
		c.Tensors = append(c.Tensors, checkpoint.Tensor{Name: q.Name, Shape: q.TorchShape(), Data: q.ToTorch(q.Value)})
	}
	path := filepath.Join(t.TempDir(), "net.safetensors")
	if err := checkpoint.Write(path, c); err != nil {
		t.Fatal(err)
	}
	return path
}

// noise is a picture of a size, which need not begin at (0, 0).
func noise(bounds image.Rectangle, seed uint64) *image.NRGBA {
	rng := rand.New(rand.NewPCG(seed, 2))
	img := image.NewNRGBA(bounds)
	for i := range img.Pix {
		img.Pix[i] = uint8(rng.IntN(256))
	}
	return img
}

// The mask has the image's bounds and, at each pixel, the class of the greatest
// probability; probabilities sum to 1.
func TestSegmenter(t *testing.T) {
	for _, patched := range []bool{false, true} {
		yaml := recipe
		if patched {
			yaml = strings.Replace(recipe, "data: {", "data: {patches: 2, ", 1)
		}
		s, err := model.Open(save(t, config(3, 2, "batch", "transpose"), 3, yaml))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Classes(); !slices.Equal(got, []string{"sky", "ground", "tree"}) {
			t.Errorf("classes %v", got)
		}
		if got := s.Palette(); len(got) != 3 || got[1] != (color.NRGBA{40, 50, 60, 255}) {
			t.Errorf("palette %v", got)
		}
		for _, bounds := range []image.Rectangle{image.Rect(0, 0, 24, 16), image.Rect(-3, 5, 50, 50), image.Rect(0, 0, 1, 1), image.Rect(2, 2, 10, 90)} {
			img := noise(bounds, 1)
			mask, err := s.Segment(img)
			if err != nil {
				t.Fatal(err)
			}
			if mask.Bounds() != bounds || len(mask.Pix) != bounds.Dx()*bounds.Dy() || !slices.Equal(mask.Palette, s.Palette()) {
				t.Fatalf("mask with bounds %v, %d pixels, palette %v", mask.Bounds(), len(mask.Pix), mask.Palette)
			}
			p, err := s.Probabilities(img)
			if err != nil {
				t.Fatal(err)
			}
			if len(p) != 3*len(mask.Pix) {
				t.Fatalf("%d probabilities of %d pixels", len(p), len(mask.Pix))
			}
			if best := predict.Argmax(nil, p, 3); !slices.Equal(best, mask.Pix) {
				t.Errorf("%v: the mask is not the greatest probability", bounds)
			}
			for i := 0; i < len(p); i += 3 {
				if sum := float64(p[i] + p[i+1] + p[i+2]); math.Abs(sum-1) > 1e-5 {
					t.Fatalf("%v: the probabilities of pixel %d sum to %v", bounds, i/3, sum)
				}
			}
		}
	}
}

// Many callers at once get what one alone gets. Run with -race.
func TestSegmenterAtOnce(t *testing.T) {
	s, err := model.Open(save(t, config(3, 2, "batch", "transpose"), 3, strings.Replace(recipe, "data: {", "data: {patches: 2, ", 1)))
	if err != nil {
		t.Fatal(err)
	}
	const callers = 8
	var want [callers][]uint8
	for i := range callers {
		mask, err := s.Segment(noise(image.Rect(0, 0, 30+5*i, 20+7*i), uint64(i)))
		if err != nil {
			t.Fatal(err)
		}
		want[i] = mask.Pix
	}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			img := noise(image.Rect(0, 0, 30+5*i, 20+7*i), uint64(i))
			for range 3 {
				mask, err := s.Segment(img)
				if err != nil {
					t.Error(err)
				} else if !slices.Equal(mask.Pix, want[i]) {
					t.Errorf("caller %d got another mask", i)
				}
				if _, err := s.Probabilities(img); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// What a caller changes of the classes and the palette is the caller's.
func TestSegmenterKeepsItsOwn(t *testing.T) {
	s, err := model.Open(save(t, config(3, 2, "batch", "transpose"), 3, recipe))
	if err != nil {
		t.Fatal(err)
	}
	s.Classes()[0], s.Palette()[0] = "x", color.White
	if s.Classes()[0] != "sky" || s.Palette()[0] != (color.NRGBA{1, 2, 3, 255}) {
		t.Errorf("got %v and %v", s.Classes(), s.Palette())
	}
}

func TestSegmenterRefuses(t *testing.T) {
	s, err := model.Open(save(t, config(3, 2, "batch", "transpose"), 3, recipe))
	if err != nil {
		t.Fatal(err)
	}
	for name, img := range map[string]image.Image{"nil": nil, "empty": image.NewGray(image.Rect(5, 5, 5, 9))} {
		_, err := s.Segment(img)
		_, err2 := s.Probabilities(img)
		if err == nil || err2 == nil || err.Error() != "model: an image without a pixel, want at least one" {
			t.Errorf("%s: got %v and %v", name, err, err2)
		}
	}
}

// Open says what is wrong with the file, and asks for no memory by what only the
// configuration says.
func TestOpenRefuses(t *testing.T) {
	for _, tc := range []struct{ name, old, new, want string }{
		{"no YAML", "data: {", "data: [", "config: yaml: "},
		{"wider than its tensors", "base_channels: 3", "base_channels: 1024", "model: 55 of the net's 56 tensors do not fit: encoder.0.conv1.weight has shape [3 3 3 3], want [1024 3 3 3]; "},
		{"deeper than its tensors", "depth: 2", "depth: 3", "model: 22 of the net's 78 tensors are missing: encoder.3.conv1.weight, encoder.3.bn1.weight, encoder.3.bn1.bias and 19 more\n"},
		{"more classes", "[sky,", "[cloud, sky,", "model: 2 of the net's 56 tensors do not fit: head.weight has shape [3 3 1 1], want [4 3 1 1]; head.bias has shape [3], want [4]"},
		{"no classes", "classes: [sky, ground, tree], ", "", "config: data.classes has 0 names, want 1..255"},
		{"no size", "size: [16, 24], ", "", "config: data.size = [0, 0], want multiples of 4 (2^model.depth)"},
		{"an odd size", "[16, 24]", "[16, 25]", "config: data.size = [16, 25], want multiples of 4 (2^model.depth)"},
		{"an enormous size", "[16, 24]", "[1048576, 1048576]", "config: data.size = [1048576 1048576], want at most 100000000 pixels"},
		{"no batch", "batch_size: 4", "batch_size: -4", "config: train.batch_size = -4, want >= 1"},
		{"another norm", "depth: 2", "depth: 2, norm: none", "model: 10 of the net's 26 tensors are missing: encoder.0.conv1.bias, "},
		{"an unknown norm", "depth: 2", "depth: 2, norm: layer", `config: model.norm = "layer", want batch or none`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := save(t, config(3, 2, "batch", "transpose"), 3, strings.Replace(recipe, tc.old, tc.new, 1))
			if _, err := model.Open(path); err == nil || !strings.HasPrefix(err.Error(), path+": "+tc.want) {
				t.Errorf("got  %v\nwant %s: %s", err, path, tc.want)
			}
		})
	}
	if _, err := model.Open(filepath.Join(t.TempDir(), "none.safetensors")); err == nil || !strings.Contains(err.Error(), "none.safetensors") {
		t.Errorf("no file: %v", err)
	}
}
