package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// diskFaults are what can happen to a disk, and how it is mended.
var diskFaults = []struct {
	name, says string
	begin, end func(t *testing.T)
}{
	{"full", "no space left on device", fill, func(t *testing.T) {
		if err := os.Remove("disk/ballast"); err != nil {
			t.Error(err)
		}
	}},
	{"read-only", "read-only file system",
		func(t *testing.T) { remount(t, syscall.MS_RDONLY) },
		func(t *testing.T) { remount(t, 0) }},
}

// onDisk makes the test run in a folder with a small disk of its own, disk/.
func onDisk(t *testing.T) {
	t.Helper()
	inFolder(t)
	if err := os.Mkdir("disk", 0o755); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("tmpfs", "disk", "tmpfs", 0, "size=512k")
	if errors.Is(err, syscall.EPERM) {
		t.Skip("mounting a tmpfs is not permitted")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount("disk", syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill takes all that is left of the disk.
func fill(t *testing.T) {
	f, err := os.Create("disk/ballast")
	if err != nil {
		t.Error(err)
		return
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("filling the disk: %v", err)
	}
	f.Close()
}

func remount(t *testing.T, flags uintptr) {
	if err := syscall.Mount("tmpfs", "disk", "tmpfs", syscall.MS_REMOUNT|flags, "size=512k"); err != nil {
		t.Error(err)
	}
}

// onTheDisk is a run of 5 epochs of 2 steps on the disk.
var onTheDisk = tiny("--epochs", "5", "--out", "disk/run")

// A disk that is full or read-only at the end of an epoch, and not at the next,
// costs nothing: whichever epoch it is, the best one too.
func TestTrainingGoesOnWhileTheDiskFails(t *testing.T) {
	onDisk(t)
	must(t, tiny("--epochs", "5", "--out", "straight")...)
	for _, fault := range diskFaults {
		for epoch := 1; epoch < 5; epoch++ {
			t.Run(fmt.Sprintf("%s after epoch %d", fault.name, epoch), func(t *testing.T) {
				defer os.RemoveAll("disk/run")
				o := when(t.Context(), map[string]func(){
					fmt.Sprintf("epoch %d/5", epoch):   func() { fault.begin(t) },
					fmt.Sprintf("epoch %d/5", epoch+1): func() { fault.end(t) },
				}, onTheDisk...)
				if o.code != 0 {
					t.Fatalf("exit code %d\n%s", o.code, o.stderr)
				}
				if !says(o.stderr, "training goes on, but checkpoint: ", fault.says) {
					t.Errorf("not told that a checkpoint could not be written:\n%s", o.stderr)
				}
				equalRuns(t, "disk/run", "straight")
				if n := strings.Count(read(t, "disk/run/metrics.csv"), "\n"); n != 6 {
					t.Errorf("metrics.csv has %d lines, want a header and 5 epochs", n)
				}
				if events := events(t, "disk/run"); events["step"] != 10 || events["epoch"] != 5 || events["unwritten"] == 0 {
					t.Errorf("log.jsonl has %v, want 10 steps, 5 epochs and what could not be written", events)
				}
				if names := temporary("disk/run"); len(names) > 0 {
					t.Errorf("%v are left over", names)
				}
			})
		}
	}
}

// events counts the kinds of lines of log.jsonl.
func events(t *testing.T, run string) map[string]int {
	t.Helper()
	n := map[string]int{}
	for line := range strings.Lines(read(t, run+"/log.jsonl")) {
		var v struct{ Event string }
		decode(t, line, &v)
		n[v.Event]++
	}
	return n
}

// When the end of a run cannot be written, the run says so and has failed, be it
// complete or interrupted; the last good checkpoint is untouched, and when the
// disk is mended the run goes on from it.
func TestEndThatCannotBeSavedFails(t *testing.T) {
	onDisk(t)
	must(t, tiny("--epochs", "5", "--out", "straight")...)
	for _, fault := range diskFaults {
		for _, interrupted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, interrupted %v", fault.name, interrupted), func(t *testing.T) {
				defer os.RemoveAll("disk/run")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				o := when(ctx, map[string]func(){
					"epoch 3/5": func() { fault.begin(t) },
					"epoch 4/5": func() {
						if interrupted {
							cancel()
						}
					},
				}, onTheDisk...)
				if o.code != 1 || !says(o.stderr, "train: the last checkpoint was not written; earlier ones are intact: checkpoint: ", fault.says) {
					t.Errorf("exit code %d, want 1\n%s", o.code, o.stderr)
				}
				if step := load(t, "disk/run", "last").Meta["step"]; step != "4" {
					t.Errorf("the last checkpoint is of step %s, want 4", step)
				}
				load(t, "disk/run", "best")
				events(t, "disk/run") // which are whole lines
				fault.end(t)
				must(t, append(onTheDisk, "--resume", "auto")...)
				equalRuns(t, "disk/run", "straight")
			})
		}
	}
}

