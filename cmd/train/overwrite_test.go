package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// writers are the commands that write files where the user says, in a folder with a
// run and the data set that it was trained on.
var writers = []struct {
	name   string
	args   []string
	target string // what it writes, or one of the files
	input  string // what it reads, or one of the files
}{
	{"predict", []string{"predict", "--checkpoint", best, "--input", "set/images", "--out", "out"}, "out/train-000001.png", "set/images/train-000000.png"},
	{"predict into the labels", []string{"predict", "--checkpoint", best, "--input", "set/images", "--out", "out"}, "out/train-000001.png", "set/masks/train-000001.png"},
	{"predict --overlay", []string{"predict", "--checkpoint", best, "--input", "photos/images", "--out", "out", "--overlay"}, "out/train-000000.overlay.png", "photos/masks/train-000000.png"},
	{"predict --probabilities", []string{"predict", "--checkpoint", best, "--input", "photos/images/train-000000.png", "--out", "out", "--probabilities"}, "out/train-000000.npy", best},
	{"evaluate --pictures", []string{"evaluate", "--checkpoint", best, "--pictures", "out"}, "out/train-000000.png", "set/masks/train-000001.png"},
	{"evaluate --data", []string{"evaluate", "--checkpoint", best, "--pictures", "out", "--data", "photos"}, "out/train-000000.png", "photos/images/train-000000.png"},
	{"evaluate --per-image", []string{"evaluate", "--checkpoint", best, "--per-image", "out/images.csv"}, "out/images.csv", "set/masks/train-000001.png"},
	{"evaluate --suspects", []string{"evaluate", "--checkpoint", best, "--suspects", "out"}, "out/suspects.csv", "set/masks/train-000001.png"},
	{"augment", []string{"augment", "--config", "tiny.yaml", "--out", "out", "--count", "1"}, "out/augment.png", "tiny.yaml"},
	{"export", []string{"export", "--checkpoint", best, "--out", "out/net.safetensors"}, "out/net.safetensors", best},
	{"export onnx", []string{"export", "--checkpoint", best, "--format", "onnx", "--out", "out/net.onnx"}, "out/net.onnx", best},
	{"export pytorch", []string{"export", "--checkpoint", best, "--format", "pytorch", "--out", "out/net.py"}, "out/net.py", best},
	{"export pytorch, the weights", []string{"export", "--checkpoint", best, "--format", "pytorch", "--out", "out/net.py"}, "out/net.safetensors", best},
	{"init", []string{"init", "--data", "set", "--out", "out/my.yaml"}, "out/my.yaml", "set/classes.txt"},
	{"init --schema", []string{"init", "--data", "set", "--out", "out/my.yaml", "--schema"}, "out/unet.schema.json", "set/masks/train-000000.png"},
}

const never = "belongs to the input or the data set and is never replaced"

// obstacles are what may stand where a file is to be written. Those that force
// passes are replaced with --force; the others never.
var obstacles = []struct {
	name  string
	put   func(t *testing.T, target, input string)
	force bool
	says  string
}{
	{"a file", func(t *testing.T, target, _ string) { write(t, target, "precious") }, true, "exists already, --force replaces it"},
	{"a link to a file", func(t *testing.T, target, _ string) { succeed(t, os.Symlink("../precious", target)) }, false, "is a symbolic link"},
	{"a link to nothing", func(t *testing.T, target, _ string) { succeed(t, os.Symlink("nothing", target)) }, false, "is a symbolic link"},
	{"a link to a device", func(t *testing.T, target, _ string) { succeed(t, os.Symlink("/dev/full", target)) }, false, "is a symbolic link"},
	{"a folder", func(t *testing.T, target, _ string) { succeed(t, os.Mkdir(target, 0o755)) }, false, "is a folder"},
	{"a pipe", func(t *testing.T, target, _ string) { succeed(t, syscall.Mkfifo(target, 0o644)) }, false, "is a device or the like"},
	{"a hard link to an input", func(t *testing.T, target, input string) { succeed(t, os.Link(input, target)) }, true, ""}, // the other name keeps the file
}

func succeed(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// withRun makes the test run in a folder with set/, photos/ and a run that was
// trained on set/.
func withRun(t *testing.T) {
	t.Helper()
	inFolder(t)
	must(t, "synth", "--out", "set", "--count", "4")
	must(t, "synth", "--out", "photos", "--count", "1", "--seed", "1")
	write(t, "set/classes.txt", "background\ndisc\nsquare\ntriangle\n")
	write(t, "tiny.yaml", read(t, "tiny.yaml")+"loss: {allow_absent_classes: true}\n")
	text := strings.Replace(read(t, "tiny.yaml"), "synthetic: {train: 6, val: 3}", "source: folder, train: set, val: set", 1)
	write(t, "tiny.yaml", text)
	must(t, tiny("--epochs", "1")...)
}

// contents are all files below dir, by path, with what is in them; other things with
// what they are.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	succeed(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.Type().IsRegular():
			all[path] = read(t, path)
		default:
			all[path] = e.Type().String()
		}
		return nil
	}))
	return all
}

