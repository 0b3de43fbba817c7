package op_test

import (
	"math"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// The ops once more, element by element in float64. Images are (N, H, W, C).

type image struct{ n, h, w, c int }

func (s image) size() int             { return s.n * s.h * s.w * s.c }
func (s image) shape() []int          { return []int{s.n, s.h, s.w, s.c} }
func (s image) at(n, h, w, c int) int { return ((n*s.h+h)*s.w+w)*s.c + c }

// each visits all elements in row-major order.
func (s image) each(visit func(n, h, w, c int)) {
	for n := range s.n {
		for h := range s.h {
			for w := range s.w {
				for c := range s.c {
					visit(n, h, w, c)
				}
			}
		}
	}
}

func (s image) make(value func(n, h, w, c int) float64) []float64 {
	y := make([]float64, 0, s.size())
	s.each(func(n, h, w, c int) { y = append(y, value(n, h, w, c)) })
	return y
}

// convRef has weights (K, K, I, O); bias (O) or nil.
func convRef(s image, out, kernel int, x, w, bias []float64) []float64 {
	return image{s.n, s.h, s.w, out}.make(func(n, h, p, o int) float64 {
		sum := 0.0
		if bias != nil {
			sum = bias[o]
		}
		for i := range kernel {
			for j := range kernel {
				hh, ww := h+i-kernel/2, p+j-kernel/2
				if hh < 0 || hh >= s.h || ww < 0 || ww >= s.w {
					continue
				}
				for c := range s.c {
					sum += x[s.at(n, hh, ww, c)] * w[((i*kernel+j)*s.c+c)*out+o]
				}
			}
		}
		return sum
	})
}

// upConvRef has weights (I, 2, 2, O) and bias (O).
func upConvRef(s image, out int, x, w, bias []float64) []float64 {
	return image{s.n, 2 * s.h, 2 * s.w, out}.make(func(n, h, p, o int) float64 {
		sum := bias[o]
		for c := range s.c {
			sum += x[s.at(n, h/2, p/2, c)] * w[((c*2+h%2)*2+p%2)*out+o]
		}
		return sum
	})
}

func upsampleRef(s image, x []float64) []float64 {
	return image{s.n, 2 * s.h, 2 * s.w, s.c}.make(func(n, h, w, c int) float64 { return x[s.at(n, h/2, w/2, c)] })
}

func maxPoolRef(s image, x []float64) []float64 {
	return image{s.n, s.h / 2, s.w / 2, s.c}.make(func(n, h, w, c int) float64 {
		return max(x[s.at(n, 2*h, 2*w, c)], x[s.at(n, 2*h, 2*w+1, c)], x[s.at(n, 2*h+1, 2*w, c)], x[s.at(n, 2*h+1, 2*w+1, c)])
	})
}

func concatRef(a image, cb int, x, y []float64) []float64 {
	b := image{a.n, a.h, a.w, cb}
	return image{a.n, a.h, a.w, a.c + cb}.make(func(n, h, w, c int) float64 {
		if c < a.c {
			return x[a.at(n, h, w, c)]
		}
		return y[b.at(n, h, w, c-a.c)]
	})
}

func activateRef(act kernel.Activation, x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v
		if act != kernel.None {
			y[i] = max(v, 0)
		}
		if act == kernel.ReLU6 {
			y[i] = min(y[i], 6)
		}
	}
	return y
}

func addRef(act kernel.Activation, a, b []float64) []float64 {
	sum := make([]float64, len(a))
	for i := range a {
		sum[i] = a[i] + b[i]
	}
	return activateRef(act, sum)
}

// statistics are the mean and the biased variance of each channel.
func statistics(channels int, x []float64) (mean, variance []float64) {
	mean, variance = make([]float64, channels), make([]float64, channels)
	rows := float64(len(x) / channels)
	for i, v := range x {
		mean[i%channels] += v / rows
	}
	for i, v := range x {
		d := v - mean[i%channels]
		variance[i%channels] += d * d / rows
	}
	return mean, variance
}

func normaliseRef(x, gamma, beta, mean, variance []float64, act kernel.Activation) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		c := i % len(gamma)
		y[i] = (v-mean[c])/math.Sqrt(variance[c]+1e-5)*gamma[c] + beta[c]
	}
	return activateRef(act, y)
}

func batchNormRef(x, gamma, beta []float64, act kernel.Activation) []float64 {
	mean, variance := statistics(len(gamma), x)
	return normaliseRef(x, gamma, beta, mean, variance, act)
}

func logSoftmaxRef(channels int, x []float64) []float64 {
	y := make([]float64, len(x))
	for i := 0; i < len(x); i += channels {
		top := math.Inf(-1)
		for _, v := range x[i : i+channels] {
			top = max(top, v)
		}
		sum := 0.0
		for _, v := range x[i : i+channels] {
			sum += math.Exp(v - top)
		}
		for c, v := range x[i : i+channels] {
			y[i+c] = v - top - math.Log(sum)
		}
	}
	return y
}

func softmaxRef(channels int, x []float64) []float64 {
	y := logSoftmaxRef(channels, x)
	for i, v := range y {
		y[i] = math.Exp(v)
	}
	return y
}
