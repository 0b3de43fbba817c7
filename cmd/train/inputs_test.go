package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// below lists the files below a folder.
func below(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			path, err = filepath.Rel(dir, path)
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Files, patterns and folders give a mask for each image; what is left out of a
// folder is named with its count, and sub-folders stay apart.
func TestPredictInputs(t *testing.T) {
	inFolder(t)
	must(t, tiny("--quiet", "--epochs", "1")...)
	must(t, "synth", "--out", "shapes", "--count", "1")
	photo := read(t, "shapes/images/train-000000.png")
	for _, name := range []string{"photos/x.PNG", "photos/y.png", "photos/sub/x.png", "photos/sub/deep/z.png", "photos/.w.png", "more/x.png", "set/images/a.png", "set/masks/a.png"} {
		write(t, name, photo)
	}
	for _, name := range []string{"photos/a.txt", "photos/b.mp4", "photos/c.xml", "photos/d", "photos/.DS_Store", "plain/only.txt", "plain/sub/x.png"} {
		write(t, name, "text")
	}
	const (
		first = "left out: 1 folder (photos/sub), 4 files that are no images by their names (photos/a.txt, photos/b.mp4, photos/c.xml and 1 more), 1 hidden image (photos/.w.png); --recursive looks into folders\n"
		all   = "left out: 4 files that are no images by their names (photos/a.txt, photos/b.mp4, photos/c.xml and 1 more), 1 hidden image (photos/.w.png)\n"
	)
	for _, tc := range []struct {
		name   string
		code   int
		args   []string
		stderr string
		masks  []string
	}{
		{"a folder", 0, []string{"--input", "photos"}, first, []string{"x.png", "y.png"}},
		{"a folder and those below", 0, []string{"--input", "photos", "--recursive"}, all, []string{"sub/deep/z.png", "sub/x.png", "x.png", "y.png"}},
		{"files, one of them twice", 0, []string{"--input", "photos/y.png", "--input", "photos/sub/x.png", "photos/sub/deep/z.png", "./photos/y.png"}, "", []string{"x.png", "y.png", "z.png"}},
		{"a pattern", 0, []string{"--input", "photos/*/x.*", "--input", "photos/[yz].png"}, "", []string{"x.png", "y.png"}},
		{"a folder and a file in it", 0, []string{"--input", "more", "more/x.png"}, "", []string{"x.png"}},
		{"a pattern of folders", 0, []string{"--input", "photos/s*"}, "left out: 1 folder (photos/sub/deep); --recursive looks into folders\n", []string{"x.png"}},
		{"one name twice", 2, []string{"--input", "photos/x.PNG", "more"}, "train: photos/x.PNG and more/x.png would both be written to out/x.png: predict them into two folders\n", nil},
		{"a pattern that matches nothing", 1, []string{"--input", "photos/*.jpg"}, "train: data: photos/*.jpg: no file matches\n", nil},
		{"a broken pattern", 1, []string{"--input", "photos/[a"}, "train: data: photos/[a: syntax error in pattern\n", nil},
		{"no image here", 1, []string{"--input", "plain"}, "train: data: plain has no images (.png .jpg .jpeg .bmp .gif .tif .tiff .webp .pbm .pgm .ppm .pnm), only 1 folder (plain/sub), 1 file that is no image by its name (plain/only.txt); --recursive looks into folders\n", nil},
		{"several faults", 1, []string{"--input", "gone", "plain/sub/*.gif"}, "train: data: stat gone: no such file or directory\ntrain: data: plain/sub/*.gif: no file matches\n", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := os.RemoveAll("out"); err != nil {
				t.Fatal(err)
			}
			o := command(t, append([]string{"predict", "--checkpoint", best, "--out", "out"}, tc.args...)...)
			if o.code != tc.code || o.stderr != tc.stderr {
				t.Errorf("exit code %d\n%swant %d\n%s", o.code, o.stderr, tc.code, tc.stderr)
			}
			if tc.code != 0 {
				if _, err := os.Stat("out"); err == nil {
					t.Error("the out folder was made")
				}
				return
			}
			if got := below(t, "out"); !slices.Equal(got, tc.masks) {
				t.Errorf("got the masks %v, want %v", got, tc.masks)
			}
		})
	}
	t.Run("the out folder among the inputs", func(t *testing.T) {
		args := []string{"predict", "--checkpoint", best, "--input", "more", "--out", "more/masks", "--recursive", "--force"}
		must(t, args...)
		o := command(t, args...)
		if o.code != 0 || o.stderr != "left out: 1 folder (more/masks)\n" || o.stdout != "1 of 1 masks written to more/masks\n" {
			t.Errorf("exit code %d, %q, %q", o.code, o.stderr, o.stdout)
		}
	})
	t.Run("into the labels of a set below", func(t *testing.T) {
		o := command(t, "predict", "--checkpoint", best, "--input", "set/images", "--out", "set/masks", "--force")
		if o.code != 2 || read(t, "set/masks/a.png") != photo {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
	})
}

// --set changes how files are read, and nothing that was learnt.
func TestSetOnACheckpoint(t *testing.T) {
	inFolder(t)
	must(t, tiny("--quiet", "--epochs", "1")...)
	must(t, "synth", "--out", "shapes", "--count", "2")
	predict := []string{"predict", "--checkpoint", best, "--input", "shapes/images/train-000000.png", "--out", "out", "--force"}
	evaluate := []string{"evaluate", "--checkpoint", best, "--data", "shapes"}
	for _, args := range [][]string{predict, evaluate} {
		must(t, args...)
		o := command(t, append(args, "--set", "data.max_pixels=300")...)
		if o.code != 1 || !strings.Contains(o.stderr, "shapes/images/train-000000.png: is 128x128 pixels, want at most data.max_pixels = 300\n") {
			t.Errorf("%s: exit code %d\n%s", args[0], o.code, o.stderr)
		}
		o = command(t, append(args, "--set", "model.depth=2")...)
		if o.code != 2 || !strings.HasPrefix(o.stderr, "train: --set model.depth=2: want one of data.max_pixels, ") || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d\n%s", args[0], o.code, o.stderr)
		}
		check(t, command(t, append(args, "--set", "data.max_pixels=x")...), 2, []string{"train: --set data.max_pixels=x: data.max_pixels = \"x\", want an integer"})
	}
	must(t, append(predict, "--set", "data.palette=[[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]")...)
	if r, _, _, _ := indices(t, "out/train-000000.png").Palette[1].RGBA(); r>>8 != 4 {
		t.Errorf("class 1 has red %d, want 4", r>>8)
	}
}
