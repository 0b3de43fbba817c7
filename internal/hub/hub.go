// Package hub fetches files from repositories of the Hugging Face hub into the cache
// on disk that Python's huggingface_hub keeps, so that either finds what the other has
// fetched:
//
//	CACHE/models--OWNER--NAME/refs/main                 the commit that main was
//	                          snapshots/COMMIT/FILE     a link to the blob
//	                          blobs/ETAG                the bytes
//	                          blobs/ETAG.incomplete     those that have come so far
//	CACHE/.locks/models--OWNER--NAME/ETAG.lock          locked by who fetches the blob
//
// A blob gets its name when it is whole: of the size that the server told, and of the
// SHA-256 that the ETag of a large file is. What an interrupted fetch leaves is gone on
// with by the next.
package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
)

// Hub is a server and a cache.
type Hub struct {
	// Endpoint is the server, such as https://huggingface.co.
	Endpoint string
	// Cache is the folder of all repositories; empty: there is no place for one.
	Cache string
	// Offline is set where only the cache may be used.
	Offline bool

	transport http.RoundTripper // nil: http.DefaultTransport
	patience  time.Duration     // to wait for bytes; 0: 30 s
	pause     time.Duration     // between attempts; 0: 1 s
}

// FromEnvironment is the hub of HF_ENDPOINT, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and
// HF_HUB_OFFLINE, which mean what they mean to huggingface_hub.
func FromEnvironment(getenv func(string) string) Hub {
	h := Hub{Endpoint: "https://huggingface.co"}
	if endpoint := getenv("HF_ENDPOINT"); endpoint != "" {
		h.Endpoint = strings.TrimRight(endpoint, "/")
	}
	switch strings.ToUpper(getenv("HF_HUB_OFFLINE")) {
	case "1", "ON", "YES", "TRUE":
		h.Offline = true
	}
	home := getenv("HOME")
	for _, place := range []struct{ variable, below string }{
		{"HF_HUB_CACHE", ""}, {"HUGGINGFACE_HUB_CACHE", ""}, {"HF_HOME", "hub"}, {"XDG_CACHE_HOME", "huggingface/hub"},
	} {
		if dir := getenv(place.variable); dir != "" {
			if dir == "~" || strings.HasPrefix(dir, "~/") {
				dir = home + dir[1:]
			}
			dir = os.Expand(dir, func(name string) string {
				if value := getenv(name); value != "" {
					return value
				}
				return "${" + name + "}"
			})
			h.Cache = filepath.Join(dir, place.below)
			return h
		}
	}
	if home != "" {
		h.Cache = filepath.Join(home, ".cache/huggingface/hub")
	}
	return h
}

// File is a file in the branch main of a repository, such as model.safetensors of
// timm/resnet18.a1_in1k.
type File struct{ Repo, Name string }

// Address is where the file is on the server.
func (h Hub) Address(f File) string { return h.Endpoint + "/" + f.Repo + "/resolve/main/" + f.Name }

// folder is that of the file's repository below dir.
func (f File) folder(dir string) string {
	return filepath.Join(dir, "models--"+strings.ReplaceAll(f.Repo, "/", "--"))
}

// Cached is the path of the file in the cache, if it is there.
func (h Hub) Cached(f File) (path string, ok bool) {
	if h.Cache == "" {
		return "", false
	}
	ref, err := os.ReadFile(filepath.Join(f.folder(h.Cache), "refs", "main"))
	commit := strings.TrimSpace(string(ref))
	if err != nil || !commitPattern.MatchString(commit) {
		return "", false
	}
	path = filepath.Join(f.folder(h.Cache), "snapshots", commit, filepath.FromSlash(f.Name))
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular()
}

// Fetch is the path of the file in the cache, where it is put first if it is not there.
// As it comes, progress is told how many bytes of how many there are. The error names the
// address and what is wrong; the end of ctx is an error too, and what has come by then
// is kept.
func (h Hub) Fetch(ctx context.Context, f File, progress func(done, total int64)) (path string, err error) {
	if path, ok := h.Cached(f); ok {
		return path, nil
	}
	if path, err = h.fetch(ctx, f, progress); err != nil {
		return "", fmt.Errorf("fetch %s: %w", h.Address(f), err)
	}
	return path, nil
}

func (h Hub) fetch(ctx context.Context, f File, progress func(done, total int64)) (path string, err error) {
	switch {
	case h.Cache == "":
		return "", errors.New("no folder to keep it in: neither HF_HOME nor HOME is set")
	case h.Offline:
		return "", fmt.Errorf("HF_HUB_OFFLINE is set, and it is not in %s", h.Cache)
	case !strings.HasPrefix(h.Endpoint, "http://") && !strings.HasPrefix(h.Endpoint, "https://"):
		return "", fmt.Errorf("HF_ENDPOINT = %s, want one that begins with https://", h.Endpoint)
	}
	d, err := h.describe(ctx, f)
	if err != nil {
		return "", err
	}
	dir, locks := f.folder(h.Cache), f.folder(filepath.Join(h.Cache, ".locks"))
	blob := filepath.Join(dir, "blobs", d.etag)
	path = filepath.Join(dir, "snapshots", d.commit, filepath.FromSlash(f.Name))
	for _, folder := range []string{locks, filepath.Dir(blob), filepath.Dir(path), filepath.Join(dir, "refs")} {
		if err := durable.MakeFolder(folder); err != nil {
			return "", err
		}
	}

	lock := flock.New(filepath.Join(locks, d.etag+".lock"), flock.SetPermissions(0o644))
	const again = 200 * time.Millisecond
	if _, err := lock.TryLockContext(ctx, again); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()

	if !d.describes(blob) {
		if err := h.download(ctx, f, d, blob, progress); err != nil {
			return "", err
		}
	}
	target, err := filepath.Rel(filepath.Dir(path), blob)
	if err != nil {
		return "", err
	}
	if err := durable.Symlink(target, path); err != nil {
		return "", err
	}
	return path, durable.WriteFile(filepath.Join(dir, "refs", "main"), []byte(d.commit))
}

var (
	commitPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)
	etagPattern   = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`) // which is a file's name too
	sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)
