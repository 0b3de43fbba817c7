package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

func nan() float32 { return float32(math.NaN()) }

// same reports whether a and b are equal or both NaN.
func same(a, b float32) bool { return a == b || a != a && b != b }

var activations = []kernel.Activation{kernel.None, kernel.ReLU, kernel.ReLU6}

func activate[T float32 | float64](act kernel.Activation, v T) T {
	switch act {
	case kernel.ReLU:
		return max(0, v)
	case kernel.ReLU6:
		return min(max(0, v), 6)
	}
	return v
}

func TestMaxPool(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for c := 1; c <= 33; c++ {
		n, h, w := 1+c%3, 2+4*(c%2), 2+2*(c%5)
		x := random(rng, n*h*w*c)
		for i := range x { // make ties
			x[i] = float32(math.Round(float64(x[i])*2) / 2)
		}
		x[len(x)/3] = nan()
		dy := random(rng, len(x)/4)
		wantY, wantWhich, wantX := make([]float32, len(dy)), make([]uint8, len(dy)), make([]float64, len(x))
		for p := range n * h / 2 * w / 2 {
			for i := range c {
				row, col := p/(w/2), p%(w/2)
				best := -1
				for k := range 4 {
					at := ((2*row+k/2)*w+2*col+k%2)*c + i
					if best >= 0 && (x[at] <= wantY[p*c+i] || wantY[p*c+i] != wantY[p*c+i]) {
						continue
					}
					best = at
					wantY[p*c+i], wantWhich[p*c+i] = x[at], uint8(k)
				}
				wantX[best] = float64(dy[p*c+i])
			}
		}
		other, wantSum := random(rng, len(x)), make([]float64, len(x))
		for i, v := range other {
			wantSum[i] = wantX[i] + float64(v)
		}
		for _, e := range engines(t) {
			name := fmt.Sprintf("C=%d %s/%d", c, e.Kernel(), e.Threads())
			y, dx, which := result(len(dy)), result(len(x)), make([]uint8, len(dy), len(dy)+guard)
			e.MaxPool(n, h, w, c, y, which, x)
			for i, v := range wantY {
				if math.Float32bits(y[i]) != math.Float32bits(v) && (y[i] == y[i] || v == v) {
					t.Fatalf("%s: y[%d] = %g, want %g", name, i, y[i], v)
				}
			}
			if !slices.Equal(which, wantWhich) {
				t.Fatalf("%s: which = %v, want %v", name, which, wantWhich)
			}
			e.MaxPoolGrad(n, h, w, c, dx, dy, which, nil)
			check(t, name, dx, wantX, 0)
			dx = result(len(x))
			e.MaxPoolGrad(n, h, w, c, dx, dy, which, other)
			check(t, name+" and other", dx, wantSum, 1)
			inPlace := slices.Clone(other)
			e.MaxPoolGrad(n, h, w, c, inPlace, dy, which, inPlace)
			if !slices.Equal(inPlace, dx) {
				t.Errorf("%s: in place of other differs", name)
			}
		}
	}
}

func TestMaxPool3(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for c := 1; c <= 33; c++ {
		n, h, w := 1+c%3, 2+2*(c%4), 2+2*(c%5)
		x := random(rng, n*h*w*c)
		for i := range x { // make ties
			x[i] = float32(math.Round(float64(x[i])*2) / 2)
		}
		x[len(x)/3], x[len(x)/3+1] = nan(), nan()
		x[0] = float32(math.Inf(-1)) // which is no less than the border
		dy := random(rng, len(x)/4)
		wantY, wantWhich, wantX := make([]float32, len(dy)), make([]uint8, len(dy)), make([]float64, len(x))
		for p := range n * h / 2 * w / 2 {
			for i := range c {
				image, row, col := p/(w/2)/(h/2), p/(w/2)%(h/2), p%(w/2)
				best := -1
				for k := range 9 {
					y, x1 := 2*row-1+k/3, 2*col-1+k%3
					if y < 0 || y >= h || x1 < 0 || x1 >= w {
						continue
					}
					at := ((image*h+y)*w+x1)*c + i
					if best >= 0 && (x[at] <= wantY[p*c+i] || wantY[p*c+i] != wantY[p*c+i]) {
						continue
					}
					best = at
					wantY[p*c+i], wantWhich[p*c+i] = x[at], uint8(k)
				}
				wantX[best] += float64(dy[p*c+i])
			}
		}
		for _, e := range engines(t) {
			name := fmt.Sprintf("C=%d %s/%d", c, e.Kernel(), e.Threads())
			y, dx, which := result(len(dy)), result(len(x)), make([]uint8, len(dy), len(dy)+guard)
			e.MaxPool3(n, h, w, c, y, which, x)
			for i, v := range wantY {
				if math.Float32bits(y[i]) != math.Float32bits(v) && (y[i] == y[i] || v == v) {
					t.Fatalf("%s: y[%d] = %g, want %g", name, i, y[i], v)
				}
			}
			checkGuard(t, name, y)
			if !slices.Equal(which, wantWhich) {
				t.Fatalf("%s: which = %v, want %v", name, which, wantWhich)
			}
			e.MaxPool3Grad(n, h, w, c, dx, dy, which)
			check(t, name, dx, wantX, 3)
		}
	}
}

