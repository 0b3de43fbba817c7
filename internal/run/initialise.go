package run

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// initialise gives the net its first weights from a file of this program or
// another, and notes which tensors of the file, or of the net, were left out. It
// warns where the file's net saw images normalized in another way, and notes where
// it had other classes.
func initialise(params *model.Parameters, path string, cfg data.Config, console *report.Console) error {
	c, skipped, err := checkpoint.ReadForeign(path)
	if err != nil {
		return fmt.Errorf("model.init: %w", err)
	}
	var unused []string
	for _, t := range skipped {
		if !strings.HasSuffix(t.Name, ".num_batches_tracked") { // of PyTorch's batch norm; nothing depends on it
			unused = append(unused, fmt.Sprintf("%s (%s)", t.Name, t.Type()))
		}
	}
	prefix := c.TrimPrefix()
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
