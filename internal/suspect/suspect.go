// Package suspect finds where a mask is probably wrong: where a net that has not
// learnt it says something else, and is sure. As in confident learning (Northcutt,
// Jiang and Chuang 2021) how sure it must be depends on how sure it is elsewhere: with
//
//	m_j = mean of p_j over the pixels labelled j whose most probable class is j
//
// it is sure of class j where 1 - p_j is at most 1.5 (1 - m_j), so that a net that
// overrates a class, as class weights make it, must be surer of it. A pixel labelled i
// whose most probable class is j, and of which it is sure, is in doubt by
// d = p_j - p_i. Such pixels count where they hang together in areas that somewhere are
// three pixels wide and high: at edges, masks and nets differ everywhere. The doubt of
// an area is
//
//	ln(1 + N/n) * sum of d^4 over its pixels * fill / length
//
// with N masks, of which n have an area of the same two classes: what a net says
// against most masks is a habit of its own. The fourth power makes one pixel of which
// it is quite sure count for more than ten of which it is half sure. length is the
// longer side of the area's bounds, and fill the share of them that it fills: a band
// along an edge is long, and fills little. All this was chosen in trials with masks
// that were made wrong.
//
// The doubt is the net's. Whether the mask is wrong is for a person to say.
package suspect

import (
	"cmp"
	"image"
	"math"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Confidence is how sure a net is of each class.
type Confidence struct {
	sums   []float64 // of the probabilities of the pixels that are found
	pixels []int64   // that are found
}

// NewConfidence makes one for 1..255 classes, without a pixel yet.
func NewConfidence(classes int) *Confidence {
	return &Confidence{make([]float64, classes), make([]int64, classes)}
}

// Add takes in pixels with their labels, classes or imagefile.Void, and the net's
// probabilities (pixels, classes).
func (c *Confidence) Add(truth []uint8, probabilities []float32) {
	for i, class := range truth {
		p := probabilities[i*len(c.sums):][:len(c.sums)]
		if class != imagefile.Void && mostProbable(p) == int(class) {
			c.sums[class] += float64(p[class])
			c.pixels[class]++
		}
	}
}

// Doubts appends the doubt d of each pixel to dst, in (0, 1], or 0 where there is none.
// A net that never finds a class is never sure of it. The arguments are those of Add.
func (c *Confidence) Doubts(dst []float32, truth []uint8, probabilities []float32) []float32 {
	for i, class := range truth {
		p := probabilities[i*len(c.sums):][:len(c.sums)]
		most := mostProbable(p)
		doubt := float32(0)
		if class != imagefile.Void && most != int(class) && float64(p[most]) >= c.sure(most) {
			doubt = p[most] - p[class]
		}
		dst = append(dst, doubt)
	}
	return dst
}

// sure is the probability from which on the net is sure of a class; NaN, which nothing
// reaches, for one that it never finds.
func (c *Confidence) sure(class int) float64 {
	const leeway = 1.5
	return 1 - leeway*(1-c.sums[class]/float64(c.pixels[class]))
}

// mostProbable is the first of the greatest.
func mostProbable(p []float32) int {
	most := 0
	for j := range p {
		if p[j] > p[most] {
			most = j
		}
	}
	return most
}

// Area is pixels in doubt, of one label and one prediction, that hang together by
// their edges.
type Area struct {
	Truth, Predicted uint8
	Pixels           int
	Doubt            float64 // before Rank without the factor of all masks
	Bounds           image.Rectangle
}

// Areas are those of a mask (h,w) with its prediction, where 3x3 pixels or more are in
// doubt. doubts are those of Confidence.
func Areas(truth, predicted []uint8, doubts []float32, h, w int) []Area {
	var areas []Area
	seen := make([]bool, h*w)
	var stack []int
	for start := range doubts {
		if doubts[start] == 0 || seen[start] {
			continue
		}
		like := func(i int) bool {
			return doubts[i] > 0 && truth[i] == truth[start] && predicted[i] == predicted[start]
		}
		a := Area{Truth: truth[start], Predicted: predicted[start]}
		wide := false
		seen[start] = true
		stack = append(stack[:0], start)
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			y, x := i/w, i%w
			a.Pixels++
			a.Doubt += math.Pow(float64(doubts[i]), 4)
			a.Bounds = a.Bounds.Union(image.Rect(x, y, x+1, y+1))
			wide = wide || block(y, x, h, w, like)
			for _, n := range [4]struct {
				to int
				in bool
			}{{i - w, y > 0}, {i - 1, x > 0}, {i + 1, x+1 < w}, {i + w, y+1 < h}} {
				if n.in && !seen[n.to] && like(n.to) {
					seen[n.to] = true
					stack = append(stack, n.to)
				}
			}
		}
		if wide {
			width, height := float64(a.Bounds.Dx()), float64(a.Bounds.Dy())
			a.Doubt *= float64(a.Pixels) / (width * height) / max(width, height)
			areas = append(areas, a)
		}
	}
	return areas
}

// Rank gives the areas of each mask of a data set, of which some may have none, their
// doubt among all, and sorts them: the greatest doubt of a mask first.
func Rank(masks [][]Area) {
	type pair struct{ truth, predicted uint8 }
	having := map[pair]int{} // masks
	for _, areas := range masks {
		found := map[pair]bool{}
		for _, a := range areas {
			found[pair{a.Truth, a.Predicted}] = true
		}
		for p := range found {
			having[p]++
		}
	}
	for _, areas := range masks {
		for i, a := range areas {
			areas[i].Doubt *= math.Log(1 + float64(len(masks))/float64(having[pair{a.Truth, a.Predicted}]))
		}
		slices.SortStableFunc(areas, func(a, b Area) int { return cmp.Compare(b.Doubt, a.Doubt) })
	}
}

// block reports whether the 3x3 pixels about (x, y) are all alike.
func block(y, x, h, w int, like func(int) bool) bool {
	if y == 0 || x == 0 || y+1 == h || x+1 == w {
		return false
	}
	for dy := -1; dy <= 1; dy++ {
		for dx := -1; dx <= 1; dx++ {
			if !like((y+dy)*w + x + dx) {
				return false
			}
		}
	}
	return true
}
