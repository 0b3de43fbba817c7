package loss_test

import (
	"context"
	"fmt"
	"log"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

// Class weights come from the pixels of the whole training set, counted once.
func ExampleWeights() {
	cfg := data.DefaultConfig() // the synthetic data set; data.source: folder reads files
	cfg.Size = [2]int{64, 64}
	cfg.Synthetic.Train = 20
	set, err := data.Open(cfg, 42, "train")
	if err != nil {
		log.Fatal(err)
	}
	counts, err := data.CountClasses(context.Background(), set, 0, nil)
	if err != nil {
		log.Fatal(err)
	}
	weights, err := loss.Weights(loss.DefaultConfig(), counts.Pixels, counts.ImagePixels, cfg.Classes)
	if err != nil {
		log.Fatal(err)
	}
	for c, name := range cfg.Classes {
		fmt.Printf("%-10s %6d pixels  weight %.2f\n", name, counts.Pixels[c], weights[c])
	}
	// Output:
	// background  67982 pixels  weight 1.21
	// disc         7781 pixels  weight 10.53
	// square       5799 pixels  weight 14.13
	// triangle      358 pixels  weight 228.83
}