func TestUpsample(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, c := range []int{1, 3, 16, 33} {
		n, h, w := 2, 3, 5
		x, dy := random(rng, n*h*w*c), random(rng, 4*n*h*w*c)
		y, dx := make([]float64, len(dy)), make([]float64, len(x))
		for at := range dy {
			i, col, row := at%c, at/c%(2*w), at/c/(2*w)
			from := (row/2*w+col/2)*c + i
			y[at] = float64(x[from])
			dx[from] += float64(dy[at])
		}
		for _, e := range engines(t) {
			gotY, gotX := result(len(y)), result(len(x))
			e.Upsample(n, h, w, c, gotY, x)
			check(t, "y", gotY, y, 0)
			e.UpsampleGrad(n, h, w, c, gotX, dy)
			check(t, "dx", gotX, dx, 0)
		}
	}
}

func TestBatchNorm(t *testing.T) {
	const epsilon = 1e-5
	rng := rand.New(rand.NewPCG(1, 0))
	type row struct {
		name string
		m, c int
		mean float64 // of the input
		act  kernel.Activation
	}
	rows := []row{
		{"one row", 1, 5, 0, kernel.None},
		{"small", 7, 3, 0, kernel.ReLU},
		{"tail", 50, 33, 1, kernel.ReLU6},
		{"one vector", 64, 16, 1, kernel.ReLU},
		{"no relu", 50, 40, -1, kernel.None},
		{"large and off centre", 131072, 2, 30, kernel.None},
		{"many channels", 19, 272, 1, kernel.ReLU}, // more than an index of bits can say
		{"many channels and a tail", 8, 523, 1, kernel.ReLU6},
		{"past the caches", 1<<15 + 3, 32, 0, kernel.None},
		{"too large for the caches, lines cut", 1 << 15, 33, 0, kernel.None},
	}
	for c := 1; c <= 33; c++ {
		rows = append(rows, row{fmt.Sprintf("%d channels", c), 5 + c%7, c, 0.5, activations[c%3]})
	}
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			m, c := tt.m, tt.c
			x, dy, gamma, beta := random(rng, m*c), random(rng, m*c), random(rng, c), random(rng, c)
			if tt.act == kernel.ReLU6 { // values at both of its limits
				for i := range gamma {
					gamma[i], beta[i] = 6*gamma[i], beta[i]+3
				}
			}
			for i := range x {
				x[i] += float32(tt.mean)
			}
			mean, variance, dead := make([]float64, c), make([]float64, c), make([]bool, m*c)
			y, dx, dgamma, dbeta := make([]float64, m*c), make([]float64, m*c), make([]float64, c), make([]float64, c)
			for i, v := range x {
				mean[i%c] += float64(v) / float64(m)
			}
			for i, v := range x {
				variance[i%c] += (float64(v) - mean[i%c]) * (float64(v) - mean[i%c]) / float64(m)
			}
			for i, v := range x {
				k := i % c
				hat := (float64(v) - mean[k]) / math.Sqrt(variance[k]+epsilon)
				y[i] = float64(gamma[k])*hat + float64(beta[k])
				if tt.act != kernel.None && math.Abs(y[i]) < 1e-5 || tt.act == kernel.ReLU6 && math.Abs(y[i]-6) < 1e-5 {
					t.Fatalf("y[%d] = %g is too near the kink for this test; take another seed", i, y[i])
				}
				if clamped := activate(tt.act, y[i]); clamped != y[i] {
					y[i], dead[i] = clamped, true
					continue
				}
				dbeta[k] += float64(dy[i])
				dgamma[k] += float64(dy[i]) * hat
			}
			for i, v := range x {
				k := i % c
				inverse := 1 / math.Sqrt(variance[k]+epsilon)
				g := float64(dy[i])
				if dead[i] {
					g = 0
				}
				dx[i] = float64(gamma[k]) * inverse * (g - dbeta[k]/float64(m) - (float64(v)-mean[k])*inverse*dgamma[k]/float64(m))
			}
			for _, e := range engines(t) {
				gotMean, gotVariance, gotY := result(c), result(c), result(m*c)
				e.BatchNorm(gotY, x, gamma, beta, nil, gotMean, gotVariance, epsilon, tt.act, nil)
				name := fmt.Sprintf("%s/%d ", e.Kernel(), e.Threads())
				check(t, name+"mean", gotMean, mean, 0)
				check(t, name+"variance", gotVariance, variance, 0)
				terms := int(tt.mean * tt.mean)
				check(t, name+"y", gotY, y, terms)
				gotX, gotGamma, gotBeta := result(m*c), result(c), result(c)
				e.BatchNormGrad(gotX, gotGamma, gotBeta, dy, x, gamma, beta, gotMean, gotVariance, len(x)/len(gamma), epsilon, tt.act, nil)
				check(t, name+"dx", gotX, dx, terms)
				check(t, name+"dgamma", gotGamma, dgamma, m)
				check(t, name+"dbeta", gotBeta, dbeta, m)

				inPlace := slices.Clone(x)
				e.BatchNorm(inPlace, inPlace, gamma, beta, nil, gotMean, gotVariance, epsilon, tt.act, nil)
				if !slices.Equal(inPlace, gotY) {
					t.Errorf("%sin place differs", name)
				}
				inPlace = slices.Clone(dy)
				e.BatchNormGrad(inPlace, gotGamma, gotBeta, inPlace, x, gamma, beta, gotMean, gotVariance, len(x)/len(gamma), epsilon, tt.act, nil)
				if !slices.Equal(inPlace, gotX) {
					t.Errorf("%sgradient in place differs", name)
				}
			}
		})
	}
}

