package run

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// initialise gives the net its first weights from a file of this program or
// another, and notes which tensors of the file, or of the net, were left out.
func initialise(params *model.Parameters, path string, console *report.Console) error {
	c, skipped, err := checkpoint.ReadForeign(path)
	if err != nil {
		return fmt.Errorf("model.init: %w", err)
	}
	var unused []string
	for name, dtype := range skipped {
		if !strings.HasSuffix(name, ".num_batches_tracked") { // of PyTorch's batch norm; nothing depends on it
			unused = append(unused, fmt.Sprintf("%s (%s)", name, dtype))
		}
	}
	slices.Sort(unused)
	c.Tensors = slices.DeleteFunc(c.Tensors, func(t checkpoint.Tensor) bool {
		known := params.Get(t.Name) != nil
		if !known && !t.IsOptimizerState() {
			unused = append(unused, t.Name)
		}
		return !known
	})
	classes, err := train.TransferWeights(params, c)
	if err := errors.Join(c.Finite(), err); err != nil {
		var errs []error
		if len(unused) > 0 {
			errs = append(errs, fmt.Errorf("model.init = %s: unused tensors: %s", path, some(unused)))
		}
		for _, problem := range config.Problems(err) {
			errs = append(errs, fmt.Errorf("model.init = %s: %w", path, problem))
		}
		return errors.Join(errs...)
	}
	console.Note("starting from the weights of %s", path)
	if classes != params.Classes {
		console.Note("its head is for %d classes, the net has %d: the head starts from random weights", classes, params.Classes)
	}
	if len(unused) > 0 {
		console.Note("unused tensors: %s", some(unused))
	}
	return nil
}

// some are the first of many names.
func some(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}
