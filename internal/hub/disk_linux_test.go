package hub

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A full disk keeps what came, and when it has room again the rest comes.
func TestDiskIsFull(t *testing.T) {
	s := newSite(t)
	h := s.at(t)
	if err := os.Mkdir(h.Cache, 0o755); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("tmpfs", h.Cache, "tmpfs", 0, "size=512k")
	if errors.Is(err, syscall.EPERM) {
		t.Skip("mounting a tmpfs is not permitted")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(h.Cache, syscall.MNT_DETACH)
	ballast := filepath.Join(h.Cache, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 400_000), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Fetch(t.Context(), file, silent); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want that there is no space", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.ranges = nil
	lacks(t, h, s)
	if len(s.ranges) != 1 || s.ranges[0] == "" {
		t.Errorf("asked for %q, want what was missing", s.ranges)
	}
}
