package imagefile

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// FuzzImage decodes bytes as image and as mask: no panic, and what is taken is
// in range. Images are kept small, so that the fuzzer is not busy with memory.
func FuzzImage(f *testing.F) {
	indices := image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black, color.White, color.NRGBA{1, 2, 3, 255}})
	copy(indices.Pix, []uint8{0, 1, 2, 2, 1, 0})
	for _, encode := range []func(b *bytes.Buffer) error{
		func(b *bytes.Buffer) error { return png.Encode(b, indices) },
		func(b *bytes.Buffer) error { return png.Encode(b, image.NewGray16(indices.Rect)) },
		func(b *bytes.Buffer) error { return png.Encode(b, image.NewNRGBA(indices.Rect)) },
		func(b *bytes.Buffer) error { return jpeg.Encode(b, indices, nil) },
		func(b *bytes.Buffer) error { return bmp.Encode(b, indices) },
		func(b *bytes.Buffer) error { return tiff.Encode(b, indices, nil) },
		func(b *bytes.Buffer) error { return tiff.Encode(b, image.NewGray(indices.Rect), nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	picture := filetest.TIFF{H: 3, W: 2, Bits: 8, Photometric: 1, Values: []float64{0, 1, 2, 0, 1, 2}}
	for _, change := range []func(p *filetest.TIFF){
		func(p *filetest.TIFF) { p.Big, p.Tile, p.Compression, p.Predictor = true, 2, 8, 2 },
		func(p *filetest.TIFF) { p.BigEndian, p.Rows, p.Compression, p.Predictor, p.Bits = true, 1, 5, 2, 16 },
		func(p *filetest.TIFF) { p.Bits, p.Format, p.Predictor, p.Compression = 32, 3, 3, 32773 },
		func(p *filetest.TIFF) { p.Bits, p.Format, p.Orientation = 32, 2, 6 },
		func(p *filetest.TIFF) {
			p.Samples, p.W, p.Planes, p.Photometric, p.Tile = 2, 1, true, 1, 1
			p.Extra = []int{1}
		},
		func(p *filetest.TIFF) { p.Samples, p.H, p.W, p.Photometric = 3, 1, 2, 2 },
		func(p *filetest.TIFF) { p.Bits, p.Photometric = 1, 0 },
		func(p *filetest.TIFF) { p.Bits, p.Photometric, p.Palette = 4, 3, [][3]uint8{{1, 2, 3}, {0, 0, 0}} },
		func(p *filetest.TIFF) { p.Pages, p.Subfile, p.Description = 2, 1, "ImageJ=1\nimages=1\n" },
	} {
		p := picture
		change(&p)
		f.Add(p.Bytes(f))
	}
	var animated bytes.Buffer
	if err := gif.EncodeAll(&animated, &gif.GIF{Image: []*image.Paletted{indices}, Delay: []int{0}}); err != nil {
		f.Fatal(err)
	}
	f.Add(animated.Bytes())
	f.Add(filetest.WebP(1, 2, [][4]uint8{{1, 2, 3, 255}, {4, 5, 6, 0}}, []byte("II*\x00\x08\x00\x00\x00\x00\x00")))
	for _, s := range []string{"P1\n# c\n2 2\n0101", "P2 2 1 9\n3 9", "P3 1 1 255 1 2 3", "P4 9 1\n\x80\x80", "P5 2 1 300\n\x00\x01\x01\x2c", "P6 1 1 255\nabc"} {
		f.Add([]byte(s))
	}
	webp, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(webp)
	const maxPixels = 1 << 14
	formats := []MaskFormat{
		{classes: 3, ignore: 255, maxPixels: maxPixels},
		{classes: 3, ignore: 7, maxPixels: maxPixels, colours: map[[3]uint8]uint8{{0, 0, 0}: 0, {255, 255, 255}: 1, {1, 2, 3}: 2, {4, 4, 4}: Void}},
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeFrom(bytes.NewReader(b), int64(len(b)), maxPixels)
		if err != nil {
			return
		}
		for _, n := range []Normalization{Percentile, ZScore} {
			m, err := ImageFormat{maxPixels, n}.picture(d)
			for i, v := range m.Pix {
				if err == nil && (!n.takes(v) || n == Percentile && !(v >= 0 && v <= 1)) {
					t.Fatalf("%s: value %d is %v", n, i, v)
				}
			}
		}
		m, err := ImageFormat{MaxPixels: maxPixels}.picture(d)
		if err != nil {
			m = FromImage(d.Image)
		}
		if m.H != d.Header.H || m.W != d.Header.W || len(m.Pix) != m.H*m.W*3 {
			t.Fatalf("image of %dx%d with %d values, header %+v", m.W, m.H, len(m.Pix), d.Header)
		}
		for i, v := range m.Pix {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("value %d is %v", i, v)
			}
		}
		for _, format := range formats {
			mask, err := format.convert(d)
			if err != nil {
				continue
			}
			if len(mask) != m.H*m.W {
				t.Fatalf("mask of %d pixels for %dx%d", len(mask), m.W, m.H)
			}
			for i, c := range mask {
				if c >= 3 && c != Void {
					t.Fatalf("pixel %d has class %d", i, c)
				}
			}
		}
	})
}

