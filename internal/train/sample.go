package train

import (
	"bytes"
	"cmp"
	"encoding/gob"
	"math"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
)

// maxSamples bounds what an event.Evaluated holds of the validation split.
const maxSamples = 6

// sampler scores the images of a validation, to choose those to show.
type sampler struct {
	split  *data.Split
	images *metric.Images
	parts  []part // of the images, in the order of their scores

	counts *metric.Confusion // of one sample
	world  world.World
	kept   []counted // where several processes validate, what this one has seen
}

// part is what is shown of an image: itself, or, where it is measured in patches, the
// one with the most wrong pixels.
type part struct {
	name     string
	position int // in the order of the loader
	wrong    int64
}

// counted is what is known of a sample: of its image, a patch or all of it, the cells of
// its confusion matrix that are not 0.
type counted struct {
	Name            string
	Image, Position int
	Cells           map[int]int64
}

func newSampler(split *data.Split, classes int, w world.World) *sampler {
	return &sampler{split: split, images: metric.NewImages(classes), counts: metric.NewConfusion(classes), world: w}
}

// see scores the images of a batch; Evaluator.Run calls it with each.
func (s *sampler) see(batch *data.Batch, truth, predicted []uint8) error {
	pixels := batch.H * batch.W
	for i, image := range batch.Index {
		cells := s.counts.Cells()
		clear(cells)
		if err := s.counts.Add(truth[i*pixels:][:pixels], predicted[i*pixels:][:pixels]); err != nil {
			return err
		}
		if s.world.Size() == 1 {
			s.add(image, batch.Names[i], batch.First+i)
			continue
		}
		c := counted{batch.Names[i], image, batch.First + i, map[int]int64{}}
		for k, n := range cells {
			if n > 0 {
				c.Cells[k] = n
			}
		}
		s.kept = append(s.kept, c)
	}
	return nil
}

// add scores a sample, of which counts are.
func (s *sampler) add(image int, name string, position int) {
	s.images.AddCounts(image, s.split.Name(image), s.counts)
	now := part{name, position, s.counts.Wrong()}
	switch images := len(s.images.Scores()); {
	case images > len(s.parts):
		s.parts = append(s.parts, now)
	case now.wrong > s.parts[images-1].wrong:
		s.parts[images-1] = now
	}
}

// gather scores what all processes have seen, in the order in which one would have.
func (s *sampler) gather() error {
	if s.world.Size() == 1 {
		return nil
	}
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(s.kept)
	if err := world.Agree(s.world, err); err != nil {
		return err
	}
	var all []counted
	for _, b := range world.Gather(s.world, b.Bytes()) {
		var kept []counted
		if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&kept); err != nil {
			return err
		}
		all = append(all, kept...)
	}
	slices.SortFunc(all, func(a, b counted) int { return cmp.Compare(a.Position, b.Position) })
	for _, c := range all {
		cells := s.counts.Cells()
		clear(cells)
		for k, n := range c.Cells {
			cells[k] = n
		}
		s.add(c.Image, c.Name, c.Position)
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
// predicted once more, by the graph that predicted them before. Of several processes,
// the first one alone does so.
func (r *run) samples(s *sampler) ([]event.Sample, error) {
	if err := s.gather(); err != nil || r.World.Rank() > 0 {
		return nil, err
	}
	samples, positions := s.choose()
	h, w := r.Val.Size()
	size := r.part(min(r.BatchSize, r.valLoader.Len()))
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
