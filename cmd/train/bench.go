package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
)

func (p *program) bench() *cobra.Command {
	var settings settings
	var steps int
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure the speed of training and inference on random images",
		Long:    "Measure the speed of training steps (forward, backward, update) and of inference on random images: medians after warm-up.",
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
			return p.runBench(cmd.Context(), cfg, steps, asJSON)
		},
	}
	settings.register(cmd)
	cmd.Flags().IntVar(&steps, "steps", 12, "number of measured steps")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
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
}

// warmUp is the number of steps before the measured ones.
const warmUp = 2

func (p *program) runBench(ctx context.Context, cfg config.Config, steps int, asJSON bool) error {
	engine, err := kernel.NewEngine(cfg.Threads, cfg.Kernel)
	if err != nil {
		return usage(err)
	}
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
	var trained []solver.Param
	for _, q := range params.All() {
		if q.Trained() {
			trained = append(trained, solver.Param{Name: q.Name, Value: q.Value, Grad: q.Grad})
		}
	}
	optimizer, err := solver.New(cfg.Optimizer, trained, engine.Threads())
	if err != nil {
		return err
	}
	training, err := median(ctx, steps, func(i int) error {
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
	net, err := newNet(engine, params, n, h, w)
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
	m := measurement{
		CPU: cpuName(), Kernel: engine.Kernel(), Threads: engine.Threads(),
		BaseChannels: cfg.Model.BaseChannels, Depth: cfg.Model.Depth, BatchSize: n, Parameters: params.Count(),
		StepMS:         training.Seconds() * 1000,
		TrainPerSecond: float64(n) / training.Seconds(),
		InferPerSecond: float64(n) / inference.Seconds(),
		PeakRSS:        peakRSS(),
	}
	if asJSON {
		return writeJSON(p.stdout, m)
	}
	_, err = fmt.Fprintf(p.stdout, `%s, kernel %s, %d threads
base %d, depth %d, %d parameters, batches of %d images of %d x %d
training   %.1f ms a step, %.2f images/s
inference  %.2f images/s
peak memory %.0f MiB
`, m.CPU, m.Kernel, m.Threads, m.BaseChannels, m.Depth, m.Parameters, n, h, w, m.StepMS, m.TrainPerSecond, m.InferPerSecond, m.PeakRSS)
	return err
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
