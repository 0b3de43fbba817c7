package main

import (
	"github.com/spf13/cobra"
	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// net is a UNet in evaluation mode for batches of one size.
type net struct {
	images        []float32 // input, (N, H, W, channels)
	probabilities *G.Node   // (N, H, W, C)
	machine       *op.Machine
}

// newNet makes a net. Those that never run at the same time may share memory.
func newNet(engine *kernel.Engine, params *model.Parameters, memory *op.Memory, n, h, w int) (*net, error) {
	g := op.NewGraph(engine, memory)
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

// inference is how a net is brought to an image.
type inference struct{ tile, tta bool }

func (i *inference) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&i.tile, "tile", false, "keep the resolution of images: overlapping tiles of data.size, blended, instead of resizing")
	cmd.Flags().BoolVar(&i.tta, "tta", false, "average over the image and its mirror image, and both upside down if training flipped vertically or turned")
}

// tiles tells whether images keep their resolution; a net that was trained on
// patches knows no other.
func (i inference) tiles(cfg config.Config) bool { return i.tile || cfg.Data.Patches > 0 }

// newPredictor makes nets of the configuration's size for all batches up to its batch size.
func (i inference) newPredictor(engine *kernel.Engine, params *model.Parameters, cfg config.Config) predict.Net {
	h, w := cfg.Data.Size[0], cfg.Data.Size[1]
	var memory op.Memory
	nets := map[int]*net{} // by batch size
	p := predict.Net{H: h, W: w, Classes: params.Classes, Batch: cfg.Train.BatchSize, Run: func(images []float32, n int) ([]float32, error) {
		if nets[n] == nil {
			made, err := newNet(engine, params, &memory, n, h, w)
			if err != nil {
				return nil, err
			}
			nets[n] = made
		}
		return nets[n].run(images)
	}}
	if i.tta {
		p = p.Flipped()
		if a := cfg.Data.Augment; a.FlipVertical > 0 || a.Turn90 > 0 {
			p = p.FlippedVertically()
		}
	}
	return p
}
