package model_test

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// grid is an image (N, H, W, C) of the plain net below.
type grid struct {
	n, h, w, c int
	v          []float64
}

func (g grid) at(n, h, w, c int) *float64 { return &g.v[((n*g.h+h)*g.w+w)*g.c+c] }

func newGrid(n, h, w, c int, value func(n, h, w, c int) float64) grid {
	g := grid{n, h, w, c, make([]float64, 0, n*h*w*c)}
	for b := range n {
		for y := range h {
			for x := range w {
				for k := range c {
					g.v = append(g.v, value(b, y, x, k))
				}
			}
		}
	}
	return g
}

// plainUNet is the net once more, element by element in float64, on weights in PyTorch's layout.
type plainUNet struct {
	cfg      model.Config
	training bool
	weights  map[string][]float64
	// The statistics of the batch that a training net met, by the name of the batch norm.
	mean, variance map[string][]float64 // variance: unbiased
	deep           []grid               // logits of the last forward by the heads of deep supervision, the smallest first
}

func newPlainUNet(p *model.Parameters, training bool) *plainUNet {
	u := &plainUNet{p.Config, training, map[string][]float64{}, map[string][]float64{}, map[string][]float64{}, nil}
	for _, q := range p.All() {
		for _, v := range q.ToTorch(q.Value) {
			u.weights[q.Name] = append(u.weights[q.Name], float64(v))
		}
	}
	return u
}

// forward gives the logits.
func (u *plainUNet) forward(x grid) grid {
	var skips []grid
	u.deep = nil
	for level := range u.cfg.Depth + 1 {
		if level > 0 {
			x = pool(x)
		}
		x = u.doubleConv(fmt.Sprintf("encoder.%d", level), x)
		skips = append(skips, x)
	}
	for i := range u.cfg.Depth {
		name := fmt.Sprintf("up.%d", i)
		if u.cfg.Up == "transpose" {
			x = u.upConv(name, x)
		} else {
			from := x
			x = u.conv(name, newGrid(x.n, 2*x.h, 2*x.w, x.c, func(n, h, w, c int) float64 { return *from.at(n, h/2, w/2, c) }), 3)
		}
		skip, up := skips[u.cfg.Depth-1-i], x
		x = newGrid(x.n, x.h, x.w, skip.c+x.c, func(n, h, w, c int) float64 {
			if c < skip.c {
				return *skip.at(n, h, w, c)
			}
			return *up.at(n, h, w, c-skip.c)
		})
		x = u.doubleConv(fmt.Sprintf("decoder.%d", i), x)
		if level := u.cfg.Depth - 1 - i; u.cfg.DeepSupervision && level > 0 && level < u.cfg.Depth-1 {
			u.deep = append(u.deep, u.conv(fmt.Sprintf("deep.%d", level), x, 1))
		}
	}
	return u.conv("head", x, 1)
}

// loss is plainLoss of all logits, those of half the height with half the weight, and so on.
func (u *plainUNet) loss(images grid, target []float32, classes int) float64 {
	x := u.forward(images)
	sum, weights := plainLoss(x.v, target, classes), 1.0
	for _, d := range u.deep {
		k := x.h / d.h
		var small []float32
		for b := range d.n {
			for h := range d.h {
				for w := range d.w {
					small = append(small, target[((b*x.h+h*k+k/2)*x.w+w*k+k/2)*classes:][:classes]...)
				}
			}
		}
		sum += plainLoss(d.v, small, classes) / float64(k)
		weights += 1 / float64(k)
	}
	return sum / weights
}

func (u *plainUNet) doubleConv(name string, x grid) grid {
	for _, i := range []string{"1", "2"} {
		x = u.conv(name+".conv"+i, x, 3)
		if u.cfg.Norm == "batch" {
			u.normalise(name+".bn"+i, x)
		}
		for j, v := range x.v {
			x.v[j] = math.Max(v, 0)
		}
	}
	return x
}

// conv has weights (O, I, K, K).
func (u *plainUNet) conv(name string, x grid, k int) grid {
	w, bias := u.weights[name+".weight"], u.weights[name+".bias"]
	return newGrid(x.n, x.h, x.w, len(w)/(x.c*k*k), func(n, h, p, o int) float64 {
		sum := 0.0
		if bias != nil {
			sum = bias[o]
		}
		for c := range x.c {
			for i := range k {
				for j := range k {
					hh, ww := h+i-k/2, p+j-k/2
					if hh >= 0 && hh < x.h && ww >= 0 && ww < x.w {
						sum += *x.at(n, hh, ww, c) * w[((o*x.c+c)*k+i)*k+j]
					}
				}
			}
		}
		return sum
	})
}

// upConv has weights (I, O, 2, 2).
func (u *plainUNet) upConv(name string, x grid) grid {
	w, bias := u.weights[name+".weight"], u.weights[name+".bias"]
	out := len(bias)
	return newGrid(x.n, 2*x.h, 2*x.w, out, func(n, h, p, o int) float64 {
		sum := bias[o]
		for c := range x.c {
			sum += *x.at(n, h/2, p/2, c) * w[((c*out+o)*2+h%2)*2+p%2]
		}
		return sum
	})
}

func pool(x grid) grid {
	return newGrid(x.n, x.h/2, x.w/2, x.c, func(n, h, w, c int) float64 {
		return max(*x.at(n, 2*h, 2*w, c), *x.at(n, 2*h, 2*w+1, c), *x.at(n, 2*h+1, 2*w, c), *x.at(n, 2*h+1, 2*w+1, c))
	})
}

// normalise is batch norm, in place.
func (u *plainUNet) normalise(name string, x grid) {
	mean, variance := u.weights[name+".running_mean"], u.weights[name+".running_var"]
	frozen := slices.ContainsFunc(u.cfg.Freeze, func(part string) bool { return strings.HasPrefix(name+".", part+".") })
	if u.training && !frozen {
		mean, variance = make([]float64, x.c), make([]float64, x.c)
		rows := float64(len(x.v) / x.c)
		for i, v := range x.v {
			mean[i%x.c] += v / rows
		}
		for i, v := range x.v {
			variance[i%x.c] += (v - mean[i%x.c]) * (v - mean[i%x.c]) / rows
		}
		unbiased := make([]float64, x.c)
		for c, v := range variance {
			unbiased[c] = v * rows / (rows - 1)
		}
		u.mean[name], u.variance[name] = mean, unbiased
	}
	gamma, beta := u.weights[name+".weight"], u.weights[name+".bias"]
	for i, v := range x.v {
		c := i % x.c
		x.v[i] = (v-mean[c])/math.Sqrt(variance[c]+1e-5)*gamma[c] + beta[c]
	}
}
