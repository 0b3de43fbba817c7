package loss

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// Loss is the configured loss with its class weights.
type Loss struct {
	cfg     Config
	weights []float32
}

// New makes the loss of a validated config; weights has one number >= 0 per class, as Weights returns.
func New(cfg Config, weights []float64) *Loss {
	l := &Loss{cfg: cfg, weights: make([]float32, len(weights))}
	for c, w := range weights {
		l.weights[c] = float32(w)
	}
	return l
}

// Nodes adds the loss to a graph, a model.Graph. logits, target: (N, H, W, C). value is the
// scalar loss; sums, a vector, is what Value takes, added up over batches.
// A training graph counts per_batch weights from its own batch; an evaluation uses
// those of the training set, because its result must not depend on the batch size.
//
// deep are logits of deep supervision, (N, H/k, W/k, C) with k a power of 2: value is then
// the mean of the losses of all logits, that of those weighted with 1/k, with the target of
// the pixel in the middle of each k x k (the lower right of four).
func (l *Loss) Nodes(g *op.Graph, logits, target *G.Node, training bool, deep ...*G.Node) (value, sums *G.Node, err error) {
	if g.Err() != nil {
		return nil, nil, g.Err()
	}
	if s := logits.Shape(); len(s) != 4 || s[3] != len(l.weights) || !s.Eq(target.Shape()) {
		return nil, nil, fmt.Errorf("loss: logits have shape %v and the target %v, want (N, H, W, %d) of both, one channel per class weight", s, target.Shape(), len(l.weights))
	}
	var weights *G.Node
	if training && l.cfg.ClassWeights.Scheme == "per_batch" {
		weights = batchWeights(g, target)
	} else {
		weights = g.Constant("class_weights", l.weights)
	}
	value, sums = l.nodes(g, "", logits, target, weights, training)
	if len(deep) > 0 {
		value = l.meanNode(g, value, logits, target, weights, deep)
	}
	return value, sums, g.Err()
}

// nodes adds the loss of logits. prefix begins the names of its nodes.
// logits, target: (N, H, W, C); weights: (C).
func (l *Loss) nodes(g *op.Graph, prefix string, logits, target, weights *G.Node, training bool) (value, sums *G.Node) {
	if plain(l.cfg) {
		sums = l.crossEntropy(g, prefix, logits, target, weights)
	} else {
		logp := g.LogSoftmax(prefix+"log_softmax", logits)
		if l.cfg.Kind == "weighted_cce_probabilities" {
			logp = logOfProbabilities(g, prefix, expOf(g, prefix, logp))
		}
		sums = l.sumsNode(g, prefix, logp, target, weights, training)
	}
	return l.valueNode(g, prefix, sums), sums
}

// Value is the loss of pixels whose sums are given: those of one batch, or of many added up.
func (l *Loss) Value(sums []float64) float64 {
	v, _ := l.combine(sums)
	return v
}

// Defined reports whether a batch with these targets (..., C), one-hot or all zero,
// has a loss: whether a pixel of it has a label, and a weight. If none has, the value
// of Nodes is 0, and so is its gradient.
func (l *Loss) Defined(targets []float32) bool {
	ignoresWeights := l.region() || l.cfg.WeightBy == "prediction"
	for i, t := range targets {
		if t != 0 && (ignoresWeights || l.weights[i%len(l.weights)] != 0) {
			return true
		}
	}
	return false
}

// Weight is what a batch of that many images, with these sums, counts in the mean of
// the losses of several batches: the denominator of the loss, with which the mean is
// the loss of all batches together. That holds for weights by target, and not of
// per_batch. Soft Dice and the Lovász loss are no means over pixels: with a share of them
// a batch counts by its images, or, if none of its pixels has a label, not at all.
func (l *Loss) Weight(sums []float32, images int) float64 {
	s := layout(len(l.weights))
	if !l.region() {
		return float64(sums[s.denominator()])
	}
	for c := range l.weights {
		if sums[s.labelled(c)] > 0 {
			return float64(images)
		}
	}
	return 0
}

// region reports whether a part of the loss is one of regions and not of single pixels.
func (l *Loss) region() bool { return l.cfg.Dice > 0 || l.cfg.Lovasz > 0 }

