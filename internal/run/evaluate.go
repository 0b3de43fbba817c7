package run

import (
	"context"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

// Show is given each sample of a split that is evaluated, with the position of its
// image in the split, its name and the predicted mask (H,W); they are valid within the
// call. An error ends the evaluation.
type Show func(image int, name string, s data.Sample, predicted []uint8) error

// Evaluate measures the net, and its loss, on a split in batches at data.size, as
// training does.
func (s *Saved) Evaluate(ctx context.Context, set *data.Split, progress func(done, total int), show Show) (*metric.Confusion, float64, error) {
	engine, params, err := s.Net()
	if err != nil {
		return nil, 0, err
	}
	weights, err := s.ClassWeights()
	if err != nil {
		return nil, 0, err
	}
	cfg := s.Config
	graphs := &train.Graphs{Engine: engine, Params: params, Loss: loss.New(cfg.Loss, weights), Seed: cfg.Seed}
	loader := data.NewLoader(set, data.LoaderConfig{BatchSize: cfg.Train.BatchSize})
	return train.NewEvaluator(graphs).Run(ctx, loader, func(batch *data.Batch, truth, predicted []uint8) error {
		progress(batch.First+batch.N, loader.Len())
		pixels := batch.H * batch.W
		for i, name := range batch.Names {
			sample := data.Sample{Image: batch.Images[i*pixels*3:][:pixels*3], Mask: truth[i*pixels:][:pixels], H: batch.H, W: batch.W}
			if err := show(batch.Index[i], name, sample, predicted[i*pixels:][:pixels]); err != nil {
				return err
			}
		}
		return nil
	})
}
