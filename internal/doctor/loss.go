package doctor

import (
	"fmt"
	"math"
	"slices"
)

// predictionWeights finds weights multiplied by the prediction.
func predictionWeights(f Figures) []Finding {
	if f.Config.Loss.WeightBy != "prediction" {
		return nil
	}
	return fault("prediction_weights", try("loss.weight_by", "target"),
		"loss.weight_by: prediction multiplies the weights by what the net predicts: it lowers the loss by predicting classes of small weight, and in the end one class everywhere")
}

// rareClasses finds classes that the loss hardly feels.
func rareClasses(f Figures) []Finding {
	const least = 0.01
	if f.Weights == nil || f.Config.Loss.WeightBy == "prediction" {
		return nil
	}
	part := make([]float64, len(f.Weights)) // of the loss where all pixels cost the same
	for c, w := range f.Weights {
		part[c] = w * float64(f.Pixels[c])
	}
	total := sum(part)
	rare := func(c int) bool { return part[c] > 0 && part[c] < least*total }
	classes, list := f.classes(rare, func(c int) string {
		return fmt.Sprintf("%s of the pixels, %s of the loss", percent(float64(f.Pixels[c])/float64(sum(f.Pixels))), percent(part[c]/total))
	})
	if classes == nil {
		return nil
	}
	changes := try("loss.class_weights", "dataset", "loss.class_weights", "enet")
	if f.Config.Loss.Dice > 0 || f.Config.Loss.Lovasz > 0 {
		return of(classes, note("rare_classes", changes, "with loss.class_weights: %s, leaving out a rare class costs little but for loss.dice and loss.lovasz, so it may never be predicted: %s", f.Config.Loss.ClassWeights, list))
	}
	return of(classes, fault("rare_classes", changes, "with loss.class_weights: %s, leaving out a rare class costs next to nothing, so it may never be predicted: %s", f.Config.Loss.ClassWeights, list))
}

// wideWeights finds classes whose few pixels outweigh all others.
func wideWeights(f Figures) []Finding {
	const most = 1000
	var present []float64
	for _, w := range f.Weights {
		if w > 0 {
			present = append(present, w)
		}
	}
	if len(present) == 0 {
		return nil
	}
	least, largest := slices.Min(present), slices.Max(present)
	if largest <= most*least {
		return nil
	}
	classes, list := f.classes(func(c int) bool { return f.Weights[c] > most*least }, func(c int) string { return number(f.Weights[c]) })
	return of(classes, note("wide_weights", try("loss.class_weights", "enet", "loss.class_weights", "median_frequency"),
		"class weights go from %s to %s: what has such a weight will be predicted far too often, and a few pixels with a wrong label steer the net: %s", number(least), number(largest), list))
}

// smallest is the size of a step against the weights below which, in float32 and in
// any training of this length, nothing comes of it.
const smallest = 1e-5

// usual is the size of a step against the weights in trainings that go well.
const usual = 1e-3

// update is the size of a step against the weights, NaN where it is unknown.
func (f Figures) update() float64 {
	if len(f.Trials) > 0 {
		return f.Trials[0].Update
	}
	if n := len(f.Epochs); n > 0 {
		return f.Epochs[n-1].Update
	}
	return math.NaN()
}

// vanishingWeights finds weights batch/n_c under a mean over pixels: they are the
// weights total/n_c divided by the pixels of an image, and so is the gradient.
// Adam divides by the gradient's size, and does not feel it.
func vanishingWeights(f Figures) []Finding {
	l, o := f.Config.Loss, f.Config.Optimizer
	update := f.update()
	if l.ClassWeights.String() != "per_batch" || l.Reduction != "mean" || l.WeightBy != "target" || o.Name != "sgd" || !(update < smallest) || f.risen() > muchMore {
		return nil
	}
	pixels := f.pixels()
	return fault("vanishing_weights", try("optimizer.lr", number(o.LR*float64(pixels)), "loss.class_weights", "dataset"),
		"loss.class_weights: per_batch gives the right weights divided by the %d pixels of an image, so with loss.reduction: mean the gradient is %d times too small: a step of sgd changes the weights by %s of themselves, and the net stays as it was drawn",
		pixels, pixels, short(update))
}

// summedLoss finds a loss that is summed over the pixels of an image, with a learning rate
// for a mean. Weights of each batch divide it by the pixels.
func summedLoss(f Figures) []Finding {
	l, o := f.Config.Loss, f.Config.Optimizer
	if l.Reduction != "sum_per_image" || l.ClassWeights.String() == "per_batch" || o.Name != "sgd" || !(f.risen() > muchMore) {
		return nil
	}
	pixels := f.pixels()
	return fault("summed_loss", try("loss.reduction", "weighted_mean", "optimizer.lr", number(o.LR/float64(pixels))),
		"loss.reduction: sum_per_image adds up the loss of the %d pixels of an image, so the gradient is %d times that of a mean: optimizer.lr = %s is too large for it, and the loss has become %s times what it was", pixels, pixels, number(o.LR), short(f.risen()))
}

// pixels are those of what the net sees at once.
func (f Figures) pixels() int { return f.Config.Data.Size[0] * f.Config.Data.Size[1] }

// smallUpdates finds a run whose steps change nothing.
func smallUpdates(f Figures) []Finding {
	update := f.update()
	if len(f.Trials) > 0 || !(update < smallest) || vanishingWeights(f) != nil || f.risen() > muchMore { // trials say more: learningRate
		return nil
	}
	factor := math.Pow(10, math.Floor(math.Log10(usual/max(update, 1e-12))))
	return fault("small_updates", try("optimizer.lr", number(factor*f.Config.Optimizer.LR)),
		"a step changes the weights by %s of themselves, and %s is usual: optimizer.lr is too small", short(update), number(usual))
}

// muchMore is how many times the first loss a loss must be for more than the difference
// between batches.
const muchMore = 2

// risen is how many times the first loss the last one is, NaN where it is unknown.
func (f Figures) risen() float64 {
	if len(f.Trials) > 0 {
		return 1 - f.Trials[0].Fall()
	}
	if n := len(f.Epochs); n > 0 && f.FirstLoss > 0 {
		return f.Epochs[n-1].TrainLoss / f.FirstLoss
	}
	return math.NaN()
}

// risenLoss finds a run that has left where it began for the worse.
func risenLoss(f Figures) []Finding {
	times := f.risen()
	if len(f.Trials) > 0 || !(times > muchMore) || summedLoss(f) != nil { // trials say more: learningRate
		return nil
	}
	return fault("risen_loss", try("optimizer.lr", number(f.Config.Optimizer.LR/100), "optimizer.clip_norm", "1"),
		"the training loss is %s times that of the first step: optimizer.lr is too large", short(times))
}
