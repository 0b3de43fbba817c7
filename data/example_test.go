package data_test

import (
	"fmt"

	"github.com/unet-gorgonia/unet-gorgonia/data"
)

// Masks in memory are counted image by image; the sum is what class weights are
// computed from.
func ExampleCountMask() {
	masks := [][]uint8{
		{0, 0, 0, 1},
		{0, 0, data.Void, 2},
	}
	var total data.Counts
	for _, mask := range masks {
		total.Add(data.CountMask(mask, 3))
	}
	fmt.Println(total.Images, "images, pixels", total.Pixels, "in images of", total.ImagePixels, "ignored", total.Ignored)
	// Output: 2 images, pixels [5 1 1] in images of [7 4 3] ignored 1
}
