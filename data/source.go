package data

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Void marks a pixel without a class in a mask in memory, whatever ignore_index is in the files.
const Void = imagefile.Void

// Sample is one labelled image.
type Sample struct {
	Image []float32 // (H,W,3) in 0..1; with data.normalize = zscore of mean 0 and standard deviation 1
	Mask  []uint8   // (H,W) class index, or Void
	H, W  int

	Transparent float64            // share of the image's pixels that are not opaque in its file
	Shown       map[uint8][3]uint8 // colour of each class in the mask's palette, where the file has one that is not read
}

// source is a list of labelled images at their own sizes. It is safe for
// concurrent use, and its errors name the file.
type source interface {
	Len() int
	Name(i int) string // unique, without folder and extension
	Load(i int) (Sample, error)
	identity(i int) string // what a changed sample would change, between two runs: its name and file sizes
	size(i int) (h, w int) // without decoding it
}

// Split is a part of a data set (train, val or test), its images at one size, or,
// where patches are cut from them, at their own. It is safe for concurrent use.
type Split struct {
	src     source
	index   []int // the samples of src that belong to the split
	kind    string
	h, w    int
	own     bool // images keep their own size
	classes int

	normalize imagefile.Normalization
	cached    []atomic.Pointer[Sample] // nil: no cache
}

// Open lists the samples of a split: train, val or test. Without data.val, a part of
// the training samples, drawn by seed, is the validation split and the others are the
// training split: val_fraction of them, or the one of data.folds parts. Everything that is wrong
// with the list of files is reported at once.
func Open(cfg Config, seed uint64, split string) (*Split, error) {
	s, problems := List(cfg, seed, split)
	if s != nil {
		if f, ok := s.src.(*folder); ok {
			problems = append(problems, f.checkHeaders()...)
		}
	}
	if err := errors.Join(imagefile.Fold(problems)...); err != nil {
		return nil, err
	}
	if cfg.Cache == "ram" || cfg.Cache == "auto" && s.fits(CacheLimit) {
		s.cached = make([]atomic.Pointer[Sample], len(s.index))
	}
	return s, nil
}

// List is Open without looking into the image files. The split has its samples
// in order even if problems tell of others; it is nil where nothing can be read.
func List(cfg Config, seed uint64, split string) (s *Split, problems []error) {
	if err := cfg.Validate(); err != nil {
		return nil, []error{err}
	}
	dir, err := cfg.folder(split)
	if err != nil {
		return nil, []error{err}
	}
	divided := split != "test" && (cfg.Folds > 0 || cfg.Source != "synthetic" && cfg.Val == "")
	s = &Split{kind: cfg.Source, h: cfg.Size[0], w: cfg.Size[1], own: cfg.Patches > 0, classes: len(cfg.Classes), normalize: cfg.imageFormat().Normalize}
	switch cfg.Source {
	case "synthetic":
		from, n := split, cfg.Synthetic.Val
		if split == "train" || divided {
			from, n = "train", cfg.Synthetic.Train
		}
		src := newSynthetic(cfg.Size, n, seed, from)
		src.normalize = s.normalize
		s.src = src
	case "folder":
		f, errs := listFolder(cfg, dir)
		if f == nil {
			return nil, errs
		}
		s.src, problems = f, errs
	case "npy":
		a, err := openNPY(cfg, dir)
		if err != nil {
			return nil, []error{err}
		}
		s.src = a
	}
	s.index = make([]int, s.src.Len())
	for i := range s.index {
		s.index[i] = i
	}
	if divided {
		val, train, err := cfg.divide(s.src, seed)
		switch {
		case err == nil && split == "val":
			s.index = val
		case err == nil:
			s.index = train
		case len(problems) == 0: // otherwise mending those gives more images
			problems = append(problems, fmt.Errorf("data: %s: %w", cmp.Or(dir, cfg.Source), err))
		}
	}
	return s, problems
}

// folder is where the files of a split are; the synthetic source has none.
func (c Config) folder(split string) (string, error) {
	key, dir := split, ""
	switch split {
	case "train":
		dir = c.Train
	case "val":
		if dir = c.Val; dir == "" {
			key, dir = "train", c.Train
		}
	case "test":
		dir = c.Test
	default:
		return "", fmt.Errorf("data: split %q, want train, val or test", split)
	}
	if c.Source == "synthetic" {
		return "", nil
	}
	if dir == "" {
		return "", fmt.Errorf("data: there is no %s split: set data.%s to its folder", split, key)
	}
	if strings.Contains(dir, "*") { // two folders or arrays; see imagefile.Layout
		return dir, nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		looked := ""
		if abs, e := filepath.Abs(dir); e == nil && abs != dir && errors.Is(err, fs.ErrNotExist) {
			looked = ": looked at " + abs
		}
		return "", fmt.Errorf("data.%s = %q: %w%s", key, dir, errors.Unwrap(err), looked)
	}
	if npz := c.Source == "npy" && strings.EqualFold(filepath.Ext(dir), ".npz"); !info.IsDir() && !npz {
		return "", fmt.Errorf("data.%s = %q is a file, want a folder", key, dir)
	}
	return dir, nil
}

