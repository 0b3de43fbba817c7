package report

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
)

// Log appends every event but event.Saving to log.jsonl as one line of JSON, with its
// time and kind. Epochs count from 1. A figure that is undefined is
// null. A resumed run appends to the lines of the one before: a started line that
// tells of steps done before, and of what has changed since. The last epoch's line
// says why it is the last. Lines that could not be written are tried again with the
// next one and at the end.
type Log struct {
	Path string
	// Now is the clock, time.Now outside of tests.
	Now      func() time.Time
	Classes  []string
	Revision string // of the program; "" if it is not known

	lines lines
}

// Record takes every event.
func (l *Log) Record(e event.Event) error {
	line := struct {
		Time  string `json:"time"`
		Event string `json:"event"`
		Data  any    `json:"data"`
	}{Time: l.Now().UTC().Format(time.RFC3339Nano)}
	switch e := e.(type) {
	case event.Started:
		started := map[string]any{
			"epochs": e.Epochs, "steps_per_epoch": e.StepsPerEpoch, "train_images": e.TrainImages, "val_images": e.ValImages,
			"revision": l.Revision, "net": e.Net, "parameters": e.Parameters, "frozen_parameters": e.Frozen, "classes": l.Classes, "epoch": e.Epoch + 1, "step": e.Step,
			"class_counts": e.ClassCounts, "class_weights": e.ClassWeights,
		}
		if e.Changes != nil {
			started["changes"] = e.Changes
		}
		line.Event, line.Data = "started", started
	case event.Stepped:
		line.Event, line.Data = "step", map[string]any{
			"epoch": e.Epoch + 1, "step": e.Step, "loss": metric.Number(e.Loss), "lr": metric.Number(e.LR),
			"grad_norm": metric.Number(e.GradNorm), "images_per_second": metric.Number(e.ImagesPerSecond),
		}
	case event.Evaluated:
		names, ranks, scores := make([]string, len(e.Samples)), make([]string, len(e.Samples)), make([]metric.Number, len(e.Samples))
		for i, s := range e.Samples {
			names[i], ranks[i], scores[i] = s.Name, s.Rank, metric.Number(s.MeanIoU)
		}
		epoch := map[string]any{
			"epoch": e.Epoch + 1, "step": e.Step, "lr": metric.Number(e.LR), "train_loss": metric.Number(e.TrainLoss),
			"val_loss": metric.Number(e.ValLoss), "val_miou": metric.Number(e.Confusion.MeanIoU()), "best": e.Best,
			"classes": e.Confusion.Report(l.Classes).Classes, "confusion": e.Confusion.Matrix(), "samples": names, "sample_ranks": ranks, "sample_miou": scores, "seconds": metric.Number(e.Duration.Seconds()),
		}
		if e.Ending != "" {
			epoch["ending"] = e.Ending
		}
		line.Event, line.Data = "epoch", epoch
	case event.Noticed:
		line.Event, line.Data = "noticed", map[string]any{"epoch": e.Epoch + 1, "step": e.Step, "name": e.Name, "classes": e.Classes, "text": e.Text, "cause": e.Cause, "over": e.Over}
	case event.Saved:
		line.Event, line.Data = "saved", map[string]any{"step": e.Step, "best": e.Best}
	case event.Unwritten:
		line.Event, line.Data = "unwritten", map[string]any{"error": e.Err.Error()}
	case event.Saving:
		return l.lines.trySync(l.Path)
	case event.Ended:
		line.Event, line.Data = "ended", map[string]any{"cause": e.Cause}
	default:
		return fmt.Errorf("report: unknown event %T", e)
	}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("report: %s: %w", l.Path, err)
	}
	if err := l.lines.add(l.Path, append(text, '\n')); err != nil {
		return err
	}
	if line.Event == "ended" {
		return l.lines.sync(l.Path)
	}
	return nil
}