// combine computes the loss from the sums, and its derivative by each of them.
func (l *Loss) combine(sums []float64) (value float64, grad []float64) {
	s := layout(len(l.weights))
	grad = make([]float64, s.size())
	share := 1 - l.cfg.Dice - l.cfg.Lovasz
	if d := sums[s.denominator()]; d != 0 {
		value = share * sums[s.numerator()] / d
		grad[s.numerator()] = share / d
		grad[s.denominator()] = -share * sums[s.numerator()] / (d * d)
	}
	if groups := sums[s.groups()]; groups > 0 {
		value += l.cfg.Lovasz * sums[s.lovasz()] / groups
		grad[s.lovasz()] = l.cfg.Lovasz / groups
	}
	if l.cfg.Dice == 0 {
		return value, grad
	}
	const smooth = 1
	classes := float64(len(l.weights))
	value += l.cfg.Dice
	for c := range l.weights {
		overlap, predicted, labelled := sums[s.overlap(c)], sums[s.predicted(c)], sums[s.labelled(c)]
		above, below := 2*overlap+smooth, predicted+labelled+smooth
		value -= l.cfg.Dice * above / below / classes
		grad[s.overlap(c)] = -l.cfg.Dice * 2 / below / classes
		grad[s.predicted(c)] = l.cfg.Dice * above / (below * below) / classes
	}
	return value, grad
}

// layout is where the sums stand in their vector, for that many classes. Those of soft
// Dice are the last, in the order of the regions of kernel.Engine's CrossEntropyDice.
type layout int

func (s layout) size() int           { return 4 + 3*int(s) }
func (s layout) numerator() int      { return 0 }           // sum of W l
func (s layout) denominator() int    { return 1 }           // sum of W, labelled pixels, or images
func (s layout) lovasz() int         { return 2 }           // sum of the Lovász losses of groups of pixels
func (s layout) groups() int         { return 3 }           // number of these groups: the batch in training, or its images
func (s layout) overlap(c int) int   { return 4 + 3*c }     // sum of p_c y_c
func (s layout) predicted(c int) int { return 4 + 3*c + 1 } // sum of p_c over labelled pixels
func (s layout) labelled(c int) int  { return 4 + 3*c + 2 } // sum of y_c

// valueNode computes the scalar loss from the sums.
func (l *Loss) valueNode(g *op.Graph, prefix string, sums *G.Node) *G.Node {
	if g.Err() != nil {
		return nil
	}
	return g.Apply(op.Func{
		Name: prefix + "loss",
		Run: func(out []float32, in [][]float32) {
			value, _ := l.combine(widen(in[0]))
			out[0] = float32(value)
		},
		Diff: func(_, dloss *G.Node) []*G.Node {
			return []*G.Node{g.Apply(op.Func{Name: prefix + "loss.grad", Shape: sums.Shape(), Run: func(dsums []float32, in [][]float32) {
				_, grad := l.combine(widen(in[1]))
				for i, d := range grad {
					dsums[i] = in[0][0] * float32(d)
				}
			}}, dloss, sums)}
		},
	}, sums)
}

// sumsNode adds up over all pixels, in float64, what the loss is a function of.
// logp, target: (N, H, W, C); weights: (C).
func (l *Loss) sumsNode(g *op.Graph, prefix string, logp, target, weights *G.Node, training bool) *G.Node {
	if g.Err() != nil {
		return nil
	}
	inputs := []*G.Node{logp, target, weights}
	if l.cfg.Lovasz > 0 {
		// An evaluation's result must not depend on the batch size.
		inputs = append(inputs, l.slopesNode(g, prefix, logp, target, !training))
	}
	classes := len(l.weights)
	s := layout(classes)
	images := logp.Shape()[0]
	pixels := logp.Shape().TotalSize() / classes
	group := groupSize(logp.Shape(), !training)
	partial := make([][]float64, g.Engine.Threads())
	for i := range partial {
		partial[i] = make([]float64, s.size())
	}
	return g.Apply(op.Func{
		Name:  prefix + "loss.sums",
		Shape: []int{s.size()},
		Run: func(out []float32, in [][]float32) {
			for _, p := range partial {
				clear(p)
			}
			g.Engine.Parallel(pixels, func(part, from, to int) {
				for i := from; i < to; i++ {
					l.addPixel(partial[part], in[0][i*classes:][:classes], in[1][i*classes:][:classes], in[2])
					if l.cfg.Lovasz > 0 {
						partial[part][s.lovasz()] += lovasz(in[0][i*classes:][:classes], in[1][i*classes:][:classes], in[3][i*classes:][:classes])
					}
				}
			})
			total := make([]float64, s.size())
			for _, p := range partial {
				for i, v := range p {
					total[i] += v
				}
			}
			if l.cfg.Reduction == "sum_per_image" {
				total[s.denominator()] = float64(images)
			}
			if l.cfg.Lovasz > 0 {
				total[s.groups()] = float64(labelledGroups(in[1], group, classes))
			}
			g.Total(total)
			if training {
				total[s.groups()] = min(total[s.groups()], 1) // all parts of the batch are one group
			}
			for i, v := range total {
				out[i] = float32(v)
			}
		},
		Diff: func(_, dsums *G.Node) []*G.Node {
			grads := make([]*G.Node, len(inputs)) // none but logp's
			grads[0] = g.Apply(op.Func{Name: prefix + "loss.sums.grad", Shape: logp.Shape(), Run: func(dlogp []float32, in [][]float32) {
				g.Engine.Parallel(pixels, func(_, from, to int) {
					for i := from; i < to; i++ {
						l.gradPixel(dlogp[i*classes:][:classes], in[0], in[1][i*classes:][:classes], in[2][i*classes:][:classes], in[3])
						if l.cfg.Lovasz > 0 {
							gradLovasz(dlogp[i*classes:][:classes], in[0][s.lovasz()], in[1][i*classes:][:classes], in[4][i*classes:][:classes])
						}
					}
				})
			}}, append([]*G.Node{dsums}, inputs...)...)
			return grads
		},
	}, inputs...)
}

