package imagefile

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // decoders by magic number
	_ "image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"
)

// Image is a decoded picture.
type Image struct {
	Pix  []float32 // (H,W,3) red, green, blue in 0..1
	H, W int
}

// Part writes to dst (h,w,3) the part of the image whose first pixel is (x, y).
// Beyond its edges the image is continued by its reflection at the edge pixels.
func (m Image) Part(dst []float32, y, x, h, w int) {
	from, to := min(max(-x, 0), w), max(min(m.W-x, w), 0) // columns of dst that the image has
	for row := range h {
		line := m.Pix[reflect(y+row, m.H)*m.W*3:][:m.W*3]
		out := dst[row*w*3:][:w*3]
		if from < to {
			copy(out[from*3:to*3], line[(x+from)*3:])
		}
		for column := range w {
			if column < from || column >= to {
				copy(out[column*3:][:3], line[reflect(x+column, m.W)*3:])
			}
		}
	}
}

// reflect brings position i of an axis continued by reflection into 0..n-1.
func reflect(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	i = ((i % period) + period) % period
	return min(i, period-i)
}

// TooLarge reports whether h*w > limit, without overflow. h and w are positive.
func TooLarge(h, w int, limit int64) bool { return int64(h) > limit/int64(w) }

// extensions of the image files that are read, in lower case.
var extensions = []string{".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}

func isImageName(name string) bool {
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}

func stem(path string) string {
	name := filepath.Base(path)
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// Read decodes a PNG, JPEG, BMP, TIFF or WebP file. Grey becomes three equal
// channels; an alpha channel is dropped; a JPEG photo is turned upright by its
// EXIF orientation. An image of more than maxPixels pixels is refused before it
// is decoded.
func Read(path string, maxPixels int64) (Image, error) {
	f, err := decode(path, maxPixels)
	if err != nil {
		return Image{}, fmt.Errorf("data: image %s: %w", path, err)
	}
	return upright(FromImage(f.Image), f.Header.orientation), nil
}

// Files is path itself if it is a file, and the image files in it, sorted
// by name, if it is a folder. Two images with one stem (a.jpg, a.png) are an
// error, since what is made of them would have one name.
func Files(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	var files []string
	var errs []error
	seen := map[string]string{}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || !isImageName(e.Name()) {
			continue
		}
		file := filepath.Join(path, e.Name())
		if other, ok := seen[stem(file)]; ok {
			errs = append(errs, fmt.Errorf("data: %s and %s differ only in the extension, want names that differ before it", other, file))
			continue
		}
		seen[stem(file)] = file
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("data: %s has no images (%s)", path, strings.Join(extensions, " "))
	}
	return files, errors.Join(errs...)
}

// Decoded is an image file in memory.
type Decoded struct {
	Image  image.Image // as it is stored: not turned upright
	Header Header
}

// Header is what an image file says of itself before its pixels.
type Header struct {
	Format      string // png, jpeg, bmp, tiff, webp
	H, W        int    // upright
	Bytes       int64  // of the file
	orientation int    // EXIF, 1..8
	greyBits    int    // bits of a grey pixel in the file, 1, 2, 4 or 8, for image.Gray
}

// decodeHeader reads the size of an image and checks it.
func decodeHeader(path string, maxPixels int64) (Header, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return Header{}, err
	}
	defer f.Close()
	return readHeader(f, size, maxPixels)
}

func decode(path string, maxPixels int64) (Decoded, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return Decoded{}, err
	}
	defer f.Close()
	return decodeFrom(f, size, maxPixels)
}

// decodeFrom decodes an image file of size bytes.
func decodeFrom(r io.ReaderAt, size, maxPixels int64) (Decoded, error) {
	h, err := readHeader(r, size, maxPixels)
	if err != nil {
		return Decoded{}, err
	}
	img, err := decodePixels(io.NewSectionReader(r, 0, size))
	if err != nil {
		return Decoded{}, err
	}
	if b := img.Bounds(); b.Dx()*b.Dy() != h.W*h.H {
		return Decoded{}, fmt.Errorf("decodes to %dx%d pixels, its header says %dx%d", b.Dx(), b.Dy(), h.W, h.H)
	}
	return Decoded{img, h}, nil
}

// openRegular refuses what would block or is no file: a pipe, a device, a folder.
func openRegular(path string) (f *os.File, size int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, bare(err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("is not a regular file")
	}
	f, err = os.Open(path)
	return f, info.Size(), bare(err)
}

