package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gofrs/flock"
)

// The list has the keys that differ, the figures of metrics.csv, and where each run
// stands, in three forms; folders of no run are left out.
func TestRuns(t *testing.T) {
	inFolder(t)
	must(t, tiny("--quiet", "--out", "runs/a")...)
	must(t, tiny("--quiet", "--out", "runs/deep/b", "--set", "optimizer.lr=0.02", "--set", "data.classes=[ground, disc, a class of a very long name, triangle]")...)
	// A net that does not move uses up a patience of one epoch at once.
	must(t, tiny("--quiet", "--out", "runs/c", "--epochs", "50", "--set", "train.early_stop=1", "--set", "optimizer.lr=1e-30", "--set", "model.norm=none")...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if o := when(ctx, map[string]func(){"epoch 1/2": cancel}, tiny("--out", "runs/d")...); o.code != 130 {
		t.Fatalf("exit code %d\n%s", o.code, o.stderr)
	}
	write(t, "runs/notes/config.yaml", "trains: nothing\n")
	write(t, "runs/broken/config.yaml", "seed: many\n")
	write(t, "runs/broken/lock", "")
	write(t, "runs/a/checkpoints/config.yaml", "seed: 1\n")

	lock := flock.New("runs/d/lock")
	defer lock.Close()
	for _, state := range []string{"stopped", "training"} {
		o := command(t, "runs", "runs")
		lines := strings.Split(strings.TrimSuffix(o.stdout, "\n"), "\n")
		if o.code != 0 || len(lines) != 5 || o.stderr != "left out: runs/broken/config.yaml:1: seed = \"many\", want an integer >= 0\n" {
			t.Fatalf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
		}
		if got, want := strings.Join(strings.Fields(lines[0]), " "), "run data.classes model.norm optimizer.lr train.early_stop train.epochs best mIoU epoch last mIoU state"; got != want {
			t.Errorf("columns %s, want %s", got, want)
		}
		for i, ends := range []string{"  ended", "  early stop (2 of 50 epochs)", "  " + state + " (1 of 2 epochs)", "  ended"} {
			dir := []string{"a", "c", "d", "deep/b"}[i]
			if line := lines[i+1]; !strings.HasPrefix(line, "runs/"+dir+" ") || !strings.HasSuffix(line, ends) {
				t.Errorf("got %q, want runs/%s ... %s", line, dir, ends)
			}
		}
		if !strings.Contains(lines[4], "  [ground, disc, a class …  batch       0.02  ") {
			t.Errorf("got %q", lines[4])
		}
		if locked, err := lock.TryLock(); err != nil || !locked {
			t.Fatal(err)
		}
	}

	csv := must(t, "runs", "runs/a", "runs/deep", "--csv")
	write(t, "runs.csv", csv)
	rows := table(t, "runs.csv")
	var list []struct {
		Run       string
		Keys      map[string]string
		BestIoU   float64 `json:"best_miou"`
		BestEpoch int     `json:"best_epoch"`
		LastIoU   float64 `json:"last_miou"`
		Epochs    int
		State     string
	}
	decode(t, must(t, "runs", "--json", "runs/a", "runs/deep"), &list)
	if len(list) != 2 || len(rows) != 2 || list[1].Keys["optimizer.lr"] != "0.02" || rows["runs/deep/b"]["optimizer.lr"] != "0.02" || len(list[0].Keys) != 2 {
		t.Fatalf("%+v\n%s", list, csv)
	}
	for _, r := range list {
		metrics := table(t, filepath.Join(r.Run, "metrics.csv"))
		first, last := number(t, metrics["1"]["val_miou"]), number(t, metrics["2"]["val_miou"])
		best, epoch := first, 1
		if last > first {
			best, epoch = last, 2
		}
		if r.BestIoU != best || r.BestEpoch != epoch || r.LastIoU != last || r.Epochs != 2 || r.State != "ended" {
			t.Errorf("%+v, want best %g after epoch %d, last %g", r, best, epoch, last)
		}
		if row := rows[r.Run]; !near(number(t, row["best_miou"]), best) || row["best_epoch"] != fmt.Sprint(epoch) || !near(number(t, row["last_miou"]), last) || row["epochs"] != "2" || row["state"] != "ended" {
			t.Errorf("CSV has %v", row)
		}
	}

	check(t, command(t, "runs"), 2, []string{"train: train runs: want a folder"})
	check(t, command(t, "runs", "runs", "--json", "--csv"), 2, []string{"train: --json and --csv: want one of them"})
	check(t, command(t, "runs", "runs/notes"), 1, []string{"train: runs/notes: no run folder"})
	check(t, command(t, "runs", "nowhere"), 1, []string{"train: lstat nowhere: no such file or directory"})
}

// A sweep trains each combination as training alone does, also one that was stopped;
// more values train only what is new.
func TestSweep(t *testing.T) {
	inFolder(t)
	args := []string{"sweep", "--config", "tiny.yaml", "--out", "swept", "--set", "train.epochs=1", "--set", "optimizer.lr=0.001,0.02", "--set", "data.size=[16,16],[32, 16]"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := when(ctx, map[string]func(){"lr=0.001,size=32-16": cancel}, args...)
	if o.code != 130 || !strings.HasSuffix(o.stderr, "train: interrupted in lr=0.001,size=32-16 (2 of 4): the same command goes on from there\n") {
		t.Fatalf("exit code %d\n%s", o.code, o.stderr)
	}
	got := must(t, args...)
	folders := []string{"lr=0.001,size=16-16", "lr=0.001,size=32-16", "lr=0.02,size=16-16", "lr=0.02,size=32-16"}
	if below := names("swept", "lr="); !slices.Equal(below, folders) {
		t.Errorf("folders %v, want %v", below, folders)
	}
	for i, folder := range folders {
		must(t, tiny("--quiet", "--out", fmt.Sprint(i), "--epochs", "1", "--set", "optimizer.lr="+[]string{"0.001", "0.02"}[i/2], "--set", "data.size="+[]string{"[16, 16]", "[32, 16]"}[i%2])...)
		equalRuns(t, filepath.Join("swept", folder), fmt.Sprint(i))
	}
	if must(t, "runs", "swept") != got || strings.Count(got, "\n") != 5 || !strings.HasPrefix(got, "run                        data.size  optimizer.lr  best mIoU") {
		t.Errorf("the sweep ends with\n%s", got)
	}
	before := contents(t, "swept")
	more := slices.Clone(args)
	more[8] = "optimizer.lr=0.02,0.05"
	if got := must(t, more...); strings.Count(got, "\n") != 7 {
		t.Errorf("with more values the list is\n%s", got)
	}
	for _, path := range changed(before, contents(t, "swept")) {
		if !strings.HasPrefix(path, "swept/lr=0.05,") {
			t.Errorf("%s changed", path)
		}
	}

	check(t, command(t, append(args, "--set", "seed=3")...), 2, []string{
		"train: swept/lr=0.001,size=16-16 was begun with another configuration: seed 42 -> 3",
		"train: choose another folder with --out to start anew"})
	for set, want := range map[string]string{
		"seed=1":   "--set: every key has one value, want a key with several: KEY=VALUE,VALUE",
		"seed=1,x": `--set seed=x: seed = "x", want an integer >= 0`,
		"out=a,b":  "--set out=...: want one folder for all runs",
	} {
		check(t, command(t, "sweep", "--config", "tiny.yaml", "--set", set), 2, []string{"train: " + want})
	}
	check(t, command(t, "sweep", "--config", "tiny.yaml", "--out", "0", "--set", "seed=1,2"), 2, []string{"train: out: 0 holds checkpoints already, of something else: choose another folder with --out"})
	if _, err := os.Stat("run-sweep"); err == nil {
		t.Error("a mistake made the run folder")
	}
}

// Runs that fail do not keep the others of a sweep from being trained, nor do they count
// in the means over those that differ in seed only.
func TestSweepWithFailures(t *testing.T) {
	inFolder(t)
	must(t, tiny("--epochs", "1")...) // its run folder is left alone
	o := command(t, "sweep", "--config", "tiny.yaml", "--set", "optimizer.name=sgd", "--set", "optimizer.lr=1e30,0.001", "--set", "seed=1,2,3", "--quiet")
	if o.code != 1 || !strings.HasSuffix(o.stderr, "train: 3 of 6 runs failed: lr=1e30,seed=1; lr=1e30,seed=2; lr=1e30,seed=3\n") || !strings.Contains(o.stderr, "lr=1e30,seed=2 (2 of 6): ") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
	lines := strings.Split(o.stdout, "\n")
	if len(lines) != 11 || !strings.HasSuffix(lines[1], "ended") || !strings.HasSuffix(lines[6], "stopped (0 of 2 epochs)") {
		t.Fatalf("got\n%s", o.stdout)
	}
	var list []struct {
		LastIoU float64 `json:"last_miou"`
		State   string
	}
	decode(t, must(t, "runs", "run-sweep", "--json"), &list)
	var mean, square float64
	for _, r := range list[:3] {
		mean += r.LastIoU / 3
	}
	for _, r := range list[:3] {
		square += (r.LastIoU - mean) * (r.LastIoU - mean) / 2
	}
	if want := fmt.Sprintf("  %.4f  %.4f", mean, math.Sqrt(square)); !strings.HasPrefix(lines[9], "3     0.001 ") || !strings.HasSuffix(lines[9], want) {
		t.Errorf("the means are %q, want 3 runs, 0.001 and%s at the end", lines[9], want)
	}
}
