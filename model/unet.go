package model

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// UNet is a net built into a graph.
type UNet struct {
	// Logits are the scores of the classes before softmax: (N, H, W, C).
	Logits *G.Node

	graph    *op.Graph
	params   *Parameters
	training bool
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
// 0..1, H and W multiples of 2^depth. A training net normalises by the
// statistics of the batch, drops out (drawn from seed and the graph's Step) and
// has gradients; the other normalises by running statistics, as frozen parts
// always do.
func New(g *op.Graph, image *G.Node, p *Parameters, training bool, seed uint64) (*UNet, error) {
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
	deepest := s[0] * (s[1] >> p.Config.Depth) * (s[2] >> p.Config.Depth)
	if training && p.Config.Norm == "batch" && deepest < 2 && !p.Config.Frozen(fmt.Sprintf("encoder.%d", p.Config.Depth)) {
		return nil, fmt.Errorf("model: batch norm has one value a channel at the bottleneck with a batch of %d images of %d x %d pixels, want at least 2: a larger batch or image, a smaller model.depth, or model.norm none", s[0], s[1], s[2])
	}

	u := &UNet{graph: g, params: p, training: training}
	depth := p.Config.Depth
	skips := make([]*G.Node, depth)
	x := image                 // (N, H, W, channels)
	for level := range depth { // -> (N, H/2^level, W/2^level, base * 2^level)
		skips[level] = u.doubleConv(fmt.Sprintf("encoder.%d", level), x)
		x = g.MaxPool(fmt.Sprintf("pool.%d", level), skips[level])
	}
	x = u.doubleConv(fmt.Sprintf("encoder.%d", depth), x)
	if training && p.Config.Dropout > 0 {
		x = g.Dropout("dropout", x, p.Config.Dropout, seed)
	}
	for i := range depth {
		x = u.up(fmt.Sprintf("up.%d", i), x) // -> twice the size, half the channels
		x = u.doubleConv(fmt.Sprintf("decoder.%d", i), skips[depth-1-i], x)
	}
	u.Logits = g.Conv("head", []*G.Node{x}, u.node("head.weight"), u.node("head.bias")) // -> (N, H, W, classes)
	if err := g.Err(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return u, nil
}

// doubleConv is twice (3x3 convolution, batch norm, ReLU), of all channels of x
// side by side.
func (u *UNet) doubleConv(name string, x ...*G.Node) *G.Node {
	g := u.graph
	for _, i := range []string{"1", "2"} {
		conv, bn := name+".conv"+i, name+".bn"+i
		if u.params.Config.Norm == "none" {
			y := g.Conv(conv, x, u.node(conv+".weight"), u.node(conv+".bias"))
			x = []*G.Node{g.ReLU(name+".relu"+i, y)}
			continue
		}
		x = []*G.Node{u.convNorm(conv, bn, x)}
	}
	return x[0]
}

// convNorm is a 3x3 convolution without bias, batch norm and ReLU.
func (u *UNet) convNorm(conv, bn string, x []*G.Node) *G.Node {
	g := u.graph
	weight, gamma, beta := u.node(conv+".weight"), u.node(bn+".weight"), u.node(bn+".bias")
	mean, variance := u.params.Get(bn+".running_mean"), u.params.Get(bn+".running_var")
	if !u.training || u.params.Config.Frozen(bn) {
		return g.ConvNormReLU(conv, x, weight, gamma, beta,
			g.Input(mean.Name, mean.Value, mean.Shape...), g.Input(variance.Name, variance.Value, variance.Shape...))
	}
	y, batch := g.ConvBatchNorm(conv, bn, x, weight, gamma, beta, true)
	u.norms = append(u.norms, norm{mean.Value, variance.Value, batch})
	return y
}

// up doubles height and width and halves the channels.
func (u *UNet) up(name string, x *G.Node) *G.Node {
	weight, bias := u.node(name+".weight"), u.node(name+".bias")
	if u.params.Config.Up == "transpose" {
		return u.graph.UpConv(name, x, weight, bias)
	}
	return u.graph.Conv(name, []*G.Node{u.graph.Upsample(name+".nearest", x)}, weight, bias)
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