// BatchNormGrad finds the same values clamped as BatchNorm.
func TestBatchNormClamp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	const m, c = 1000, 24
	x, gamma, beta := random(rng, m*c), random(rng, c), random(rng, c)
	for i := range x {
		x[i] = x[i]*1e-3 + 100
	}
	dy := make([]float32, m*c)
	for i := range dy {
		dy[i] = 1
	}
	for _, e := range engines(t) {
		mean, variance, y := result(c), result(c), result(m*c)
		e.BatchNorm(y, x, gamma, beta, nil, mean, variance, 1e-5, kernel.ReLU, nil)
		dgamma, dbeta := result(c), result(c)
		e.BatchNormGrad(result(m*c), dgamma, dbeta, dy, x, gamma, beta, mean, variance, len(x)/len(gamma), 1e-5, kernel.ReLU, nil)
		for k := range c {
			var live float32
			for r := range m {
				if y[r*c+k] > 0 {
					live++
				}
			}
			if dbeta[k] != live {
				t.Errorf("%s: channel %d has %g live values, its dbeta says %g", e.Kernel(), k, live, dbeta[k])
			}
		}
	}
}

func TestBatchNormNaN(t *testing.T) {
	for _, e := range engines(t) {
		x := []float32{1, 2, nan(), 4, 5, 6}
		y, mean, variance := result(6), result(2), result(2)
		e.BatchNorm(y, x, []float32{1, 1}, []float32{0, 0}, nil, mean, variance, 1e-5, kernel.ReLU6, nil)
		for i, v := range y {
			if (v != v) != (i%2 == 0) {
				t.Errorf("%s: y = %v, want NaN in the first channel only", e.Kernel(), y)
				break
			}
		}
	}
}

