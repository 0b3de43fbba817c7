package predict

import (
	"context"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Shape is the shape (height, width, C) of the probabilities that Segment gives of
// an image: the net's size, or the image's own if Tiled.
func (n Net) Shape(m imagefile.Image) []int {
	if n.Tiled {
		return []int{m.H, m.W, n.Classes}
	}
	return []int{n.H, n.W, n.Classes}
}

// Segment is the most probable class of each pixel (m.H,m.W) of an image, whose
// probabilities are brought to the image's own size first. rows, which may be nil, is
// given the probabilities themselves, in the size of Shape, from top to bottom; they
// are valid within the call.
func (n Net) Segment(ctx context.Context, m imagefile.Image, rows func(probabilities []float32) error) ([]uint8, error) {
	if rows == nil {
		rows = func([]float32) error { return nil }
	}
	if !n.Tiled {
		probabilities, err := n.Resized(m)
		if err != nil {
			return nil, err
		}
		if err := rows(probabilities); err != nil {
			return nil, err
		}
		return Argmax(nil, imagefile.Resize(probabilities, n.H, n.W, n.Classes, m.H, m.W), n.Classes), nil
	}
	mask := make([]uint8, 0, m.H*m.W)
	err := n.Tiles(ctx, m, func(_ int, probabilities []float32) error {
		mask = Argmax(mask, probabilities, n.Classes)
		return rows(probabilities)
	})
	return mask, err
}

// Argmax appends to dst the class of each pixel, the first of the greatest of
// its scores (logits or probabilities). scores: (..., classes).
func Argmax(dst []uint8, scores []float32, classes int) []uint8 {
	for i := 0; i < len(scores); i += classes {
		best := 0
		for c, s := range scores[i : i+classes] {
			if s > scores[i+best] {
				best = c
			}
		}
		dst = append(dst, uint8(best))
	}
	return dst
}
