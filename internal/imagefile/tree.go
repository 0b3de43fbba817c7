package imagefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// tree is what a folder and its sub-folders hold, in the order of their names.
type tree struct {
	dir      string
	images   []treeFile
	others   []treeFile // neither images nor hidden
	problems []error    // sub-folders that cannot be read
}

// treeFile is a file of a tree. Its stem is the path from the tree's folder, with
// /, without extension and in Unicode's composed form (NFC): macOS, and archives
// made there, take names apart (NFD).
type treeFile struct{ stem, path string }

// readTree lists dir; hidden files and folders are left out.
func readTree(dir string) (tree, error) {
	t := tree{dir: dir}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return t, err
	}
	t.add("", entries)
	return t, nil
}

func (t *tree) add(folder string, entries []os.DirEntry) {
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		file := treeFile{stem: norm.NFC.String(strings.TrimSuffix(name, filepath.Ext(name))), path: filepath.Join(t.dir, name)}
		switch {
		case strings.HasPrefix(e.Name(), ".") || e.Name() == "Thumbs.db" || e.Name() == "desktop.ini":
		case e.IsDir():
			below, err := os.ReadDir(file.path)
			if err != nil {
				t.problems = append(t.problems, fmt.Errorf("data: %w", err))
			}
			t.add(name, below)
		case IsImageName(e.Name()):
			t.images = append(t.images, file)
		default:
			t.others = append(t.others, file)
		}
	}
}

// HasImages reports whether there is an image in dir or a folder in it.
func HasImages(dir string) bool {
	found := errors.New("found")
	return found == fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return nil // a folder that cannot be read has none
		case strings.HasPrefix(e.Name(), ".") && e.IsDir():
			return fs.SkipDir
		case !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && IsImageName(e.Name()):
			return found
		}
		return nil
	})
}

func (t tree) stems() []string {
	var stems []string
	for _, file := range t.images {
		stems = append(stems, file.stem)
	}
	return stems
}
