package model_test

import (
	"fmt"
	"image"
	"image/color"
	"log"
	"math/rand/v2"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// A checkpoint segments an image of any size. This one knows the shapes of the
// synthetic data set.
func Example() {
	segmenter, err := model.Open("testdata/shapes.safetensors")
	if err != nil {
		log.Fatal(err)
	}
	img := image.NewNRGBA(image.Rect(0, 0, 160, 120)) // a disc and a square on grey
	for y := range 120 {
		for x := range 160 {
			colour := color.NRGBA{128, 128, 128, 255}
			if (x-40)*(x-40)+(y-60)*(y-60) < 22*22 {
				colour = color.NRGBA{220, 90, 60, 255}
			} else if x >= 96 && x < 132 && y >= 40 && y < 76 {
				colour = color.NRGBA{60, 90, 210, 255}
			}
			img.SetNRGBA(x, y, colour)
		}
	}

	mask, err := segmenter.Segment(img) // a paletted image of class indices
	if err != nil {
		log.Fatal(err)
	}
	probabilities, err := segmenter.Probabilities(img) // (120, 160, classes)
	if err != nil {
		log.Fatal(err)
	}
	classes := segmenter.Classes()
	for _, p := range []image.Point{{40, 60}, {114, 58}, {5, 5}} {
		class := int(mask.ColorIndexAt(p.X, p.Y))
		fmt.Printf("%v: %s, probability %.2f\n", p, classes[class], probabilities[(p.Y*160+p.X)*len(classes)+class])
	}
	// Output:
	// (40,60): disc, probability 0.39
	// (114,58): square, probability 0.99
	// (5,5): background, probability 0.99
}

// A training step is a run of the graph and an update of the parameters, here ten
// steps of plain gradient descent on one batch in memory.
func ExampleNew() {
	const n, h, w, channels, classes = 2, 16, 16, 3, 2
	images := make([]float32, n*h*w*channels) // (N, H, W, channels)
	target := make([]float32, n*h*w*classes)  // (N, H, W, classes), one-hot
	for i := range n * h * w {
		class := 0
		if i%w >= w/2 { // the right half is light, and of class 1
			class = 1
			copy(images[i*channels:], []float32{0.9, 0.9, 0.9})
		}
		target[i*classes+class] = 1
	}

	cfg := model.DefaultConfig()
	cfg.BaseChannels, cfg.Depth = 4, 2
	params, err := model.NewParameters(cfg, channels, classes, rand.New(rand.NewPCG(1, 0)))
	if err != nil {
		log.Fatal(err)
	}
	engine, err := model.NewEngine(0, "auto")
	if err != nil {
		log.Fatal(err)
	}
	graph := model.NewGraph(engine)
	net, err := model.New(graph, graph.Input("image", images, n, h, w, channels), params, true, 1)
	if err != nil {
		log.Fatal(err)
	}
	weighted := loss.New(loss.DefaultConfig(), []float64{1, 1})
	value, _, err := weighted.Nodes(graph, net.Logits, graph.Input("target", target, n, h, w, classes), true)
	if err != nil {
		log.Fatal(err)
	}
	if err := net.Differentiate(value); err != nil {
		log.Fatal(err)
	}
	machine, err := graph.Compile(value)
	if err != nil {
		log.Fatal(err)
	}

	var losses []float32
	for range 10 {
		if err := machine.Run(); err != nil { // forward and backward
			log.Fatal(err)
		}
		losses = append(losses, model.Values(value)[0])
		for _, p := range params.All() {
			for i, g := range p.Grad { // nil for running statistics
				p.Value[i] -= 0.1 * g
			}
		}
		net.UpdateStatistics()
	}
	fmt.Println("steps:", len(losses))
	fmt.Println("the loss fell by more than half:", slices.Min(losses) == losses[9] && losses[9] < losses[0]/2)

	// The net in evaluation mode, in batches of any size:
	probabilities, err := model.NewPredictor(engine, params).Probabilities(images[:h*w*channels], 1, h, w)
	fmt.Println("probabilities:", len(probabilities), err)
	// Output:
	// steps: 10
	// the loss fell by more than half: true
	// probabilities: 512 <nil>
}
