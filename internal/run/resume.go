package run

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
)

// resumed is a run that goes on from a checkpoint.
type resumed struct {
	saved   *Saved
	at      checkpoint.Position
	config  config.Config // to go on with
	changes []string      // of the configuration, since the checkpoint
}

// resumeFrom is the checkpoint that Resume stands for, or "" to start anew.
func (t Training) resumeFrom(folder checkpoint.Folder) (path string, err error) {
	if t.Resume != "" && t.Resume != "auto" {
		return t.Resume, nil
	}
	held, err := folder.Holds()
	if err != nil {
		return "", err
	}
	if t.Resume == "" {
		if !held {
			return "", nil
		}
		return "", Usage(fmt.Errorf("%s holds checkpoints already: go on with --resume auto, or choose another folder with --out", folder.Dir))
	}
	path, skipped, err := folder.Last()
	if err != nil {
		return "", err
	}
	for _, err := range skipped {
		t.Console.Warn("passed over: %v", err)
	}
	switch {
	case path != "":
		t.Console.Note("resuming from %s", path)
	case held:
		return "", Usage(fmt.Errorf("%s holds only the best checkpoint, which a new run would replace: go on from it with --resume %s, or choose another folder with --out", folder.Dir, filepath.Join(folder.Dir, checkpoint.BestName)))
	default:
		t.Console.Note("%s holds no checkpoint to resume from: starting anew", folder.Dir)
		beside := checkpoint.Folder{Dir: filepath.Join(filepath.Dir(t.File), "checkpoints")}
		if path, _, err := beside.Last(); t.File != "" && err == nil && path != "" {
			t.Console.Warn("but %s, beside the configuration, does: if its run folder was moved, --out %s goes on from it", beside.Dir, filepath.Dir(t.File))
		}
	}
	return path, nil
}

// refuseOther refuses to go on from a checkpoint of elsewhere in a folder that holds
// checkpoints: they would be replaced by those of this run.
func refuseOther(from string, folder checkpoint.Folder) error {
	if held, err := folder.Holds(); err != nil || !held || sameFile(filepath.Dir(from), folder.Dir) {
		return err
	}
	return Usage(fmt.Errorf("%s holds checkpoints already, and %s is not one of them: choose another folder with --out", folder.Dir, from))
}

// resume reads a checkpoint and decides on the configuration to go on with. It
// refuses a checkpoint that does not fit, and notes what else differs.
func (t Training) resume(path string) (*resumed, error) {
	saved, err := Read(path)
	if err != nil {
		return nil, err
	}
	at, err := saved.Position()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	cfg, old, console := t.Config, saved.Config, t.Console
	if given := cfg.Model.Init; given != "" && given != old.Model.Init {
		console.Note("model.init = %s is not read: the run goes on from %s", given, path)
	}
	cfg.Model.Init = old.Model.Init // where the weights came from
	r := &resumed{saved: saved, at: at, config: cfg}
	refused, changed := config.Compare(old, cfg)
	var errs []error
	for _, d := range refused {
		hint := ""
		if d.Key == "model.freeze" {
			hint = fmt.Sprintf("; to train other parts, start anew from its weights, with model.init=%s and another --out", path)
		}
		errs = append(errs, fmt.Errorf("%s does not fit the configuration: %v%s", path, d, hint))
	}
	for _, d := range changed {
		console.Note("changed since the checkpoint, %s: %v", r.since(), d)
		r.changes = append(r.changes, d.String())
	}
	if errs != nil {
		return nil, Usage(errors.Join(errs...))
	}
	if !saved.HasOptimizerState() && (cfg.Optimizer.KeepsAverages() || old.Train.EMA > 0) {
		return nil, Usage(fmt.Errorf("%s was exported without the optimizer's state: resume from a checkpoint of the run folder, or start anew with model.init=%s", path, path))
	}
	return r, nil
}

// since says from where on a change holds; epochs count from 1.
func (r *resumed) since() string {
	if r.at.Sample > 0 {
		return fmt.Sprintf("from the rest of epoch %d on", r.at.Epoch+1)
	}
	return fmt.Sprintf("from epoch %d on", r.at.Epoch+1)
}

