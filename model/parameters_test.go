package model_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/model"
)

func TestCount(t *testing.T) {
	for _, tt := range []struct {
		name              string
		cfg               model.Config
		channels, classes int
		want              int
	}{
		{"the default", model.DefaultConfig(), 3, 4, 7763140}, // PyTorch's
		// encoder 27+9 (+4 of batch norm) and 18+36 (+8), up 8+1, decoder 18+9 (+4), head 2+2
		{"by hand", config(1, 1, "batch", "transpose"), 3, 2, 40 + 62 + 9 + 31 + 4},
		// biases instead of batch norm: half as many; up 18+1
		{"no norm, nearest", config(1, 1, "none", "nearest"), 3, 2, 38 + 58 + 19 + 29 + 4},
	} {
		p := parameters(t, tt.cfg, tt.channels, tt.classes, 1)
		if p.Count() != tt.want {
			t.Errorf("%s: %d parameters, want %d", tt.name, p.Count(), tt.want)
		}
	}
}

// draw gives n numbers in -1..1, the same in Go and in PyTorch.
func draw(n, offset int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = float64((i*i*2654435761+(i+offset)*40503*65521)%(1<<32))/(1<<31) - 1
	}
	return v
}

// TestAgainstPyTorch compares names, shapes, order, logits, loss, gradients
// and running statistics with those of unet_torch.py, in float64:
//
//	net = UNet(channels=3, classes=4, base=2, depth=2)
//	def draw(n, t):
//	    i = torch.arange(n)
//	    return (i * i * 2654435761 + (i + t) * 40503 * 65521) % 2**32 / 2**31 - 1
//	names = [k for k in net.state_dict() if "num_batches" not in k]
//	for t, k in enumerate(names):
//	    v = net.state_dict()[k]
//	    x = draw(v.numel(), t).reshape(v.shape)
//	    if "running_var" in k or "bn" in k and "weight" in k: x = 1 + 0.5 * x
//	    elif v.dim() == 1: x = 0.25 * x
//	    else: x = 0.75 * x
//	    v.copy_(x)
//	image = (0.5 + 0.5 * draw(2*8*12*3, 0)).reshape(2, 8, 12, 3).permute(0, 3, 1, 2)
//	target = (torch.arange(2*8*12) * 7 // 3 % 5).reshape(2, 8, 12); target[target == 4] = 255
//	net.eval(); y = net(image).permute(0, 2, 3, 1).flatten()
//	print(y[[0, 1, 50, 767]], (y * torch.cos(0.1 * torch.arange(768))).sum())
//	net.train(); loss = F.cross_entropy(net(image), target, weight=torch.tensor([1., 2, 3, 4]), ignore_index=255)
//	loss.backward(); print(loss)
//	for k in names: # v: the gradient, or the running statistics after the step
//	    print(k, v.shape, (v.flatten() * torch.cos(0.3 * torch.arange(v.numel()))).sum())
func TestAgainstPyTorch(t *testing.T) {
	tensors := []struct {
		name  string
		shape []int
		want  float64 // sum(v_i cos(0.3 i)) in PyTorch's layout
	}{
		{"encoder.0.conv1.weight", []int{2, 3, 3, 3}, 0.0970909},
		{"encoder.0.bn1.weight", []int{2}, 0.0210309},
		{"encoder.0.bn1.bias", []int{2}, -0.00328231},
		{"encoder.0.bn1.running_mean", []int{2}, -0.00621413},
		{"encoder.0.bn1.running_var", []int{2}, 2.01099},
		{"encoder.0.conv2.weight", []int{2, 2, 3, 3}, 0.00902621},
		{"encoder.0.bn2.weight", []int{2}, 0.0235321},
		{"encoder.0.bn2.bias", []int{2}, 0.0155733},
		{"encoder.0.bn2.running_mean", []int{2}, 0.180959},
		{"encoder.0.bn2.running_var", []int{2}, 2.25411},
		{"encoder.1.conv1.weight", []int{4, 2, 3, 3}, 0.0119349},
		{"encoder.1.bn1.weight", []int{4}, 0.000245155},
		{"encoder.1.bn1.bias", []int{4}, -0.00646779},
		{"encoder.1.bn1.running_mean", []int{4}, -0.00788482},
		{"encoder.1.bn1.running_var", []int{4}, 4.34144},
		{"encoder.1.conv2.weight", []int{4, 4, 3, 3}, 0.0421746},
		{"encoder.1.bn2.weight", []int{4}, 0.00831228},
		{"encoder.1.bn2.bias", []int{4}, -0.00247587},
		{"encoder.1.bn2.running_mean", []int{4}, -0.138589},
		{"encoder.1.bn2.running_var", []int{4}, 4.02922},
		{"encoder.2.conv1.weight", []int{8, 4, 3, 3}, 0.0497534},
		{"encoder.2.bn1.weight", []int{8}, -0.00377909},
		{"encoder.2.bn1.bias", []int{8}, -0.00548174},
		{"encoder.2.bn1.running_mean", []int{8}, 0.0586298},
		{"encoder.2.bn1.running_var", []int{8}, 3.53231},
		{"encoder.2.conv2.weight", []int{8, 8, 3, 3}, 0.0266185},
		{"encoder.2.bn2.weight", []int{8}, 0.0284552},
		{"encoder.2.bn2.bias", []int{8}, 0.0235023},
		{"encoder.2.bn2.running_mean", []int{8}, -0.424077},
		{"encoder.2.bn2.running_var", []int{8}, 3.81916},
		{"up.0.weight", []int{8, 4, 2, 2}, -0.00977384},
		{"up.0.bias", []int{4}, -0.0144016},
		{"up.1.weight", []int{4, 2, 2, 2}, 0.00634178},
		{"up.1.bias", []int{2}, -0.00471857},
		{"decoder.0.conv1.weight", []int{4, 8, 3, 3}, 0.0252919},
		{"decoder.0.bn1.weight", []int{4}, -0.00894303},
		{"decoder.0.bn1.bias", []int{4}, 0.011497},
		{"decoder.0.bn1.running_mean", []int{4}, 0.252236},
		{"decoder.0.bn1.running_var", []int{4}, 5.46398},
		{"decoder.0.conv2.weight", []int{4, 4, 3, 3}, 0.0129407},
		{"decoder.0.bn2.weight", []int{4}, -0.0258045},
		{"decoder.0.bn2.bias", []int{4}, -0.0394003},
		{"decoder.0.bn2.running_mean", []int{4}, 0.0281275},
		{"decoder.0.bn2.running_var", []int{4}, 4.09699},
		{"decoder.1.conv1.weight", []int{2, 4, 3, 3}, 0.0423203},
		{"decoder.1.bn1.weight", []int{2}, 0.00150357},
		{"decoder.1.bn1.bias", []int{2}, -0.0228859},
		{"decoder.1.bn1.running_mean", []int{2}, -0.245507},
		{"decoder.1.bn1.running_var", []int{2}, 2.71542},
		{"decoder.1.conv2.weight", []int{2, 2, 3, 3}, 0.0484507},
		{"decoder.1.bn2.weight", []int{2}, 0.0755873},
		{"decoder.1.bn2.bias", []int{2}, 0.0357827},
		{"decoder.1.bn2.running_mean", []int{2}, -0.0572113},
		{"decoder.1.bn2.running_var", []int{2}, 2.7273},
		{"head.weight", []int{4, 2, 1, 1}, 0.135035},
		{"head.bias", []int{4}, 0.0588397},
	}
	p := parameters(t, config(2, 2, "batch", "transpose"), 3, 4, 1)
	if len(p.All()) != len(tensors) {
		t.Fatalf("%d tensors, want %d", len(p.All()), len(tensors))
	}
	stored := map[string][]float32{}
	for i, q := range p.All() {
		if q.Name != tensors[i].name || !slices.Equal(q.TorchShape(), tensors[i].shape) {
			t.Fatalf("tensor %d is %s %v, want %s %v", i, q.Name, q.TorchShape(), tensors[i].name, tensors[i].shape)
		}
		for _, x := range draw(len(q.Value), i) {
			switch {
			case strings.Contains(q.Name, "running_var"), strings.Contains(q.Name, "bn") && strings.HasSuffix(q.Name, "weight"):
				x = 1 + 0.5*x
			case len(q.Shape) == 1:
				x *= 0.25
			default:
				x *= 0.75
			}
			stored[q.Name] = append(stored[q.Name], float32(x))
		}
	}
	if err := p.Load(func(name string) ([]int, []float32, bool) {
		return p.Get(name).TorchShape(), stored[name], true
	}); err != nil {
		t.Fatal(err)
	}

	s := size{2, 8, 12}
	train, evaluate := newNet(t, p, s, true), newNet(t, p, s, false)
	for i, v := range draw(2*8*12*3, 0) {
		train.images[i] = float32(0.5 + 0.5*v)
	}
	copy(evaluate.images, train.images)
	for i := range 2 * 8 * 12 {
		if c := i * 7 / 3 % 5; c < 4 {
			train.target[4*i+c] = 1
		}
	}

	logits, _ := evaluate.run(t)
	checkValues(t, "some logits", []float32{logits[0], logits[1], logits[50], logits[767]}, []float64{-1.16307, -5.33232, 8.29425, 3.07782}, 1e-5)
	if got := weighted(logits, 0.1); math.Abs(got-818.8579) > 5e-3 {
		t.Errorf("weighted sum of the logits is %g, want 818.8579", got)
	}
	_, value := train.run(t)
	if math.Abs(value-1.4692259) > 3e-6 {
		t.Errorf("loss is %.8g, want 1.4692259", value)
	}
	train.UpdateStatistics()
	for i, q := range p.All() {
		v := q.Value
		if q.Trained() {
			v = q.Grad
		}
		if got := weighted(q.ToTorch(v), 0.3); math.Abs(got-tensors[i].want) > 1e-5 {
			t.Errorf("%s: weighted sum of the gradient or statistics is %.6g, want %.6g", q.Name, got, tensors[i].want)
		}
	}
}

