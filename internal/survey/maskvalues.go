package survey

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// maskValue is a value in masks whose meaning is not known yet.
type maskValue struct {
	kind   kind
	stored int       // grey value, palette index or number; 0 in true colour
	colour [3]uint16 // that a viewer shows; of a number, none
}

// kind is how a mask holds its values.
type kind int

const (
	grey kind = iota
	paletted
	trueColour
	number // in an array, or a file of numbers that are no picture
)

// extent is how far a value reaches.
type extent struct {
	pixels, runs int64 // runs are horizontal
	masks        int
	names        []string // of the first masks
}

func (e extent) plus(other extent) extent {
	names := slices.Concat(e.names, other.names)
	slices.Sort(names)
	names = slices.Compact(names)
	return extent{e.pixels + other.pixels, e.runs + other.runs, e.masks + other.masks, names[:min(len(names), mostNames)]}
}

// in names the masks.
func (e extent) in() string {
	text := strings.Join(e.names, ", ")
	if n := e.masks - len(e.names); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// maskValues are the values of one mask or many.
type maskValues map[maskValue]extent

// of gives the values of one mask its name.
func (v maskValues) of(mask string) maskValues {
	for value, e := range v {
		e.names = []string{mask}
		v[value] = e
	}
	return v
}

func (v maskValues) add(value maskValue, e extent) { v[value] = v[value].plus(e) }

// mostNames is the number of masks that a message names.
const mostNames = 5

// unit is what one step of 8 bits is in a colour of 16.
const unit = math.MaxUint16 / math.MaxUint8

// mostValues is the number of values beyond which those of one mask are not told apart.
const mostValues = 1 << 12

// valuesOf are the values of a mask file. A true colour that is not opaque is an error.
func valuesOf(d imagefile.Decoded) (maskValues, error) {
	if numbers := d.Numbers(); numbers != nil {
		return valuesOfArray(numbers, d.Header.H, d.Header.W)
	}
	colour, stored := d.Colour(), d.Stored()
	kind := grey
	if _, ok := d.Image.(*image.Paletted); ok {
		kind = paletted
	} else if stored == nil {
		kind = trueColour
		stored = func(int, int) int { return 0 }
	}
	return scan(d.Header.H, d.Header.W, func(x, y int) (maskValue, error) {
		c := colour(x, y)
		if kind == trueColour && c.A != math.MaxUint16 {
			return maskValue{}, fmt.Errorf("pixel (%d, %d) is [%d, %d, %d] with alpha %d, want opaque colours; lay them on one first, as by: magick FILE -background black -flatten NAME.png", x, y, c.R/unit, c.G/unit, c.B/unit, c.A/unit)
		}
		return maskValue{kind, stored(x, y), [3]uint16{c.R, c.G, c.B}}, nil
	})
}

// valuesOfArray are the values of a mask (h,w) of numbers.
func valuesOfArray(numbers []float64, h, w int) (maskValues, error) {
	return scan(h, w, func(x, y int) (maskValue, error) {
		n := numbers[y*w+x]
		if n != math.Trunc(n) || math.Abs(n) > math.MaxInt32 {
			return maskValue{}, fmt.Errorf("pixel (%d, %d) is %v, want the number of a class; if these are probabilities, save (masks > 0.5)", x, y, n)
		}
		return maskValue{kind: number, stored: int(n)}, nil
	})
}

// scan gathers the values of a mask (h,w).
func scan(h, w int, at func(x, y int) (maskValue, error)) (maskValues, error) {
	v := maskValues{}
	for y := range h {
		var last maskValue
		run := int64(0)
		for x := range w {
			value, err := at(x, y)
			if err != nil {
				return nil, err
			}
			if value != last && run > 0 {
				v.add(last, extent{pixels: run, runs: 1})
				run = 0
			}
			last = value
			run++
		}
		v.add(last, extent{pixels: run, runs: 1})
		if len(v) > mostValues {
			return nil, errors.New("has thousands of values or colours, want one per class")
		}
	}
	for value, e := range v {
		e.masks = 1
		v[value] = e
	}
	return v, nil
}

// indices are the values that classes have if masks hold class indices: each means
// the same in all masks, and at least half of those from the smallest, or 0, to the
// largest occur, or all have a name, if there are names. void is the one that occurs
// beside them and is no class, if any.
func (v maskValues) indices(names int) (values []int, void *int, ok bool) {
	occur := map[int]bool{}
	for value := range v {
		if value.kind == trueColour {
			return nil, nil, false
		}
		occur[value.stored] = true
	}
	if v.ambiguous() {
		return nil, nil, false
	}
	for _, usual := range []int{imagefile.Void, -1, math.MaxUint16} {
		if occur[usual] {
			delete(occur, usual)
			void = &usual
			break
		}
	}
	all := slices.Sorted(maps.Keys(occur))
	if len(all) < 2 || all[0] < 0 {
		return nil, nil, false
	}
	first, last := all[0], all[len(all)-1]
	if n := last - first + 1; n > 2*len(all) && last >= names || n > imagefile.MaxClasses {
		return nil, nil, false
	}
	for c := first; c <= last; c++ {
		values = append(values, c)
	}
	return values, void, true
}

// shown is a colour as one kind of mask shows it.
type shown struct {
	kind   kind
	colour [3]uint16
}

// ambiguous reports whether a stored value does not say what a pixel is: where each
// file has a palette of its own, an index means another colour in each; where files
// have different bit depths, white is 1 in some and 255 in others.
func (v maskValues) ambiguous() bool {
	stored := map[shown][]int{}
	colour := map[int][3]uint16{} // by palette index
	anyGrey := slices.ContainsFunc(slices.Collect(maps.Keys(v)), func(value maskValue) bool { return value.kind == grey })
	for value := range v {
		if value.kind == number {
			continue
		}
		at := shown{value.kind, value.colour}
		stored[at] = append(stored[at], value.stored)
		if value.kind == paletted {
			if before, ok := colour[value.stored]; ok && before != value.colour && !anyGrey {
				return true
			}
			colour[value.stored] = value.colour
		}
	}
	for at, values := range stored {
		indices := stored[shown{paletted, at.colour}]
		if at.kind == grey && (len(values) > 1 || len(indices) > 0 && !slices.Contains(indices, values[0])) {
			return true
		}
	}
	return false
}

// depths says of grey values that are one colour how many masks store each.
func (v maskValues) depths() (all []string) {
	extents := map[shown]map[int]extent{}
	for value, e := range v {
		at := shown{grey, value.colour}
		if value.kind != grey && value.kind != paletted {
			continue
		}
		if extents[at] == nil {
			extents[at] = map[int]extent{}
		}
		extents[at][value.stored] = extents[at][value.stored].plus(e)
	}
	for at, by := range extents {
		var each []string
		for _, stored := range slices.Sorted(maps.Keys(by)) {
			each = append(each, fmt.Sprintf("%d (in %d: %s)", stored, by[stored].masks, by[stored].in()))
		}
		if len(each) > 1 {
			all = append(all, fmt.Sprintf("the colour %v is stored as %s", mark{kind: trueColour, colour: at.colour}, strings.Join(each, " and as ")))
		}
	}
	slices.Sort(all)
	return all
}

// stored are all stored values, and whether no value is a colour.
func (v maskValues) stored() (values []int, all bool) {
	occur := map[int]bool{}
	all = true
	for value := range v {
		occur[value.stored] = true
		all = all && (value.kind == grey || value.kind == number)
	}
	return slices.Sorted(maps.Keys(occur)), all
}

// extentOf is how far a stored value reaches.
func (v maskValues) extentOf(stored int) (e extent) {
	for value, more := range v {
		if value.stored == stored {
			e = e.plus(more)
		}
	}
	return e
}

// pixels is the number of all.
func (v maskValues) pixels() (n int64) {
	for _, e := range v {
		n += e.pixels
	}
	return n
}

// mark is what tells classes apart: a colour, or a number of an array.
type mark struct {
	kind   kind      // number or trueColour
	number int       // 0 for a colour
	colour [3]uint16 // that a viewer shows
}

// rgb is the colour in 8 bits; ok reports whether they hold it.
func (m mark) rgb() (c [3]int, ok bool) {
	ok = true
	for i, x := range m.colour {
		c[i] = int(x / unit)
		ok = ok && x%unit == 0
	}
	return c, ok
}

func (m mark) String() string {
	if m.kind == number {
		return fmt.Sprint(m.number)
	}
	if c, ok := m.rgb(); ok {
		return fmt.Sprint(c)
	}
	return fmt.Sprintf("%v of 65535", m.colour)
}

// marks are all marks, numbers by size, colours by red, green and blue.
func (v maskValues) marks() (sorted []mark, extents map[mark]extent) {
	extents = map[mark]extent{}
	for value, e := range v {
		m := mark{kind: trueColour, colour: value.colour}
		if value.kind == number {
			m = mark{kind: number, number: value.stored}
		}
		extents[m] = extents[m].plus(e)
	}
	sorted = slices.SortedFunc(maps.Keys(extents), func(a, b mark) int {
		return cmp.Or(cmp.Compare(a.number, b.number), slices.Compare(a.colour[:], b.colour[:]))
	})
	return sorted, extents
}

// shortRun is the number of pixels of a run that are as many as a smoothed edge is wide.
const shortRun = 3

// smoothed is an error if most values occur in specks only, as in masks that were
// scaled or compressed like photos, or if there are more than there can be classes.
func (v maskValues) smoothed() error {
	marks, extents := v.marks()
	specks := 0
	for _, e := range extents {
		if e.pixels < shortRun*e.runs {
			specks++
		}
	}
	if len(marks) <= 2 || len(marks) <= imagefile.MaxClasses && 2*specks <= len(marks) {
		return nil
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(extents[b].pixels, extents[a].pixels) })
	const most = 5
	var shares []string
	for _, m := range marks[:min(most, len(marks))] {
		shares = append(shares, fmt.Sprintf("%v %.2f %%", m, 100*float64(extents[m].pixels)/float64(v.pixels())))
	}
	frequent := strings.Join(shares, ", ")
	if 2*specks <= len(marks) {
		return fmt.Errorf("have %d values, want one per class, at most %d: do they number instances? The most frequent: %s", len(marks), imagefile.MaxClasses, frequent)
	}
	return fmt.Errorf("have %d colours, %d of them in specks of a pixel or two: they look smoothed or lossily compressed, want one colour per class with hard edges (scale by nearest neighbour, save as PNG); the most frequent: %s",
		len(marks), specks, frequent)
}