func FuzzEXIF(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x02\xff\xe1\x00\x24Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x22Exif\x00\x00MM\x00*\xff\xff\xff\xff\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x03\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o := jpegOrientation(bytes.NewReader(b)); o < 1 || o > 8 {
			t.Fatalf("orientation %d", o)
		}
	})
}

// FuzzNPY opens bytes as images and as masks and reads all samples.
func FuzzNPY(f *testing.F) {
	file := func(dict, values string) []byte {
		return append([]byte("\x93NUMPY\x01\x00"+string([]byte{byte(len(dict)), 0})+dict), values...)
	}
	index := file("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2), }\n", "\x00\x01\x02\xff")
	f.Add(index, index)
	f.Add(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 3), }", "\x00\x00\x80\x3f\x00\x00\x00\x00\x00\x00\x00\x3f"),
		file(`{"shape": (1, 1, 1, 3), "fortran_order": False, "descr": ">i2"}`, "\x00\x00\x00\x01\x00\x00"))
	f.Add([]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{"), file("{'descr': '<f8', 'fortran_order': True, 'shape': (9999999999, 9999999999,), }", ""))
	format := NewMaskFormat(3, 255, nil, 1<<14)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, images, masks []byte) {
		for name, b := range map[string][]byte{"images.npy": images, "masks.npy": masks} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		checkArrays(t, dir, format)
	})
}

// FuzzNPZ opens bytes as a zip of images and masks and reads all samples.
func FuzzNPZ(f *testing.F) {
	image := filetest.NPY(f, 1, "|u1", "(2, 1, 2)", 0, 1, 2, 3)
	mask := filetest.NPY(f, 1, "|u1", "(2, 1, 2)", 0, 1, 2, 255)
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		b := filetest.NPZ(f, method, map[string][]byte{"images": image, "masks": mask})
		f.Add(b)
		f.Add(b[:len(b)-30])
		f.Add(append([]byte("before"), b...))
	}
	f.Add(filetest.NPZ(f, zip.Deflate, map[string][]byte{"images": filetest.NPY(f, 1, "<f8", "(1000000, 1000000)"), "masks": nil}))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 1 << 16 // a zip grows a thousandfold
		if len(b) > most {
			return
		}
		path := filepath.Join(dir, "set.npz")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		checkArrays(t, path, NewMaskFormat(3, 255, nil, 1<<14))
	})
}

// checkArrays reads all samples: what is taken is in range.
func checkArrays(t *testing.T, dir string, format MaskFormat) {
	s, err := DefaultLayout().OpenArrays(dir, ImageFormat{MaxPixels: 1 << 14}, format)
	if err != nil {
		return
	}
	for i := range s.N {
		if v, err := s.Values(i); err == nil && len(v)%(s.H*s.W) != 0 {
			t.Fatalf("%d values for %dx%d", len(v), s.W, s.H)
		}
		image, mask, err := s.Read(i)
		if err != nil {
			return
		}
		if len(mask) != s.H*s.W || len(image.Pix) != 3*len(mask) {
			t.Fatalf("image of %d values and mask of %d for %dx%d", len(image.Pix), len(mask), s.W, s.H)
		}
		for p, c := range mask {
			if c >= 3 && c != Void {
				t.Fatalf("pixel %d has class %d", p, c)
			}
		}
		for k, v := range image.Pix {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("value %d is %v", k, v)
			}
		}
	}
}
