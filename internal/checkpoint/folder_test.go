package checkpoint_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
)

// at is a checkpoint that can be told by its value.
func at(step int64) *checkpoint.Checkpoint {
	return &checkpoint.Checkpoint{Tensors: []checkpoint.Tensor{{Name: "w", Shape: []int{1}, Data: []float32{float32(step)}}}}
}

func save(t *testing.T, f checkpoint.Folder, step int64, best bool) {
	t.Helper()
	if err := f.Save(at(step), step, best); err != nil {
		t.Fatal(err)
	}
}

// contents are the file names in dir with the value that each holds.
func contents(t *testing.T, dir string) map[string]int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, e := range entries {
		c, err := checkpoint.Read(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = int(c.Tensors[0].Data[0])
	}
	return got
}

func wantContents(t *testing.T, dir string, want map[string]int) {
	t.Helper()
	got := contents(t, dir)
	if len(got) != len(want) {
		t.Fatalf("folder has %v, want %v", got, want)
	}
	for name, value := range want {
		if got[name] != value {
			t.Fatalf("folder has %v, want %v", got, want)
		}
	}
}

func TestSave(t *testing.T) {
	f := checkpoint.Folder{Dir: filepath.Join(t.TempDir(), "run", "checkpoints"), Keep: 2}
	save(t, f, 1, true)
	wantContents(t, f.Dir, map[string]int{"step-00000001.safetensors": 1, "last.safetensors": 1, "best.safetensors": 1})
	save(t, f, 2, false)
	wantContents(t, f.Dir, map[string]int{"step-00000001.safetensors": 1, "step-00000002.safetensors": 2, "last.safetensors": 2, "best.safetensors": 1})
	save(t, f, 3, false)
	wantContents(t, f.Dir, map[string]int{"step-00000002.safetensors": 2, "step-00000003.safetensors": 3, "last.safetensors": 3, "best.safetensors": 1})
	save(t, f, 3, true) // again
	wantContents(t, f.Dir, map[string]int{"step-00000002.safetensors": 2, "step-00000003.safetensors": 3, "last.safetensors": 3, "best.safetensors": 3})
}

func TestSaveAfterGoingBack(t *testing.T) {
	f := checkpoint.Folder{Dir: t.TempDir(), Keep: 1}
	save(t, f, 900, false)
	save(t, f, 10, false)
	wantContents(t, f.Dir, map[string]int{"step-00000900.safetensors": 900, "step-00000010.safetensors": 10, "last.safetensors": 10})
	save(t, f, 134217728, false) // longer than the padding, and later than both
	wantContents(t, f.Dir, map[string]int{"step-134217728.safetensors": 134217728, "last.safetensors": 134217728})
}

func TestSaveKeepsOneAtLeast(t *testing.T) {
	f := checkpoint.Folder{Dir: t.TempDir()}
	save(t, f, 1, false)
	save(t, f, 2, false)
	wantContents(t, f.Dir, map[string]int{"step-00000002.safetensors": 2, "last.safetensors": 2})
}

func TestSaveRemovesStaleFilesAndNoOthers(t *testing.T) {
	f := checkpoint.Folder{Dir: t.TempDir(), Keep: 1}
	mine := []string{"notes.txt", ".last.safetensors", "step-1.safetensors", "step-00000001.safetensors.bak", ".mine.safetensors12"}
	for _, name := range append([]string{".step-00000001.safetensors123", ".last.safetensors0", ".best.safetensors99"}, mine...) {
		if err := os.WriteFile(filepath.Join(f.Dir, name), []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	save(t, f, 2, false)
	var got []string
	entries, _ := os.ReadDir(f.Dir)
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want := append([]string{"last.safetensors", "step-00000002.safetensors"}, mine...)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("folder has %v, want %v", got, want)
	}
}

// A run that is killed after the last one was replaced never comes to this step
// again, so the best one has to be there before.
func TestSaveReplacesBestBeforeLast(t *testing.T) {
	f := checkpoint.Folder{Dir: t.TempDir(), Keep: 1}
	save(t, f, 1, true)
	last := filepath.Join(f.Dir, "last.safetensors")
	if err := os.Remove(last); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(last, 0o755); err != nil { // which no file can replace
		t.Fatal(err)
	}
	if err := f.Save(at(2), 2, true); err == nil {
		t.Error("a folder was replaced")
	}
	if err := os.Remove(last); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, f.Dir)["best.safetensors"]; got != 2 {
		t.Errorf("best is of step %d, want 2", got)
	}
}

func TestSaveRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	good := checkpoint.Folder{Dir: t.TempDir(), Keep: 1}
	save(t, good, 1, true)
	for _, test := range []struct {
		name string
		f    checkpoint.Folder
		c    *checkpoint.Checkpoint
		step int64
		want string
	}{
		{"folder is a file", checkpoint.Folder{Dir: file, Keep: 1}, at(1), 1, file},
		{"not a checkpoint", good, &checkpoint.Checkpoint{Tensors: []checkpoint.Tensor{{Name: "w", Shape: []int{2}}}}, 2, "step-00000002.safetensors: tensor \"w\""},
		{"negative step", good, at(1), -1, "step = -1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.f.Save(test.c, test.step, true); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	wantContents(t, good.Dir, map[string]int{"step-00000001.safetensors": 1, "last.safetensors": 1, "best.safetensors": 1})
}

func TestLast(t *testing.T) {
	for _, test := range []struct {
		name        string
		broken      []string // truncated
		gone        []string
		want        string
		wantSkipped []string
		wantErr     string
	}{
		{name: "whole", want: "last.safetensors"},
		{name: "last is broken", broken: []string{"last.safetensors"}, want: "step-00000003.safetensors", wantSkipped: []string{"last.safetensors"}},
		{name: "last is gone", gone: []string{"last.safetensors"}, want: "step-00000003.safetensors"},
		{name: "last and newest broken", broken: []string{"last.safetensors", "step-00000003.safetensors"}, want: "step-00000002.safetensors", wantSkipped: []string{"last.safetensors", "step-00000003.safetensors"}},
		{name: "all broken", broken: []string{"last.safetensors", "step-00000003.safetensors", "step-00000002.safetensors"}, wantErr: "no whole checkpoint"},
		{name: "all gone", gone: []string{"last.safetensors", "step-00000003.safetensors", "step-00000002.safetensors"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := checkpoint.Folder{Dir: t.TempDir(), Keep: 2}
			for step := range int64(3) {
				save(t, f, step+1, false)
			}
			for _, name := range test.gone {
				if err := os.Remove(filepath.Join(f.Dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range test.broken {
				// Not in place: last is a second name of a step file.
				path := filepath.Join(f.Dir, name)
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, b[:len(b)-1], 0o644); err != nil {
					t.Fatal(err)
				}
			}
			path, skipped, err := f.Last()
			if test.want != "" {
				test.want = filepath.Join(f.Dir, test.want)
			}
			if path != test.want {
				t.Errorf("path %q, want %q", path, test.want)
			}
			if (err != nil) != (test.wantErr != "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("error %v, want one with %q", err, test.wantErr)
			}
			if len(skipped) != len(test.wantSkipped) {
				t.Fatalf("skipped %v, want %v", skipped, test.wantSkipped)
			}
			for i, name := range test.wantSkipped {
				if !strings.Contains(skipped[i].Error(), name) || !strings.Contains(skipped[i].Error(), "bytes of data") {
					t.Errorf("skipped %v, want %s and what is wrong with it", skipped[i], name)
				}
			}
		})
	}
	t.Run("no folder", func(t *testing.T) {
		path, skipped, err := checkpoint.Folder{Dir: filepath.Join(t.TempDir(), "none")}.Last()
		if path != "" || skipped != nil || err != nil {
			t.Errorf("%q, %v, %v, want nothing", path, skipped, err)
		}
	})
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe, short := filepath.Join(dir, "pipe"), filepath.Join(dir, "short")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(short, []byte("abc"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, want string }{
		{"no file", filepath.Join(dir, "none"), "no such file"},
		{"folder", dir, "not a regular file"},
		{"pipe", pipe, "not a regular file"},
		{"short", short, "not a safetensors file: 3 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := checkpoint.Read(test.path)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
				t.Errorf("error %v, want one with %q and %q", err, test.path, test.want)
			}
		})
	}
}

func TestWriteReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	for step := range int64(2) {
		if err := checkpoint.Write(path, at(step)); err != nil {
			t.Fatal(err)
		}
		wantContents(t, filepath.Dir(path), map[string]int{"a.safetensors": int(step)})
	}
	bad := at(2)
	bad.Tensors[0].Shape[0] = 2
	if err := checkpoint.Write(path, bad); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one that names %s", err, path)
	}
	wantContents(t, filepath.Dir(path), map[string]int{"a.safetensors": 1})
}

func TestConfigValidate(t *testing.T) {
	if err := checkpoint.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	want := "checkpoint.every_steps = -1, want >= 0\ncheckpoint.keep = 0, want >= 1"
	if err := (checkpoint.Config{EverySteps: -1}).Validate(); err == nil || err.Error() != want {
		t.Errorf("error %v, want %v", err, want)
	}
}
