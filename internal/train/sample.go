package train

import (
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// maxSamples bounds what an event.Evaluated holds of the validation split.
const maxSamples = 6

// sampler copies some samples out of the batches of a validation.
type sampler struct {
	positions []int // in the order of the loader
	samples   []event.Sample
}

// newSampler chooses maxSamples of a split of that many samples, or all if there are
// fewer, spread evenly and beginning with the first.
func newSampler(of int) *sampler {
	s := &sampler{positions: make([]int, min(of, maxSamples))}
	for i := range s.positions {
		s.positions[i] = i * of / len(s.positions)
	}
	return s
}

// see copies samples out of a batch; Evaluator.Run calls it with each.
func (s *sampler) see(batch *data.Batch, predicted []uint8) error {
	pixels := batch.H * batch.W
	for i, name := range batch.Names {
		if !slices.Contains(s.positions, batch.First+i) {
			continue
		}
		s.samples = append(s.samples, event.Sample{
			Name:      name,
			Image:     imagefile.Image{Pix: slices.Clone(batch.Images[i*pixels*3:][:pixels*3]), H: batch.H, W: batch.W},
			Truth:     Labels(nil, batch.Targets[i*pixels*batch.C:][:pixels*batch.C], batch.C),
			Predicted: slices.Clone(predicted[i*pixels:][:pixels]),
		})
	}
	return nil
}