// pixel is the loss, the weight and the sum of the target of one pixel; a void
// pixel has labelled 0. logp, y, w: (C).
func (l *Loss) pixel(logp, y, w []float32) (cost, weight, labelled float64) {
	for c, t := range y {
		if t != 0 {
			labelled += float64(t)
			cost += float64(t) * l.cost(float64(logp[c]))
			weight += float64(t) * float64(w[c])
		}
	}
	if l.cfg.WeightBy == "prediction" && labelled != 0 {
		weight = 0
		for c := range logp {
			weight += math.Exp(float64(logp[c])) * float64(w[c])
		}
	}
	return cost, weight, labelled
}

// addPixel adds one pixel to the sums. logp, y, w: (C).
func (l *Loss) addPixel(sums []float64, logp, y, w []float32) {
	s := layout(len(w))
	cost, weight, labelled := l.pixel(logp, y, w)
	if labelled == 0 {
		return
	}
	sums[s.numerator()] += weight * cost
	switch l.cfg.Reduction {
	case "weighted_mean":
		sums[s.denominator()] += weight
	case "mean":
		sums[s.denominator()] += labelled
	}
	if !l.region() {
		return
	}
	for c, t := range y {
		p := math.Exp(float64(logp[c]))
		sums[s.overlap(c)] += p * float64(t)
		sums[s.predicted(c)] += p
		sums[s.labelled(c)] += float64(t)
	}
}

// gradPixel computes the gradient of one pixel's part in the sums. dlogp, logp, y, w: (C).
func (l *Loss) gradPixel(dlogp, dsums, logp, y, w []float32) {
	clear(dlogp)
	s := layout(len(w))
	cost, weight, labelled := l.pixel(logp, y, w)
	if labelled == 0 {
		return
	}
	dnumerator := float64(dsums[s.numerator()])
	for c, t := range y {
		if t != 0 {
			dlogp[c] = float32(dnumerator * weight * float64(t) * l.costSlope(float64(logp[c])))
		}
	}
	prediction := l.cfg.WeightBy == "prediction"
	if !prediction && l.cfg.Dice == 0 {
		return
	}
	dweight := 0.0 // only a weight by prediction depends on logp
	if prediction {
		dweight = dnumerator * cost
		if l.cfg.Reduction == "weighted_mean" {
			dweight += float64(dsums[s.denominator()])
		}
	}
	for c, t := range y {
		p := math.Exp(float64(logp[c]))
		d := dweight*float64(w[c]) + float64(dsums[s.overlap(c)])*float64(t) + float64(dsums[s.predicted(c)])
		dlogp[c] += float32(p * d)
	}
}

// cost is -(1-p)^gamma log p, for log p <= 0. It is small enough to be inlined.
func (l *Loss) cost(logp float64) float64 {
	if l.cfg.FocalGamma == 0 {
		return -logp
	}
	return focalCost(logp, l.cfg.FocalGamma)
}

// costSlope is the derivative of cost by log p.
func (l *Loss) costSlope(logp float64) float64 {
	if l.cfg.FocalGamma == 0 {
		return -1
	}
	return focalSlope(logp, l.cfg.FocalGamma)
}

func focalCost(logp, gamma float64) float64 {
	return -math.Pow(-math.Expm1(logp), gamma) * logp
}

func focalSlope(logp, gamma float64) float64 {
	rest := -math.Expm1(logp) // 1-p
	if rest <= 0 {
		return 0 // the limit for p -> 1: -(1-p)^gamma - gamma (1-p)^gamma
	}
	return gamma*math.Pow(rest, gamma-1)*math.Exp(logp)*logp - math.Pow(rest, gamma)
}

func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}