func weighted(v []float32, frequency float64) float64 {
	sum := 0.0
	for i, x := range v {
		sum += float64(x) * math.Cos(frequency*float64(i))
	}
	return sum
}

// The layouts, by hand: PyTorch's convolution is (O, I, kH, kW), its transposed one (I, O, kH, kW).
func TestTorchLayout(t *testing.T) {
	p := parameters(t, config(2, 1, "batch", "transpose"), 3, 5, 1)
	type index [4]int
	flat := func(shape []int, i index) int { return ((i[0]*shape[1]+i[1])*shape[2]+i[2])*shape[3] + i[3] }
	for _, tt := range []struct {
		tensor      string
		ours, torch index
	}{
		{"encoder.0.conv1.weight", index{2, 1, 0, 1}, index{1, 0, 2, 1}}, // row 2, column 1, channel 0 to 1
		{"encoder.0.conv1.weight", index{0, 2, 2, 0}, index{0, 2, 0, 2}},
		{"up.0.weight", index{3, 1, 0, 1}, index{3, 1, 1, 0}}, // channel 3 to 1, row 1, column 0
		{"up.0.weight", index{0, 0, 1, 1}, index{0, 1, 0, 1}},
		{"head.weight", index{0, 0, 1, 4}, index{4, 1, 0, 0}},
	} {
		q := p.Get(tt.tensor)
		v := make([]float32, len(q.Value))
		v[flat(q.Shape, tt.ours)] = 1
		if got, want := slices.Index(q.ToTorch(v), 1), flat(q.TorchShape(), tt.torch); got != want {
			t.Errorf("%s: element %v is at %d in PyTorch's layout, want %d", tt.tensor, tt.ours, got, want)
		}
	}
	for _, q := range p.All() {
		back := make([]float32, len(q.Value))
		q.FromTorch(back, q.ToTorch(q.Value))
		if !slices.Equal(back, q.Value) {
			t.Errorf("%s: there and back is not the same", q.Name)
		}
	}
}