// sayEnded says why there is nothing left to train, and what would go on.
func (r *resumed) sayEnded(why checkpoint.Ending, console *report.Console) {
	c := r.config.Train
	impatient := r.at.Ending(math.MaxInt, c.EarlyStop) == checkpoint.EarlyStop
	switch {
	case why == checkpoint.EarlyStop:
		console.Warn("nothing to train: training stopped early after epoch %d (patience %d used up), with the best mIoU, %.4f, after epoch %d; a larger train.early_stop, or 0, goes on",
			r.at.Epoch, c.EarlyStop, r.at.BestIoU, r.at.BestEpoch+1)
	case impatient:
		console.Warn("nothing to train: %s has all %d epochs, and patience %d is used up; more --epochs and a larger train.early_stop, or 0, go on", r.saved.Path, c.Epochs, c.EarlyStop)
	case r.at.Epoch > c.Epochs:
		console.Note("nothing to train: %s has %d epochs, train.epochs is %d; more --epochs go on", r.saved.Path, r.at.Epoch, c.Epochs)
	default:
		console.Note("nothing to train: %s has all %d epochs; --epochs gives it more", r.saved.Path, c.Epochs)
	}
}

// compareData warns of what differs between the data of the checkpoint and those to
// go on with, and returns it. What an older checkpoint does not say is not compared.
func (r *resumed) compareData(now train.Setup, console *report.Console) (changes []string) {
	saved, classes := r.saved, r.config.Data.Classes
	warn := func(set, was, consequence string, others, relabelled bool, counts []string) {
		how := "its labels differ"
		switch {
		case others:
			how = "its images are others, by name, file size or data.size"
		case counts == nil && relabelled:
			how = "its labels differ: as many pixels of each class, in other places"
		case counts == nil:
			return
		}
		console.Warn("the %s set is not the one that %s was %s: %s%s", set, saved.Path, was, how, consequence)
		changes = append(changes, fmt.Sprintf("%s set: %s", set, how))
		for _, d := range counts {
			console.Warn("changed since the checkpoint, %s: %s set, %s", r.since(), set, d)
			changes = append(changes, fmt.Sprintf("%s set, %s", set, d))
		}
	}
	differ := func(old, now string) bool { return old != "" && old != now }
	weights, err := saved.ClassWeights()
	if err != nil {
		weights = nil // they are not needed to go on
	}
	warn("training", "trained on", "",
		differ(saved.DataFingerprint(), now.Train.Fingerprint()), differ(saved.LabelDigest(), train.Digest(now.TrainCounts)),
		differences(classes, saved.ClassCounts(), now.TrainCounts.Pixels, weights, now.ClassWeights))
	incomparable := ""
	if r.at.BestEpoch >= 0 {
		incomparable = fmt.Sprintf("; mIoU from now on does not compare with that before, of which the best is %.4f after epoch %d", r.at.BestIoU, r.at.BestEpoch+1)
	}
	warn("validation", "measured on", incomparable,
		differ(saved.ValFingerprint(), now.Val.Fingerprint()), differ(saved.ValLabelDigest(), train.Digest(now.ValCounts)),
		differences(classes, saved.ValClassCounts(), now.ValCounts.Pixels, nil, nil))
	return changes
}

// differences are the classes whose number of pixels is another, a line each, of
// many only the first. There is none where the old numbers are not known. The
// weights may be nil.
func differences(classes []string, old, now []int64, oldWeights, weights []float64) (lines []string) {
	if len(old) != len(now) || slices.Equal(old, now) {
		return nil
	}
	share := func(counts []int64, class int) float64 {
		var total int64
		for _, n := range counts {
			total += n
		}
		return 100 * float64(counts[class]) / float64(max(total, 1))
	}
	const most = 10
	more := 0
	for class, name := range classes {
		if old[class] == now[class] {
			continue
		}
		if len(lines) == most {
			more++
			continue
		}
		line := fmt.Sprintf("class %s: %d -> %d pixels, %.2f%% -> %.2f%% of the labelled ones", name, old[class], now[class], share(old, class), share(now, class))
		if oldWeights != nil && oldWeights[class] != weights[class] {
			line += fmt.Sprintf(", weight %.4g -> %.4g", oldWeights[class], weights[class])
		}
		lines = append(lines, line)
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more classes", more))
	}
	return lines
}

// Best is the file that holds the checkpoint of the best validation of a run: in its
// folder, or, if the run has had no better one since it was resumed, where it was
// resumed from. "" if neither holds it.
func (t Training) Best(r train.Result) (path string) {
	folders := []string{filepath.Join(t.Config.Out, "checkpoints")}
	if t.Resume != "" && t.Resume != "auto" {
		folders = append(folders, filepath.Dir(t.Resume))
	}
	for _, dir := range folders {
		path := filepath.Join(dir, checkpoint.BestName)
		c, err := checkpoint.ReadRun(path)
		if err != nil {
			continue
		}
		if at, err := c.Position(); err == nil && at.BestEpoch == r.BestEpoch && at.BestIoU == r.BestIoU && at.Epoch == r.BestEpoch+1 {
			return path
		}
	}
	return ""
}
