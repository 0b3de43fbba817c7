package predict

import "math"

// axis is how an axis of an image is covered by tiles.
type axis struct {
	starts  []int       // the first pixel of each tile
	weights [][]float32 // of each tile's pixels; those of one pixel of the image sum to 1, those beyond it are 0
}

// newAxis covers n pixels by evenly spaced tiles that overlap by half or more. A
// single tile that is longer has the axis in its middle.
func newAxis(n, tile int) axis {
	if n <= tile {
		return single(n, tile)
	}
	stride := max(tile/2, 1)
	count := 1 + (n-tile+stride-1)/stride
	a := axis{starts: make([]int, count), weights: make([][]float32, count)}
	sums := make([]float64, n)
	for i := range count {
		start := i * (n - tile) / (count - 1)
		a.starts[i] = start
		for p := range tile {
			sums[start+p] += gaussian(p, tile)
		}
	}
	for i, start := range a.starts {
		a.weights[i] = make([]float32, tile)
		for p := range tile {
			a.weights[i][p] = float32(gaussian(p, tile) / sums[start+p])
		}
	}
	return a
}

func single(n, tile int) axis {
	start := (n - tile) / 2
	weights := make([]float32, tile)
	for p := range n {
		weights[p-start] = 1
	}
	return axis{[]int{start}, [][]float32{weights}}
}

// gaussian is the weight of pixel p of a tile before it is normalised: a bell
// about the tile's middle, with an eighth of the tile as standard deviation.
func gaussian(p, tile int) float64 {
	d := (float64(p) - float64(tile-1)/2) / (float64(tile) / 8)
	return math.Exp(-d * d / 2)
}
