package data_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// write makes a file and the folders above it.
func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// encode makes an image file in the format that its name tells.
func encode(t testing.TB, name string, img image.Image) []byte {
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

// grey is an image (h,w) of stored values.
func grey(h, w int, values ...uint8) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, w, h))
	copy(img.Pix, values)
	return img
}

// rgb is an opaque image (h,w) of [r, g, b] values.
func rgb(h, w int, values ...[3]uint8) *image.NRGBA {
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

// folderConfig is a data set in the current folder at its files' size (h,w), with classes a, b, c, d.
func folderConfig(h, w int) data.Config {
	c := data.DefaultConfig()
	c.Source, c.Train, c.Val = "folder", ".", "."
	c.Classes = []string{"a", "b", "c", "d"}
	c.Size = [2]int{h, w}
	return c
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// greyPNG is a PNG of one row (h must be 1) with the given bits a pixel, which
// package image/png reads but cannot write.
func greyPNG(t testing.TB, h, w, bits int, row ...byte) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, body []byte) {
		body = append([]byte(kind), body...)
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(body)-4)))
		b.Write(body)
		b.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(w))
	head = binary.BigEndian.AppendUint32(head, uint32(h))
	chunk("IHDR", append(head, byte(bits), 0, 0, 0, 0))
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	z.Write(append([]byte{0}, row...))
	z.Close()
	chunk("IDAT", packed.Bytes())
	chunk("IEND", nil)
	return b.Bytes()
}
