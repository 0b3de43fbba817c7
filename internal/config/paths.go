package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// CheckPaths reports the folders and files that the keys of a configuration name and
// that are not there, and, where they lie beside its file, that: paths begin at the
// working folder. file may be empty.
func (c Config) CheckPaths(file string) error {
	var errs []error
	weights := c.Model.Init
	if weights == arch.ImageNet {
		weights = ""
	}
	for _, p := range []struct{ key, value string }{
		{"data.train", c.Data.Train}, {"data.val", c.Data.Val}, {"data.test", c.Data.Test}, {"model.init", weights},
	} {
		if p.value == "" || found(p.value) {
			continue
		}
		text := fmt.Sprintf("%s = %q: no such file or directory", p.key, p.value)
		if abs, err := filepath.Abs(p.value); err == nil && abs != p.value {
			text += ": looked at " + abs
		}
		if beside := filepath.Join(filepath.Dir(file), p.value); file != "" && !filepath.IsAbs(p.value) && found(beside) {
			text += fmt.Sprintf("; it lies beside %s: set %s to %s, or start the program in %s", file, p.key, beside, filepath.Dir(file))
		}
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// found reports whether a path leads to something; of one with a *, the folder in which that is.
func found(path string) bool {
	if before, _, ok := strings.Cut(path, "*"); ok {
		path = filepath.Dir(before + "x")
	}
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
