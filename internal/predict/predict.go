// Package predict brings images of any size to a net that sees one size, and its
// class probabilities back to them.
//
// Resized shrinks or stretches the image to what the net sees. Tiles keeps its
// resolution: the net sees tiles, at most half a tile from one to the next, and
// where they overlap their probabilities are averaged with weights that fall off
// from a tile's centre as a Gaussian (as in nnU-Net, Isensee et al. 2021), so that
// no seam shows. Segment does the one or the other, and chooses the class of each
// pixel.
package predict

import (
	"context"
	"fmt"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Net is a net for images of one size.
type Net struct {
	H, W    int
	Classes int  // C
	Batch   int  // largest number of images per run
	Tiled   bool // Segment keeps the resolution of images
	// Run computes the probabilities (n,H,W,C) of images (n,H,W,3), n <= Batch.
	// They are valid until the next call.
	Run func(images []float32, n int) ([]float32, error)
}

// Resized is the probabilities (H,W,C) of an image brought to the net's size.
// They are valid until the next call.
func (n Net) Resized(m imagefile.Image) ([]float32, error) {
	return n.Run(imagefile.Resize(m.Pix, m.H, m.W, 3, n.H, n.W), 1)
}

// Tiles computes the probabilities of an image at its own size, from top to
// bottom: band is given those of some rows (rows, m.W, C), the first of which is
// y. They are valid within the call. Memory is bounded by a band of H rows. An
// image that is smaller than a tile is continued by its reflection.
func (n Net) Tiles(ctx context.Context, m imagefile.Image, band func(y int, probabilities []float32) error) error {
	down, across := newAxis(m.H, n.H), newAxis(m.W, n.W)
	line := m.W * n.Classes                    // values of a row
	sum := make([]float32, min(n.H, m.H)*line) // rows from top on
	batch := min(n.Batch, len(across.starts))
	images := make([]float32, batch*n.H*n.W*3) // tiles side by side in the image
	size := n.H * n.W                          // pixels of a tile
	for i, y0 := range down.starts {
		top := max(y0, 0)
		for first := 0; first < len(across.starts); first += batch {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			row := across.starts[first:min(first+batch, len(across.starts))]
			for k, x0 := range row {
				m.Part(images[k*size*3:][:size*3], y0, x0, n.H, n.W)
			}
			probabilities, err := n.Run(images[:len(row)*size*3], len(row))
			if err != nil {
				return fmt.Errorf("predict: tile at (%d, %d): %w", row[0], y0, err)
			}
			for k, x0 := range row {
				tile := probabilities[k*size*n.Classes:][:size*n.Classes]
				n.add(sum, tile, down.weights[i], across.weights[first+k], y0-top, x0, m.W)
			}
		}
		next := m.H // the first row that the tiles below have a part in
		if i+1 < len(down.starts) {
			next = down.starts[i+1]
		}
		done := (next - top) * line
		if err := band(top, sum[:done]); err != nil {
			return err
		}
		clear(sum[copy(sum, sum[done:]):])
	}
	return nil
}

// add adds the probabilities of a tile whose first pixel is (x0, y0) to rows of
// an image of some width, times the weights of its rows and columns.
func (n Net) add(sum, tile, rows, columns []float32, y0, x0, width int) {
	for y, wy := range rows {
		if wy == 0 { // beyond the image
			continue
		}
		for x, wx := range columns {
			if wx == 0 {
				continue
			}
			weight := wy * wx
			to := sum[((y0+y)*width+x0+x)*n.Classes:][:n.Classes]
			for c, p := range tile[(y*n.W+x)*n.Classes:][:n.Classes] {
				to[c] += float32(weight * p)
			}
		}
	}
}
