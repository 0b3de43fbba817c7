package survey

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"image/color"
	"maps"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// maskValue is a value in masks whose meaning is not known yet.
type maskValue struct {
	stored   int      // grey value or palette index; -1 in true colour
	paletted bool     // its image has a palette
	colour   [3]uint8 // that a viewer shows
}

// extent is how far a value reaches: its pixels, and the horizontal runs in which they lie.
type extent struct{ pixels, runs int64 }

// maskValues are the values of one mask or many.
type maskValues map[maskValue]extent

func (v maskValues) add(value maskValue, e extent) {
	v[value] = extent{v[value].pixels + e.pixels, v[value].runs + e.runs}
}

// valuesOf are the values of a mask file. A true colour that is not opaque is an error.
func valuesOf(d imagefile.Decoded) (maskValues, error) {
	img, ok := d.Image.(image.RGBA64Image)
	if !ok {
		return nil, fmt.Errorf("has pixels of an unknown kind, %T", d.Image)
	}
	const most = 1 << 12
	v := maskValues{}
	_, paletted := d.Image.(*image.Paletted)
	stored := d.Stored()
	trueColour := stored == nil
	if trueColour {
		stored = func(int, int) int { return -1 }
	}
	b := img.Bounds()
	for y := range b.Dy() {
		var last maskValue
		run := int64(0)
		for x := range b.Dx() {
			c := img.RGBA64At(b.Min.X+x, b.Min.Y+y)
			if trueColour && c.A != 0xffff {
				n := color.NRGBAModel.Convert(c).(color.NRGBA)
				return nil, fmt.Errorf("pixel (%d, %d) is [%d, %d, %d] with alpha %d, want opaque colours", x, y, n.R, n.G, n.B, n.A)
			}
			value := maskValue{stored(x, y), paletted, [3]uint8{uint8(c.R >> 8), uint8(c.G >> 8), uint8(c.B >> 8)}}
			if value != last && run > 0 {
				v.add(last, extent{run, 1})
				run = 0
			}
			last = value
			run++
		}
		v.add(last, extent{run, 1})
		if len(v) > most {
			return nil, errors.New("has thousands of values or colours, want one per class")
		}
	}
	return v, nil
}

// indices are the stored values if they can be class indices: each means the same
// in all masks, and at least half of those up to the largest occur. void
// reports whether 255 occurs; it is no class.
func (v maskValues) indices() (classes int, void, ok bool) {
	occur := map[int]bool{}
	shown := map[int][3]uint8{}
	grey := slices.ContainsFunc(slices.Collect(maps.Keys(v)), func(value maskValue) bool { return !value.paletted })
	for value := range v {
		if value.stored < 0 {
			return 0, false, false
		}
		// Where each file has a palette of its own, an index means something else in each.
		if before, ok := shown[value.stored]; ok && before != value.colour && !grey {
			return 0, false, false
		}
		shown[value.stored] = value.colour
		if value.stored == imagefile.Void {
			void = true
			continue
		}
		occur[value.stored] = true
		classes = max(classes, value.stored+1)
	}
	return classes, void, len(occur) >= 2 && 2*len(occur) >= classes && classes <= imagefile.MaxClasses
}

// colours are all colours by red, green and blue.
func (v maskValues) colours() (sorted [][3]uint8, extents map[[3]uint8]extent) {
	extents = map[[3]uint8]extent{}
	for value, e := range v {
		sum := extents[value.colour]
		extents[value.colour] = extent{sum.pixels + e.pixels, sum.runs + e.runs}
	}
	sorted = slices.SortedFunc(maps.Keys(extents), func(a, b [3]uint8) int { return slices.Compare(a[:], b[:]) })
	return sorted, extents
}

// stored are all stored values.
func (v maskValues) stored() []int {
	occur := map[int]bool{}
	for value := range v {
		occur[value.stored] = true
	}
	return slices.Sorted(maps.Keys(occur))
}

// shortRun is the number of pixels of a run that are as many as a smoothed edge is wide.
const shortRun = 3

// smoothed is an error if most values occur in specks only, as in masks that were
// scaled or compressed like photos, or if there are more than there can be classes.
func (v maskValues) smoothed() error {
	colours, extents := v.colours()
	specks := 0
	var all int64
	for _, e := range extents {
		all += e.pixels
		if e.pixels < shortRun*e.runs {
			specks++
		}
	}
	if len(colours) <= imagefile.MaxClasses && 2*specks <= len(colours) {
		return nil
	}
	slices.SortStableFunc(colours, func(a, b [3]uint8) int { return cmp.Compare(extents[b].pixels, extents[a].pixels) })
	const most = 5
	var shares []string
	for _, c := range colours[:min(most, len(colours))] {
		shares = append(shares, fmt.Sprintf("%v %.2f %%", c, 100*float64(extents[c].pixels)/float64(all)))
	}
	return fmt.Errorf("have %d colours, %d of them in specks of a pixel or two: they look smoothed or lossily compressed, want one colour per class with hard edges (scale by nearest neighbour, save as PNG); the most frequent: %s",
		len(colours), specks, strings.Join(shares, ", "))
}
