package survey

import (
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/data"
)

// areas are, per class, the number of pixels, and of their sides on which another class lies.
type areas []struct{ pixels, edges int64 }

// count adds the areas of a sample.
func (a areas) count(s data.Sample) {
	side := func(one, other uint8) {
		if one != other && one != data.Void && other != data.Void {
			a[one].edges++
			a[other].edges++
		}
	}
	for y := range s.H {
		row := s.Mask[y*s.W:][:s.W]
		for x, class := range row {
			if class != data.Void {
				a[class].pixels++
			}
			if x > 0 {
				side(row[x-1], class)
			}
			if y > 0 {
				side(s.Mask[(y-1)*s.W+x], class)
			}
		}
	}
}

// widths are the mean widths of each class's areas, in pixels: that of a strip, of which
// each pixel of length has a side on either edge. +Inf: the class has no edge.
func (a areas) widths() []float64 {
	all := make([]float64, len(a))
	for class, n := range a {
		all[class] = math.Inf(1)
		if n.edges > 0 {
			all[class] = 2 * float64(n.pixels) / float64(n.edges)
		}
	}
	return all
}

// halves are the mean colour, and the share of each class, of the image's upper half
// less those of the lower half.
func halves(s data.Sample, classes int) []float64 {
	half := func(y0 int) []float64 {
		h := s.H / 2
		all := make([]float64, 3+classes)
		for i, v := range s.Image[y0*s.W*3:][:h*s.W*3] {
			all[i%3] += float64(v) / float64(h*s.W)
		}
		labelled := 0
		for _, class := range s.Mask[y0*s.W:][:h*s.W] {
			if class != data.Void {
				all[3+int(class)]++
				labelled++
			}
		}
		for c := range classes {
			all[3+c] /= float64(max(labelled, 1))
		}
		return all
	}
	d, lower := half(0), half(s.H-s.H/2)
	for i := range d {
		d[i] -= lower[i]
	}
	return d
}

// upright is how far the upper halves of the images differ from the lower ones, in
// standard deviations over the images, in the colour or class in which they differ most:
// 5 or 6 where the sky is above and a road below, at most 1.2 in cells under a microscope
// and in photographs of retinas. 0 for a single image. differences has the values of halves, or nil,
// per image.
func upright(differences [][]float64, values int) float64 {
	most := 0.
	for i := range values {
		n, mean, squares := 0., 0., 0. // Welford's: squares of the distances from the mean
		for _, d := range differences {
			if d != nil {
				n++
				delta := d[i] - mean
				mean += delta / n
				squares += delta * (d[i] - mean)
			}
		}
		if deviation := math.Sqrt(squares / (n - 1)); n > 1 && deviation > 0 {
			most = max(most, math.Abs(mean)/deviation)
		}
	}
	return most
}
