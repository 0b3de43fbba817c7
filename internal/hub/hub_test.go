package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

var file = File{"timm/small.test", "model.safetensors"}

// weights are some bytes, more than a buffer of the reader has, and their SHA-256.
func weights() (content []byte, digest string) {
	content = make([]byte, 300_001)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	sum := sha256.Sum256(content)
	return content, hex.EncodeToString(sum[:])
}

// site is a hub that redirects to another server, which has the bytes, as the real one does.
type site struct {
	hub, store *httptest.Server
	content    []byte

	// These may be replaced. head makes an answer of the hub before it is sent; get
	// answers for the store.
	head func(h http.Header)
	get  func(w http.ResponseWriter, r *http.Request)

	mu     sync.Mutex
	ranges []string // asked of the store
}

func newSite(t *testing.T) *site {
	content, digest := weights()
	s := &site{content: content, head: func(http.Header) {}}
	s.get = s.serve
	s.store = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		s.mu.Unlock()
		s.get(w, r)
	}))
	t.Cleanup(s.store.Close)
	s.hub = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/timm/small.test/resolve/main/model.safetensors" {
			w.Header().Set("X-Error-Message", "Repository not found")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		h := w.Header()
		h.Set("X-Repo-Commit", commit)
		h.Set("X-Linked-Etag", `"`+digest+`"`)
		h.Set("X-Linked-Size", strconv.Itoa(len(content)))
		h.Set("Location", s.store.URL+"/bytes?signature=secret")
		s.head(h)
		w.WriteHeader(http.StatusFound)
	}))
	t.Cleanup(s.hub.Close)
	return s
}

// serve answers as a server should.
func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.content))
}

// cut sends the bytes from the one that is asked for on, breaks off before byte end,
// and says that all would come.
func (s *site) cut(end int) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		from := 0
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(s.content)-1, len(s.content)))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(s.content)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(s.content[from:max(from, end)])
	}
}

// at is a client of the site with a cache of its own.
func (s *site) at(t *testing.T) Hub {
	return Hub{Endpoint: s.hub.URL, Cache: filepath.Join(t.TempDir(), "cache"), pause: time.Millisecond}
}

func silent(int64, int64) {}

// has fails unless the cache holds the file and nothing that is half done.
func has(t *testing.T, h Hub, content []byte) {
	t.Helper()
	path, ok := h.Cached(file)
	if !ok {
		t.Fatalf("not in the cache, which has %s", tree(t, h.Cache))
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v, want those of the server, %d", len(got), err, len(content))
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(content))
	want := strings.Join([]string{".locks/models--timm--small.test/" + digest + ".lock", "models--timm--small.test/blobs/" + digest,
		"models--timm--small.test/refs/main", "models--timm--small.test/snapshots/" + commit + "/model.safetensors"}, "\n")
	if got := tree(t, h.Cache); got != want {
		t.Errorf("the cache has\n%s\nwant\n%s", got, want)
	}
	if target, err := os.Readlink(path); err != nil || target != "../../blobs/"+digest {
		t.Errorf("the snapshot leads to %s, %v, want ../../blobs/%s", target, err, digest)
	}
}

