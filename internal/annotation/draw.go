package annotation

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
)

// canvas is a mask that shapes are drawn on.
type canvas struct {
	mask []uint8 // (h,w) class indices
	h, w int
	flip []bool // (h,w+1), all false between two shapes: the inside changes here
}

func newCanvas(h, w int, class uint8) *canvas {
	c := &canvas{mask: make([]uint8, h*w), h: h, w: w}
	if class != 0 {
		for i := range c.mask {
			c.mask[i] = class
		}
	}
	return c
}

// farthest bounds coordinates, so that arithmetic on them is exact enough.
const farthest = 1 << 24

// polygon fills the pixels whose centres are inside of a polygon x0, y0, x1, y1,
// ..., by the even-odd rule, and returns their number. Parts beyond the edges of
// the mask are cut off.
func (c *canvas) polygon(xy []float64, class uint8) (pixels int, err error) {
	if len(xy)%2 != 0 {
		return 0, fmt.Errorf("a polygon of %d numbers, want pairs of x and y", len(xy))
	}
	for _, v := range xy {
		if !(math.Abs(v) <= farthest) {
			return 0, fmt.Errorf("a polygon with the coordinate %g, want at most %d", v, farthest)
		}
	}
	if c.flip == nil {
		c.flip = make([]bool, c.h*(c.w+1))
	}
	top, bottom, left, right := c.h, 0, c.w, 0 // of what changes
	for i := 0; i < len(xy); i += 2 {
		j := (i + 2) % len(xy)
		x0, y0, x1, y1 := xy[i], xy[i+1], xy[j], xy[j+1]
		if y0 > y1 {
			x0, y0, x1, y1 = x1, y1, x0, y0
		}
		// Rows whose centres are in [y0, y1): each edge has its upper end, so that a
		// corner counts once.
		first, last := max(centre(y0), 0), min(centre(y1), c.h)
		for y := first; y < last; y++ {
			x := x0 + (float64(y)+0.5-y0)*(x1-x0)/(y1-y0)
			column := min(max(centre(x), 0), c.w)
			at := &c.flip[y*(c.w+1)+column]
			*at = !*at
			left, right = min(left, column), max(right, column)
		}
		if first < last {
			top, bottom = min(top, first), max(bottom, last)
		}
	}
	for y := top; y < bottom; y++ {
		inside := false
		flip := c.flip[y*(c.w+1):][:c.w+1]
		row := c.mask[y*c.w:][:c.w]
		for x := left; x < right; x++ {
			inside = inside != flip[x]
			if inside {
				row[x] = class
				pixels++
			}
			flip[x] = false
		}
		if left <= right {
			flip[right] = false
		}
	}
	return pixels, nil
}

// centre is the first pixel whose centre is not before v.
func centre(v float64) int { return int(math.Ceil(v - 0.5)) }

// disc fills the pixels whose centres are no farther than radius from (x, y).
func (c *canvas) disc(x, y, radius float64, class uint8) (pixels int, err error) {
	for _, v := range []float64{x, y, radius} {
		if !(math.Abs(v) <= farthest) {
			return 0, fmt.Errorf("a circle with the coordinate %g, want at most %d", v, farthest)
		}
	}
	for row := max(centre(y-radius), 0); row < min(centre(y+radius)+1, c.h); row++ {
		dy := float64(row) + 0.5 - y
		half := math.Sqrt(radius*radius - dy*dy) // NaN beside the circle
		if math.IsNaN(half) {
			continue
		}
		for column := max(centre(x-half), 0); column < c.w && float64(column)+0.5 <= x+half; column++ {
			c.mask[row*c.w+column] = class
			pixels++
		}
	}
	return pixels, nil
}

// stencil fills the pixels that are not 0 in an image whose upper left corner is at (x, y).
func (c *canvas) stencil(x, y int, img image.Image, class uint8) (pixels int) {
	b := img.Bounds()
	for row := max(0, -y); row < b.Dy() && y+row < c.h; row++ {
		for column := max(0, -x); column < b.Dx() && x+column < c.w; column++ {
			if color.GrayModel.Convert(img.At(b.Min.X+column, b.Min.Y+row)).(color.Gray).Y != 0 {
				c.mask[(y+row)*c.w+x+column] = class
				pixels++
			}
		}
	}
	return pixels
}

// runs fills run lengths, which go down the columns from the left one on, and are
// of pixels outside, inside, outside, ... Together they are all pixels.
func (c *canvas) runs(next func() (int, bool, error), class uint8) (pixels int, err error) {
	h, w := c.h, c.w
	// Nothing is drawn before all is known to be right.
	var ends []int
	at := 0
	for {
		n, ok, err := next()
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		if n < 0 || n > h*w-at {
			return 0, fmt.Errorf("a run of %d pixels after %d, want at most %d together", n, at, h*w)
		}
		at += n
		ends = append(ends, at)
	}
	if at != h*w {
		return 0, fmt.Errorf("run lengths of %d pixels, want %d", at, h*w)
	}
	for i := 1; i < len(ends); i += 2 {
		for p := ends[i-1]; p < ends[i]; p++ {
			c.mask[p%h*w+p/h] = class
		}
		pixels += ends[i] - ends[i-1]
	}
	return pixels, nil
}

// listed are run lengths in a list of numbers.
func listed(counts []float64) func() (int, bool, error) {
	i := -1
	return func() (int, bool, error) {
		i++
		if i == len(counts) {
			return 0, false, nil
		}
		n := counts[i]
		if n != math.Trunc(n) || math.Abs(n) > math.MaxInt32 {
			return 0, false, fmt.Errorf("a run of %g pixels", n)
		}
		return int(n), true, nil
	}
}

// compressed are run lengths in the letters of maskApi.c, rleToString: numbers of
// 5 bits per letter from '0' on, the lowest first, with bit 5 set if more follow
// and the sign in bit 4 of the last. From the fourth on, they are differences to
// the number two before.
func compressed(letters string) func() (int, bool, error) {
	var before [2]int // the last number but one, and the last
	i, count := 0, 0
	return func() (int, bool, error) {
		if i == len(letters) {
			return 0, false, nil
		}
		const most = 7 // letters of 32 bits and a sign
		n := 0
		for k := 0; ; k++ {
			if i == len(letters) {
				return 0, false, errors.New("run lengths that end within a number")
			}
			bits := int(letters[i]) - '0'
			if bits < 0 || bits > 63 || k == most {
				return 0, false, fmt.Errorf("run lengths with the letter %q at %d", letters[i], i)
			}
			i++
			n |= bits & 31 << (5 * k)
			if bits&32 == 0 {
				if bits&16 != 0 {
					n -= 1 << (5 * (k + 1))
				}
				break
			}
		}
		if count > 2 {
			n += before[0]
		}
		count++
		before[0], before[1] = before[1], n
		return n, true, nil
	}
}
