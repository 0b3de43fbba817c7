package durable_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
)

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func expect(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); string(got) != want || err != nil {
		t.Errorf("%s is %q, %v, want %q", path, got, err, want)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	for _, text := range []string{"first", "", strings.Repeat("a longer one ", 10_000)} {
		if err := durable.WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		expect(t, path, text)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(path, []byte("private")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v, want 0600 as before", info.Mode(), err)
	}
	if got := names(t, dir); got != "a.txt" {
		t.Errorf("the folder has %s, want a.txt alone", got)
	}
	if err := durable.SyncFolder(dir); err != nil {
		t.Error(err)
	}
}

// Until encode has ended, and if it fails, the old file is there whole; the
// temporary one beside it is hidden and ends in a number.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	if err := durable.WriteFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := durable.Write(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, strings.Repeat("new", 10_000)); err != nil {
			t.Error(err)
		}
		expect(t, path, "old")
		if got := names(t, dir); !regexp.MustCompile(`^\.a\.txt\d+ a\.txt$`).MatchString(got) {
			t.Errorf("while it is written the folder has %s", got)
		}
		return broken
	})
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "write "+path+": ") {
		t.Errorf("got %v, want one with %v that names the file", err, broken)
	}
	expect(t, path, "old")
	if got := names(t, dir); got != "a.txt" {
		t.Errorf("the folder has %s, want a.txt alone", got)
	}
}

func TestErrors(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	if err := durable.WriteFile(filepath.Join(gone, "a"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("write: %v", err)
	}
	if err := durable.SyncFolder(gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("sync: %v", err)
	}
}

func TestRename(t *testing.T) {
	dir := t.TempDir()
	old, path := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	for range 2 {
		if err := os.WriteFile(old, []byte("text"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := durable.Rename(old, path); err != nil {
			t.Fatal(err)
		}
		expect(t, path, "text")
	}
	if err := durable.Symlink("new", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := durable.Rename(path, filepath.Join(dir, "link")); err == nil || !strings.Contains(err.Error(), "is a symbolic link") {
		t.Errorf("got %v, want that a link is not replaced", err)
	}
	if got := names(t, dir); got != "link new" {
		t.Errorf("the folder has %s, want link and new", got)
	}
}

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "link")
	for _, target := range []string{"gone", "a"} {
		if err := durable.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.WriteFile(filepath.Join(dir, "a"), []byte("text")); err != nil {
		t.Fatal(err)
	}
	expect(t, path, "text")
	if err := durable.Symlink("a", filepath.Join(dir, "a")); err == nil {
		t.Error("a file was replaced by a link to itself")
	}
	expect(t, path, "text")
}
