package main

import (
	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// net is a UNet in evaluation mode for batches of one size.
type net struct {
	images        []float32 // input, (N, H, W, channels)
	probabilities *G.Node   // (N, H, W, C)
	machine       *op.Machine
}

func newNet(engine *kernel.Engine, params *model.Parameters, n, h, w int) (*net, error) {
	g := op.NewGraph(engine, &op.Memory{})
	images := make([]float32, n*h*w*params.Channels)
	unet, err := model.New(g, g.Input("image", images, n, h, w, params.Channels), params, false, 0)
	if err != nil {
		return nil, err
	}
	probabilities := g.Softmax("probabilities", unet.Logits)
	machine, err := g.Compile(probabilities)
	return &net{images, probabilities, machine}, err
}

// run is the probabilities (N, H, W, C) of images (N, H, W, channels); the next run overwrites them.
func (n *net) run(images []float32) ([]float32, error) {
	copy(n.images, images)
	err := n.machine.Run()
	return op.Values(n.probabilities), err
}
