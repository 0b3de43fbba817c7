package doctor

import (
	"math"
	"math/rand/v2"

	"github.com/unet-gorgonia/unet-gorgonia/data"
)

// Edges is how much more the edges of masks coincide with edges of their own images
// than with those of other images: a permutation test. Masks that belong to other
// images coincide with their own no more than any other. Neighbours in a video or a
// stack are alike: masks that have slipped by one image show where the neighbour's mask
// fits better than the own.
type Edges struct {
	Number int     `json:"number"` // images compared, whose masks have edges
	Own    float64 `json:"own"`    // contrast of an image at the edges of its own mask, over that of the whole image: the mean
	Other  float64 `json:"other"`  // the same at the edges of other images' masks
	P      float64 `json:"p"`      // share of random pairings of images and masks that coincide at least as well as the own
	Pairs  int     `json:"pairs"`  // of images that follow one another
	Before int     `json:"before"` // in how many of them the mask of the first fits the second better than its own
	After  int     `json:"after"`  // in how many of them the mask of the second fits the first better than its own
}

// LeastPairs is the number of images below which a pairing of images and masks is found
// by chance.
const LeastPairs = 6

// MeasureEdges compares samples of one size, which stand at these positions of the
// data set. It is nil where there are too few of them with edges in image and mask.
func MeasureEdges(samples []data.Sample, positions []int, rng *rand.Rand) *Edges {
	var contrasts [][]float32
	var edges [][]int
	var where []int
	for i, s := range samples {
		c, e := contrast(s), maskEdges(s)
		if c != nil && len(e) > 0 {
			contrasts, edges, where = append(contrasts, c), append(edges, e), append(where, positions[i])
		}
	}
	n := len(edges)
	if n < LeastPairs {
		return nil
	}
	at := make([][]float64, n) // [image][mask]
	result := &Edges{Number: n}
	for i, c := range contrasts {
		at[i] = make([]float64, n)
		for j, e := range edges {
			for _, p := range e {
				at[i][j] += float64(c[p])
			}
			at[i][j] /= float64(len(e))
			if i == j {
				result.Own += at[i][j] / float64(n)
			} else {
				result.Other += at[i][j] / float64(n*(n-1))
			}
		}
	}
	for i := 1; i < n; i++ {
		if where[i] != where[i-1]+1 {
			continue
		}
		result.Pairs++
		if at[i][i-1] > at[i][i] {
			result.Before++
		}
		if at[i-1][i] > at[i-1][i-1] {
			result.After++
		}
	}
	const pairings = 999
	asGood := 1
	for range pairings {
		sum := 0.0
		for i, j := range rng.Perm(n) {
			sum += at[i][j]
		}
		if sum/float64(n) >= result.Own-1e-9 {
			asGood++
		}
	}
	result.P = float64(asGood) / (pairings + 1)
	return result
}

// contrast is the root of the grey gradient at each pixel (H,W) over its mean, nil of
// an image of one value. The root keeps a few hard edges from outweighing all others.
func contrast(s data.Sample) []float32 {
	grey := func(y, x int) float64 {
		p := 3 * (min(max(y, 0), s.H-1)*s.W + min(max(x, 0), s.W-1))
		return float64(s.Image[p]+s.Image[p+1]+s.Image[p+2]) / 3
	}
	c := make([]float32, s.H*s.W)
	mean := 0.0
	for y := range s.H {
		for x := range s.W {
			g := math.Sqrt(math.Hypot(grey(y+1, x)-grey(y-1, x), grey(y, x+1)-grey(y, x-1)))
			c[y*s.W+x] = float32(g)
			mean += g / float64(len(c))
		}
	}
	if mean == 0 {
		return nil
	}
	for i := range c {
		c[i] /= float32(mean)
	}
	return c
}

// maskEdges are the pixels of a mask that have a neighbour of another class.
func maskEdges(s data.Sample) (edges []int) {
	other := func(p, q int) bool { return s.Mask[p] != s.Mask[q] && s.Mask[p] != data.Void && s.Mask[q] != data.Void }
	for y := range s.H {
		for x := range s.W {
			p := y*s.W + x
			if x > 0 && other(p, p-1) || x < s.W-1 && other(p, p+1) || y > 0 && other(p, p-s.W) || y < s.H-1 && other(p, p+s.W) {
				edges = append(edges, p)
			}
		}
	}
	return edges
}