func TestScale(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, c := range []int{1, 4, 16, 19, 33} {
		x, scale := random(rng, 37*c), random(rng, c)
		want := make([]float64, len(x))
		for i, v := range x {
			want[i] = float64(v) * float64(scale[i%c])
		}
		for _, e := range engines(t) {
			y := result(len(x))
			e.Scale(y, x, scale)
			check(t, "y", y, want, 0)
			inPlace := result(len(x))
			copy(inPlace, x)
			e.Scale(inPlace, inPlace, scale)
			check(t, "y in place", inPlace, want, 0)
		}
	}
}

func TestClamp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, n := range []int{1, 2, 7, 16, 33, 100, 1001} {
		x, b, dy := random(rng, n), random(rng, n), random(rng, n)
		for i := range x {
			x[i], b[i] = 5*x[i], 5*b[i]
		}
		x[n/2] = nan()
		x[n/3] = 0
		x[n/4] = 6
		for _, e := range engines(t) {
			for _, act := range activations {
				name := fmt.Sprintf("%s/%d, n = %d, activation %d", e.Kernel(), e.Threads(), n, act)
				y, dx, sum := result(n), result(n), result(n)
				e.Clamp(y, x, act)
				e.ClampGrad(dx, dy, y, act)
				e.Add(sum, x, b, act)
				for i, v := range x {
					wantY, wantX, wantSum := activate(act, v), dy[i], activate(act, v+b[i])
					if act != kernel.None && v <= 0 || act == kernel.ReLU6 && v >= 6 {
						wantX = 0
					}
					if !same(y[i], wantY) || dx[i] != wantX || !same(sum[i], wantSum) {
						t.Fatalf("%s: x %g, dy %g, b %g gave y %g, dx %g, sum %g; want %g, %g, %g", name, v, dy[i], b[i], y[i], dx[i], sum[i], wantY, wantX, wantSum)
					}
				}
				for _, v := range [][]float32{y, dx, sum} {
					checkGuard(t, name, v)
				}
				for i, in := range [][2][]float32{{slices.Clone(x), b}, {x, slices.Clone(b)}} {
					e.Add(in[i], in[0], in[1], act)
					if !slices.EqualFunc(in[i], sum, same) {
						t.Errorf("%s: Add in place of operand %d differs", name, i)
					}
				}
			}
		}
	}
}

func TestSoftmax(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, tt := range []struct {
		name   string
		c      int
		offset float32
	}{
		{"one class", 1, 0}, {"two", 2, 0}, {"four", 4, 0}, {"many", 19, 3},
		{"large logits", 4, 1e4}, {"very negative", 4, -1e4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const m = 29
			x, g := random(rng, m*tt.c), random(rng, m*tt.c)
			for i := range x {
				x[i] = x[i]*3 + tt.offset
			}
			p, logp, dx := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
			for r := range m {
				var sum, gsum float64
				for i := range tt.c {
					sum += math.Exp(float64(x[r*tt.c+i]) - float64(tt.offset))
					gsum += float64(g[r*tt.c+i])
				}
				for i := r * tt.c; i < (r+1)*tt.c; i++ {
					logp[i] = float64(x[i]) - float64(tt.offset) - math.Log(sum)
					p[i] = math.Exp(logp[i])
					dx[i] = float64(g[i]) - p[i]*gsum
				}
			}
			for _, e := range engines(t) {
				gotP, gotLog, gotX := result(len(x)), result(len(x)), result(len(x))
				e.Softmax(gotP, x, tt.c)
				check(t, "p", gotP, p, 0)
				e.LogSoftmax(gotLog, x, tt.c)
				check(t, "logp", gotLog, logp, 0)
				e.LogSoftmaxGrad(gotX, g, gotLog, tt.c)
				check(t, "dlogits", gotX, dx, 4)
			}
		})
	}
}

// Logits of every size, and the ones that are no numbers.
func TestSoftmaxExtremes(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, tt := range []struct {
		name   string
		logits [2]float32
		want   [2]float64 // by hand
	}{
		{"far apart", [2]float32{1e30, -1e30}, [2]float64{1, 0}},
		{"excluded", [2]float32{3, -inf}, [2]float64{1, 0}},
		{"infinite", [2]float32{inf, 0}, [2]float64{math.NaN(), math.NaN()}}, // Inf - Inf, as PyTorch has it
		{"NaN", [2]float32{1, nan()}, [2]float64{math.NaN(), math.NaN()}},
	} {
		for _, e := range engines(t) {
			p := result(2)
			e.Softmax(p, tt.logits[:], 2)
			for i, w := range tt.want {
				if math.Float64bits(float64(p[i])) != math.Float64bits(w) && (p[i] == p[i] || w == w) {
					t.Errorf("%s: p = %v, want %v", tt.name, p, tt.want)
				}
			}
		}
	}
}

