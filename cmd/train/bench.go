package main

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

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

func (p *program) bench() *cobra.Command {
	var settings settings
	var steps int
	var asJSON, profile bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the speed of training and inference on random images",
		Long: `Measure the speed of training steps (forward, backward, update) and of inference on random images:
medians after warm-up. GFLOP/s count the convolutions as direct ones, and are compared with those of
a large matrix product by the same kernel: Winograd's algorithm, which needs a quarter of the
multiplications, goes beyond 100%.`,
		Example: "  train bench --set model.base_channels=16 --steps 20 --json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if steps < 1 {
				return usagef("--steps %d: want >= 1", steps)
			}
			cfg, err := p.load(settings)
			if err != nil {
				return err
			}
			return p.runBench(cmd.Context(), cfg, steps, asJSON, profile)
		},
	}
	settings.register(cmd)
	cmd.Flags().IntVar(&steps, "steps", 12, "number of measured steps")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&profile, "profile", false, "print the time of a training step by kind of op, and its slowest nodes")
	return cmd
}

// measurement is the JSON of `bench`.
type measurement struct {
	CPU            string  `json:"cpu"`
	Kernel         string  `json:"kernel"`
	Threads        int     `json:"threads"`
	BaseChannels   int     `json:"base_channels"`
	Depth          int     `json:"depth"`
	BatchSize      int     `json:"batch_size"`
	Parameters     int     `json:"parameters"`
	StepMS         float64 `json:"step_ms_median"`
	TrainPerSecond float64 `json:"train_images_per_second"`
	InferPerSecond float64 `json:"infer_images_per_second"`
	PeakRSS        float64 `json:"peak_rss_mb"` // 2^20 bytes
	TrainGFLOPS    float64 `json:"train_gflops"`
	InferGFLOPS    float64 `json:"infer_gflops"`
	PeakGFLOPS     float64 `json:"peak_gflops"` // of a large matrix product
}

// warmUp is the number of steps before the measured ones.
const warmUp = 2

func (p *program) runBench(ctx context.Context, cfg config.Config, steps int, asJSON, profile bool) error {
	engine, err := kernel.NewEngine(cfg.Threads, cfg.Kernel)
	if err != nil {
		return usage(err)
	}
	peak := peakGFLOPS(engine)
	params, err := newParameters(cfg)
	if err != nil {
		return err
	}
	n, h, w, classes := cfg.Train.BatchSize, cfg.Data.Size[0], cfg.Data.Size[1], len(cfg.Data.Classes)
	images, targets := randomBatch(n*h*w, classes, rand.New(rand.NewPCG(cfg.Seed, 1)))

	weights := make([]float64, classes)
	for c := range weights {
		weights[c] = 1
	}
	graphs := &train.Graphs{Engine: engine, Params: params, Loss: loss.New(cfg.Loss, weights), Seed: cfg.Seed}
	step, err := graphs.NewStep(train.Shape{N: n, H: h, W: w})
	if err != nil {
		return err
	}
	optimizer, err := solver.New(cfg.Optimizer, train.Trained(params), engine)
	if err != nil {
		return err
	}
	training, err := median(ctx, steps, func(i int) error {
		if i == warmUp {
			step.Profile() // begins anew: the first steps find memory
		}
		if _, err := step.Run(images, targets, int64(i)); err != nil {
			return err
		}
		if _, err := optimizer.Step(cfg.Optimizer.LR); err != nil {
			return err
		}
		step.UpdateStatistics()
		return nil
	})
	if err != nil {
		return err
	}
	net, err := newNet(engine, params, &op.Memory{}, n, h, w)
	if err != nil {
		return err
	}
	inference, err := median(ctx, steps, func(int) error {
		_, err := net.run(images)
		return err
	})
	if err != nil {
		return err
	}
	forward, backward := params.Operations(h, w)
	m := measurement{
		CPU: cpuName(), Kernel: engine.Kernel(), Threads: engine.Threads(),
		BaseChannels: cfg.Model.BaseChannels, Depth: cfg.Model.Depth, BatchSize: n, Parameters: params.Count(),
		StepMS:         training.Seconds() * 1000,
		TrainPerSecond: float64(n) / training.Seconds(),
		InferPerSecond: float64(n) / inference.Seconds(),
		PeakRSS:        peakRSS(),
		TrainGFLOPS:    backward * float64(n) / training.Seconds() / 1e9,
		InferGFLOPS:    forward * float64(n) / inference.Seconds() / 1e9,
		PeakGFLOPS:     peak,
	}
	if asJSON {
		return writeJSON(p.stdout, m)
	}
	if _, err := fmt.Fprintf(p.stdout, `%s, kernel %s, %d threads, %.0f GFLOP/s in a large matrix product
base %d, depth %d, %d parameters, batches of %d images of %d x %d
training   %.1f ms a step, %.2f images/s, %.0f GFLOP/s, %.0f%% of that
inference  %.2f images/s, %.0f GFLOP/s, %.0f%% of that
peak memory %.0f MiB
`, m.CPU, m.Kernel, m.Threads, m.PeakGFLOPS, m.BaseChannels, m.Depth, m.Parameters, n, h, w,
		m.StepMS, m.TrainPerSecond, m.TrainGFLOPS, 100*m.TrainGFLOPS/peak,
		m.InferPerSecond, m.InferGFLOPS, 100*m.InferGFLOPS/peak, m.PeakRSS); err != nil {
		return err
	}
	if !profile {
		return nil
	}
	return writeProfile(p.stdout, step.Profile(), steps)
}

// writeProfile prints the time of each kind of op and of the slowest nodes, in ms a step.
func writeProfile(out io.Writer, timings []op.Timing, steps int) error {
	const slowest = 12
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(steps) }
	kinds := map[string]time.Duration{}
	var all time.Duration
	for _, t := range timings {
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
	for _, t := range timings[:min(slowest, len(timings))] {
		fmt.Fprintf(w, "%s\t%.2f\t%.1f%%\n", t.Name, ms(t.Time), 100*float64(t.Time)/float64(all))
	}
	return w.Flush()
}

// peakGFLOPS is the speed of the engine in a large matrix product, (4096, 128) x
// (128, 128). Longer rows would lie on a memory page each and measure how fast
// the processor finds these.
func peakGFLOPS(engine *kernel.Engine) float64 {
	s := kernel.ConvShape{N: 1, H: 64, W: 64, In: 128, Out: 128, Kernel: 1}
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

// randomBatch is images in 0..1, 3 values a pixel, and one-hot targets.
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

// cpuName is the model of the CPU where the system tells it, else its architecture.
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
