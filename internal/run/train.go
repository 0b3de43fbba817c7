package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/hub"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// Training is a training run that is to be started.
type Training struct {
	Config config.Config
	// Resume is the checkpoint to go on from: a file, "auto" for the last one of
	// the run folder, or "" to start anew, which is refused in a folder that holds
	// a run already.
	Resume string
	// File is where the configuration was read from, "" if that is no file.
	File string
	// Hub has the weights of model.init = imagenet.
	Hub hub.Hub
	// Console shows progress, and whatever may surprise.
	Console *report.Console
	// Program is the name by which the program was started.
	Program string
	// Revision is what the program was built from, "" if that is not known.
	Revision string
	// Suspects has Crossval look for masks that are probably wrong, too.
	Suspects bool
	// Now is the clock of speeds and durations.
	Now func() time.Time
	// World is the processes that train the net together, each with a Training of its
	// own; nil: this one does. Only the first one uses the run folder, and the weights
	// to start from.
	World world.World
}

// Train runs it to its end, in the run folder of its configuration. At the end of
// ctx the run is saved, and the error is train.ErrInterrupted. The result has no
// Confusion if the run had already ended, and Ending says why.
//
// Of several processes, all return an error at the same point, a world.Agreed, or it is one
// that the others do not know of: then they wait, and have to be ended.
func (t Training) Train(ctx context.Context) (result train.Result, err error) {
	if t.World == nil {
		t.World = world.Alone{}
	}
	threads := t.threads()
	setup, err := t.open(threads)
	if err := world.Agree(t.World, err); err != nil {
		return result, err
	}
	if err := t.checkAlike(setup); err != nil {
		return result, err
	}
	first := t.World.Rank() == 0
	var b begun
	if first {
		b, err = t.begin(ctx, setup.Params)
		if b.out != nil {
			defer func() { err = errors.Join(err, b.out.Close()) }()
		}
	}
	if err := world.Agree(t.World, err); err != nil {
		return result, err
	}
	// Not before: the first one may have fetched the weights to start from.
	t.World.Watch(time.Duration(t.Config.MPI.Timeout) * time.Second)
	if ending := string(t.World.Broadcast(0, []byte(b.ending))); ending != "" {
		result.Ending, result.BestEpoch = checkpoint.Ending(ending), -1
		if first {
			result.Epoch, result.BestIoU, result.BestEpoch = b.resumed.at.Epoch-1, b.resumed.at.BestIoU, b.resumed.at.BestEpoch
		}
		return result, nil
	}
	cfg, console := t.Config, t.Console
	if b.resumed != nil {
		cfg = b.resumed.config
	}
	console.Classes = cfg.Data.Classes
	if setup.TrainCounts, setup.ClassWeights, err = classWeights(ctx, t.World, cfg, setup.Train, console); err != nil {
		return result, err
	}
	if setup.ValCounts, err = count(ctx, t.World, cfg, "val", setup.Val, "counting classes of the validation set", console); err != nil {
		return result, err
	}
	for _, warning := range survey.Beside(cfg.Data, "val", setup.ValCounts, setup.TrainCounts) {
		console.Warn("warning: %s", warning)
	}
	setup.Loss, setup.ConfigYAML = loss.New(cfg.Loss, setup.ClassWeights), cfg.YAML()
	if first {
		setup.Folder, setup.Recorder = b.folder, t.recorders(b.out, cfg)
		setup.Recorder = newWatcher(setup, cfg)
		err = b.out.writeConfig(cfg)
	}
	if err := world.Agree(t.World, err); err != nil {
		return result, err
	}
	if b.resumed != nil {
		setup.Resume = b.resumed.saved.Checkpoint
		setup.Changes = append(b.resumed.changes, b.resumed.compareData(setup, console)...)
	}
	result, err = train.Run(ctx, setup)
	console.Close()
	switch {
	case errors.Is(err, train.ErrInterrupted):
		err = fmt.Errorf("%w: saved to %s, --resume auto goes on from there", err, filepath.Join(cfg.Out, checkpointsName))
	case err == nil && result.Ending == checkpoint.EarlyStop:
		console.Note("stopped early after epoch %d: no better validation mIoU in %d epochs (train.early_stop)", result.Epoch+1, cfg.Train.EarlyStop)
	}
	return result, err
}

