package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/visit"
)

// Counts are the labelled pixels of a split, at the size that Split.Load gives
// its images: where patches are cut from them, all pixels of the whole images.
type Counts struct {
	Images      int
	Pixels      []int64 // per class
	ImagePixels []int64 // per class, the labelled pixels of all images in which the class occurs
	Ignored     int64   // void pixels
	Digest      uint64  // of the masks that Split.Count counted: another if any pixel is

	// Per class, the pixels in lines of one or two between a lower and a higher class,
	// as between 0 and 3 in 0 0 1 2 3 3. Interpolation makes classes of nothing else.
	Between []int64

	// Images by what their void pixels lie beside. Where files of two encodings are
	// read as one, what is a class in some of them is void in the others.
	VoidBesideFirst []string // names of those whose labelled pixels are all of class 0
	VoidBesideOther int      // number of those that have another class
	NoVoid          int      // number of those that have another class and no void pixel

	Pictures map[uint64]string   // name by digest of the image, of those that Split.Count counted
	Shown    map[Colour][]string // names by class and colour, where masks have palettes that are not read

	remarks imagefile.Remarks // on the images
}

// Colour is that of a class in a palette.
type Colour struct {
	Class uint8
	RGB   [3]uint8
}

// Remarks are lines on images that a net can see but hardly as they were meant:
// transparent ones, and ones that are nearly black.
func (c Counts) Remarks() []string { return c.remarks.Lines(c.Images) }

// Count counts the pixels of the mask of image i.
func (s *Split) Count(i int, smp Sample) Counts {
	c := CountMask(smp.Mask, s.classes)
	c.remarks = s.normalize.Remark(s.Name(i), imagefile.Image{Pix: smp.Image, H: smp.H, W: smp.W, Transparent: smp.Transparent})
	c.Digest = digest(i, smp.Mask)
	c.Between = between(smp.Mask, smp.H, smp.W, s.classes)
	c.Pictures = map[uint64]string{digestImage(smp.Image): s.Name(i)}
	for class, rgb := range smp.Shown {
		if c.Shown == nil {
			c.Shown = map[Colour][]string{}
		}
		c.Shown[Colour{class, rgb}] = []string{s.Name(i)}
	}
	other := slices.ContainsFunc(c.Pixels[1:], func(n int64) bool { return n > 0 })
	switch {
	case other && c.Ignored == 0:
		c.NoVoid = 1
	case other:
		c.VoidBesideOther = 1
	case c.Ignored > 0 && c.Pixels[0] > 0:
		c.VoidBesideFirst = []string{s.Name(i)}
	}
	return c
}

// CountClasses counts the pixels of each class in one pass over the split, in
// parallel workers (0: one per core), without augmentation. progress, which may be
// nil, is called from one goroutine at a time. Bad samples are gathered over the
// whole pass, so that all can be mended at once.
func CountClasses(ctx context.Context, s *Split, workers int, progress func(done, total int)) (Counts, error) {
	return CountSome(ctx, s, 0, s.Len(), workers, progress)
}

// CountSome is CountClasses of the images from lo on, below hi. The counts of all images
// are those of parts of them, added up, and sorted.
func CountSome(ctx context.Context, s *Split, lo, hi, workers int, progress func(done, total int)) (Counts, error) {
	total := newCounts(s.classes)
	var mu sync.Mutex // guards total
	problems, err := visit.All(ctx, hi-lo, workers, progress, func(i int) error {
		i += lo
		smp, err := s.Load(i)
		if err != nil {
			return err
		}
		counts := s.Count(i, smp)
		mu.Lock()
		defer mu.Unlock()
		total.Add(counts)
		return nil
	})
	if err != nil {
		return Counts{}, fmt.Errorf("data: counting classes: %w", err)
	}
	if err := errors.Join(imagefile.Fold(problems)...); err != nil {
		return Counts{}, err
	}
	total.Sort()
	return total, nil
}

// digest is that of the mask of image i. Those of all images are added up, in any order.
func digest(i int, mask []uint8) uint64 {
	hash := sha256.New()
	fmt.Fprintf(hash, "%d\n", i)
	hash.Write(mask)
	return binary.LittleEndian.Uint64(hash.Sum(nil))
}

// between counts, per class, the pixels of a mask (h,w) that lie in a line of one or two
// pixels of their class, along a row or a column, between a lower and a higher class.
func between(mask []uint8, h, w, classes int) []int64 {
	marked := make([]bool, len(mask))
	mark := func(first, step, n int) { // along one line of the mask
		at := func(i int) uint8 { return mask[first+i*step] }
		for lo := 1; lo < n-1; {
			hi := lo + 1
			for hi < n && at(hi) == at(lo) {
				hi++
			}
			if hi < n && hi-lo <= 2 && at(lo-1) != Void && at(hi) != Void &&
				min(at(lo-1), at(hi)) < at(lo) && at(lo) < max(at(lo-1), at(hi)) {
				for i := lo; i < hi; i++ {
					marked[first+i*step] = true
				}
			}
			lo = hi
		}
	}
	for y := range h {
		mark(y*w, 1, w)
	}
	for x := range w {
		mark(x, w, h)
	}
	counts := make([]int64, classes)
	for p, ok := range marked {
		if ok {
			counts[mask[p]]++
		}
	}
	return counts
}