// bare takes operation and path off an error of package os; the caller names the file.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func readHeader(r io.ReaderAt, size, maxPixels int64) (h Header, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("is damaged: %v", p)
		}
	}()
	var first [1]byte
	switch _, err := r.ReadAt(first[:], 0); err { // image.DecodeConfig takes this for an unknown format
	case nil:
	case io.EOF:
		return h, errors.New("is empty")
	default:
		return h, bare(err)
	}
	cfg, format, err := image.DecodeConfig(bufio.NewReader(io.NewSectionReader(r, 0, size)))
	if err != nil {
		return h, decodeError(err)
	}
	h = Header{Format: format, H: cfg.Height, W: cfg.Width, Bytes: size, orientation: 1, greyBits: 8}
	if h.H < 1 || h.W < 1 {
		return h, fmt.Errorf("is %dx%d pixels, want at least 1x1", h.W, h.H)
	}
	if TooLarge(h.H, h.W, maxPixels) {
		return h, fmt.Errorf("is %dx%d pixels, want at most data.max_pixels = %d", h.W, h.H, maxPixels)
	}
	switch format {
	case "png":
		// signature 8, chunk length and type 8, width and height 8, bit depth, colour type
		var b [26]byte
		if _, err := r.ReadAt(b[:], 0); err != nil {
			return h, decodeError(err)
		}
		if depth, grey := int(b[24]), b[25] == 0; grey && depth < 8 {
			h.greyBits = depth
		}
	case "tiff":
		const bitsPerSample = 258
		if bits := tiffShort(r, bitsPerSample, 1); bits == 1 || bits == 2 || bits == 4 {
			h.greyBits = bits
		}
	case "jpeg":
		h.orientation = exifOrientation(io.NewSectionReader(r, 0, size))
		if h.orientation > 4 {
			h.H, h.W = h.W, h.H
		}
	}
	return h, nil
}

func decodePixels(r io.Reader) (img image.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("is damaged: %v", p)
		}
	}()
	img, _, err = image.Decode(bufio.NewReader(r))
	return img, decodeError(err)
}

func decodeError(err error) error {
	switch {
	case errors.Is(err, image.ErrFormat):
		return errors.New("is not a PNG, JPEG, BMP, TIFF or WebP image")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("is truncated: %w", err)
	}
	return bare(err)
}

// FromImage drops alpha and scales to 0..1.
func FromImage(img image.Image) Image {
	b := img.Bounds()
	out := Image{H: b.Dy(), W: b.Dx()}
	out.Pix = make([]float32, out.H*out.W*3)
	switch img := img.(type) {
	case *image.RGBA:
		if img.Opaque() {
			bytesToRGB(out, img.Pix, img.Stride, 4)
			return out
		}
	case *image.NRGBA:
		bytesToRGB(out, img.Pix, img.Stride, 4)
		return out
	case *image.Gray:
		for y := range out.H {
			for x, v := range img.Pix[y*img.Stride:][:out.W] {
				f := float32(v) / 255
				p := out.Pix[(y*out.W+x)*3:][:3]
				p[0], p[1], p[2] = f, f, f
			}
		}
		return out
	case *image.YCbCr:
		for y := range out.H {
			for x := range out.W {
				yi, ci := img.YOffset(b.Min.X+x, b.Min.Y+y), img.COffset(b.Min.X+x, b.Min.Y+y)
				r, g, bl := color.YCbCrToRGB(img.Y[yi], img.Cb[ci], img.Cr[ci])
				p := out.Pix[(y*out.W+x)*3:][:3]
				p[0], p[1], p[2] = float32(r)/255, float32(g)/255, float32(bl)/255
			}
		}
		return out
	}
	for y := range out.H {
		for x := range out.W {
			c := color.NRGBA64Model.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA64)
			p := out.Pix[(y*out.W+x)*3:][:3]
			p[0], p[1], p[2] = float32(c.R)/65535, float32(c.G)/65535, float32(c.B)/65535
		}
	}
	return out
}

func bytesToRGB(out Image, pix []uint8, stride, channels int) {
	for y := range out.H {
		row := pix[y*stride:]
		for x := range out.W {
			c := row[x*channels:][:3]
			p := out.Pix[(y*out.W+x)*3:][:3]
			p[0], p[1], p[2] = float32(c[0])/255, float32(c[1])/255, float32(c[2])/255
		}
	}
}
