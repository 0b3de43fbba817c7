// Package bench measures the speed of training steps and of inference on random
// images: medians after a warm-up. It counts floating-point operations as those
// of direct convolutions and sets them against the speed of a large matrix
// product by the same kernel. Winograd's algorithm, which needs a quarter of the
// multiplications, can go beyond that.
package bench

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// Setup is what is measured.
type Setup struct {
	Engine    *kernel.Engine
	Params    *model.Parameters // which the training steps change
	Loss      loss.Config       // every class has weight 1
	Optimizer solver.Config
	Batch     int    // images per batch
	H, W      int    // of an image, in pixels
	Steps     int    // measured ones, >= 1, of training and of inference
	Seed      uint64 // of images, masks and dropout
}

// Result is what was measured; its JSON is that of bench --json. Images have
// Height x Width pixels, GFLOPS are 10^9 floating-point operations per second.
type Result struct {
	CPU            string  `json:"cpu"`
	Kernel         string  `json:"kernel"`
	Precision      string  `json:"precision"`
	Threads        int     `json:"threads"`
	Encoder        string  `json:"encoder"`
	BaseChannels   *int    `json:"base_channels"` // of unet; null of other encoders
	Depth          *int    `json:"depth"`         // likewise
	BatchSize      int     `json:"batch_size"`
	Height         int     `json:"-"`
	Width          int     `json:"-"`
	Parameters     int     `json:"parameters"`
	StepMS         float64 `json:"step_ms_median"`
	TrainPerSecond float64 `json:"train_images_per_second"`
	InferPerSecond float64 `json:"infer_images_per_second"`
	PeakRSS        float64 `json:"peak_rss_mb"` // 2^20 bytes
	TrainGFLOPS    float64 `json:"train_gflops"`
	InferGFLOPS    float64 `json:"infer_gflops"`
	PeakGFLOPS     float64 `json:"peak_gflops"` // of a large matrix product

	net     string      // in a few words
	frozen  int         // parameters
	timings []op.Timing // of all measured training steps
	steps   int
}

// warmUp is the number of steps before the measured ones.
const warmUp = 2

// Run measures training steps (forward, backward, update), then inference.
func Run(ctx context.Context, s Setup) (Result, error) {
	peak := peakGFLOPS(s.Engine)
	images, targets := randomBatch(s.Batch*s.H*s.W, s.Params.Classes, rand.New(rand.NewPCG(s.Seed, 1)))
	training, timings, err := measureTraining(ctx, s, images, targets)
	if err != nil {
		return Result{}, err
	}
	predictor := model.NewPredictor(s.Engine, s.Params)
	inference, err := median(ctx, s.Steps, func(int) error {
		_, err := predictor.Probabilities(images, s.Batch, s.H, s.W)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	forward, backward := s.Params.Operations(s.H, s.W)
	n := float64(s.Batch)
	net := s.Params.Config
	result := Result{
		CPU: cpuName(), Kernel: s.Engine.Kernel(), Precision: s.Engine.Precision(), Threads: s.Engine.Threads(),
		Encoder: net.Encoder, BatchSize: s.Batch, Height: s.H, Width: s.W, Parameters: s.Params.Count(),
		StepMS:         training.Seconds() * 1000,
		TrainPerSecond: n / training.Seconds(),
		InferPerSecond: n / inference.Seconds(),
		PeakRSS:        peakRSS(),
		TrainGFLOPS:    backward * n / training.Seconds() / 1e9,
		InferGFLOPS:    forward * n / inference.Seconds() / 1e9,
		PeakGFLOPS:     peak,
		net:            net.Summary(),
		frozen:         s.Params.Frozen(),
		timings:        timings,
		steps:          s.Steps,
	}
	if net.Plain() {
		result.BaseChannels, result.Depth = &net.BaseChannels, &net.Depth
	}
	return result, nil
}

// measureTraining is the median time of a step, and the time of each op in all measured steps.
func measureTraining(ctx context.Context, s Setup, images, targets []float32) (time.Duration, []op.Timing, error) {
	weights := slices.Repeat([]float64{1}, s.Params.Classes)
	graphs := &train.Graphs{Engine: s.Engine, Params: s.Params, Loss: loss.New(s.Loss, weights), Seed: s.Seed}
	step, err := graphs.NewStep(train.Shape{N: s.Batch, H: s.H, W: s.W})
	if err != nil {
		return 0, nil, err
	}
	optimizer, err := solver.New(s.Optimizer, train.Trained(s.Params), s.Engine)
	if err != nil {
		return 0, nil, err
	}
	training, err := median(ctx, s.Steps, func(i int) error {
		if i == warmUp {
			step.Profile() // starts afresh: the first steps allocate memory
		}
		if _, err := step.Run(images, targets, int64(i)); err != nil {
			return err
		}
		if _, err := optimizer.Step(s.Optimizer.LR); err != nil {
			return err
		}
		step.UpdateStatistics()
		return nil
	})
	return training, step.Profile(), err
}

// Write prints the result as text.
func (r Result) Write(w io.Writer) error {
	frozen := ""
	if r.frozen > 0 {
		frozen = fmt.Sprintf(" and %d frozen", r.frozen)
	}
	_, err := fmt.Fprintf(w, `%s, kernel %s, %s, %d threads, %.0f GFLOP/s in a large matrix product
%s, %d%s parameters, batches of %d images of %d x %d
training   %.1f ms per step, %.2f images/s, %.0f GFLOP/s, %.0f%% of that
inference  %.2f images/s, %.0f GFLOP/s, %.0f%% of that
peak memory %.0f MiB
`, r.CPU, r.Kernel, r.Precision, r.Threads, r.PeakGFLOPS, r.net, r.Parameters, frozen, r.BatchSize, r.Height, r.Width,
		r.StepMS, r.TrainPerSecond, r.TrainGFLOPS, 100*r.TrainGFLOPS/r.PeakGFLOPS,
		r.InferPerSecond, r.InferGFLOPS, 100*r.InferGFLOPS/r.PeakGFLOPS, r.PeakRSS)
	return err
}

// WriteProfile prints the time of each kind of op and of the slowest nodes, in ms per step.
func (r Result) WriteProfile(out io.Writer) error {
	const slowest = 12
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(r.steps) }
	kinds := map[string]time.Duration{}
	var all time.Duration
	for _, t := range r.timings {
		kinds[t.Kind] += t.Time
		all += t.Time
	}
	order := slices.SortedFunc(maps.Keys(kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(kinds[b], kinds[a]), cmp.Compare(a, b))
	})
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nkind of op\tms\tshare")
	for _, kind := range order {
		fmt.Fprintf(w, "%s\t%.2f\t%.1f%%\n", kind, ms(kinds[kind]), 100*float64(kinds[kind])/float64(all))
	}
	fmt.Fprintln(w, "\nnode\tms\tshare")
	for _, t := range r.timings[:min(slowest, len(r.timings))] {
		fmt.Fprintf(w, "%s\t%.2f\t%.1f%%\n", t.Name, ms(t.Time), 100*float64(t.Time)/float64(all))
	}
	return w.Flush()
}

