package model

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// UNet is a net built into a graph.
type UNet struct {
	// Logits are the scores of the classes before softmax: (N, H, W, C).
	Logits *G.Node
	// Deep are those of the heads of deep supervision, the largest first: (N, H/2, W/2, C)
	// and so on; none unless the net is in training.
	Deep []*G.Node

	graph    *op.Graph
	params   *Parameters
	training bool
	seed     uint64    // of dropout
	nodes    []*G.Node // of the trained parameters, in their order
	trained  []*Parameter
	norms    []norm
}

// norm is a batch norm whose running statistics follow those of the batches.
type norm struct {
	mean, variance []float32 // running
	batch          *op.BatchStatistics
}

// New builds the net into the graph of image: (N, H, W, channels), float32 in
// 0..1, H and W multiples of what the net's Multiple says. A training net normalises by the
// statistics of the batch, drops out (drawn from seed and the graph's Step) and
// has gradients; the other normalises by running statistics, as frozen parts
// always do.
func New(g *Graph, image *G.Node, p *Parameters, training bool, seed uint64) (*UNet, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	s := image.Shape()
	if len(s) != 4 || s[3] != p.Channels {
		return nil, fmt.Errorf("model: image has shape %v, want (N, H, W, %d)", s, p.Channels)
	}
	if err := p.Config.CheckSize(s[1], s[2]); err != nil {
		return nil, err
	}
	if training && g.Parts == nil { // of one part nobody knows the batch
		if err := p.CheckBatch(s[0], s[1], s[2]); err != nil {
			return nil, err
		}
	}

	u := &UNet{graph: g, params: p, training: training, seed: seed}
	results := map[string][]*G.Node{arch.Image: {image}} // several, side by side, of a Concat
	layers := p.Layers
	if training {
		layers = slices.Concat(layers, p.Deep)
	}
	for _, l := range layers {
		var x []*G.Node
		for _, name := range l.Inputs {
			x = append(x, results[name]...)
		}
		results[l.Name] = u.layer(l, x)
		if err := g.Err(); err != nil {
			return nil, fmt.Errorf("model: %w", err)
		}
	}
	u.Logits = results[p.Head().Name][0]
	for _, l := range layers[len(p.Layers):] {
		u.Deep = append(u.Deep, results[l.Name][0])
	}
	return u, nil
}

// layer adds the ops of a layer. Its channels are those of all nodes of x side by
// side, as those of the result are: only convolutions read several nodes, so that
// nobody has to copy them into one.
func (u *UNet) layer(l arch.Layer, x []*G.Node) []*G.Node {
	if l.Kind == arch.Concat || l.Kind == arch.Dropout && !u.training {
		return x
	}
	if want := wantedNodes(l); want > 0 && len(x) != want {
		u.graph.Fail(fmt.Errorf("%s: %s reads %d nodes, want %d", l.Name, l.Kind, len(x), want))
		return nil
	}
	return []*G.Node{u.op(l, x)}
}

// wantedNodes is how many nodes an op reads; 0: any number.
func wantedNodes(l arch.Layer) int {
	switch l.Kind {
	case arch.Conv:
		return 0
	case arch.Add:
		return 2
	}
	return 1
}

// op adds the ops that compute something.
func (u *UNet) op(l arch.Layer, x []*G.Node) *G.Node {
	g := u.graph
	switch l.Kind {
	case arch.Conv, arch.Depthwise:
		return u.conv(l, x)
	case arch.UpConv:
		return g.UpConv(l.Name, x[0], u.node(l.Name+".weight"), u.node(l.Name+".bias"))
	case arch.MaxPool:
		if l.Kernel == 3 {
			return g.MaxPool3(l.Name, x[0])
		}
		return g.MaxPool(l.Name, x[0])
	case arch.Upsample:
		return g.Upsample(l.Name, x[0])
	case arch.Add:
		return g.Add(l.Name, x[0], x[1], activation(l))
	case arch.Standardize:
		return g.Standardize(l.Name, x[0], l.Mean, l.Deviation)
	case arch.Dropout:
		return g.Dropout(l.Name, x[0], l.Probability, u.seed)
	}
	g.Fail(fmt.Errorf("%s: no op for layers of kind %s", l.Name, l.Kind))
	return nil
}