// A training that could not save anything does not begin.
func TestDiskThatFailsFromTheStart(t *testing.T) {
	onDisk(t)
	for _, fault := range diskFaults {
		t.Run(fault.name, func(t *testing.T) {
			fault.begin(t)
			defer fault.end(t)
			o := command(t, onTheDisk...)
			if o.code != 1 || !strings.HasSuffix(o.stderr, fault.says+"\n") || !strings.HasPrefix(o.stderr, "train: ") || strings.Count(o.stderr, "\n") != 1 {
				t.Errorf("exit code %d, want 1\n%s", o.code, o.stderr)
			}
		})
	}
}

// A command that could not write its files does no work.
func TestReadOnlyFolder(t *testing.T) {
	onDisk(t)
	must(t, "synth", "--out", "set", "--count", "2")
	must(t, tiny()...)
	for _, dir := range []string{"disk", "disk/new/folder"} {
		for _, args := range [][]string{
			{"predict", "--checkpoint", best, "--input", "set/images", "--out", dir},
			{"evaluate", "--checkpoint", best, "--pictures", dir},
			{"evaluate", "--checkpoint", best, "--per-image", dir + "/images.csv"},
			{"augment", "--config", "tiny.yaml", "--out", dir},
			{"export", "--checkpoint", best, "--format", "onnx", "--out", dir + "/net.onnx"},
			tiny("--out", dir),
			{"synth", "--out", dir},
		} {
			remount(t, syscall.MS_RDONLY)
			o := command(t, args...)
			remount(t, 0)
			if o.code != 1 || o.stdout != "" || !strings.HasSuffix(o.stderr, "read-only file system\n") || strings.Count(o.stderr, "\n") != 1 {
				t.Errorf("%v: exit code %d, want 1 and a line\n%s%s", args, o.code, o.stderr, o.stdout)
			}
			if names := names("disk", ""); len(names) > 0 {
				t.Errorf("%v: %v written", args, names)
			}
		}
	}
}

// On a full disk predict ends at the first file that cannot be written, of which
// nothing is left.
func TestPredictOnAFullDisk(t *testing.T) {
	onDisk(t)
	must(t, "synth", "--out", "set", "--count", "4")
	must(t, tiny()...)
	o := command(t, "predict", "--checkpoint", best, "--input", "set/images", "--out", "disk/out", "--tile", "--probabilities")
	if o.code != 1 || !strings.HasSuffix(o.stderr, "no space left on device\n") || strings.Count(o.stderr, "\n") != 1 || !strings.HasPrefix(o.stdout, "1 of 4 masks written") {
		t.Errorf("exit code %d, want 1 and a line\n%s%s", o.code, o.stderr, o.stdout)
	}
	if got := strings.Join(names("disk/out", ""), " "); got != "train-000000.npy train-000000.png" {
		t.Errorf("there are %s", got)
	}
}
