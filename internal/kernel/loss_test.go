package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// entropyRef is the cross entropy of pixels as its formula stands, in float64.
type entropyRef struct {
	cost, weight, target float64
	grad                 []float64 // of the cost by the logits
}

func referenceEntropy(logits, targets, weights []float32) entropyRef {
	c := len(weights)
	r := entropyRef{grad: make([]float64, len(logits))}
	for at := 0; at < len(logits); at += c {
		x, y := logits[at:at+c], targets[at:at+c]
		top := math.Inf(-1)
		for _, v := range x {
			top = max(top, float64(v))
		}
		var sum, weight, target, cost float64
		for _, v := range x {
			sum += math.Exp(float64(v) - top)
		}
		for i, t := range y {
			if t != 0 {
				weight += float64(t) * float64(weights[i])
				target += float64(t)
				cost -= float64(t) * (float64(x[i]) - top - math.Log(sum))
			}
		}
		if target == 0 {
			continue
		}
		r.cost += weight * cost
		r.weight += weight
		r.target += target
		for i, v := range x {
			r.grad[at+i] = weight * (target*math.Exp(float64(v)-top)/sum - float64(y[i]))
		}
	}
	return r
}

// entropyBatch draws pixels whose targets are, by turns, one class, a
// distribution over all of them, and nothing.
func entropyBatch(rng *rand.Rand, pixels, c int) (logits, targets, weights []float32) {
	logits, targets, weights = random(rng, pixels*c), make([]float32, pixels*c), make([]float32, c)
	for i := range logits {
		logits[i] *= 3
	}
	for i := range weights {
		weights[i] = 0.5 + 2*rng.Float32()
	}
	for i := range pixels {
		y := targets[i*c : (i+1)*c]
		switch i % 3 {
		case 0:
			y[rng.IntN(c)] = 1
		case 1:
			for k := range y {
				y[k] = rng.Float32() * 2 / float32(c)
			}
		}
	}
	return logits, targets, weights
}

func checkEntropy(t *testing.T, e *kernel.Engine, logits, targets, weights []float32) {
	t.Helper()
	name := fmt.Sprintf("%s/%d, %d pixels of %d classes: ", e.Kernel(), e.Threads(), len(logits)/len(weights), len(weights))
	want := referenceEntropy(logits, targets, weights)
	cost, weight, target := e.CrossEntropy(logits, targets, weights)
	for _, sum := range []struct {
		name      string
		got, want float64
	}{{"cost", cost, want.cost}, {"weight", weight, want.weight}, {"target", target, want.target}} {
		if !(math.Abs(sum.got-sum.want) <= 2e-6*math.Abs(sum.want)) {
			t.Fatalf("%s%s is %.9g, want %.9g", name, sum.name, sum.got, sum.want)
		}
	}
	const factor = 0.25
	for i := range want.grad {
		want.grad[i] *= factor
	}
	grad := result(len(logits))
	e.CrossEntropyGrad(grad, factor, logits, targets, weights)
	check(t, name+"gradient", grad, want.grad, 0)
}

func TestCrossEntropy(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	all := engines(t)
	for _, c := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 19, 33, 254, 255} {
		for _, pixels := range []int{1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 130, 200} {
			logits, targets, weights := entropyBatch(rng, pixels, c)
			for _, e := range all {
				checkEntropy(t, e, logits, targets, weights)
			}
		}
	}
}

// Logits far apart and of no finite value, and classes of weight 0.
func TestCrossEntropyExtremes(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, tt := range []struct {
		name                     string
		logits, targets, weights []float32
		cost                     float64
		grad                     []float64 // nil: all NaN
	}{
		{"sure and right", []float32{1000, -1000}, []float32{1, 0}, []float32{3, 1}, 0, []float64{0, 0}},
		{"sure and wrong", []float32{1000, -1000}, []float32{0, 1}, []float32{3, 2}, 4000, []float64{2, -2}},
		{"another class is excluded", []float32{1, -inf}, []float32{1, 0}, []float32{3, 2}, 0, []float64{0, 0}},
		{"weight 0", []float32{0, 0}, []float32{0, 1}, []float32{3, 0}, 0, []float64{0, 0}},
		{"NaN", []float32{0, nan()}, []float32{1, 0}, []float32{1, 1}, math.NaN(), nil},
		{"NaN without a target", []float32{0, nan()}, []float32{0, 0}, []float32{1, 1}, 0, []float64{0, 0}},
		{"infinite without a target", []float32{inf, -inf}, []float32{0, 0}, []float32{1, 1}, 0, []float64{0, 0}},
	} {
		for _, e := range engines(t) {
			name := fmt.Sprintf("%s, %s: ", tt.name, e.Kernel())
			cost, _, _ := e.CrossEntropy(tt.logits, tt.targets, tt.weights)
			if math.Abs(cost-tt.cost) > 1e-6*tt.cost || (cost != cost) != (tt.cost != tt.cost) {
				t.Errorf("%scost is %g, want %g", name, cost, tt.cost)
			}
			grad := result(len(tt.logits))
			e.CrossEntropyGrad(grad, 1, tt.logits, tt.targets, tt.weights)
			for i, g := range grad {
				if tt.grad == nil && g == g || tt.grad != nil && !(math.Abs(float64(g)-tt.grad[i]) < 1e-6) {
					t.Errorf("%sgradient is %v, want %v", name, grad, tt.grad)
				}
			}
		}
	}
}
