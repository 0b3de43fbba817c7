package imagefile_test

import (
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// grey is an image (1,n) with equal channels.
func grey(values ...float32) imagefile.Image {
	m := imagefile.Image{H: 1, W: len(values)}
	for _, v := range values {
		m.Pix = append(m.Pix, v, v, v)
	}
	return m
}

// The expected values are worked out by hand.
func TestNormalization(t *testing.T) {
	ramp := imagefile.Image{H: 1, W: 67, Pix: make([]float32, 201)} // 0, 1, ..., 200: p = 1, q = 199
	for i := range ramp.Pix {
		ramp.Pix[i] = float32(i)
	}
	inner := make([]float32, 67) // of the first channel: 0, 3, ..., 198
	for i := range inner {
		inner[i] = max(float32(3*i-1)/198, 0)
	}
	outlier := grey(make([]float32, 1000)...) // one of 1000 is beyond the percentiles
	for i := range outlier.Pix {
		outlier.Pix[i] = float32(i/3%2) / 100
	}
	outlier.Pix[3], outlier.Pix[4], outlier.Pix[5] = 1, 1, 1
	for _, tt := range []struct {
		name  string
		n     imagefile.Normalization
		image imagefile.Image
		want  []float32 // first values of the first channel
	}{
		{"as stored", imagefile.AsStored, grey(0.25, 0.5), []float32{0.25, 0.5}},
		{"not given", "", grey(0.25, 0.5), []float32{0.25, 0.5}},
		{"ramp", imagefile.Percentile, ramp, inner},
		{"between values", imagefile.Percentile, imagefile.Image{Pix: []float32{0, 100, 200}, H: 1, W: 1}, []float32{0}}, // p = 1, q = 199
		{"outlier", imagefile.Percentile, outlier, []float32{0, 1, 0, 1}},
		{"a speck", imagefile.Percentile, grey(append(make([]float32, 1000), 5)...), append(make([]float32, 1000), 1)},
		{"flat", imagefile.Percentile, grey(7, 7), []float32{0, 0}},
		{"negative", imagefile.Percentile, grey(-1000, -1000, 3000, 3000), []float32{0, 0, 1, 1}},
		{"zscore", imagefile.ZScore, grey(10, 30), []float32{-1, 1}},
		{"zscore of three", imagefile.ZScore, grey(0, 0, 3), []float32{-1 / math.Sqrt2, -1 / math.Sqrt2, math.Sqrt2}},
		{"flat zscore", imagefile.ZScore, grey(7, 7), []float32{0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.n.Apply(tt.image)
			for i, want := range tt.want {
				if v := got.Pix[3*i]; math.Abs(float64(v-want)) > 1e-6 {
					t.Fatalf("value %d is %v, want %v", i, v, want)
				}
			}
		})
	}
	m := imagefile.Percentile.Apply(imagefile.Image{Pix: []float32{0, 100, 200}, H: 1, W: 1})
	if m.Pix[1] != 0.5 || m.Pix[2] != 1 {
		t.Errorf("got %v, want 0, 0.5, 1", m.Pix)
	}
}

// Normalized, 12-bit data are the same picture in whatever range a file has them.
func TestNormalizedContainers(t *testing.T) {
	t.Chdir(t.TempDir())
	g := greys{3, 5, 4095, []int{0, 1, 2, 700, 4095, 4094, 2048, 100, 255, 256, 257, 9, 3000, 31, 32}}
	full := grey16(g)
	for i, v := range g.values {
		full.SetGray16(i%g.w, i/g.w, color.Gray16{uint16(v * 16)})
	}
	shifted := g.floats()
	for i := range shifted {
		shifted[i] -= 1024 // as CT has them
	}
	tiff := func(f filetest.TIFF, values []float64) []byte {
		f.H, f.W, f.Photometric, f.Values = g.h, g.w, 1, values
		return f.Bytes(t)
	}
	for _, n := range []imagefile.Normalization{imagefile.Percentile, imagefile.ZScore} {
		var want []float32
		check := func(name string, m imagefile.Image, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if want == nil {
				want = m.Pix
			}
			for i, v := range m.Pix {
				if math.Abs(float64(v-want[i])) > 1e-4 {
					t.Fatalf("%s by %s: value %d is %v, want %v", name, n, i, v, want[i])
				}
			}
		}
		for _, f := range []struct {
			name string
			file []byte
		}{
			{"12 of 16 bits.png", filetest.Encode(t, ".png", grey16(g))},
			{"full range.png", filetest.Encode(t, ".png", full)},
			{"4095.pgm", pnmFile(2, g.h, g.w, 4095, []byte("0 1 2 700 4095 4094 2048 100 255 256 257 9 3000 31 32"))},
			{"12 bits.tif", tiff(filetest.TIFF{Bits: 12}, g.floats())},
			{"signed.tif", tiff(filetest.TIFF{Bits: 16, Format: 2}, shifted)},
			{"32 bits.tif", tiff(filetest.TIFF{Bits: 32}, g.floats())},
			{"floats.tif", tiff(filetest.TIFF{Bits: 32, Format: 3}, shifted)},
		} {
			filetest.Write(t, f.name, f.file)
			m, err := imagefile.ImageFormat{MaxPixels: 1000, Normalize: n}.Read(f.name)
			check(f.name, m, err)
		}
		for _, descr := range []string{"<u2", "<i2", "<f4", "<i8"} {
			filetest.Write(t, "images.npy", filetest.NPY(t, 1, descr, "(1, 3, 5)", g.floats()...))
			filetest.Write(t, "masks.npy", filetest.NPY(t, 1, "|u1", "(1, 3, 5)", make([]float64, 15)...))
			a, err := imagefile.DefaultLayout().OpenArrays(".", imagefile.ImageFormat{MaxPixels: 1000, Normalize: n}, imagefile.NewMaskFormat(2, 255, nil, 1000))
			if err != nil {
				t.Fatal(err)
			}
			m, _, err := a.Read(0)
			check(descr, m, err)
		}
	}
}

func grey16(g greys) *image.Gray16 {
	img := image.NewGray16(image.Rect(0, 0, g.w, g.h))
	for i, v := range g.values {
		img.SetGray16(i%g.w, i/g.w, color.Gray16{uint16(v)})
	}
	return img
}