func TestLoad(t *testing.T) {
	from, to := parameters(t, config(2, 1, "batch", "transpose"), 3, 4, 1), parameters(t, config(2, 1, "batch", "transpose"), 3, 4, 2)
	lookup := func(skip string, shapes map[string][]int) func(string) ([]int, []float32, bool) {
		return func(name string) ([]int, []float32, bool) {
			q := from.Get(name)
			shape := q.TorchShape()
			if s, ok := shapes[name]; ok {
				shape = s
			}
			return shape, q.ToTorch(q.Value), name != skip
		}
	}
	before := slices.Clone(to.Get("encoder.0.conv1.weight").Value)
	err := to.Load(lookup("up.0.bias", map[string][]int{
		"head.weight": {5, 2, 1, 1}, "head.bias": {5}, "decoder.0.conv1.weight": {2, 4, 9},
	}))
	if err == nil {
		t.Fatal("tensors that are missing or of another shape were taken")
	}
	want := "model: tensor up.0.bias is missing\n" +
		"model: 3 of the net's 34 tensors do not fit: decoder.0.conv1.weight has shape [2 4 9], want [2 4 3 3]; " +
		"head.weight has shape [5 2 1 1], want [4 2 1 1]; head.bias has shape [5], want [4]"
	if err.Error() != want {
		t.Errorf("error is\n%v\nwant\n%s", err, want)
	}
	if !slices.Equal(to.Get("encoder.0.conv1.weight").Value, before) {
		t.Error("a load that fails has copied tensors")
	}
	if err := to.Load(lookup("", nil)); err != nil {
		t.Fatal(err)
	}
	for i, q := range to.All() {
		if !slices.Equal(q.Value, from.All()[i].Value) {
			t.Errorf("%s was not loaded", q.Name)
		}
	}
}

