package train

import (
	"cmp"
	"math"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
)

// maxSamples bounds what an event.Evaluated holds of the validation split.
const maxSamples = 6

// sampler scores the images of a validation, to choose those to show.
type sampler struct {
	split  *data.Split
	images *metric.Images
	parts  []part // of the images, in the order of their scores
}

// part is what is shown of an image: itself, or, where it is measured in patches, the
// one with the most wrong pixels.
type part struct {
	name     string
	position int // in the order of the loader
	wrong    int // pixels
}

func newSampler(split *data.Split, classes int) *sampler {
	return &sampler{split: split, images: metric.NewImages(classes)}
}

// see scores the images of a batch; Evaluator.Run calls it with each.
func (s *sampler) see(batch *data.Batch, truth, predicted []uint8) error {
	pixels := batch.H * batch.W
	for i, image := range batch.Index {
		t, p := truth[i*pixels:][:pixels], predicted[i*pixels:][:pixels]
		if err := s.images.Add(image, s.split.Name(image), t, p); err != nil {
			return err
		}
		wrong := 0
		for k, class := range t {
			if class != data.Void && class != p[k] {
				wrong++
			}
		}
		now := part{batch.Names[i], batch.First + i, wrong}
		switch images := len(s.images.Scores()); {
		case images > len(s.parts):
			s.parts = append(s.parts, now)
		case wrong > s.parts[images-1].wrong:
			s.parts[images-1] = now
		}
	}
	return nil
}

// choose returns the images to show, from the worst mean IoU to the best: two at each
// end and two in the middle, or all if there are no more. Of equals the first of the
// split comes first. What it returns lacks the pictures.
func (s *sampler) choose() (samples []event.Sample, positions []int) {
	scores := s.images.Scores()
	var order []int // of the scores
	for i, score := range scores {
		if !math.IsNaN(score.MeanIoU) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[a].MeanIoU, scores[b].MeanIoU) })
	if n := len(order); n > maxSamples {
		order = []int{order[0], order[1], order[n/2-1], order[n/2], order[n-2], order[n-1]}
	}
	ranks := [maxSamples + 1][]string{
		1: {""},
		2: {"worst", "best"},
		3: {"worst", "median", "best"},
		4: {"worst", "lower median", "upper median", "best"},
		5: {"worst", "second worst", "median", "second best", "best"},
		6: {"worst", "second worst", "lower median", "upper median", "second best", "best"},
	}[len(order)]
	for i, image := range order {
		samples = append(samples, event.Sample{Name: s.parts[image].name, Rank: ranks[i], MeanIoU: scores[image].MeanIoU})
		positions = append(positions, s.parts[image].position)
	}
	return samples, positions
}

// samples are the images of the validation split to show, as the net sees them now.
// Their pictures are not kept while all are scored: the chosen ones are loaded and
// predicted once more, by the graph that predicted them before.
func (r *run) samples(s *sampler) ([]event.Sample, error) {
	samples, positions := s.choose()
	h, w := r.Val.Size()
	size := min(r.BatchSize, r.valLoader.Len())
	graph, err := r.evaluator.graph(Shape{size, h, w})
	if err != nil {
		return nil, err
	}
	for first := 0; first < len(samples); first += size {
		batch := samples[first:min(first+size, len(samples))]
		var images []float32
		for i := range batch {
			sample, err := r.valLoader.Sample(0, positions[first+i])
			if err != nil {
				return nil, err
			}
			batch[i].Image = imagefile.Image{Pix: sample.Image, H: h, W: w}
			batch[i].Truth = sample.Mask
			images = append(images, sample.Image...)
		}
		logits, _, err := graph.Run(images, nil) // beyond them the batch keeps what it had
		if err != nil {
			return nil, err
		}
		classes := r.Params.Classes
		for i := range batch {
			batch[i].Predicted = predict.Argmax(nil, logits[i*h*w*classes:][:h*w*classes], classes)
		}
	}
	return samples, nil
}
