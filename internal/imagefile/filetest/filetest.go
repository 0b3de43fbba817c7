// Package filetest makes image and array files for tests.
package filetest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// Write makes a file and the folders above it.
func Write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Encode encodes an image in the format that the extension of name says.
func Encode(t testing.TB, name string, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch filepath.Ext(name) {
	case ".png":
		err = png.Encode(&b, img)
	case ".jpg", ".jpeg":
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 100})
	case ".bmp":
		err = bmp.Encode(&b, img)
	case ".tif", ".tiff":
		err = tiff.Encode(&b, img, nil)
	default:
		t.Fatalf("no encoder for %s", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Grey is an image (h,w) of stored values.
func Grey(h, w int, values ...uint8) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, w, h))
	copy(img.Pix, values)
	return img
}

// RGB is an opaque image (h,w) of [r, g, b] values.
func RGB(h, w int, values ...[3]uint8) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range h * w {
		c := color.NRGBA{A: 255}
		if i < len(values) {
			c.R, c.G, c.B = values[i][0], values[i][1], values[i][2]
		}
		img.SetNRGBA(i%w, i/w, c)
	}
	return img
}

// Message is the text of an error, "" for none.
func Message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// NPY is a file as NumPy writes it: the values in the type that descr names.
func NPY(t testing.TB, version byte, descr, shape string, values ...float64) []byte {
	t.Helper()
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", descr, shape)
	return NPYDict(t, version, dict, descr, values...)
}

// NPZ is a zip of npy files as NumPy writes it, by their names without extension.
func NPZ(t testing.TB, method uint16, arrays map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: method})
		if err == nil {
			_, err = w.Write(arrays[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// NPYDict is such a file with a header of one's own.
func NPYDict(t testing.TB, version byte, dict, descr string, values ...float64) []byte {
	t.Helper()
	b := []byte{0x93, 'N', 'U', 'M', 'P', 'Y', version, 0}
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(dict)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(dict)))
	}
	b = append(b, dict...)
	var order binary.AppendByteOrder = binary.LittleEndian
	if descr[0] == '>' {
		order = binary.BigEndian
	}
	for _, v := range values {
		switch descr[1:] {
		case "u1", "b1":
			b = append(b, uint8(v))
		case "i1":
			b = append(b, uint8(int8(v)))
		case "u2":
			b = order.AppendUint16(b, uint16(v))
		case "i2":
			b = order.AppendUint16(b, uint16(int16(v)))
		case "f2":
			b = order.AppendUint16(b, map[float64]uint16{0: 0, 1: 0x3c00, 0.5: 0x3800, 0.25: 0x3400, 2: 0x4000, -1: 0xbc00, 0x1p-24: 1}[v])
		case "u4":
			b = order.AppendUint32(b, uint32(v))
		case "i4":
			b = order.AppendUint32(b, uint32(int32(v)))
		case "f4":
			b = order.AppendUint32(b, math.Float32bits(float32(v)))
		case "u8":
			b = order.AppendUint64(b, uint64(v))
		case "i8":
			b = order.AppendUint64(b, uint64(int64(v)))
		case "f8":
			b = order.AppendUint64(b, math.Float64bits(v))
		}
	}
	return b
}