// A head for other classes stays as it was drawn; all else is as in Load.
func TestTransfer(t *testing.T) {
	from := func(p *model.Parameters, shapes map[string][]int) model.Source {
		return func(name string) ([]int, []float32, bool) {
			q := p.Get(name)
			if shape, ok := shapes[name]; ok {
				return shape, nil, shape != nil
			}
			return q.TorchShape(), q.ToTorch(q.Value), true
		}
	}
	cfg := config(2, 1, "batch", "transpose")
	for _, tc := range []struct {
		name    string
		classes int // of the source
		shapes  map[string][]int
		want    string // error
	}{
		{"same classes", 4, nil, ""},
		{"more classes", 6, nil, ""},
		{"one class", 1, nil, ""},
		{"no head", 4, map[string][]int{"head.weight": nil}, "model: tensor head.weight is missing"},
		{"other channels", 4, map[string][]int{"head.weight": {6, 3, 1, 1}}, "model: tensor head.weight has shape [6 3 1 1], want [4 2 1 1]"},
		{"other bias", 4, map[string][]int{"head.bias": {6}}, "model: tensor head.bias has shape [6], want [4]"},
		{"other encoder", 6, map[string][]int{"encoder.0.conv1.weight": {2, 1, 3, 3}}, "model: tensor encoder.0.conv1.weight has shape [2 1 3 3], want [2 3 3 3]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			source, to, drawn := parameters(t, cfg, 3, tc.classes, 1), parameters(t, cfg, 3, 4, 2), parameters(t, cfg, 3, 4, 2)
			classes, err := to.Transfer(from(source, tc.shapes))
			if tc.want != "" {
				if err == nil || err.Error() != tc.want {
					t.Errorf("error is %v, want %s", err, tc.want)
				}
				return
			}
			if err != nil || classes != tc.classes {
				t.Fatalf("%d classes and error %v, want %d", classes, err, tc.classes)
			}
			for _, q := range to.All() {
				want := source
				if tc.classes != 4 && strings.HasPrefix(q.Name, "head.") {
					want = drawn
				}
				if !slices.Equal(q.Value, want.Get(q.Name).Value) {
					t.Errorf("%s has wrong values", q.Name)
				}
			}
		})
	}
}