// threads is the number of threads of the ops, 0 for one per core. Processes that the
// launcher lets run on the same cores share them.
func (t Training) threads() int {
	if t.World.Size() == 1 {
		return t.Config.Threads
	}
	cores := world.Host()
	if status, err := os.ReadFile("/proc/self/status"); err == nil { // else they share the machine
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Cpus_allowed_list:") {
				cores += line
			}
		}
	}
	sharing := 0
	for _, others := range world.Gather(t.World, []byte(cores)) {
		if string(others) == cores {
			sharing++
		}
	}
	if t.Config.Threads > 0 {
		return t.Config.Threads
	}
	return max(1, runtime.GOMAXPROCS(0)/sharing)
}

// open makes what each process has of its own, and nothing on the disk.
func (t Training) open(threads int) (s train.Setup, err error) {
	cfg := t.Config
	s = train.Setup{
		Seed: cfg.Seed, Epochs: cfg.Train.Epochs, BatchSize: cfg.Train.BatchSize, Accumulate: cfg.Train.Accumulate, EMA: cfg.Train.EMA, EarlyStop: cfg.Train.EarlyStop, Optimizer: cfg.Optimizer, Schedule: cfg.Schedule,
		Checkpoint: cfg.Checkpoint, Patches: cfg.Data.Patches, RarePatches: cfg.Data.RarePatches, Augment: cfg.Data.Augment,
		Now: t.Now, World: t.World,
	}
	if err := readsBack(cfg); err != nil {
		return s, err
	}
	cfg.Threads = threads
	if s.Engine, err = NewEngine(cfg); err != nil {
		return s, err
	}
	if s.Params, err = NewParameters(cfg); err != nil {
		return s, err
	}
	if s.Train, err = data.Open(cfg.Data, cfg.Seed, "train"); err != nil {
		return s, err
	}
	s.Val, err = data.Open(cfg.Data, cfg.Seed, "val")
	return s, err
}

// checkAlike refuses processes that would not train the same net on the same data with
// the same rounding, and says where the others are.
func (t Training) checkAlike(s train.Setup) error {
	if t.World.Size() == 1 {
		return nil
	}
	if err := t.checkSameConfig(); err != nil {
		return err
	}
	for _, c := range []struct{ what, value string }{
		{"revision of the program", t.Revision},
		{"instruction set (kernel)", s.Engine.Kernel()},
		{"training images, by name or file size", s.Train.Fingerprint()},
		{"validation images, by name or file size", s.Val.Fingerprint()},
	} {
		if err := world.Same(t.World, c.what, []byte(c.value)); err != nil {
			return err
		}
	}
	hosts := map[string]int{}
	for _, host := range world.Gather(t.World, []byte(world.Host())) {
		hosts[string(host)]++
	}
	var on []string
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		on = append(on, fmt.Sprintf("%d on %s", hosts[host], host))
	}
	threads := "1 thread"
	if n := s.Engine.Threads(); n > 1 {
		threads = fmt.Sprintf("%d threads", n)
	}
	return t.Console.Note("%d processes train the net, which share each batch: %s; %s in the first", t.World.Size(), strings.Join(on, ", "), threads)
}

// checkSameConfig is the part of checkAlike that is about the configuration.
func (t Training) checkSameConfig() error {
	text := t.Config.YAML()
	err := world.Same(t.World, "configuration", text)
	if err == nil {
		return nil
	}
	var all []config.Config
	for _, text := range world.Gather(t.World, text) {
		cfg, err := config.Parse("configuration", text)
		if err != nil {
			return err
		}
		all = append(all, cfg)
	}
	keys, _ := config.Differing(all)
	return fmt.Errorf("%w: other %s", err, strings.Join(keys, ", "))
}

// begun is what the first process has to do with the run folder.
type begun struct {
	out     *Folder // nil: it was not opened
	folder  checkpoint.Folder
	resumed *resumed          // nil: anew
	ending  checkpoint.Ending // why there is nothing left to train
}

// begin opens the run folder, reads the checkpoint to go on from, or gives the net its
// first weights.
func (t Training) begin(ctx context.Context, params *model.Parameters) (b begun, err error) {
	cfg := t.Config
	if err := (durable.Outputs{Inputs: cfg.Data.Inputs(), Force: true}).Check(filepath.Join(cfg.Out, lockName)); err != nil {
		return b, Usage(fmt.Errorf("out: %w", err))
	}
	if b.out, err = OpenFolder(cfg.Out); err != nil {
		return b, err
	}
	if err := b.out.checkConfig(cfg, t.File); err != nil {
		return b, err
	}
	b.folder = b.out.checkpoints(cfg.Checkpoint.Keep)
	from, err := t.resumeFrom(b.folder)
	if err != nil {
		return b, err
	}
	if from == "" {
		return b, t.initialise(ctx, params)
	}
	if b.resumed, err = t.resume(from); err != nil {
		return b, err
	}
	if err := refuseOther(from, b.folder); err != nil {
		return b, err
	}
	cfg = b.resumed.config
	if b.ending = b.resumed.at.Ending(cfg.Train.Epochs, cfg.Train.EarlyStop); b.ending != "" {
		b.resumed.sayEnded(b.ending, t.Console)
	}
	return b, nil
}

