package imagefile_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// The same arrays are the same samples in all files that hold them.
func TestArrayFiles(t *testing.T) {
	images := filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 51, 102, 255)
	masks := filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 1, 2, 255)
	xy := map[string][]byte{"x_train": images, "y_train": masks}
	for _, tc := range []struct {
		name   string
		files  map[string][]byte
		layout imagefile.Layout
		dir    string
		held   bool
	}{
		{"npy", map[string][]byte{"set/images.npy": images, "set/masks.npy": masks}, imagefile.DefaultLayout(), "set", false},
		{"npy of a split", map[string][]byte{"X_train.npy": images, "y_train.npy": masks}, imagefile.Layout{Images: "X", Masks: "y"}, "*_train", false},
		{"savez", map[string][]byte{"set.npz": filetest.NPZ(t, zip.Store, xy)}, imagefile.Layout{Images: "x", Masks: "y"}, "set.npz/*_train", false},
		{"savez_compressed", map[string][]byte{"set.npz": filetest.NPZ(t, zip.Deflate, xy)}, imagefile.Layout{Images: "x", Masks: "y"}, "set.npz/*_train", true},
		{"npz of one split", map[string][]byte{"train.NPZ": filetest.NPZ(t, zip.Deflate, map[string][]byte{"images": images, "masks": masks})}, imagefile.DefaultLayout(), "train.NPZ", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name, b := range tc.files {
				filetest.Write(t, name, b)
			}
			s, err := tc.layout.OpenArrays(tc.dir, imagefile.ImageFormat{MaxPixels: 100}, threeClasses)
			if err != nil {
				t.Fatal(err)
			}
			var pix []float32
			var mask []uint8
			for i := range s.N {
				image, m, err := s.Read(i)
				if err != nil {
					t.Fatal(err)
				}
				pix, mask = append(pix, image.Pix...), append(mask, m...)
			}
			if want := []float32{0, 0, 0, .2, .2, .2, .4, .4, .4, 1, 1, 1}; !slices.Equal(pix, want) {
				t.Errorf("images %v, want %v", pix, want)
			}
			if want := []uint8{0, 1, 2, imagefile.Void}; !slices.Equal(mask, want) {
				t.Errorf("masks %v, want %v", mask, want)
			}
			if want := int64(8); tc.held && s.Held() != want || !tc.held && s.Held() != 0 {
				t.Errorf("%d bytes held", s.Held())
			}
			imagePath, _ := tc.layout.Paths(tc.dir)
			if !imagefile.HasArray(imagePath) || imagefile.HasArray(imagePath+"s") {
				t.Errorf("HasArray of %s", imagePath)
			}
		})
	}
}

// patched is a zip with a field of the first entry in its directory replaced.
func patched(b []byte, offset int, value uint32) []byte {
	b = bytes.Clone(b)
	at := bytes.Index(b, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(b[at+offset:], value)
	return b
}

func TestNPZRefuses(t *testing.T) {
	images := filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 51, 102, 255)
	masks := filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 1, 2, 255)
	good := map[string][]byte{"images": images, "masks": masks}
	stored, deflated := filetest.NPZ(t, zip.Store, good), filetest.NPZ(t, zip.Deflate, good)
	const method, compressedSize, size = 10, 20, 24 // offsets in an entry of the directory
	n := len(images)
	damaged := bytes.Clone(deflated)
	damaged[len("PK\x03\x04")+26+len("images.npy")+5] ^= 0x55
	for _, tc := range []struct {
		name string
		file []byte
		want string // after "data: set.npz/images: "
	}{
		{"no zip", images, "is not an npz file (a zip of npy files), or is damaged"},
		{"cut", stored[:len(stored)-25], "is not an npz file (a zip of npy files), or is damaged"},
		{"other names", filetest.NPZ(t, zip.Store, map[string][]byte{"x": images, "y": masks, "masks": masks}), "is not in the npz file, which has masks, x, y: set data.images and data.masks"},
		{"no npy", filetest.NPZ(t, zip.Store, map[string][]byte{"images": []byte("no array"), "masks": masks}), "is not an npy file"},
		{"objects", filetest.NPZ(t, zip.Deflate, map[string][]byte{"images": filetest.NPY(t, 1, "|O", "(2, 1, 2)"), "masks": masks}), `has data type "|O", want bool, an integer or a float of 2, 4 or 8 bytes`},
		{"a bomb", patched(deflated, size, 1<<31), "is compressed and has 2147483648 bytes, want at most 1073741824: unpack the npz file (it is a zip of npy files) or save it by numpy.savez"},
		{"more than it says", patched(deflated, size, uint32(n-1)), fmt.Sprintf("has %d bytes, want %d for shape [2 1 2] of u1", n-1, n)},
		{"less than it says", patched(deflated, size, uint32(n+1)), fmt.Sprintf("has %d bytes, want %d for shape [2 1 2] of u1", n+1, n)},
		{"beyond the file", patched(patched(stored, size, 1<<30), compressedSize, 1<<30), "is damaged: its place is beyond the npz file"},
		{"method", patched(deflated, method, 12), "is compressed by method 12, want numpy.savez or numpy.savez_compressed"},
		{"encrypted", patched(deflated, 8, 1|8<<16), "is encrypted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			filetest.Write(t, "set.npz", tc.file)
			_, err := imagefile.DefaultLayout().OpenArrays("set.npz", imagefile.ImageFormat{MaxPixels: 100}, threeClasses)
			first := imagefile.Each([]error{err})[0]
			if want := "data: set.npz/images: " + tc.want; first.Error() != want {
				t.Errorf("got  %v\nwant %s", first, want)
			}
		})
	}
	t.Run("damaged", func(t *testing.T) {
		t.Chdir(t.TempDir())
		filetest.Write(t, "set.npz", damaged)
		if _, err := imagefile.DefaultLayout().OpenArrays("set.npz", imagefile.ImageFormat{MaxPixels: 100}, threeClasses); err == nil {
			t.Error("a damaged array is taken")
		}
	})
}

// Equal faults are one line.
func TestFold(t *testing.T) {
	var errs []error
	for i := range 6 {
		name := fmt.Sprintf("masks/%d.png", i)
		errs = append(errs, imagefile.Fault{Err: fmt.Errorf("data: mask %s: pixel (%d, 7) has class 9", name, i), Names: []string{"images/x.png", name}})
	}
	other := imagefile.Fault{Err: fmt.Errorf("data: mask masks/z.png: is empty"), Names: []string{"masks/z.png"}}
	lone := fmt.Errorf("data: there is no train split")
	for _, tc := range []struct {
		name string
		errs []error
		want []string
	}{
		{"many", slices.Concat(errs[:2], []error{other, lone}, errs[2:]), []string{
			"data: mask masks/0.png: pixel (0, 7) has class 9 (and 5 more like it: masks/1.png, masks/2.png, masks/3.png, ...)", other.Error(), lone.Error()}},
		{"four", errs[:4], []string{"data: mask masks/0.png: pixel (0, 7) has class 9 (and 3 more like it: masks/1.png, masks/2.png, masks/3.png)"}},
		{"three", errs[:3], []string{errs[0].Error(), errs[1].Error(), errs[2].Error()}},
		{"without names", []error{lone, lone, lone, lone}, slices.Repeat([]string{lone.Error()}, 4)},
		{"none", nil, nil},
	} {
		var got []string
		for _, err := range imagefile.Fold(tc.errs) {
			got = append(got, err.Error())
		}
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}