func TestInitialisation(t *testing.T) {
	inverted := config(16, 2, "batch", "transpose")
	inverted.Encoder, inverted.DecoderChannels = "efficientnet_lite0", [5]int{8, 8, 8, 8, 8}
	for name, cfg := range map[string]model.Config{
		"batch": config(16, 2, "batch", "transpose"), "none": config(16, 2, "none", "transpose"),
		"nearest": config(16, 2, "batch", "nearest"), "efficientnet_lite0": inverted,
	} {
		t.Run(name, func(t *testing.T) { testInitialisation(t, cfg) })
	}
}

func testInitialisation(t *testing.T, cfg model.Config) {
	a, b, c := parameters(t, cfg, 3, 4, 1), parameters(t, cfg, 3, 4, 1), parameters(t, cfg, 3, 4, 2)
	bound := 0. // of the layer's weights and its bias
	for i, q := range a.All() {
		if !slices.Equal(q.Value, b.All()[i].Value) {
			t.Errorf("%s: one seed, two values", q.Name)
		}
		if len(q.Shape) > 1 && slices.Equal(q.Value, c.All()[i].Value) {
			t.Errorf("%s: two seeds, one value", q.Name)
		}
		if q.Trained() != !strings.Contains(q.Name, "running") {
			t.Errorf("%s: trained is %v", q.Name, q.Trained())
		}
		variance, largest := 0., 0.
		for _, v := range q.Value {
			variance += float64(v) * float64(v) / float64(len(q.Value))
			largest = max(largest, math.Abs(float64(v)))
		}
		torch := q.TorchShape()
		switch {
		case len(torch) == 4:
			// PyTorch counts a convolution's fan in over all axes but the first.
			bound = 1 / math.Sqrt(float64(torch[1]*torch[2]*torch[3]))
			want := bound * bound / 3
			if cfg.Norm == "none" { // He et al.: 2 / fan in before a ReLU, 1 / fan in elsewhere
				want, bound = 2/float64(torch[1]*torch[2]*torch[3]), math.Inf(1)
				if strings.HasPrefix(q.Name, "up") {
					want = 1 / float64(torch[0])
				} else if q.Name == "head.weight" {
					want /= 2
				}
			}
			if largest > bound*(1+1e-6) {
				t.Errorf("%s: a weight is %g, want at most %g", q.Name, largest, bound)
			}
			// The variance of n normal numbers deviates by sqrt(2/n) of itself, of uniform ones by less.
			if d := math.Sqrt(2 / float64(len(q.Value))); math.Abs(variance-want) > 4*d*want {
				t.Errorf("%s: variance is %g, want %g", q.Name, variance, want)
			}
		case strings.HasSuffix(q.Name, "bias") && cfg.Norm != "none" && bound > 0: // of a convolution: norms come right behind one without
			if largest > bound*(1+1e-6) || largest < bound/100 {
				t.Errorf("%s: the largest is %g, want about %g", q.Name, largest, bound)
			}
		default:
			want := float32(0)
			if strings.HasSuffix(q.Name, "running_var") || strings.HasSuffix(q.Name, "weight") {
				want, bound = 1, 0
			}
			for _, v := range q.Value {
				if v != want {
					t.Errorf("%s starts at %g, want %g", q.Name, v, want)
					break
				}
			}
		}
	}
}

func TestNewParametersErrors(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	if _, err := model.NewParameters(config(0, 9, "layer", "bilinear"), 3, 4, rng); err == nil {
		t.Error("NewParameters took a bad config")
	}
	if _, err := model.NewParameters(model.DefaultConfig(), 0, 4, rng); err == nil || !strings.Contains(err.Error(), "0 channels and 4 classes") {
		t.Errorf("0 channels: error is %v", err)
	}
}
