package model

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// Predictor is a net in evaluation mode: it turns images into probabilities of
// the classes. It builds a graph for each size of batch that it meets and keeps
// it; all of them share their memory. It reads the parameters in place, so it
// sees them change in training. It is not safe for concurrent use.
type Predictor struct {
	engine *Engine
	params *Parameters
	memory op.Memory
	nets   map[[3]int]*evaluation // by N, H, W
}

// evaluation is the graph for batches of one size.
type evaluation struct {
	images        []float32 // (N, H, W, channels)
	probabilities *G.Node   // (N, H, W, C)
	machine       *op.Machine
}

// NewPredictor makes a predictor of a net, which runs on the engine.
func NewPredictor(engine *Engine, p *Parameters) *Predictor {
	return &Predictor{engine: engine, params: p, nets: map[[3]int]*evaluation{}}
}

// Probabilities are the probabilities (n, h, w, C) of the classes, which sum to
// 1 at each pixel, of n images (n, h, w, channels) with values in 0..1. h and w
// are multiples of the net's Multiple. The next call overwrites them.
func (p *Predictor) Probabilities(images []float32, n, h, w int) ([]float32, error) {
	if n < 1 || h < 1 || w < 1 {
		return nil, fmt.Errorf("model: %d images of %d x %d pixels, want at least one of each", n, h, w)
	}
	if want := n * h * w * p.params.Channels; len(images) != want {
		return nil, fmt.Errorf("model: %d values for %d images of %d x %d pixels and %d channels, want %d", len(images), n, h, w, p.params.Channels, want)
	}
	size := [3]int{n, h, w}
	if p.nets[size] == nil {
		net, err := p.build(n, h, w)
		if err != nil {
			return nil, err
		}
		p.nets[size] = net
	}
	net := p.nets[size]
	copy(net.images, images)
	if err := net.machine.Run(); err != nil {
		return nil, err
	}
	return op.Values(net.probabilities), nil
}

func (p *Predictor) build(n, h, w int) (*evaluation, error) {
	g := op.NewGraph(p.engine, &p.memory)
	images := make([]float32, n*h*w*p.params.Channels)
	net, err := New(g, g.Input("image", images, n, h, w, p.params.Channels), p.params, false, 0)
	if err != nil {
		return nil, err
	}
	probabilities := g.Softmax("probabilities", net.Logits)
	machine, err := g.Compile(probabilities)
	if err != nil {
		return nil, err
	}
	return &evaluation{images, probabilities, machine}, nil
}
