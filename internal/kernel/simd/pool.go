package simd

// The plain forms of MaxPool and its gradients. A window is two pixels of one pixel row
// and two of the next; the first of equal maxima wins, and a NaN wins over everything.

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
