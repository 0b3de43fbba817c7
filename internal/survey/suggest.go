package survey

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// Recipe is a configuration that fits a data set, and why.
type Recipe struct {
	config.Config
	Reasons []string // a line for each choice: the keys, and the figures that decided
}

// The figures behind the choices are those of configs/results.
const (
	side        = 256       // of the net's images, in pixels, at most
	closeUp     = 128       // of patches of images without an upper side, in pixels
	thin        = 4.        // width in pixels below which a class suffers from being made smaller
	tilted      = 2.        // difference of halves, in deviations, from which images are upright
	rare        = 0.03      // share of the pixels below which a class is lost without weights
	mostPatches = 64        // of an image in an epoch
	work        = 400 << 20 // pixels that the net is trained on, about
	leastEpochs = 20
	mostEpochs  = 200
	largeBatch  = 8
	smallBatch  = 4 // for images of more than largeImage pixels
	largeImage  = 128 * 128
)

// Own is a configuration for Check of the data set that was found, by which all
// images are read at their own sizes.
func Own(found Inferred) config.Config {
	cfg := config.Default()
	cfg.Data = found.Config
	cfg.Data.Patches, cfg.Data.Size = 1, [2]int{1, 1}
	cfg.Loss.AllowAbsentClasses = true
	return cfg
}

// Suggest is the recipe for the data set that was found in dir, of which train is the
// training set as Check has seen it by Own: a net half as wide as the default, or with
// the encoder, if that is another than unet, which then starts from what it learnt on
// ImageNet.
func Suggest(found Inferred, train Checked, dir, encoder string) (Recipe, error) {
	r := Recipe{Config: config.Default()}
	r.Data = found.Config
	path, err := filepath.Abs(dir)
	if err != nil {
		return r, err
	}
	r.Out = filepath.Join("runs", filepath.Base(path))
	r.Model.BaseChannels = 16
	r.Model.Encoder = encoder
	if !r.Model.Plain() {
		r.Model.Init = arch.ImageNet
	}
	r.Loss.AllowAbsentClasses = slices.Contains(train.Pixels, 0)
	if err := r.chooseSize(train); err != nil {
		return r, err
	}
	if r.Model.DeepSupervision {
		r.because("model: %s, with deep_supervision", r.Model.Summary())
	}
	r.chooseAugmentation(train)
	r.chooseLoss(train)
	r.chooseSteps(train)
	return r, r.Validate()
}

func (r *Recipe) because(format string, args ...any) {
	r.Reasons = append(r.Reasons, fmt.Sprintf(format, args...))
}

// chooseSize sets the size of the net's images, and whether those are patches.
func (r *Recipe) chooseSize(train Checked) error {
	h, w := medianSize(train.Sizes)
	scale := min(1, side/float64(max(h, w)))
	h0, w0 := int(float64(h)*scale), int(float64(w)*scale)
	if err := r.roundSize(h0, w0); err != nil {
		return err
	}
	shrunk := train.scale(r.Data.Size)
	class, width := train.thinnest()
	const rounding = 0.9 // sizes must be multiples of the net's
	if shrunk > rounding || width*shrunk >= thin {
		why := "the images' own"
		if shrunk <= rounding {
			why = "images are resized"
			if !math.IsInf(width, 1) {
				why += fmt.Sprintf(": the thinnest class, %s, is still %.1f pixels wide then (below %.0f: patches)", r.Data.Classes[class], width*shrunk, thin)
			}
		}
		r.because("data.size %dx%d (height x width): %s", r.Data.Size[0], r.Data.Size[1], why)
		return nil
	}
	// What lies around a thing says more about it in a scene than in a tissue.
	patch := side
	if !train.hasTop() {
		patch = closeUp
	}
	if err := r.roundSize(min(h, patch), min(w, patch)); err != nil {
		return err
	}
	square := min(r.Data.Size[0], r.Data.Size[1])
	r.Data.Size = [2]int{square, square}
	area := 0.
	for size, n := range train.Sizes {
		area += float64(n) * float64(size[0]) * float64(size[1]) / float64(train.Images)
	}
	r.Data.Patches = max(1, min(mostPatches, int(math.Round(area/float64(square*square)))))
	r.because("data.patches %d of %dx%d an image and epoch, at the images' own size: %s is %.1f pixels wide, and would be %.1f in images resized to %dx%d",
		r.Data.Patches, square, square, r.Data.Classes[class], width, width*shrunk, h0, w0)
	return nil
}