// SourcesIn reports whether dir has a folder of images, and an array of them.
func (c Config) SourcesIn(dir string) (folder, npy bool) {
	images, _ := c.Layout().Paths(dir)
	info, err := os.Stat(images)
	return err == nil && info.IsDir(), imagefile.HasArray(images)
}

// Inputs are the files and folders that the splits are read from; they may be missing.
func (c Config) Inputs() []string {
	var paths []string
	for _, dir := range []string{c.Train, c.Val, c.Test} {
		if c.Source == "synthetic" || dir == "" {
			continue
		}
		images, masks := c.Layout().Paths(dir)
		for _, path := range []string{images, masks} {
			paths = append(paths, path, path+".npy")
			if npz := filepath.Dir(path); strings.EqualFold(filepath.Ext(npz), ".npz") {
				paths = append(paths, npz)
			}
		}
	}
	return paths
}

// bytesPerPixel is the memory of an image with its mask.
const bytesPerPixel = 3*4 + 1

// fits reports whether all images together take at most limit bytes.
func (s *Split) fits(limit int64) bool {
	left := limit / bytesPerPixel
	for i := range s.index {
		h, w := s.size(i)
		if int64(h) > left/int64(w) {
			return false
		}
		left -= int64(h) * int64(w)
	}
	return true
}

// size is the height and width of image i as Load gives it.
func (s *Split) size(i int) (h, w int) {
	if s.own {
		return s.src.size(s.index[i])
	}
	return s.h, s.w
}

// Len is the number of images.
func (s *Split) Len() int { return len(s.index) }

// Name is the name of image i, without folder and extension.
func (s *Split) Name(i int) string { return s.src.Name(s.index[i]) }

// OneHot reports whether its masks are one-hot vectors, all zero where they are void.
func (s *Split) OneHot() bool {
	a, ok := s.src.(npySource)
	return ok && a.OneHot()
}

// Size is the height and width of what the net sees: images or patches of them.
func (s *Split) Size() (h, w int) { return s.h, s.w }

// Cached is the memory, in bytes, of the images once all of them have been
// loaded, and of compressed arrays; 0 if neither is kept.
func (s *Split) Cached() int64 {
	var bytes int64
	if a, ok := s.src.(npySource); ok {
		bytes = a.Held()
	}
	for i := range s.cached {
		h, w := s.size(i)
		bytes += int64(h) * int64(w) * bytesPerPixel
	}
	return bytes
}

// decoding is the memory, in bytes, that reading the largest image takes.
func (s *Split) decoding() int64 {
	const decoded = 4 + 1 // bytes per pixel of image and mask as decoders give them
	var most int64
	for _, i := range s.index {
		h, w := s.src.size(i)
		most = max(most, int64(h)*int64(w)*(decoded+bytesPerPixel))
	}
	return most
}

// LoadOwn reads image i at its own size.
func (s *Split) LoadOwn(i int) (Sample, error) { return s.src.Load(s.index[i]) }

// Load reads image i at the split's size, or at its own where patches are cut
// from it. The sample may be shared with other callers: it is read only.
func (s *Split) Load(i int) (Sample, error) {
	if s.cached != nil {
		if p := s.cached[i].Load(); p != nil {
			return *p, nil
		}
	}
	smp, err := s.LoadOwn(i)
	if err != nil {
		return Sample{}, err
	}
	if !s.own {
		smp = Sample{
			Image: imagefile.Resize(smp.Image, smp.H, smp.W, 3, s.h, s.w),
			Mask:  imagefile.ResizeMask(smp.Mask, smp.H, smp.W, s.h, s.w),
			H:     s.h,
			W:     s.w,

			Transparent: smp.Transparent,
			Shown:       smp.Shown,
		}
	}
	if s.cached != nil {
		s.cached[i].Store(&smp)
	}
	return smp, nil
}

// Fingerprint is the SHA-256, in hex, of the kind of source, the size, and the
// names and file sizes of all images in order.
func (s *Split) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %dx%d %d\n", s.kind, s.h, s.w, len(s.index))
	for _, i := range s.index {
		io.WriteString(h, s.src.identity(i)+"\n")
	}
	return hex.EncodeToString(h.Sum(nil))
}
