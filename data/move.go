package data

import (
	"math"
	"math/rand/v2"
)

// view is a sample seen mirrored, upside down or turned: pixel (x, y) of the view
// is pixel origin + x*right + y*down of the sample.
type view struct {
	Sample
	h, w                int
	origin, right, down int
}

func (v variation) view(s Sample) view {
	o := view{s, s.H, s.W, 0, 1, s.W}
	if v.mirror {
		o.origin, o.right = o.origin+(o.w-1)*o.right, -o.right
	}
	if v.flip {
		o.origin, o.down = o.origin+(o.h-1)*o.down, -o.down
	}
	for range v.turns { // counterclockwise: the last column becomes the first row
		o = view{s, o.w, o.h, o.origin + (o.w-1)*o.right, o.down, -o.right}
	}
	return o
}

func (o view) at(x, y int) int { return o.origin + x*o.right + y*o.down }

// seen is where the view of a sample has a pixel of it.
func (v variation) seen(s Sample, pixel int) (x, y int) {
	x, y = pixel%s.W, pixel/s.W
	w, h := s.W, s.H
	if v.mirror {
		x = w - 1 - x
	}
	if v.flip {
		y = h - 1 - y
	}
	for range v.turns {
		x, y, w, h = y, w-1-x, h, w
	}
	return x, y
}

// move writes the moved sample to out, which is not larger. The part that fills
// it is share times its size: of a larger sample a patch.
func (v variation) move(out, s Sample) {
	o := v.view(s)
	w, h := v.share*float64(out.W), v.share*float64(out.H)
	x0, y0 := corner(v.place[0], float64(o.w)-w), corner(v.place[1], float64(o.h)-h)
	dx, dy := math.Round(v.shift[0]*float64(out.W)), math.Round(v.shift[1]*float64(out.H))
	if v.centred {
		x0, y0 = v.around(out, o, w, h, dx, dy)
	}
	if v.angle == 0 && v.scale == 1 && v.share == 1 && v.elastic == 0 {
		o.copyTo(out, int(math.Floor(x0-dx)), int(math.Floor(y0-dy)))
		return
	}
	v.resample(out, o, x0+(w-1)/2, y0+(h-1)/2, dx, dy)
}

// corner is the whole pixel at which a part begins that leaves room on an axis.
func corner(place, room float64) float64 { return math.Floor(place * (math.Floor(room) + 1)) }

// around is the corner of the part, of w x h pixels, that brings the pixel centre to
// the middle of out. Where it would go beyond the sample's edges it is moved back, but
// not so far that scale, turn and shift would carry the pixel out of out; to this
// there are as many pixels left as deformation moves it (three standard deviations).
func (v variation) around(out Sample, o view, w, h, dx, dy float64) (x0, y0 float64) {
	sin, cos := math.Sincos(v.angle)
	zoom := v.scale / v.share
	px, py := v.seen(o.Sample, v.centre)
	// By resample, with d from the shifted middle back to the middle.
	x0 = float64(px) + (float64(cos*dx)+float64(sin*dy))/zoom - (w-1)/2
	y0 = float64(py) + (float64(cos*dy)-float64(sin*dx))/zoom - (h-1)/2
	back := [2]float64{
		x0 - min(max(x0, 0), math.Floor(float64(o.w)-w)),
		y0 - min(max(y0, 0), math.Floor(float64(o.h)-h)),
	}
	off := [2]float64{ // of the pixel from the middle of out
		zoom * math.Abs(float64(cos*back[0])-float64(sin*back[1])),
		zoom * math.Abs(float64(sin*back[0])+float64(cos*back[1])),
	}
	all := 1.0 // the share of the way back that may be gone
	for i, n := range [2]int{out.W, out.H} {
		if room := max(float64(n-1)/2-1-float64(3*v.elastic), 0); off[i] > room {
			all = min(all, room/off[i])
		}
	}
	return x0 - float64(all*back[0]), y0 - float64(all*back[1])
}

// copyTo writes the part of the view that begins at (x0, y0), pixel by pixel.
func (o view) copyTo(out Sample, x0, y0 int) {
	if s := o.Sample; o.origin == 0 && o.right == 1 && o.down == s.W && x0 == 0 && y0 == 0 && s.H == out.H && s.W == out.W {
		copy(out.Image, s.Image)
		copy(out.Mask, s.Mask)
		return
	}
	from, to := min(max(-x0, 0), out.W), max(min(o.w-x0, out.W), 0) // columns of out that the view has
	to = max(from, to)
	for y := range out.H {
		image, mask := out.Image[y*out.W*3:][:out.W*3], out.Mask[y*out.W:][:out.W]
		if y0+y < 0 || y0+y >= o.h {
			leaveOpen(image, mask)
			continue
		}
		leaveOpen(image[:from*3], mask[:from])
		leaveOpen(image[to*3:], mask[to:])
		p := o.at(x0+from, y0+y)
		if o.right == 1 {
			copy(mask[from:to], o.Mask[p:])
			copy(image[from*3:to*3], o.Image[p*3:])
			continue
		}
		for x := from; x < to; x++ {
			mask[x] = o.Mask[p]
			a, b := image[x*3:][:3], o.Image[p*3:][:3]
			a[0], a[1], a[2] = b[0], b[1], b[2]
			p += o.right
		}
	}
}