// readsBack refuses a configuration that could be written but not read again, which
// would show when a checkpoint is to be used.
func readsBack(cfg config.Config) error {
	text := cfg.YAML()
	back, err := config.Parse("config.yaml", text)
	if err == nil && !bytes.Equal(back.YAML(), text) {
		err = errors.New("config.yaml: other values")
	}
	if err != nil {
		return Usage(fmt.Errorf("the configuration would not read back: %w", err))
	}
	return nil
}

// ClassWeights counts the classes of the training set and weighs them. It warns of
// what survey.Judge finds in the counts.
func ClassWeights(ctx context.Context, cfg config.Config, trainSet *data.Split, console *report.Console) (data.Counts, []float64, error) {
	return classWeights(ctx, world.Alone{}, cfg, trainSet, console)
}

// classWeights is ClassWeights by all processes together.
func classWeights(ctx context.Context, w world.World, cfg config.Config, trainSet *data.Split, console *report.Console) (data.Counts, []float64, error) {
	counts, err := count(ctx, w, cfg, "train", trainSet, "counting classes", console)
	if err != nil {
		return counts, nil, err
	}
	weights, err := loss.Weights(cfg.Loss, counts.Pixels, counts.ImagePixels, cfg.Data.Classes)
	return counts, weights, world.Agree(w, err)
}

// count counts the classes of a split, each process in a part of the images, and says
// what survey.Judge finds in the counts.
func count(ctx context.Context, w world.World, cfg config.Config, split string, set *data.Split, progress string, console *report.Console) (data.Counts, error) {
	lo, hi := world.Part(set.Len(), w.Rank(), w.Size())
	counts, err := data.CountSome(ctx, set, lo, hi, cfg.Threads, console.Progress(progress, "images"))
	console.Close()
	if err := world.Agree(w, err); err != nil {
		return counts, err
	}
	if counts, err = addCounts(w, counts); err != nil {
		return counts, err
	}
	warnings, err := survey.Judge(cfg, set, split, counts)
	for _, warning := range warnings {
		console.Warn("warning: %s", warning)
	}
	return counts, world.Agree(w, err)
}

// addCounts adds up what the processes have counted.
func addCounts(w world.World, own data.Counts) (all data.Counts, err error) {
	if w.Size() == 1 {
		return own, nil
	}
	b, err := own.MarshalBinary()
	if err := world.Agree(w, err); err != nil {
		return all, err
	}
	for _, b := range world.Gather(w, b) {
		var counts data.Counts
		if err := counts.UnmarshalBinary(b); err != nil {
			return all, err
		}
		all.Add(counts)
	}
	all.Sort()
	return all, nil
}

// recorders are what sees the events of the run, in this order.
func (t Training) recorders(out *Folder, cfg config.Config) report.Recorders {
	classes, palette := cfg.Data.Classes, report.Display(data.Colors(cfg.Data))
	recorders := report.Recorders{
		t.Console,
		&report.Table{Path: out.path("metrics.csv"), Classes: classes},
		&report.Log{Path: out.path("log.jsonl"), Now: time.Now, Classes: classes, Revision: t.Revision},
		&report.TensorBoard{Dir: out.path("tensorboard"), Now: time.Now, Classes: classes, Palette: palette},
	}
	if cfg.Report.Pictures {
		pages := Pages(out.dir, cfg, t.Program)
		pages.Warn = t.Console.Warn
		recorders = append(recorders, pages) // from what the others have written
	}
	return recorders
}

// Pages draws the run of a folder; program is the name of the program on the page.
func Pages(dir string, cfg config.Config, program string) *report.Pages {
	return &report.Pages{Dir: dir, Classes: cfg.Data.Classes, Palette: report.Display(data.Colors(cfg.Data)), Size: cfg.Data.Size, Config: cfg.YAML(), Program: program}
}
