package simd

// The plain forms of the max pools and their gradients. The first of equal maxima wins, and
// a NaN wins over everything. A 2x2 window is two pixels of one pixel row and two of the
// next.
//
// A 3x3 window is a pixel of each of three rows, the one Beside it and the next one; the
// next window begins two pixels on. Where a row or column of the window is outside the
// image, the one after it stands in, under its own name in Places.
//
// Of the gradient of 3x3 windows two pixels of two rows are computed at once: window r of
// G is around the first one; the one Beside it and those two of G2 reach the others, as
// MaxPool3Reach says. Where there is no such window the nearest one stands in. Places are
// where in their windows the reached pixels are, or NoPlace.

// MaxPool3Reach is, for two windows of two rows, which of the four pixels it reaches.
var MaxPool3Reach = [4][]int{{0, 1, 2, 3}, {1, 3}, {2, 3}, {3}}

// NoPlace is none that a maximum has.
const NoPlace = 9

func maxPoolPlain(c *Columnwise) {
	for r := range c.Rows {
		y, argmax := c.Y[r*c.Stride:][:c.Cols], c.Argmax[r*c.Stride:][:c.Cols]
		x0, x1 := c.X[2*r*c.Stride:][:c.Cols], c.X[(2*r+1)*c.Stride:][:c.Cols]
		x2, x3 := c.X2[2*r*c.Stride:][:c.Cols], c.X2[(2*r+1)*c.Stride:][:c.Cols]
		for i := range y {
			best, at := x0[i], uint8(0)
			if v := x1[i]; !(v <= best) && best == best { // greater, or the first NaN
				best, at = v, 1
			}
			if v := x2[i]; !(v <= best) && best == best {
				best, at = v, 2
			}
			if v := x3[i]; !(v <= best) && best == best {
				best, at = v, 3
			}
			y[i], argmax[i] = best, at
		}
	}
}

func maxPoolGradPlain(c *Columnwise) {
	for r := range 2 * c.Rows {
		clear(c.Y[r*c.Stride:][:c.Cols])
		clear(c.Y2[r*c.Stride:][:c.Cols])
	}
	spreadPlain(c)
}

func maxPoolGradAddPlain(c *Columnwise) {
	for r := range 2 * c.Rows {
		copy(c.Y[r*c.Stride:][:c.Cols], c.X[r*c.Stride:])
		copy(c.Y2[r*c.Stride:][:c.Cols], c.X2[r*c.Stride:])
	}
	spreadPlain(c)
}

// spreadPlain adds G to the places that Argmax names.
func spreadPlain(c *Columnwise) {
	for r := range c.Rows {
		g, argmax := c.G[r*c.Stride:][:c.Cols], c.Argmax[r*c.Stride:][:c.Cols]
		places := [4][]float32{
			c.Y[2*r*c.Stride:][:c.Cols], c.Y[(2*r+1)*c.Stride:][:c.Cols],
			c.Y2[2*r*c.Stride:][:c.Cols], c.Y2[(2*r+1)*c.Stride:][:c.Cols],
		}
		for i, at := range argmax {
			places[at][i] += g[i]
		}
	}
}

func maxPool3Plain(c *Columnwise) {
	for r := range c.Rows {
		y, argmax := c.Y[r*c.Stride:][:c.Cols], c.Argmax[r*c.Stride:][:c.Cols]
		for place, number := range c.Places {
			row := [3][]float32{c.X, c.X2, c.X3}[place/3]
			pixel := row[2*r*c.Stride+[3]int{0, c.Beside, c.Beside + c.Stride}[place%3]:][:c.Cols]
			for i, v := range pixel {
				if best := y[i]; place == 0 || !(v <= best) && best == best { // greater, or the first NaN
					y[i], argmax[i] = v, uint8(number)
				}
			}
		}
	}
}

func maxPool3GradPlain(c *Columnwise) {
	type window struct {
		g      []float32
		argmax []uint8
	}
	for r := range c.Rows {
		at := r * c.Stride
		beside := at + c.Beside
		windows := [4]window{
			{c.G[at:][:c.Cols], c.Argmax[at:][:c.Cols]}, {c.G[beside:][:c.Cols], c.Argmax[beside:][:c.Cols]},
			{c.G2[at:][:c.Cols], c.Argmax2[at:][:c.Cols]}, {c.G2[beside:][:c.Cols], c.Argmax2[beside:][:c.Cols]},
		}
		pixels := [4][]float32{
			c.Y[2*at:][:c.Cols], c.Y[2*at+c.Stride:][:c.Cols],
			c.Y2[2*at:][:c.Cols], c.Y2[2*at+c.Stride:][:c.Cols],
		}
		for _, p := range pixels {
			clear(p)
		}
		place := 0
		for window, reached := range MaxPool3Reach {
			w := windows[window]
			for _, pixel := range reached {
				number := uint8(c.Places[place])
				place++
				for i, g := range w.g {
					if w.argmax[i] == number {
						pixels[pixel][i] += g
					}
				}
			}
		}
	}
}