// digestImage is FNV-1a of an image's values, taken 32 bits at a time.
func digestImage(values []float32) uint64 {
	h := uint64(14695981039346656037)
	for _, v := range values {
		h = (h ^ uint64(math.Float32bits(v))) * 1099511628211
	}
	return h
}

// Labelled is the number of pixels that have a class.
func (c Counts) Labelled() int64 {
	var n int64
	for _, pixels := range c.Pixels {
		n += pixels
	}
	return n
}

// HasLabel reports whether a pixel of the split has a label. It reads no further
// than the first image that has one.
func HasLabel(ctx context.Context, s *Split) (bool, error) {
	for i := range s.Len() {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		smp, err := s.Load(i)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(smp.Mask, func(c uint8) bool { return c != Void }) {
			return true, nil
		}
	}
	return false, nil
}

// Unlabelled is the error of a split (train, val or test) of that many images, of
// which no pixel has a label, so that nothing can be measured on it.
func (c Config) Unlabelled(split string, images int) error {
	wayOut := "set data." + split + " to images with labels"
	if split == "val" && c.Folds > 0 {
		wayOut = "set data.folds to fewer, or add images with labels to data.train"
	} else if split == "val" && c.Val == "" {
		wayOut = "raise data.val_fraction, or set data.val to images with labels"
	} else if split == "val" {
		wayOut += ", or set data.val empty and data.val_fraction to the share of the training set to measure on"
	}
	return fmt.Errorf("data: %s: none of its %d images has a labelled pixel: all are void (data.ignore_index: %d), as in Cityscapes' test set, so there is nothing to measure: %s", split, images, c.IgnoreIndex, wayOut)
}

func newCounts(classes int) Counts {
	return Counts{Pixels: make([]int64, classes), ImagePixels: make([]int64, classes), Between: make([]int64, classes)}
}

// CountMask counts the pixels of one image's mask, of class indices 0..classes-1
// and Void.
func CountMask(mask []uint8, classes int) Counts {
	var n [Void + 1]int64
	for _, c := range mask {
		n[c]++
	}
	counts := newCounts(classes)
	counts.Images, counts.Ignored = 1, n[Void]
	copy(counts.Pixels, n[:Void])
	labelled := counts.Labelled()
	for c, n := range counts.Pixels {
		if n > 0 {
			counts.ImagePixels[c] = labelled
		}
	}
	return counts
}

// Sort sorts all names, which come in any order from samples counted in parallel.
func (c *Counts) Sort() {
	slices.Sort(c.VoidBesideFirst)
	c.remarks.Sort()
	for _, names := range c.Shown {
		slices.Sort(names)
	}
}

// packed is Counts in a form that package gob knows.
type packed struct {
	Counts  counts
	Remarks []byte
}

// counts is Counts without methods, and so without MarshalBinary.
type counts Counts

// MarshalBinary makes bytes of the counts, for another process of the same program.
func (c Counts) MarshalBinary() ([]byte, error) {
	remarks, err := c.remarks.MarshalBinary()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = gob.NewEncoder(&b).Encode(packed{counts(c), remarks})
	return b.Bytes(), err
}

// UnmarshalBinary is the opposite of MarshalBinary.
func (c *Counts) UnmarshalBinary(b []byte) error {
	var p packed
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&p); err != nil {
		return err
	}
	*c = Counts(p.Counts)
	return c.remarks.UnmarshalBinary(p.Remarks)
}

// Add adds the counts of other images of the same classes.
func (c *Counts) Add(other Counts) {
	if c.Pixels == nil {
		*c = newCounts(len(other.Pixels))
	}
	c.Images += other.Images
	c.Ignored += other.Ignored
	c.Digest += other.Digest
	c.VoidBesideFirst = append(c.VoidBesideFirst, other.VoidBesideFirst...)
	c.VoidBesideOther += other.VoidBesideOther
	c.NoVoid += other.NoVoid
	c.remarks.Add(other.remarks)
	for digest, name := range other.Pictures {
		if c.Pictures == nil {
			c.Pictures = map[uint64]string{}
		}
		if before, ok := c.Pictures[digest]; !ok || name < before {
			c.Pictures[digest] = name
		}
	}
	for colour, names := range other.Shown {
		if c.Shown == nil {
			c.Shown = map[Colour][]string{}
		}
		c.Shown[colour] = append(c.Shown[colour], names...)
	}
	for i := range other.Pixels {
		c.Pixels[i] += other.Pixels[i]
		c.ImagePixels[i] += other.ImagePixels[i]
		c.Between[i] += other.Between[i]
	}
}
