package doctor

import (
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/data"
)

// Images is how the values of some images of the training set differ, as the net sees them.
type Images struct {
	Number    int     `json:"number"`
	Constant  int     `json:"constant"` // images of one value
	Grey      bool    `json:"grey"`     // red, green and blue are the same everywhere
	Least     float64 `json:"least"`    // of all values
	Largest   float64 `json:"largest"`
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"` // standard deviation within an image, the mean over the images
	Between   float64 `json:"between"`   // standard deviation of a pixel over the images, the root of its mean square
}

// oneValue is the range of values of an image below which all are one: half a step of 8 bits.
const oneValue = 0.5 / 255

// MeasureImages measures samples of one size.
func MeasureImages(samples []data.Sample) *Images {
	if len(samples) == 0 {
		return nil
	}
	im := &Images{Number: len(samples), Least: math.Inf(1), Largest: math.Inf(-1), Grey: true}
	sums, squares := make([]float64, len(samples[0].Image)), make([]float64, len(samples[0].Image)) // over the images
	for _, s := range samples {
		least, largest, sum, square := math.Inf(1), math.Inf(-1), 0.0, 0.0
		for i, v := range s.Image {
			x := float64(v)
			least, largest = min(least, x), max(largest, x)
			sum += x
			square += x * x
			sums[i] += x
			squares[i] += x * x
			im.Grey = im.Grey && v == s.Image[i/3*3]
		}
		if largest-least < oneValue {
			im.Constant++
		}
		n := float64(len(s.Image))
		im.Least, im.Largest = min(im.Least, least), max(im.Largest, largest)
		im.Mean += sum / n / float64(len(samples))
		im.Deviation += math.Sqrt(max(0, square/n-sum/n*sum/n)) / float64(len(samples))
	}
	n := float64(len(samples))
	between := 0.0
	for i, s := range sums {
		between += max(0, squares[i]/n-s/n*s/n)
	}
	im.Between = math.Sqrt(between / float64(len(sums)))
	return im
}
