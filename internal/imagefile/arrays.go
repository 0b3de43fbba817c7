package imagefile

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/float16"
)

// Arrays are the images and masks of two npy files, or of an npz file. Images are
// (N,H,W,3) or grey (N,H,W,1) or (N,H,W), of uint8, uint16 or floats in 0..1, or of
// any numbers where a normalization asks for no range, and masks one-hot (N,H,W,C)
// or class indices (N,H,W) or (N,H,W,1). Samples are read from the files by their
// offsets; compressed arrays are kept in memory.
type Arrays struct {
	N, H, W       int
	images, masks npyArray
	normalize     Normalization
	format        MaskFormat // of the masks
}

// npyArray is an array whose first axis counts samples.
type npyArray struct {
	npyHeader
	path     string // as errors name it
	file     string // where data is an offset; "" if all values are in inflated
	inflated []byte
	size     int64 // bytes of the npy file
}

// OpenArrays reads the headers of the arrays in the folder of a split, or in the
// npz file that takes its place.
func (l Layout) OpenArrays(dir string, imageFormat ImageFormat, format MaskFormat) (*Arrays, error) {
	imagePath, maskPath := l.Paths(dir)
	images, err := openArray(imagePath)
	masks, maskErr := openArray(maskPath)
	if err := errors.Join(err, maskErr); err != nil {
		return nil, err
	}
	s := &Arrays{images: images, masks: masks, normalize: imageFormat.Normalize, format: format}
	var errs []error
	bad := func(a npyArray, format string, args ...any) {
		errs = append(errs, fmt.Errorf("data: %s: %s", a.path, fmt.Sprintf(format, args...)))
	}
	sh := images.shape
	if !(len(sh) == 4 && (sh[3] == 3 || sh[3] == 1) || len(sh) == 3) {
		bad(images, "has shape %v, want (N,H,W,3), or (N,H,W) for grey", sh)
	} else {
		s.N, s.H, s.W = sh[0], sh[1], sh[2]
		if s.N < 1 || s.H < 1 || s.W < 1 {
			bad(images, "has shape %v, want at least one image of at least 1x1", sh)
		} else if TooLarge(s.H, s.W, imageFormat.MaxPixels) {
			bad(images, "has images of %dx%d pixels, want at most data.max_pixels = %d", s.W, s.H, imageFormat.MaxPixels)
		}
	}
	if t := images.dtype(); t != "u1" && t != "u2" && images.kind != 'f' && !s.normalize.anyRange() {
		bad(images, "holds %s, want uint8 (u1), uint16 (u2) or floats in 0..1, or data.normalize: %s", t, Percentile)
	}
	mh := masks.shape
	if !(len(mh) == 4 && (mh[3] == format.classes || mh[3] == 1) || len(mh) == 3) {
		bad(masks, "has shape %v, want one-hot (N,H,W,%d) or class indices (N,H,W)", mh, format.classes)
	}
	if format.values != nil && len(mh) == 4 && mh[3] > 1 {
		bad(masks, "is one-hot, want no data.mask_values, which give the values of class indices")
	}
	if len(errs) == 0 && !slices.Equal(sh[:3], mh[:3]) {
		errs = append(errs, fmt.Errorf("data: %s has shape %v and %s %v, want equal N, H and W", images.path, sh, masks.path, mh))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func openNPYArray(path string) (npyArray, error) {
	f, size, err := OpenRegular(path)
	if err != nil {
		return npyArray{}, err
	}
	defer f.Close()
	h, err := readNPYHeader(f, size)
	return npyArray{npyHeader: h, file: path, size: size}, err
}

// MaskShape is the shape of the array of masks in the folder of a split.
func (l Layout) MaskShape(dir string) ([]int, error) {
	_, masks := l.Paths(dir)
	a, err := openArray(masks)
	return a.shape, err
}

// OneHot reports whether masks hold a vector per pixel, all zero where it is void.
func (s *Arrays) OneHot() bool { return len(s.masks.shape) == 4 && s.masks.shape[3] > 1 }

// MaskFault is what is wrong with the mask of sample i.
func (s *Arrays) MaskFault(i int, err error) error { return s.masks.fault(i, err) }

func (a npyArray) fault(i int, err error) error {
	sample := fmt.Sprintf("sample %d", i)
	return Fault{Err: fmt.Errorf("data: %s: %s: %w", a.path, sample, err), Names: []string{sample}}
}

// Held is the memory, in bytes, of arrays that were compressed.
func (s *Arrays) Held() int64 { return int64(len(s.images.inflated) + len(s.masks.inflated)) }

// Bytes are the sizes of the two files.
func (s *Arrays) Bytes() (images, masks int64) { return s.images.size, s.masks.size }

// Read reads sample i, 0..N-1.
func (s *Arrays) Read(i int) (Image, []uint8, error) {
	pix, err := s.image(i)
	if err != nil {
		err = s.images.fault(i, err)
	}
	mask, maskErr := s.Mask(i)
	if err := errors.Join(err, maskErr); err != nil {
		return Image{}, nil, err
	}
	return s.normalize.Apply(Image{Pix: pix, H: s.H, W: s.W}), mask, nil
}

// Mask reads the mask of sample i.
func (s *Arrays) Mask(i int) ([]uint8, error) {
	mask, err := s.mask(i)
	if err != nil {
		return nil, s.masks.fault(i, err)
	}
	return mask, nil
}

// Values reads the values of sample i's mask as they stand in the file, (H,W), or
// (H,W,C) where it is one-hot.
func (s *Arrays) Values(i int) ([]float64, error) {
	v, err := s.masks.sample(i)
	if err != nil {
		return nil, s.masks.fault(i, err)
	}
	values := make([]float64, v.len())
	for k := range values {
		values[k] = v.at(k)
	}
	return values, nil
}

// image is sample i as (H,W,3).
func (s *Arrays) image(i int) ([]float32, error) {
	v, err := s.images.sample(i)
	if err != nil {
		return nil, err
	}
	channels := v.len() / (s.H * s.W)
	out := make([]float32, s.H*s.W*3)
	full := float32(uint64(1)<<(8*s.images.width) - 1) // of unsigned integers
	for k := range v.len() {
		x := v.at(k)
		if s.images.kind == 'u' && s.images.width <= 2 {
			x = float64(float32(x) / full)
		} else if !s.normalize.takes(float32(x)) {
			p := k / channels
			return nil, fmt.Errorf("pixel (%d, %d), channel %d is %v, want %s", p%s.W, p/s.W, k%channels, x, s.normalize.wants())
		}
		if channels == 3 {
			out[k] = float32(x)
		} else {
			out[3*k], out[3*k+1], out[3*k+2] = float32(x), float32(x), float32(x)
		}
	}
	return out, nil
}

// mask is sample i as (H,W) classes.
func (s *Arrays) mask(i int) ([]uint8, error) {
	v, err := s.masks.sample(i)
	if err != nil {
		return nil, err
	}
	mask := make([]uint8, s.H*s.W)
	depth := v.len() / len(mask)
	for p := range mask {
		var err error
		if depth == 1 {
			mask[p], err = s.index(v.at(p))
		} else {
			mask[p], err = hot(v, p*depth, depth)
		}
		if err != nil {
			return nil, fmt.Errorf("pixel (%d, %d) %w", p%s.W, p/s.W, err)
		}
	}
	return mask, nil
}

func (s *Arrays) index(v float64) (uint8, error) {
	if v == math.Trunc(v) && math.Abs(v) <= math.MaxInt32 {
		if c, ok := s.format.class(int(v)); ok {
			return c, nil
		}
	}
	return 0, s.format.strange(v)
}

// hot is the place of the 1 in a one-hot row, or Void if all are 0.
func hot(v npyValues, from, classes int) (uint8, error) {
	class, ones := uint8(Void), 0
	for c := range classes {
		switch x := v.at(from + c); x {
		case 0:
		case 1:
			class = uint8(c)
			ones++
		default:
			return 0, fmt.Errorf("has %v in its one-hot vector at %d, want 0 or 1", x, c)
		}
	}
	if ones > 1 {
		return 0, fmt.Errorf("has a one-hot vector with sum %d, want 1, or 0 for void", ones)
	}
	return class, nil
}

// sample reads the values of sample i.
func (a npyArray) sample(i int) (npyValues, error) {
	n := a.values() / int64(a.shape[0]) * int64(a.width)
	if a.file == "" {
		return npyValues{a.npyHeader, a.inflated[int64(i)*n:][:n]}, nil
	}
	f, err := os.Open(a.file)
	if err != nil {
		return npyValues{}, bare(err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, a.data+int64(i)*n); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return npyValues{}, bare(err)
	}
	return npyValues{a.npyHeader, b}, nil
}

// npyValues are the values of one sample as they stand in the file.
type npyValues struct {
	npyHeader
	bytes []byte
}

func (v npyValues) len() int { return len(v.bytes) / v.width }

// at is value k. 64-bit integers beyond 2^53 are rounded, far outside what a mask may hold.
func (v npyValues) at(k int) float64 {
	b := v.bytes[k*v.width:][:v.width]
	var bits uint64
	switch v.width {
	case 1:
		bits = uint64(b[0])
	case 2:
		bits = uint64(v.order.Uint16(b))
	case 4:
		bits = uint64(v.order.Uint32(b))
	case 8:
		bits = v.order.Uint64(b)
	}
	switch v.kind {
	case 'i':
		shift := 64 - 8*v.width
		return float64(int64(bits<<shift) >> shift)
	case 'f':
		switch v.width {
		case 2:
			return float64(float16.Binary16(uint16(bits)))
		case 4:
			return float64(math.Float32frombits(uint32(bits)))
		}
		return math.Float64frombits(bits)
	}
	return float64(bits)
}