// tree lists the files below a folder.
func tree(t *testing.T, dir string) string {
	var names []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != "CACHEDIR.TAG" { // which some versions of Python's hub add
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

// lacks fails unless the cache has no such file, and another fetch from a server in
// order brings it.
func lacks(t *testing.T, h Hub, s *site) {
	t.Helper()
	if path, ok := h.Cached(file); ok {
		t.Errorf("%s is in the cache", path)
	}
	s.head, s.get = func(http.Header) {}, s.serve
	if _, err := h.Fetch(t.Context(), file, silent); err != nil {
		t.Fatalf("the next time: %v", err)
	}
	has(t, h, s.content)
}

func TestFetch(t *testing.T) {
	s := newSite(t)
	h := s.at(t)
	var done, total int64
	path, err := h.Fetch(t.Context(), file, func(d, n int64) {
		if d < done || d > n {
			t.Errorf("%d of %d bytes after %d", d, n, done)
		}
		done, total = d, n
	})
	if err != nil {
		t.Fatal(err)
	}
	if done != int64(len(s.content)) || total != done {
		t.Errorf("the progress ends at %d of %d", done, total)
	}
	has(t, h, s.content)

	s.hub.Close() // the second time there is nothing to ask for
	again, err := h.Fetch(t.Context(), file, silent)
	if err != nil || again != path {
		t.Errorf("the second time: %s, %v, want %s", again, err, path)
	}
}

// A server may send the file itself, have no SHA-256 for its ETag, and move a
// repository by a relative redirect.
func TestPlainServers(t *testing.T) {
	content, digest := weights()
	for name, etag := range map[string]string{"sha256": digest, "another ETag": "abc123", "a weak one": `W/"abc123"`} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if rest, ok := strings.CutPrefix(r.URL.Path, "/timm/"); ok {
					w.Header().Set("X-Repo-Commit", commit)
					http.Redirect(w, r, "/moved/"+rest, http.StatusTemporaryRedirect)
					return
				}
				w.Header().Set("X-Repo-Commit", commit)
				w.Header().Set("ETag", etag)
				http.ServeContent(w, r, "model.safetensors", time.Time{}, bytes.NewReader(content))
			}))
			defer server.Close()
			h := Hub{Endpoint: server.URL, Cache: t.TempDir()}
			path, err := h.Fetch(t.Context(), file, silent)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %v, want %d", len(got), err, len(content))
			}
		})
	}
}

// What is not the file leaves nothing that is taken for it.
func TestRefused(t *testing.T) {
	html := func(w http.ResponseWriter, status int) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprint(w, "<!DOCTYPE html><html>Log in</html>")
	}
	for name, test := range map[string]struct {
		head func(h http.Header)
		get  func(s *site) func(w http.ResponseWriter, r *http.Request)
		want string
	}{
		"login page for a hub": {head: func(h http.Header) {
			h.Del("X-Repo-Commit")
			h.Del("Location")
			h.Set("Content-Type", "text/html")
		}, want: "the answer, text/html, has no X-Repo-Commit"},
		"HTML page for the file": {get: func(*site) func(http.ResponseWriter, *http.Request) {
			return func(w http.ResponseWriter, r *http.Request) { html(w, http.StatusOK) }
		}, want: "the answer is an HTML page, want a file of weights"},
		"other bytes": {get: func(s *site) func(http.ResponseWriter, *http.Request) {
			return func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, len(s.content))) }
		}, want: "damaged on the way: its sha256 is "},
		"fewer bytes": {get: func(s *site) func(http.ResponseWriter, *http.Request) {
			return func(w http.ResponseWriter, r *http.Request) { w.Write(s.content[:1000]) }
		}, want: "is of 1000 bytes, want 300001"},
		"breaks off again and again": {get: func(s *site) func(http.ResponseWriter, *http.Request) { return s.cut(200_000) },
			want: "truncated: 200000 of 300001 bytes came: unexpected EOF"},
		"breaks off, without ranges": {get: func(s *site) func(http.ResponseWriter, *http.Request) {
			return func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Range")
				s.cut(200_000)(w, r)
			}
		}, want: "truncated: 200000 of 300001 bytes came: unexpected EOF"},
		"another range": {get: func(s *site) func(http.ResponseWriter, *http.Request) {
			return func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Range") == "" {
					s.cut(1000)(w, r)
					return
				}
				w.Header().Set("Content-Range", "bytes 500-300000/300001")
				w.WriteHeader(http.StatusPartialContent)
				w.Write(s.content[500:])
			}
		}, want: `the answer has Content-Range "bytes 500-300000/300001", want what is missing, from byte 1000 on`},
		"of unknown size": {head: func(h http.Header) { h.Del("X-Linked-Size") }, get: func(s *site) func(http.ResponseWriter, *http.Request) {
			return func(w http.ResponseWriter, r *http.Request) {
				w.(http.Flusher).Flush() // in chunks
				w.Write(s.content)
			}
		}, want: "the server does not say how large it is"},
		"error of the store": {get: func(*site) func(http.ResponseWriter, *http.Request) {
			return func(w http.ResponseWriter, r *http.Request) { html(w, http.StatusForbidden) }
		}, want: "403 Forbidden"},
		"no size":        {head: func(h http.Header) { h.Set("X-Linked-Size", "large") }, want: `X-Linked-Size "large", want a number of bytes`},
		"path for ETag":  {head: func(h http.Header) { h.Set("X-Linked-Etag", "../../main") }, want: `ETag "../../main", want 40 hexadecimal digits and a word`},
		"no ETag":        {head: func(h http.Header) { h.Del("X-Linked-Etag") }, want: `ETag "", want`},
		"path as commit": {head: func(h http.Header) { h.Set("X-Repo-Commit", "../..") }, want: `X-Repo-Commit "../.."`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			h := s.at(t)
			if test.head != nil {
				s.head = test.head
			}
			if test.get != nil {
				s.get = test.get(s)
			}
			_, err := h.Fetch(t.Context(), file, silent)
			if err == nil || !strings.HasPrefix(err.Error(), "fetch "+h.Address(file)+": ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want fetch, the address and %q", err, test.want)
			} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v: want one line, without the signature of a redirect", err)
			}
			lacks(t, h, s)
		})
	}
}

