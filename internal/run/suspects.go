package run

import (
	"cmp"
	"context"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/internal/suspect"
)

// Unseen is a net and labelled images that it has not learnt: a validation set, or
// a fold and the net of the other folds.
type Unseen struct {
	Net predict.Net
	Set *data.Split
}

// Suspect is a mask that is probably wrong.
type Suspect struct {
	Unseen
	Image int            // position in Set
	Areas []suspect.Area // where it is in doubt, at least one, the greatest doubt first

	confidence *suspect.Confidence
}

// Name is the name of its image.
func (s Suspect) Name() string { return s.Set.Name(s.Image) }

// Pixels is the image with its mask, what the net makes of it, and the doubt of each
// pixel.
func (s Suspect) Pixels(ctx context.Context) (sample data.Sample, predicted []uint8, doubts []float32, err error) {
	return s.doubts(ctx, s.Image, s.confidence)
}

// Suspects are the masks that are probably wrong, in the order of their greatest
// doubts. The nets go through all images twice: how sure they are shows at the end of
// the first pass.
func Suspects(ctx context.Context, all []Unseen, progress func(done, total int)) ([]Suspect, error) {
	total, done := 0, 0
	for _, u := range all {
		total += 2 * u.Set.Len()
	}
	pass := func(see func(u Unseen, i int) error) error {
		for _, u := range all {
			for i := range u.Set.Len() {
				if err := see(u, i); err != nil {
					return err
				}
				done++
				progress(done, total)
			}
		}
		return nil
	}
	confidence := suspect.NewConfidence(all[0].Net.Classes)
	if err := pass(func(u Unseen, i int) error {
		_, _, err := u.segment(ctx, i, confidence.Add)
		return err
	}); err != nil {
		return nil, err
	}
	var suspects []Suspect
	var areas [][]suspect.Area
	if err := pass(func(u Unseen, i int) error {
		sample, predicted, doubts, err := u.doubts(ctx, i, confidence)
		if err != nil {
			return err
		}
		found := suspect.Areas(sample.Mask, predicted, doubts, sample.H, sample.W)
		areas = append(areas, found)
		if len(found) > 0 {
			suspects = append(suspects, Suspect{u, i, found, confidence})
		}
		return nil
	}); err != nil {
		return nil, err
	}
	suspect.Rank(areas) // which the suspects share
	slices.SortStableFunc(suspects, func(a, b Suspect) int { return cmp.Compare(b.Areas[0].Doubt, a.Areas[0].Doubt) })
	return suspects, nil
}

// doubts is image i with its mask, the net's, and the doubt of each pixel.
func (u Unseen) doubts(ctx context.Context, i int, confidence *suspect.Confidence) (s data.Sample, predicted []uint8, doubts []float32, err error) {
	s, predicted, err = u.segment(ctx, i, func(truth []uint8, probabilities []float32) {
		doubts = confidence.Doubts(doubts, truth, probabilities)
	})
	return s, predicted, doubts, err
}

// segment is image i with its mask and the net's; rows is given the mask and the
// probabilities from top to bottom.
func (u Unseen) segment(ctx context.Context, i int, rows func(truth []uint8, probabilities []float32)) (s data.Sample, predicted []uint8, err error) {
	if ctx.Err() != nil {
		return s, nil, context.Cause(ctx)
	}
	load := u.Set.Load
	if u.Net.Tiled {
		load = u.Set.LoadOwn
	}
	if s, err = load(i); err != nil {
		return s, nil, err
	}
	truth := s.Mask
	predicted, err = u.Net.Segment(ctx, imagefile.Image{Pix: s.Image, H: s.H, W: s.W}, func(probabilities []float32) error {
		n := len(probabilities) / u.Net.Classes
		rows(truth[:n], probabilities)
		truth = truth[n:]
		return nil
	})
	return s, predicted, err
}
