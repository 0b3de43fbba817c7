package loss

import "github.com/unet-gorgonia/unet-gorgonia/loss/scheme"

// Config is the `loss` section: kind, class weights, reduction, Dice, focal loss.
type Config = scheme.Config

// ClassWeights is the name of a scheme, one of Schemes, or one number per class.
type ClassWeights = scheme.ClassWeights

// DefaultConfig is weighted categorical cross entropy from logits, by the dataset
// scheme and the weighted mean over labelled pixels, without Dice or focal loss.
func DefaultConfig() Config { return scheme.DefaultConfig() }

// Schemes are the names that ClassWeights.Scheme can have: "dataset" and others.
func Schemes() []string { return scheme.Schemes() }

// Weights turns class counts over the training set into one weight per class, >= 0.
//
// pixels[c] is the number of labelled pixels of class c, imagePixels[c] that of
// the images in which c occurs (only median_frequency reads it), names[c] the
// class's name for errors; each has one entry per class. With the default
// scheme the weight of a class is sum(pixels) / pixels[c]; scheme.Weights has the
// formulas of all.
//
// A class without a pixel is an error that names it, unless
// cfg.AllowAbsentClasses gives it weight 0.
func Weights(cfg Config, pixels, imagePixels []int64, names []string) ([]float64, error) {
	return scheme.Weights(cfg, pixels, imagePixels, names)
}