// A fetch that broke off goes on where it was, in the same process or the next.
func TestResumed(t *testing.T) {
	s := newSite(t)
	h := s.at(t)
	end := 100_000
	s.get = func(w http.ResponseWriter, r *http.Request) {
		s.cut(end)(w, r)
		end = min(end+100_000, len(s.content))
	}
	if _, err := h.Fetch(t.Context(), file, silent); err != nil {
		t.Fatal(err)
	}
	has(t, h, s.content)
	if got := strings.Join(s.ranges, " "); got != " bytes=100000- bytes=200000- bytes=300000-" {
		t.Errorf("asked for %q", got)
	}

	_, digest := weights()
	for name, test := range map[string]struct {
		begun []byte
		asked string
	}{
		"a part":               {s.content[:150_000], "bytes=150000-"},
		"all of it":            {s.content, ""},
		"of something else":    {make([]byte, 150_000), "bytes=150000- "},
		"all of something":     {make([]byte, len(s.content)), " "},
		"more than it can be":  {make([]byte, 2*len(s.content)), " "},
		"hole where is a part": {append(make([]byte, 1), s.content[1:]...), " "},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			h := s.at(t)
			part := filepath.Join(h.Cache, "models--timm--small.test/blobs", digest+".incomplete")
			if err := os.MkdirAll(filepath.Dir(part), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(part, test.begun, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Fetch(t.Context(), file, silent); err != nil {
				t.Fatal(err)
			}
			has(t, h, s.content)
			got := ""
			for i, r := range s.ranges {
				if r == "" || i > 0 {
					got += r + " "
				} else {
					got += r
				}
			}
			if got != test.asked {
				t.Errorf("asked for %q, want %q", got, test.asked)
			}
		})
	}
}

// Without a checksum, what a process left is not gone on with: it may be of anything.
func TestNotResumedWithoutChecksum(t *testing.T) {
	s := newSite(t)
	h := s.at(t)
	s.head = func(h http.Header) { h.Set("X-Linked-Etag", `"word"`) }
	part := filepath.Join(h.Cache, "models--timm--small.test/blobs/word.incomplete")
	if err := os.MkdirAll(filepath.Dir(part), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part, make([]byte, len(s.content)), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := h.Fetch(t.Context(), file, silent)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, s.content) {
		t.Errorf("other bytes than those of the server, %v", err)
	}
}

