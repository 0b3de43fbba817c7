package imagefile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
)

// Contents are what there is in a folder of images, each sorted by name. All paths
// begin with that of the folder.
type Contents struct {
	Images  []string // by the ends of their names
	Folders []string // that were not looked into
	Others  []string // files that are no images
	Hidden  []string // images whose names begin with a dot
}

// List lists the images in a folder, and, if recursive, in the folders below it, but
// for skip, a folder, and those that symbolic links lead to. Other hidden files and
// folders are not worth a word.
func List(dir string, recursive bool, skip string) (Contents, error) {
	var c Contents
	skipped, _ := os.Stat(skip)
	root := dir + string(filepath.Separator) // so that dir may be a symbolic link
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == root {
			return nil
		}
		name := e.Name()
		folder := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			info, err := os.Stat(path)
			folder = err == nil && info.IsDir()
		}
		switch hidden := strings.HasPrefix(name, "."); {
		case folder && recursive && e.IsDir() && !hidden:
			if info, err := e.Info(); err != nil || skipped == nil || !os.SameFile(info, skipped) {
				return err
			}
			fallthrough
		case folder && !hidden:
			c.Folders = append(c.Folders, path)
		case folder, name == "Thumbs.db", name == "desktop.ini":
		case hidden && IsImageName(name):
			c.Hidden = append(c.Hidden, path)
		case hidden:
		case IsImageName(name):
			c.Images = append(c.Images, path)
		default:
			c.Others = append(c.Others, path)
		}
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return Contents{}, fmt.Errorf("data: %w", err)
	}
	return c, nil
}

// LeftOut says how many folders and files the images are not among, and which are
// the first of them; "" if there are none.
func (c Contents) LeftOut() string {
	var parts []string
	add := func(paths []string, one, many string) {
		if len(paths) == 0 {
			return
		}
		const most = 3
		what := one
		if len(paths) > 1 {
			what = many
		}
		parts = append(parts, fmt.Sprintf("%d %s (%s)", len(paths), what, abridge.Join(paths, ", ", most)))
	}
	add(c.Folders, "folder", "folders")
	add(c.Others, "file that is no image by its name", "files that are no images by their names")
	add(c.Hidden, "hidden image", "hidden images")
	return strings.Join(parts, ", ")
}