// changed are the paths at which two contents differ.
func changed(before, after map[string]string) (paths []string) {
	for path, text := range before {
		if after[path] != text {
			paths = append(paths, path)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// No command replaces what it reads, or writes through a link or to a device; and
// none a file that is there without --force. A refusal is a usage error in one
// line, and nothing at all has been written.
func TestNothingOfTheUsersIsOverwritten(t *testing.T) {
	withRun(t)
	write(t, "precious", "precious")
	for _, w := range writers {
		for _, o := range obstacles {
			t.Run(w.name+" over "+o.name, func(t *testing.T) {
				succeed(t, os.Mkdir("out", 0o755))
				defer os.RemoveAll("out")
				o.put(t, w.target, w.input)
				before := contents(t, ".")
				for _, args := range [][]string{w.args, append(slices.Clone(w.args), "--force")} {
					forced := args[len(args)-1] == "--force"
					got := command(t, args...)
					after := contents(t, ".")
					if forced && o.force {
						if got.code == 0 && after[w.target] == before[w.target] || got.code != 0 && !strings.Contains(got.stderr, never) {
							t.Errorf("with --force: exit code %d\n%s", got.code, got.stderr)
						}
						if got, want := after[w.input], before[w.input]; got != want {
							t.Errorf("%s has changed", w.input)
						}
						continue
					}
					if got.code != 2 || !strings.Contains(got.stderr, w.target+" "+o.says) || strings.Count(got.stderr, "\n") != 1 {
						t.Errorf("force %v: exit code %d, want 2 and a line with %q\n%s", forced, got.code, o.says, got.stderr)
					}
					if paths := changed(before, after); len(paths) > 0 {
						t.Fatalf("force %v: %v changed", forced, paths)
					}
				}
			})
		}
	}
}

// The folder of the inputs may not be the one of the outputs, by whatever name.
func TestOutputsAmongTheInputs(t *testing.T) {
	withRun(t)
	succeed(t, os.Symlink("set/masks", "other"))
	before := contents(t, ".")
	for _, args := range [][]string{
		{"predict", "--checkpoint", best, "--input", "set/images", "--out", "set/masks"},
		{"predict", "--checkpoint", best, "--input", "set/images", "--out", "other"},
		{"predict", "--checkpoint", best, "--input", "photos/images/train-000000.png", "--out", "photos/images"},
		{"predict", "--checkpoint", best, "--input", "photos/images", "--out", "photos/masks"},
		{"evaluate", "--checkpoint", best, "--pictures", "set/images"},
		{"evaluate", "--checkpoint", best, "--pictures", "set/images/../masks"},
		{"evaluate", "--checkpoint", best, "--pictures", "photos/masks", "--data", "photos"},
		{"evaluate", "--checkpoint", best, "--per-image", best},
		{"export", "--checkpoint", best, "--out", best},
		{"export", "--checkpoint", best, "--out", "set/images/train-000000.png"},
		{"init", "--data", "set", "--out", "set/classes.txt"},
		{"init", "--data", "set", "--out", "set/masks/train-000000.png"},
	} {
		o := command(t, append(args, "--force")...)
		if o.code != 2 || !strings.Contains(o.stderr, "input or the data set and ") || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, want 2\n%s", args, o.code, o.stderr)
		}
		if paths := changed(before, contents(t, ".")); len(paths) > 0 {
			t.Fatalf("%v: %v changed", args, paths)
		}
	}
}

// What would be read with the data set the next time is not written there.
func TestNothingIsAddedToTheDataSet(t *testing.T) {
	withRun(t)
	succeed(t, os.Symlink("set/masks", "other"))
	before := contents(t, ".")
	for _, args := range [][]string{
		tiny("--out", "set/images"),
		tiny("--out", "set/masks/new/run"),
		tiny("--out", "other/run"),
		{"predict", "--checkpoint", best, "--input", "set/images", "--out", "set/images/new"},
		{"predict", "--checkpoint", best, "--input", "photos/images", "--out", "photos/masks/new", "--force"},
		{"evaluate", "--checkpoint", best, "--pictures", "set/masks/new"},
		{"augment", "--config", "tiny.yaml", "--out", "set/images"},
		{"export", "--checkpoint", best, "--out", "set/masks/net.safetensors"},
	} {
		o := command(t, args...)
		if o.code != 2 || !strings.Contains(o.stderr, "would be read as part of the data set: choose another folder") || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, want 2\n%s", args, o.code, o.stderr)
		}
		if paths := changed(before, contents(t, ".")); len(paths) > 0 {
			t.Fatalf("%v: %v changed", args, paths)
		}
	}
	must(t, "init", "--data", "set", "--out", "set/my.yaml")
}

// A device as an output is refused before any work is done.
func TestDevices(t *testing.T) {
	withRun(t)
	for _, path := range []string{"/dev/full", "/dev/null", "/dev/stdout"} {
		for _, args := range [][]string{
			{"export", "--checkpoint", best, "--format", "onnx", "--out", path},
			{"init", "--data", "set", "--out", path},
		} {
			if o := command(t, append(args, "--force")...); o.code != 2 || !strings.Contains(o.stderr, "--out: "+path+" is a ") {
				t.Errorf("%v: exit code %d, want 2\n%s", args, o.code, o.stderr)
			}
		}
	}
}