// Within a unit of the last place, 1e-6 and what summing many classes adds, of
// the logarithm in float64.
func TestSoftmaxAccuracy(t *testing.T) {
	const m = 4099 // pixels
	rng := rand.New(rand.NewPCG(1, 0))
	for _, tt := range []struct {
		name  string
		c     int
		logit func() float64
	}{
		{"-100..100", 4, func() float64 { return rng.Float64()*200 - 100 }},
		{"-1..1", 4, func() float64 { return rng.Float64()*2 - 1 }},
		{"nearly certain", 2, func() float64 { return rng.Float64() * 20 }},
		{"equal", 5, func() float64 { return 7 }},
		{"1e4 or -1e4", 4, func() float64 { return 1e4 * float64(1-2*rng.IntN(2)) }},
		{"about 1e4", 3, func() float64 { return 1e4 + rng.NormFloat64() }},
		{"many classes", 255, func() float64 { return rng.NormFloat64() * 5 }},
	} {
		x, want := make([]float32, m*tt.c), make([]float64, m*tt.c)
		for i := range x {
			x[i] = float32(tt.logit())
		}
		for r := range m {
			row := x[r*tt.c:][:tt.c]
			top := float64(slices.Max(row))
			var sum float64
			for _, v := range row {
				sum += math.Exp(float64(v) - top)
			}
			for i, v := range row {
				want[r*tt.c+i] = float64(v) - top - math.Log(sum)
			}
		}
		for _, e := range engines(t) {
			logp, p, dx := result(len(x)), result(len(x)), result(len(x))
			e.LogSoftmax(logp, x, tt.c)
			e.Softmax(p, x, tt.c)
			g := make([]float32, len(x))
			for i := 0; i < len(g); i += tt.c {
				g[i] = 1
			}
			e.LogSoftmaxGrad(dx, g, logp, tt.c)
			for i, w := range want {
				if d := math.Abs(float64(logp[i]) - w); !(d <= 1e-6+float64(tt.c)*0x1p-27+math.Abs(w)*0x1p-23) {
					t.Fatalf("%s %s: logp[%d] = %g, want %g, off by %g", tt.name, e.Kernel(), i, logp[i], w, d)
				}
				if d := math.Abs(float64(p[i]) - math.Exp(w)); !(d <= (1e-6+float64(tt.c)*0x1p-27+math.Abs(w)*0x1p-23)*math.Exp(w)+1.2e-38) {
					t.Fatalf("%s %s: p[%d] = %g, want %g, off by %g", tt.name, e.Kernel(), i, p[i], math.Exp(w), d)
				}
				grad := float64(g[i]) - math.Exp(float64(logp[i]))
				if d := math.Abs(float64(dx[i]) - grad); !(d <= 2e-7) {
					t.Fatalf("%s %s: dlogits[%d] = %g, want %g, off by %g", tt.name, e.Kernel(), i, dx[i], grad, d)
				}
			}
			checkGuard(t, tt.name, logp)
			checkGuard(t, tt.name, p)
			checkGuard(t, tt.name, dx)
		}
	}
}

// A NaN makes NaN of its own pixel, wherever it is, and of no other one.
func TestSoftmaxNaN(t *testing.T) {
	const m, c = 40, 3
	for _, e := range engines(t) {
		for at := range m * c {
			for _, payload := range []uint32{0x7fc00000, 0xffc00000, 0x7fffffff} {
				x := make([]float32, m*c)
				x[at] = math.Float32frombits(payload)
				p, logp, dx := result(m*c), result(m*c), result(m*c)
				e.Softmax(p, x, c)
				e.LogSoftmax(logp, x, c)
				e.LogSoftmaxGrad(dx, make([]float32, m*c), logp, c)
				for i := range x {
					want := i/c == at/c
					if (p[i] != p[i]) != want || (logp[i] != logp[i]) != want || (dx[i] != dx[i]) != want {
						t.Fatalf("%s: NaN at %d: at %d p %g, logp %g, dlogits %g", e.Kernel(), at, i, p[i], logp[i], dx[i])
					}
				}
			}
		}
	}
}