// peakGFLOPS is the speed of the engine in a large matrix product, (4096, 128) x
// (128, 128). Longer rows would each lie on a memory page of their own, and the
// measurement would be of how fast the CPU finds those.
func peakGFLOPS(engine *kernel.Engine) float64 {
	s := kernel.ConvShape{N: 1, H: 64, W: 64, In: 128, Out: 128, Kernel: 1, Stride: 1}
	pixels := s.N * s.H * s.W
	x, y, w := make([]float32, pixels*s.In), make([]float32, pixels*s.Out), make([]float32, s.In*s.Out)
	best := math.Inf(1)
	for range 25 {
		start := time.Now()
		engine.Conv(s, y, []kernel.Channels{{Values: x, Count: s.In}}, w, nil)
		best = min(best, time.Since(start).Seconds())
	}
	return 2 * float64(pixels*s.In*s.Out) / best / 1e9
}

// randomBatch is images in 0..1, 3 values per pixel, and one-hot targets.
func randomBatch(pixels, classes int, rng *rand.Rand) (images, targets []float32) {
	images, targets = make([]float32, pixels*3), make([]float32, pixels*classes)
	for i := range images {
		images[i] = rng.Float32()
	}
	for i := range pixels {
		targets[i*classes+rng.IntN(classes)] = 1
	}
	return images, targets
}

// median is the median time of steps after the warm-up.
func median(ctx context.Context, steps int, step func(i int) error) (time.Duration, error) {
	var times []time.Duration
	for i := range warmUp + steps {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		start := time.Now()
		if err := step(i); err != nil {
			return 0, err
		}
		if i >= warmUp {
			times = append(times, time.Since(start))
		}
	}
	slices.Sort(times)
	return (times[(steps-1)/2] + times[steps/2]) / 2, nil
}

// cpuName is the model of the CPU where the OS names it, else its architecture.
func cpuName() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// peakRSS is the largest resident memory of the process so far, in MiB.
func peakRSS() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return float64(usage.Maxrss) / (1 << 20) // bytes there, KiB elsewhere
	}
	return float64(usage.Maxrss) / (1 << 10)
}
