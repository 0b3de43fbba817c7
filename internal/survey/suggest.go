package survey

import (
	"path/filepath"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

const (
	largestSide = 256 // of the net's images, in pixels, so that an epoch on CPUs ends soon
	largeBatch  = 8
	smallBatch  = 4 // for images of more than largeImage pixels
	largeImage  = 128 * 128
)

// Suggest is a configuration for the data set that was found in dir: the defaults,
// but for a net half as wide, or with the encoder, if that is another than unet, which
// then starts from what it learnt on ImageNet; and what the images ask for. Classes
// without a pixel are allowed in it until they have been counted.
func Suggest(found Inferred, dir, encoder string) (config.Config, error) {
	cfg := config.Default()
	cfg.Data = found.Config
	path, err := filepath.Abs(dir)
	if err != nil {
		return cfg, err
	}
	cfg.Out = filepath.Join("runs", filepath.Base(path))
	cfg.Model.BaseChannels = 16
	cfg.Model.Encoder = encoder
	if !cfg.Model.Plain() {
		cfg.Model.Init = arch.ImageNet
	}
	cfg.Train.Epochs = 20
	cfg.Loss.AllowAbsentClasses = true

	h, w := medianSize(found.Sizes)
	scale := min(1, largestSide/float64(max(h, w)))
	h, w = int(float64(h)*scale), int(float64(w)*scale)
	const smallest = 4 // side at the bottom of the net
	for cfg.Model.Plain() && cfg.Model.Depth > 1 && min(h, w)>>cfg.Model.Depth < smallest {
		cfg.Model.Depth--
	}
	net, err := arch.Describe(cfg.Model, 3, len(cfg.Data.Classes))
	if err != nil {
		return cfg, err
	}
	step := net.Multiple()
	round := func(side int) int { return max(step, (side+step/2)/step*step) }
	cfg.Data.Size = [2]int{round(h), round(w)}

	cfg.Train.BatchSize = largeBatch
	if cfg.Data.Size[0]*cfg.Data.Size[1] > largeImage {
		cfg.Train.BatchSize = smallBatch
	}
	return cfg, cfg.Validate()
}

// medianSize is the median of the heights and of the widths.
func medianSize(sizes map[[2]int]int) (h, w int) {
	median := func(axis int) int {
		var all []int
		for size, n := range sizes {
			all = append(all, slices.Repeat([]int{size[axis]}, n)...)
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return median(0), median(1)
}