func activation(l arch.Layer) kernel.Activation {
	switch l.Activation.Function {
	case arch.ReLU:
		return kernel.ReLU
	case arch.ReLU6:
		return kernel.ReLU6
	}
	return kernel.None
}

// conv is a convolution with what follows it.
func (u *UNet) conv(l arch.Layer, x []*G.Node) *G.Node {
	g := u.graph
	weight, act := u.node(l.Name+".weight"), activation(l)
	if l.Norm == nil {
		y := g.Conv(l.Name, x, weight, u.node(l.Name+".bias"), l.Stride, l.Pad)
		switch act {
		case kernel.None:
		case kernel.ReLU:
			y = g.ReLU(l.Activation.Name, y)
		default:
			g.Fail(fmt.Errorf("%s: no op for %s without a norm", l.Name, l.Activation.Function))
		}
		return y
	}
	bn := l.Norm.Name
	gamma, beta := u.node(bn+".weight"), u.node(bn+".bias")
	running := [2]*Parameter{u.params.Get(bn + ".running_mean"), u.params.Get(bn + ".running_var")}
	if !u.training || l.Frozen {
		mean, variance := g.Input(running[0].Name, running[0].Value, running[0].Shape...), g.Input(running[1].Name, running[1].Value, running[1].Shape...)
		if l.Kind == arch.Depthwise {
			return g.DepthwiseNorm(l.Name, x[0], weight, gamma, beta, mean, variance, l.Stride, l.Pad, l.Norm.Epsilon, act)
		}
		return g.ConvNorm(l.Name, x, weight, gamma, beta, mean, variance, l.Stride, l.Pad, l.Norm.Epsilon, act)
	}
	var y *G.Node
	var batch *op.BatchStatistics
	if l.Kind == arch.Depthwise {
		y, batch = g.DepthwiseBatchNorm(l.Name, bn, x[0], weight, gamma, beta, l.Stride, l.Pad, l.Norm.Epsilon, act)
	} else {
		y, batch = g.ConvBatchNorm(l.Name, bn, x, weight, gamma, beta, l.Stride, l.Pad, l.Norm.Epsilon, act)
	}
	u.norms = append(u.norms, norm{running[0].Value, running[1].Value, batch})
	return y
}

// node adds the input node of a parameter.
func (u *UNet) node(name string) *G.Node {
	p := u.params.Get(name)
	if !u.training || !p.Trained() {
		return u.graph.Input(name, p.Value, p.Shape...)
	}
	n := u.graph.Parameter(name, p.Value, p.Shape...)
	u.nodes = append(u.nodes, n)
	u.trained = append(u.trained, p)
	return n
}

// Differentiate adds the gradient of loss, a scalar, with respect to all trained
// parameters; running the graph then leaves it in their Grad.
func (u *UNet) Differentiate(loss *G.Node) error {
	grads, err := u.graph.Grad(loss, u.nodes)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	for i, grad := range grads {
		u.graph.Place(grad, u.trained[i].Grad)
	}
	return u.graph.Err()
}

// UpdateStatistics moves the running statistics a tenth of the way to those of
// the last batch (PyTorch's momentum 0.1), with the unbiased variance.
func (u *UNet) UpdateStatistics() {
	const momentum = 0.1
	for _, n := range u.norms {
		unbiased := float32(n.batch.Rows) / float32(n.batch.Rows-1)
		for c := range n.mean {
			n.mean[c] += momentum * (n.batch.Mean[c] - n.mean[c])
			n.variance[c] += momentum * (n.batch.Variance[c]*unbiased - n.variance[c])
		}
	}
}