// near is the largest difference, in 8 bits, by which a colour may be a rounded copy of another.
const near = 3

// doubtful are notes on colours that are hardly classes of their own: ones that are
// nearly a more frequent colour, and ones in specks that lie between two of them.
func (v maskValues) doubtful() (notes []string) {
	marks, extents := v.marks()
	frequent := slices.SortedStableFunc(slices.Values(marks), func(a, b mark) int { return cmp.Compare(extents[b].pixels, extents[a].pixels) })
	for i, m := range frequent {
		e := extents[m]
		reach := fmt.Sprintf("%d of %d pixels, in masks %s", e.pixels, v.pixels(), e.in())
		if at := slices.IndexFunc(frequent[:i], func(n mark) bool { return m.distance(n) <= near*unit }); at >= 0 {
			notes = append(notes, fmt.Sprintf("the colour %v (%s) is a class of its own, but differs little from %v: if they are one class, save it in one colour", m, reach, frequent[at]))
			continue
		}
		if a, b, ok := m.between(frequent[:i]); ok && e.pixels < shortRun*e.runs {
			notes = append(notes, fmt.Sprintf("the colour %v (%s) is a class of its own, but lies in specks and between %v and %v: if it is a smoothed edge, scale masks by nearest neighbour and save them as PNG", m, reach, a, b))
		}
	}
	return notes
}

// distance is the largest difference of a channel.
func (m mark) distance(n mark) (most int) {
	for i := range m.colour {
		most = max(most, int(m.colour[i])-int(n.colour[i]), int(n.colour[i])-int(m.colour[i]))
	}
	return most
}

// between finds two marks that a mark is a blend of, up to rounding.
func (m mark) between(marks []mark) (a, b mark, ok bool) {
	for i, a := range marks {
		for _, b := range marks[:i] {
			whole := a.distance(b)
			share := float64(a.distance(m)) / float64(whole)
			blend := mark{kind: trueColour}
			for c := range m.colour {
				blend.colour[c] = uint16(math.Round(float64(a.colour[c]) + share*(float64(b.colour[c])-float64(a.colour[c]))))
			}
			if share < 1 && m.distance(blend) <= 2*unit {
				return b, a, true
			}
		}
	}
	return a, b, false
}
