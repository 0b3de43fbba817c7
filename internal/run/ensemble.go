package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
)

// Ensemble is checkpoints whose probabilities are averaged, in this order; one
// alone is as it is. Their nets may be of any kind.
type Ensemble []*Saved

// String is the files of the checkpoints.
func (e Ensemble) String() string {
	paths := make([]string, len(e))
	for i, s := range e {
		paths[i] = s.Path
	}
	return strings.Join(paths, ", ")
}

// Agree reports, as a usage error, what keeps probabilities from being averaged:
// other classes, or images that the nets see otherwise. tiled is that of Predictor.
func (e Ensemble) Agree(tiled bool) error {
	first := e[0]
	var errs []error
	for _, s := range e[1:] {
		differ := func(key string, a, b any) {
			errs = append(errs, fmt.Errorf("%s has %s = %v and %s %v: want checkpoints with the same, to average their probabilities", first.Path, key, a, s.Path, b))
		}
		a, b := first.Config.Data, s.Config.Data
		if !slices.Equal(a.Classes, b.Classes) {
			differ("data.classes", a.Classes, b.Classes)
		}
		if a.Normalize != b.Normalize {
			differ("data.normalize", a.Normalize, b.Normalize)
		}
		if a.Size != b.Size {
			differ("data.size", a.Size, b.Size)
		}
		if (a.Patches > 0) != (b.Patches > 0) && !tiled {
			errs = append(errs, fmt.Errorf("one of %s (data.patches = %d) and %s (%d) was trained on patches and the other on resized images: want checkpoints of one kind, or --tile", first.Path, a.Patches, s.Path, b.Patches))
		}
	}
	return Usage(errors.Join(errs...))
}

// Predictor averages over the checkpoints, which have to Agree, what each makes of
// images of any size: resized to data.size, or in tiles of that size if it was trained
// on patches, for then it knows no other resolution, or if tiled asks for it. With
// flips (test-time augmentation) each averages over the image and its mirror image,
// and both upside down if its training flipped vertically or turned.
func (e Ensemble) Predictor(tiled, flips bool) (predict.Net, error) {
	engine, err := ownEngine()
	if err != nil {
		return predict.Net{}, err
	}
	nets := make([]predict.Net, len(e))
	for i, s := range e {
		if nets[i], err = s.predictor(engine, tiled, flips); err != nil {
			return predict.Net{}, err
		}
	}
	return predict.Mean(nets...), nil
}

// EvaluatePredictions measures what Predictor makes of the images of a split: in
// tiles at their own size, or at the split's.
func (e Ensemble) EvaluatePredictions(ctx context.Context, set *data.Split, tiled, flips bool, progress func(done, total int), show Show) (*metric.Confusion, error) {
	net, err := e.Predictor(tiled, flips)
	if err != nil {
		return nil, err
	}
	confusion := metric.NewConfusion(net.Classes)
	load := set.Load
	if net.Tiled {
		load = set.LoadOwn
	}
	for i := range set.Len() {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		sample, err := load(i)
		if err != nil {
			return nil, err
		}
		predicted, err := net.Segment(ctx, imagefile.Image{Pix: sample.Image, H: sample.H, W: sample.W}, nil)
		if err != nil {
			return nil, err
		}
		if err := confusion.Add(sample.Mask, predicted); err != nil {
			return nil, err
		}
		if err := show(i, set.Name(i), sample, predicted); err != nil {
			return nil, err
		}
		progress(i+1, set.Len())
	}
	return confusion, nil
}