// roundSize sets data.size to about h x w: to multiples of what the net needs, of which
// the depth is made less for small images.
func (r *Recipe) roundSize(h, w int) error {
	const smallest = 4 // side at the bottom of the net
	r.Model.Depth = config.Default().Model.Depth
	for r.Model.Plain() && r.Model.Depth > 1 && min(h, w)>>r.Model.Depth < smallest {
		r.Model.Depth--
	}
	r.Model.DeepSupervision = r.Model.Plain() && r.Model.Depth >= 3 // where a level has a head
	net, err := arch.Describe(r.Model, 3, len(r.Data.Classes))
	if err != nil {
		return err
	}
	step := net.Multiple()
	round := func(side int) int { return max(step, (side+step/2)/step*step) }
	r.Data.Size = [2]int{round(h), round(w)}
	return nil
}

// hasTop reports whether images have an upper side, or too few are there to tell.
func (c *Checked) hasTop() bool { return c.Upright >= tilted || c.Images < 2 }

func (r *Recipe) chooseAugmentation(train Checked) {
	if train.hasTop() {
		r.because("data.augment: flip_horizontal alone: the upper and the lower halves of the images differ by %.1f deviations", train.Upright)
		return
	}
	r.Data.Augment.FlipVertical = 0.5
	turns := ""
	if r.Data.Size[0] == r.Data.Size[1] {
		r.Data.Augment.Turn90 = 0.75
		turns = " and turns by 90 degrees"
	}
	r.because("data.augment: flips both ways%s: the upper and the lower halves of the images differ by %.1f deviations (upright from %.0f)", turns, train.Upright, tilted)
}

func (r *Recipe) chooseLoss(train Checked) {
	rarest, share := 0, 1.
	for class, n := range train.Pixels {
		if s := float64(n) / float64(max(train.Labelled(), 1)); n > 0 && s < share {
			rarest, share = class, s
		}
	}
	choice, limit := "class_weights none, dice 0.5", fmt.Sprintf("weights and lovasz below %.0f%%", 100*rare)
	r.Loss.ClassWeights.Scheme, r.Loss.Dice = "none", 0.5
	if share < rare {
		choice, limit = "class_weights enet, lovasz 0.5", fmt.Sprintf("below %.0f%%", 100*rare)
		r.Loss.ClassWeights.Scheme, r.Loss.Dice, r.Loss.Lovasz = "enet", 0, 0.5
	}
	r.because("loss: %s: the rarest class, %s, has %.1f%% of the pixels (%s)", choice, r.Data.Classes[rarest], 100*share, limit)
}

// chooseSteps sets batch size and epochs.
func (r *Recipe) chooseSteps(train Checked) {
	pixels := r.Data.Size[0] * r.Data.Size[1]
	samples := train.Images * max(r.Data.Patches, 1)
	most := largeBatch
	if pixels > largeImage {
		most = smallBatch
	}
	r.Train.BatchSize = evenBatch(samples, most)
	r.Train.Epochs = max(leastEpochs, min(mostEpochs, work/max(samples*pixels, 1)))
	r.because("train: %d epochs, batches of %d (%d an epoch)", r.Train.Epochs, r.Train.BatchSize, (samples+r.Train.BatchSize-1)/r.Train.BatchSize)
}

// evenBatch is the largest batch size, from most down to half of it, whose last batch
// of an epoch is at least half full, for small batches have other statistics than those the
// net is evaluated with; or else the one whose last batch is fullest.
func evenBatch(samples, most int) int {
	best, fullest := most, 0.
	for n := most; n >= max(most/2, 1); n-- {
		last := samples % n
		if last == 0 || 2*last >= n {
			return n
		}
		if full := float64(last) / float64(n); full > fullest {
			best, fullest = n, full
		}
	}
	return best
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