// What came before the end of the context is there for the next time.
func TestCancelled(t *testing.T) {
	s := newSite(t)
	h := s.at(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.get = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(s.content)))
		w.Write(s.content[:100_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	_, err := h.Fetch(ctx, file, func(done, _ int64) {
		if done == 100_000 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context was cancelled", err)
	}
	s.ranges = nil
	lacks(t, h, s)
	if got := strings.Join(s.ranges, " "); got != "bytes=100000-" {
		t.Errorf("asked for %q, want what was missing", got)
	}
}

// A server that falls silent is asked again.
func TestSilence(t *testing.T) {
	s := newSite(t)
	h := s.at(t)
	h.patience = 500 * time.Millisecond
	s.get = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(s.content)))
		w.Write(s.content[:100_000])
		w.(http.Flusher).Flush()
		s.mu.Lock()
		s.get = s.serve
		s.mu.Unlock()
		<-r.Context().Done()
	}
	if _, err := h.Fetch(t.Context(), file, silent); err != nil {
		t.Fatal(err)
	}
	has(t, h, s.content)
}

// Several at once fetch once.
func TestAtOnce(t *testing.T) {
	s := newSite(t)
	h := s.at(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := h.Fetch(t.Context(), file, silent); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	has(t, h, s.content)
	if len(s.ranges) != 1 {
		t.Errorf("fetched %d times", len(s.ranges))
	}
}

func TestNoServer(t *testing.T) {
	s := newSite(t)
	h := s.at(t)
	if _, err := h.Fetch(t.Context(), File{"timm/none", "model.safetensors"}, silent); err == nil || !strings.HasSuffix(err.Error(), "404 Not Found: Repository not found") {
		t.Errorf("got %v, want that there is no such repository", err)
	}
	s.hub.Close()
	_, err := h.Fetch(t.Context(), file, silent)
	if err == nil || !strings.HasPrefix(err.Error(), "fetch "+h.Address(file)+": dial tcp ") || strings.Count(err.Error(), h.Address(file)) != 1 {
		t.Errorf("got %v, want the address once and why", err)
	}
	for want, h := range map[string]Hub{
		"HF_HUB_OFFLINE is set, and it is not in " + h.Cache:        {Endpoint: h.Endpoint, Cache: h.Cache, Offline: true},
		"HF_ENDPOINT = hub, want one that begins with https://":     {Endpoint: "hub", Cache: h.Cache},
		"no folder to keep it in: neither HF_HOME nor HOME is set":  {Endpoint: h.Endpoint},
		"HF_ENDPOINT = file:///, want one that begins with https:/": {Endpoint: "file:///", Cache: h.Cache},
	} {
		if _, err := h.Fetch(t.Context(), file, silent); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Links in the place of files are not written through.
func TestLinkInTheWay(t *testing.T) {
	s := newSite(t)
	h := s.at(t)
	_, digest := weights()
	blobs := filepath.Join(h.Cache, "models--timm--small.test/blobs")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, filepath.Join(blobs, digest+".incomplete")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Fetch(t.Context(), file, silent); err == nil || !strings.Contains(err.Error(), "is a symbolic link") {
		t.Errorf("got %v, want that there is a link", err)
	}
	if text, err := os.ReadFile(precious); string(text) != "mine" {
		t.Errorf("%q, %v was written through a link", text, err)
	}
}

// A link to a blob that is gone is no file: the blob comes back.
func TestBlobIsGone(t *testing.T) {
	s := newSite(t)
	h := s.at(t)
	path, err := h.Fetch(t.Context(), file, silent)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(blob); err != nil {
		t.Fatal(err)
	}
	lacks(t, h, s)
}

// A link that was removed comes back to its blob, unless that is damaged.
func TestLinkIsGone(t *testing.T) {
	s := newSite(t)
	h := s.at(t)
	for _, damage := range []bool{false, true} {
		path, err := h.Fetch(t.Context(), file, silent)
		if err != nil {
			t.Fatal(err)
		}
		if damage {
			damaged := slices.Clone(s.content)
			damaged[1000]++
			if err := os.WriteFile(path, damaged, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		s.ranges = nil
		lacks(t, h, s)
		if fetched := len(s.ranges) > 0; fetched != damage {
			t.Errorf("fetched: %v, damaged: %v", fetched, damage)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	for _, test := range []struct {
		environment string
		want        Hub
	}{
		{"", Hub{Endpoint: "https://huggingface.co"}},
		{"HOME=/home/me", Hub{Endpoint: "https://huggingface.co", Cache: "/home/me/.cache/huggingface/hub"}},
		{"HOME=/home/me XDG_CACHE_HOME=/tmp/cache", Hub{Endpoint: "https://huggingface.co", Cache: "/tmp/cache/huggingface/hub"}},
		{"HOME=/home/me XDG_CACHE_HOME=/tmp/cache HF_HOME=/hf", Hub{Endpoint: "https://huggingface.co", Cache: "/hf/hub"}},
		{"HF_HOME=/hf HUGGINGFACE_HUB_CACHE=/old", Hub{Endpoint: "https://huggingface.co", Cache: "/old"}},
		{"HF_HOME=/hf HUGGINGFACE_HUB_CACHE=/old HF_HUB_CACHE=/hub", Hub{Endpoint: "https://huggingface.co", Cache: "/hub"}},
		{"HOME=/home/me HF_HOME=~/hf", Hub{Endpoint: "https://huggingface.co", Cache: "/home/me/hf/hub"}},
		{"USER=me HF_HOME=/data/$USER/${NONE}", Hub{Endpoint: "https://huggingface.co", Cache: "/data/me/${NONE}/hub"}},
		{"HF_ENDPOINT=https://mirror.example/ HF_HUB_OFFLINE=1", Hub{Endpoint: "https://mirror.example", Offline: true}},
		{"HF_HUB_OFFLINE=0", Hub{Endpoint: "https://huggingface.co"}},
		{"HF_HUB_OFFLINE=yes", Hub{Endpoint: "https://huggingface.co", Offline: true}},
	} {
		variables := map[string]string{}
		for _, v := range strings.Fields(test.environment) {
			name, value, _ := strings.Cut(v, "=")
			variables[name] = value
		}
		if got := FromEnvironment(func(name string) string { return variables[name] }); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.environment, got, test.want)
		}
	}
}

// Python's huggingface_hub finds what is fetched here, and the other way about.
func TestAgainstHuggingfaceHub(t *testing.T) {
	python := ""
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import huggingface_hub").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("no Python with huggingface_hub")
	}
	s := newSite(t)
	ours, theirs := s.at(t), s.at(t)
	path, err := ours.Fetch(t.Context(), file, silent)
	if err != nil {
		t.Fatal(err)
	}
	run := func(h Hub, offline string) string {
		cmd := exec.Command(python, "-c", "import huggingface_hub as h; print(h.hf_hub_download('timm/small.test', 'model.safetensors'))")
		cmd.Env = append(os.Environ(), "HF_ENDPOINT="+h.Endpoint, "HF_HUB_CACHE="+h.Cache, "HF_HUB_OFFLINE="+offline)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, &stderr)
		}
		return strings.TrimSpace(string(out))
	}
	if got := run(ours, "1"); got != path {
		t.Errorf("it finds %s, want %s", got, path)
	}
	if got, ok := theirs.Cached(file); ok {
		t.Errorf("%s is there before it was fetched", got)
	}
	path = run(theirs, "0")
	if got, ok := theirs.Cached(file); !ok || got != path {
		t.Errorf("%s, %v is in its cache, want %s", got, ok, path)
	}
	has(t, theirs, s.content)
}
