package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// entropyRef is the cross entropy of pixels as its formula stands, in float64.
type entropyRef struct {
	cost, weight, target float64
	regions              []float64 // (C, 3): overlap, predicted, labelled
	grad                 []float64 // of the cost by the logits
	diceGrad             []float64 // of the regions, by slopes
}

func referenceEntropy(logits, targets, weights, slopes []float32) entropyRef {
	c := len(weights)
	r := entropyRef{regions: make([]float64, 3*c), grad: make([]float64, len(logits)), diceGrad: make([]float64, len(logits))}
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
		mean := 0.0 // of the slopes by the probabilities
		p, slope := make([]float64, c), make([]float64, c)
		for i, v := range x {
			p[i] = math.Exp(float64(v)-top) / sum
			slope[i] = float64(slopes[3*i])*float64(y[i]) + float64(slopes[3*i+1])
			mean += p[i] * slope[i]
			r.grad[at+i] = weight * (target*p[i] - float64(y[i]))
			r.regions[3*i] += p[i] * float64(y[i])
			r.regions[3*i+1] += p[i]
			r.regions[3*i+2] += float64(y[i])
		}
		for i := range x {
			r.diceGrad[at+i] = p[i] * (slope[i] - mean)
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
	c := len(weights)
	name := fmt.Sprintf("%s/%d, %d pixels of %d classes: ", e.Kernel(), e.Threads(), len(logits)/c, c)
	slopes := make([]float32, 3*c)
	for i := range slopes {
		slopes[i] = float32(math.Sin(float64(i + 1)))
		if i%3 == 2 {
			slopes[i] = nan() // not to be read
		}
	}
	want := referenceEntropy(logits, targets, weights, slopes)
	checkSums := func(got, want []float64) {
		t.Helper()
		for i, v := range want {
			if !(math.Abs(got[i]-v) <= 2e-6*math.Abs(v)) {
				t.Fatalf("%ssum %d is %.9g, want %.9g", name, i, got[i], v)
			}
		}
	}
	cost, weight, target := e.CrossEntropy(logits, targets, weights)
	checkSums([]float64{cost, weight, target}, []float64{want.cost, want.weight, want.target})
	sums := func() []float64 {
		regions := make([]float64, 3*c)
		for i := range regions {
			regions[i] = math.NaN()
		}
		cost, weight, target := e.CrossEntropyDice(regions, logits, targets, weights)
		return append(regions, cost, weight, target)
	}
	got := sums()
	checkSums(got, append(slices.Clone(want.regions), want.cost, want.weight, want.target))
	if again := sums(); !slices.Equal(got, again) {
		t.Fatalf("%ssums are %v, then %v", name, got, again)
	}
	const factor = 0.25
	for i := range want.grad {
		want.grad[i] *= factor
		want.diceGrad[i] += want.grad[i]
	}
	grad := result(len(logits))
	e.CrossEntropyGrad(grad, factor, logits, targets, weights)
	check(t, name+"gradient", grad, want.grad, 0)
	grad = result(len(logits))
	e.CrossEntropyDiceGrad(grad, factor, slopes, logits, targets, weights)
	check(t, name+"gradient with Dice", grad, want.diceGrad, 0)
}

func TestCrossEntropy(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	all := engines(t)
	for _, c := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 15, 16, 17, 19, 33, 254, 255} {
		for _, pixels := range []int{1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 130, 200} {
			logits, targets, weights := entropyBatch(rng, pixels, c)
			for _, e := range all {
				checkEntropy(t, e, logits, targets, weights)
			}
		}
	}
}

// Logits far apart and of no finite value, and classes of weight 0. The slopes are those
// of a Dice that wants the overlap of the first class.
func TestCrossEntropyExtremes(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, tt := range []struct {
		name                     string
		logits, targets, weights []float32
		cost                     float64
		grad                     []float64 // nil: all NaN
		predicted, overlap       float64   // of the first class
		diceGrad                 float64   // what Dice adds to the gradient by the first logit, and takes from that by the second
	}{
		{"sure and right", []float32{1000, -1000}, []float32{1, 0}, []float32{3, 1}, 0, []float64{0, 0}, 1, 1, 0},
		{"sure and wrong", []float32{1000, -1000}, []float32{0, 1}, []float32{3, 2}, 4000, []float64{2, -2}, 1, 0, 0},
		{"another class is excluded", []float32{1, -inf}, []float32{1, 0}, []float32{3, 2}, 0, []float64{0, 0}, 1, 1, 0},
		{"weight 0", []float32{0, 0}, []float32{1, 0}, []float32{0, 3}, 0, []float64{0, 0}, 0.5, 0.5, -0.25},
		{"NaN", []float32{0, nan()}, []float32{1, 0}, []float32{1, 1}, math.NaN(), nil, math.NaN(), math.NaN(), 0},
		{"NaN without a target", []float32{0, nan()}, []float32{0, 0}, []float32{1, 1}, 0, []float64{0, 0}, 0, 0, 0},
		{"infinite without a target", []float32{inf, -inf}, []float32{0, 0}, []float32{1, 1}, 0, []float64{0, 0}, 0, 0, 0},
	} {
		for _, e := range engines(t) {
			name := fmt.Sprintf("%s, %s: ", tt.name, e.Kernel())
			cost, _, _ := e.CrossEntropy(tt.logits, tt.targets, tt.weights)
			regions := make([]float64, 6)
			diceCost, _, _ := e.CrossEntropyDice(regions, tt.logits, tt.targets, tt.weights)
			for _, sum := range []struct {
				name      string
				got, want float64
			}{{"cost", cost, tt.cost}, {"cost with Dice", diceCost, tt.cost}, {"overlap", regions[0], tt.overlap}, {"predicted", regions[1], tt.predicted}} {
				if math.Abs(sum.got-sum.want) > 1e-6*sum.want || (sum.got != sum.got) != (sum.want != sum.want) {
					t.Errorf("%s%s is %g, want %g", name, sum.name, sum.got, sum.want)
				}
			}
			grad, diceGrad := result(len(tt.logits)), result(len(tt.logits))
			e.CrossEntropyGrad(grad, 1, tt.logits, tt.targets, tt.weights)
			e.CrossEntropyDiceGrad(diceGrad, 1, []float32{-1, 0, 0, 0, 0, 0}, tt.logits, tt.targets, tt.weights)
			for i, g := range grad {
				if tt.grad == nil && g == g || tt.grad != nil && !(math.Abs(float64(g)-tt.grad[i]) < 1e-6) {
					t.Errorf("%sgradient is %v, want %v", name, grad, tt.grad)
				}
				dice := tt.diceGrad
				if i == 1 {
					dice = -dice
				}
				if g := diceGrad[i]; tt.grad == nil && g == g || tt.grad != nil && !(math.Abs(float64(g)-tt.grad[i]-dice) < 1e-6) {
					t.Errorf("%sgradient with Dice is %v, want %v and ±%v", name, diceGrad, tt.grad, tt.diceGrad)
				}
			}
		}
	}
}