func leaveOpen(image []float32, mask []uint8) {
	clear(image)
	for i := range mask {
		mask[i] = Void
	}
}

// resample writes the view scaled and rotated about its point (cx, cy), which
// comes to the centre of out, shifted by (dx, dy) and deformed. With d the way
// from there to pixel p of out, and e the deformation at p, the pixel comes from
// (cx, cy) + R(-angle) (d + e) share / scale.
func (v variation) resample(out Sample, o view, cx, cy, dx, dy float64) {
	mx, my := float64(out.W-1)/2+dx, float64(out.H-1)/2+dy
	sin, cos := math.Sincos(v.angle)
	zoom := v.scale / v.share
	sin, cos = sin/zoom, cos/zoom
	var field *elastic
	if v.elastic > 0 {
		field = newElastic(out.H, out.W, v.elastic, v.elasticSeed)
	}
	for y := range out.H {
		if field != nil {
			field.setRow(y)
		}
		for x := range out.W {
			dx, dy := float64(x)-mx, float64(y)-my
			if field != nil {
				ex, ey := field.at(x)
				dx, dy = dx+ex, dy+ey
			}
			// The product is rounded before the sum on every machine: no fused multiply-add.
			px := cx + float64(cos*dx) + float64(sin*dy)
			py := cy + float64(cos*dy) - float64(sin*dx)
			to := y*out.W + x
			pixel := out.Image[to*3:][:3]
			nx, ny := int(math.Floor(px+0.5)), int(math.Floor(py+0.5))
			if nx < 0 || nx >= o.w || ny < 0 || ny >= o.h {
				out.Mask[to] = Void
				clear(pixel)
				continue
			}
			out.Mask[to] = o.Mask[o.at(nx, ny)]
			o.bilinear(pixel, px, py)
		}
	}
}

// bilinear interpolates between the four pixels around (px, py); beyond the
// centre of an edge pixel that pixel is repeated.
func (o view) bilinear(pixel []float32, px, py float64) {
	fx, fy := math.Floor(px), math.Floor(py)
	x0, y0 := int(fx), int(fy)
	tx, ty := float32(px-fx), float32(py-fy)
	x1, y1 := min(x0+1, o.w-1), min(y0+1, o.h-1)
	x0, y0 = max(x0, 0), max(y0, 0)
	upper, lower := o.origin+y0*o.down, o.origin+y1*o.down
	left, right := x0*o.right, x1*o.right
	a, b := o.Image[(upper+left)*3:][:3], o.Image[(upper+right)*3:][:3]
	c, d := o.Image[(lower+left)*3:][:3], o.Image[(lower+right)*3:][:3]
	pixel = pixel[:3]
	for i := range 3 {
		top := a[i] + float32(tx*(b[i]-a[i]))
		bottom := c[i] + float32(tx*(d[i]-c[i]))
		pixel[i] = top + float32(ty*(bottom-top))
	}
}

// elastic is a smooth field of moves over (h,w) pixels: those of the points of a
// 3x3 grid from corner to corner are Gaussian, and Catmull-Rom splines run through
// them. A ring of points around the grid gives the splines their slopes at the edge.
type elastic struct {
	h       int
	points  [5][5][2]float64 // y, x, (dx, dy)
	row     [5][2]float64    // the splines down the columns of points, at one row of pixels
	columns []spline         // of each column of pixels
}

// spline is the weights of four points in a row, the first at index first.
type spline struct {
	first   int
	weights [4]float64
}

func newElastic(h, w int, strength float64, seed uint64) *elastic {
	e := &elastic{h: h, columns: make([]spline, w)}
	r := rand.New(rand.NewPCG(seed, 0))
	for y := range e.points {
		for x := range e.points[y] {
			e.points[y][x] = [2]float64{strength * r.NormFloat64(), strength * r.NormFloat64()}
		}
	}
	for x := range e.columns {
		e.columns[x] = splineAt(x, w)
	}
	return e
}

// splineAt is the spline at pixel i of n along the grid.
func splineAt(i, n int) spline {
	t := 2 * float64(i) / float64(max(n-1, 1))
	first := min(int(t), 1)
	t -= float64(first)
	t2 := t * t
	t3 := t2 * t
	return spline{first, [4]float64{
		float64(t2) - float64((t+t3)/2),
		1 + float64(1.5*t3) - float64(2.5*t2),
		float64(t/2) + float64(2*t2) - float64(1.5*t3),
		(t3 - t2) / 2,
	}}
}

// of is the spline through four points.
func (s spline) of(points [5][2]float64) (x, y float64) {
	for i, weight := range s.weights {
		p := &points[s.first+i]
		x += float64(weight * p[0])
		y += float64(weight * p[1])
	}
	return x, y
}

func (e *elastic) setRow(y int) {
	s := splineAt(y, e.h)
	for x := range e.row {
		var column [5][2]float64
		for k := range column {
			column[k] = e.points[k][x]
		}
		e.row[x][0], e.row[x][1] = s.of(column)
	}
}

func (e *elastic) at(x int) (dx, dy float64) { return e.columns[x].of(e.row) }
