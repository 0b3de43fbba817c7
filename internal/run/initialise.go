package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/hub"
	"github.com/unet-gorgonia/unet-gorgonia/internal/pretrained"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/model"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// initialise gives the net its first weights, if model.init has others than those drawn.
func (t Training) initialise(ctx context.Context, params *model.Parameters) (err error) {
	path := t.Config.Model.Init
	if path == "" {
		return nil
	}
	if path == arch.ImageNet {
		if path, err = t.imageNet(ctx); err != nil {
			return err
		}
	}
	err = initialise(params, path, t.Config.Data, t.Console)
	if err != nil && t.Config.Model.Init == arch.ImageNet {
		err = fmt.Errorf("%w; if it is removed, it is fetched again", err)
	}
	return err
}

// imageNet is the file of the encoder's weights in the cache of the Hugging Face hub,
// fetched if it is not there yet.
func (t Training) imageNet(ctx context.Context) (path string, err error) {
	const megabyte = 1_000_000
	encoder := t.Config.Model.Encoder
	file := hub.File{Repo: pretrained.Repository(encoder), Name: "model.safetensors"}
	path, ok := t.Hub.Cached(file)
	if ok {
		return path, nil
	}
	t.Console.Note("fetching %s", t.Hub.Address(file))
	progress := t.Console.Progress("weights of "+encoder, "MB")
	path, err = t.Hub.Fetch(ctx, file, func(done, total int64) {
		progress(int(done/megabyte), int(total/megabyte))
	})
	t.Console.Close()
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("model.init = %s: %w; if there is no way to it from here, fetch it elsewhere and set model.init to the file", arch.ImageNet, err)
	}
	return path, err
}

// initialise gives the net its first weights from a file of this program or
// another, and notes which tensors of the file, or of the net, were left out. It
// warns where the file's net saw images normalized in another way, and notes where
// it had other classes. Of a file without the decoder of this net, the encoder is taken.
func initialise(params *model.Parameters, path string, cfg data.Config, console *report.Console) error {
	c, skipped, err := checkpoint.ReadForeign(path)
	if err != nil {
		return fmt.Errorf("model.init: %w", err)
	}
	prefix := c.TrimPrefix()
	if !params.Config.Plain() {
		encoder, left, err := pretrained.Encoder(params.Net, params.Config.Encoder, c)
		if err != nil {
			return fmt.Errorf("model.init = %s: %w", path, err)
		}
		decodes := slices.ContainsFunc(c.Tensors, func(t checkpoint.Tensor) bool {
			return strings.HasPrefix(t.Name, "decoder.") && params.Get(t.Name) != nil
		})
		if !decodes {
			return initialiseEncoder(params, path, encoder, left, cfg, console)
		}
	}
	var unused []string
	for _, t := range skipped {
		if !strings.HasSuffix(t.Name, ".num_batches_tracked") { // of PyTorch's batch norm; nothing depends on it
			unused = append(unused, fmt.Sprintf("%s (%s)", t.Name, t.Type()))
		}
	}
	c.Tensors = slices.DeleteFunc(c.Tensors, func(t checkpoint.Tensor) bool {
		known := params.Get(t.Name) != nil
		if !known && !t.IsOptimizerState() {
			unused = append(unused, prefix+t.Name)
		}
		return !known
	})
	classes, err := train.TransferWeights(params, c)
	if err := errors.Join(c.Finite(), err); err != nil {
		var errs []error
		if len(unused) > 0 {
			errs = append(errs, fmt.Errorf("model.init = %s: not of this net: %s", path, summary(unused)))
		}
		for _, problem := range config.Problems(err) {
			errs = append(errs, fmt.Errorf("model.init = %s: %w", path, problem))
		}
		return errors.Join(errs...)
	}
	from := path
	if key := c.Meta["state_dict"]; key != "" {
		from += ", " + key
	}
	if prefix != "" {
		from += ", its names without " + prefix
	}
	console.Note("starting from the weights of %s", from)
	if c.Meta["format"] == checkpoint.Format {
		before, err := config.Parse(path+": config", c.Config())
		switch {
		case err != nil:
			console.Warn("warning: whether %s was trained with data.normalize: %s is not known: %v", path, cfg.Normalize, err)
		case before.Data.Normalize != cfg.Normalize:
			console.Warn("warning: %s was trained with data.normalize: %s, and this run has %s: its weights expect other values", path, before.Data.Normalize, cfg.Normalize)
		}
		if was := before.Data.Classes; err == nil && classes == len(cfg.Classes) && !slices.Equal(was, cfg.Classes) {
			console.Note("its classes are %q, those of this run %q: the head takes them over in this order", was, cfg.Classes)
		}
	}
	if classes != params.Classes {
		console.Note("its head is for %d classes, the net has %d: the head starts from random weights", classes, params.Classes)
	}
	if len(unused) > 0 {
		console.Note("unused: %s", summary(unused))
	}
	return nil
}

// initialiseEncoder gives the net the weights of its encoder, which were found in the file
// at path, beside tensors that are left.
func initialiseEncoder(params *model.Parameters, path string, encoder *checkpoint.Checkpoint, left []string, cfg data.Config, console *report.Console) error {
	err := encoder.Finite()
	if err == nil {
		err = params.LoadPart("encoder", encoder.Lookup)
	}
	if err != nil {
		return fmt.Errorf("model.init = %s: %w", path, err)
	}
	console.Note("the encoder starts from the weights of %s, the rest from random ones", path)
	if cfg.Normalize == "zscore" {
		console.Warn("warning: data.normalize: zscore gives the encoder other values than it was trained on: 0..1, as none and percentile make them")
	}
	if len(left) > 0 {
		console.Note("unused: %s", summary(left))
	}
	return nil
}

// summary is the number of tensors, the first of their names and what all names begin with.
func summary(names []string) string {
	const most = 3
	if len(names) == 1 {
		return "tensor " + names[0]
	}
	text := fmt.Sprintf("%d tensors: %s", len(names), abridge.Join(names, ", ", most))
	if prefix := commonPrefix(names); prefix != "" {
		text += fmt.Sprintf(", all beginning with %s", prefix)
	}
	return text
}

// commonPrefix is the components, dot and all, that all names begin with.
func commonPrefix(names []string) string {
	prefix := names[0]
	for _, name := range names {
		for !strings.HasPrefix(name, prefix) || !strings.HasSuffix(prefix, ".") {
			if prefix == "" {
				return ""
			}
			prefix = prefix[:strings.LastIndexByte(prefix[:len(prefix)-1], '.')+1]
		}
	}
	return prefix
}
