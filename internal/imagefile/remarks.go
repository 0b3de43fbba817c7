package imagefile

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
)

// Remarks is what is strange about the images of a set and does not keep a net from
// seeing them: transparent pixels, and values that are nearly black. That of no
// image is the zero value.
type Remarks struct {
	transparent []string // names
	most        float64  // largest share of transparent pixels in an image
	dark        []string // names
	lo, hi      float64  // least and largest of the largest values of dark images
}

// dark is the largest value, as a share of the range, of images that count as
// nearly black: that of 12-bit data in 16-bit files is 1/16, that of 13 bits 1/8.
const dark = 1. / 8

// Remark is what is strange about one image, which n has normalized.
func (n Normalization) Remark(name string, m Image) (r Remarks) {
	if m.Transparent > 0 {
		r.transparent = []string{name}
		r.most = m.Transparent
	}
	if n.anyRange() {
		return r
	}
	if largest := float64(slices.Max(m.Pix)); largest > 0 && largest <= dark {
		r.dark = []string{name}
		r.lo, r.hi = largest, largest
	}
	return r
}

// Add adds what is strange about other images.
func (r *Remarks) Add(other Remarks) {
	if len(other.dark) > 0 {
		if len(r.dark) == 0 {
			r.lo = other.lo
		}
		r.lo, r.hi = min(r.lo, other.lo), max(r.hi, other.hi)
	}
	r.transparent = append(r.transparent, other.transparent...)
	r.most = max(r.most, other.most)
	r.dark = append(r.dark, other.dark...)
}

// Sort sorts the names, which come in any order from images read in parallel.
func (r *Remarks) Sort() {
	slices.Sort(r.transparent)
	slices.Sort(r.dark)
}

// packed is Remarks in a form that package gob knows.
type packed struct {
	Transparent []string
	Most        float64
	Dark        []string
	Lo, Hi      float64
}

// MarshalBinary makes bytes of the remarks, for another process of the same program.
func (r Remarks) MarshalBinary() ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(packed{r.transparent, r.most, r.dark, r.lo, r.hi})
	return b.Bytes(), err
}

// UnmarshalBinary is the opposite of MarshalBinary.
func (r *Remarks) UnmarshalBinary(b []byte) error {
	var p packed
	err := gob.NewDecoder(bytes.NewReader(b)).Decode(&p)
	*r = Remarks{p.Transparent, p.Most, p.Dark, p.Lo, p.Hi}
	return err
}

// Lines are the remarks on a set of that many images, one line for each kind, with
// numbers and the way out. Dark images are remarked on if they are at least half of all.
func (r *Remarks) Lines(images int) (lines []string) {
	if n := len(r.transparent); n > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d images have transparent pixels (up to %.3g %% of an image), of which the net sees the stored colour: %s; to lay them on white first: magick FILE -background white -flatten NAME.png",
			n, images, 100*r.most, someNames(r.transparent)))
	}
	if n := len(r.dark); n > 0 && 2*n >= images {
		share := fmt.Sprintf("%.3g %%", 100*r.hi)
		if r.lo < r.hi {
			share = fmt.Sprintf("%.3g to %.3g %%", 100*r.lo, 100*r.hi)
		}
		lines = append(lines, fmt.Sprintf("%d of %d images are nearly black: their largest value is %s of the range, as of 12-bit data in 16-bit files: %s; train with data.normalize: percentile or zscore",
			n, images, share, someNames(r.dark)))
	}
	return lines
}

// someNames are the first names in order.
func someNames(names []string) string {
	const most = 3
	return abridge.Join(slices.Sorted(slices.Values(names)), ", ", most)
}
