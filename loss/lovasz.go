package loss

import (
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

// slopesNode computes the derivative of the Lovász-softmax loss by each probability.
// With e_c = |y_c - p_c| of the labelled pixels in descending order (of equals the first
// pixel first), J_k = 1 - I/U the Jaccard loss of class c where the first k are wrong and
// P the number of classes that occur,
//
//	loss    = 1/P sum over these of sum_k e_k (J_k - J_k-1)
//	slope_c = 1/P (J_k - J_k-1) sign(p_c - y_c), k being the pixel's rank; 0 of a class that does not occur
//
// so that the loss is the sum of (p_c - y_c) slope_c. It is of the whole batch, or, with
// perImage, the sum of that of each image. The slopes are constant between two changes
// of the order, so that they have no gradient.
// logp, target: (N, H, W, C).
func (l *Loss) slopesNode(g *op.Graph, prefix string, logp, target *G.Node, perImage bool) *G.Node {
	if g.Err() != nil {
		return nil
	}
	classes, images := len(l.weights), logp.Shape()[0]
	group := groupSize(logp.Shape(), perImage)
	work := make([]ranking, g.Engine.Threads())
	return g.Apply(op.Func{
		Name:  prefix + "loss.slopes",
		Kind:  "Lovász, ranks",
		Shape: logp.Shape(),
		Run: func(slopes []float32, in [][]float32) { // in: p, target
			if perImage || g.Parts == nil {
				l.slopes(g, work, slopes, in[0], in[1], group)
				return
			}
			p, first := g.Join(in[0], images)
			y, _ := g.Join(in[1], images)
			all := make([]float32, len(p))
			l.slopes(g, work, all, p, y, len(p)/classes)
			clear(slopes)
			if !g.Parts.Empty {
				copy(slopes, all[first:])
			}
		},
	}, g.Softmax(prefix+"loss.probabilities", logp), target) // p, because softmax(log p) = p
}

// slopes computes the slopes of groups of so many pixels. slopes, p, y: (pixels, classes).
func (l *Loss) slopes(g *op.Graph, work []ranking, slopes, p, y []float32, group int) {
	clear(slopes)
	classes := len(l.weights)
	groups := len(p) / (group * classes)
	labelled, occurs := make([]float64, groups*classes), make([]float64, groups)
	for i, t := range y {
		labelled[i/(group*classes)*classes+i%classes] += float64(t)
	}
	for i, n := range labelled {
		if n > 0 {
			occurs[i/classes]++
		}
	}
	g.Engine.Parallel(len(labelled), func(part, from, to int) {
		if len(work[part].keys) < group {
			work[part] = newRanking(group)
		}
		for i := from; i < to; i++ {
			if labelled[i] > 0 {
				first, n := i/classes*group*classes, group*classes
				work[part].slopes(slopes[first:][:n], p[first:][:n], y[first:][:n], i%classes, classes, labelled[i], 1/occurs[i/classes])
			}
		}
	})
}

// groupSize is the number of pixels that a Lovász loss is of.
func groupSize(shape []int, perImage bool) int {
	if perImage {
		return shape[1] * shape[2]
	}
	return shape[0] * shape[1] * shape[2]
}

// ranking is memory for the errors of a class: keys that ascend where errors descend,
// and the pixels they belong to.
type ranking struct {
	keys, otherKeys     []uint32
	pixels, otherPixels []int32
}

func newRanking(pixels int) ranking {
	return ranking{make([]uint32, pixels), make([]uint32, pixels), make([]int32, pixels), make([]int32, pixels)}
}

// slopes computes those of class c; labelled > 0 is the sum of its y.
// slopes, p, y: (pixels, classes).
func (r *ranking) slopes(slopes, p, y []float32, c, classes int, labelled, factor float64) {
	n, one := 0, math.Float32bits(1)
	for i := 0; i < len(y); i += classes {
		if isVoid(y[i : i+classes]) {
			continue
		}
		e := p[i+c] - y[i+c]
		if e < 0 {
			e = -e
		}
		// Floats >= 0 are in the order of their bits.
		r.keys[n], r.pixels[n] = one-math.Float32bits(min(e, 1)), int32(i+c)
		n++
	}
	r.sort(n)
	missed, extra, before := 0., 0., 0.
	for _, i := range r.pixels[:n] {
		t := float64(y[i])
		missed, extra = missed+t, extra+1-t
		jaccard := 1 - (labelled-missed)/(labelled+extra)
		slope := factor * (jaccard - before)
		if p[i] < y[i] {
			slope = -slope
		}
		slopes[i] = float32(slope)
		before = jaccard
	}
}

// sort is a stable radix sort of the first n keys, each at most the bits of 1.
func (r *ranking) sort(n int) {
	const bits, passes = 10, 3 // 1 is 0x3f800000: 30 bits
	for pass := range passes {
		var next [1 << bits]int
		digit := func(key uint32) uint32 { return key >> (pass * bits) & (1<<bits - 1) }
		for _, key := range r.keys[:n] {
			next[digit(key)]++
		}
		sum := 0
		for d, count := range next {
			next[d] = sum
			sum += count
		}
		for i, key := range r.keys[:n] {
			to := &next[digit(key)]
			r.otherKeys[*to], r.otherPixels[*to] = key, r.pixels[i]
			*to++
		}
		r.keys, r.otherKeys = r.otherKeys, r.keys
		r.pixels, r.otherPixels = r.otherPixels, r.pixels
	}
}

// lovasz is one pixel's part in the loss whose slopes are given. logp, y, slopes: (C).
func lovasz(logp, y, slopes []float32) float64 {
	sum := 0.
	for c, slope := range slopes {
		if slope != 0 {
			sum += (math.Exp(float64(logp[c])) - float64(y[c])) * float64(slope)
		}
	}
	return sum
}

// gradLovasz adds the gradient of factor times lovasz by logp. dlogp, logp, slopes: (C).
func gradLovasz(dlogp []float32, factor float32, logp, slopes []float32) {
	for c, slope := range slopes {
		if slope != 0 {
			dlogp[c] += float32(math.Exp(float64(logp[c])) * float64(factor) * float64(slope))
		}
	}
}

// isVoid reports whether a pixel has no label. y: (C).
func isVoid(y []float32) bool {
	for _, t := range y {
		if t != 0 {
			return false
		}
	}
	return true
}

// labelledGroups is the number of groups of that many pixels in which one has a label.
// y: (..., classes).
func labelledGroups(y []float32, group, classes int) int {
	n := 0
	for ; len(y) > 0; y = y[group*classes:] {
		if !isVoid(y[:group*classes]) {
			n++
		}
	}
	return n
}
