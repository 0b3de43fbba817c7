package hub

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
)

// description is what the server tells of a file.
type description struct {
	commit string
	etag   string
	size   int64 // -1: not told
}

// describe asks the server for what it tells of a file. Its answer may be a redirect to
// another server, which does not know.
func (h Hub) describe(ctx context.Context, f File) (d description, err error) {
	client := http.Client{Transport: h.transport, Timeout: h.patient(), CheckRedirect: func(req *http.Request, via []*http.Request) error {
		const most = 10
		to, err := url.Parse(req.Response.Header.Get("Location"))
		switch {
		case err == nil && to.Host != "" && req.Response.Header.Get(commitHeader) != "":
			return http.ErrUseLastResponse
		case len(via) >= most:
			return fmt.Errorf("%d redirects", most)
		}
		return nil
	}}
	res, err := h.do(ctx, &client, http.MethodHead, f, 0)
	if err != nil {
		return d, err
	}
	res.Body.Close()
	if res.StatusCode >= http.StatusBadRequest {
		return d, refused(res)
	}
	d = description{commit: res.Header.Get(commitHeader), size: -1}
	if d.commit == "" {
		return d, fmt.Errorf("the answer, %s, has no %s: it is not from a Hugging Face hub, but perhaps from a proxy or the login page of a network", kind(res), commitHeader)
	}
	d.etag = strings.Trim(strings.TrimPrefix(cmp.Or(res.Header.Get("X-Linked-Etag"), res.Header.Get("ETag")), "W/"), `"`)
	if !commitPattern.MatchString(d.commit) || !etagPattern.MatchString(d.etag) {
		return d, fmt.Errorf("the answer has %s %.100q and ETag %.100q, want 40 hexadecimal digits and a word", commitHeader, d.commit, d.etag)
	}
	switch size := res.Header.Get("X-Linked-Size"); {
	case size != "":
		if d.size, err = strconv.ParseInt(size, 10, 64); err != nil || d.size < 0 {
			return d, fmt.Errorf("the answer has X-Linked-Size %.100q, want a number of bytes", size)
		}
	case res.StatusCode == http.StatusOK:
		d.size = res.ContentLength
	}
	return d, nil
}

const commitHeader = "X-Repo-Commit"

// patient is how long to wait for bytes.
func (h Hub) patient() time.Duration { return cmp.Or(h.patience, 30*time.Second) }

// do sends a request for the file from byte from on.
func (h Hub) do(ctx context.Context, client *http.Client, method string, f File, from int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.Address(f), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "unet-gorgonia")
	req.Header.Set("Accept-Encoding", "identity") // sizes and ranges are those of the file
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	res, err := client.Do(req)
	var u *url.Error
	if errors.As(err, &u) { // which would name the address again, or the long one of a redirect
		err = u.Err
	}
	return res, err
}

// refused is the error of an answer that is none.
func refused(res *http.Response) error {
	if why := res.Header.Get("X-Error-Message"); why != "" {
		return fmt.Errorf("%s: %.300s", res.Status, why)
	}
	return errors.New(res.Status)
}

// kind is what an answer holds.
func kind(res *http.Response) string {
	if media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err == nil {
		return media
	}
	return "of unknown type"
}

// download makes the file at path, by way of path.incomplete.
func (h Hub) download(ctx context.Context, f File, d description, path string, progress func(done, total int64)) error {
	part := path + ".incomplete"
	file, err := durable.Open(part)
	if err != nil {
		return err
	}
	defer file.Close() // after Sync there is nothing left to fail
	info, err := file.Stat()
	if err != nil {
		return err
	}
	// Without a checksum there is no telling what a file was the beginning of.
	resumed := info.Size() > 0 && d.hasDigest() && (d.size < 0 || info.Size() <= d.size)
	if !resumed {
		if err := file.Truncate(0); err != nil {
			return err
		}
	}
	for {
		if err := h.receive(ctx, f, &d, file, progress); err != nil {
			return err
		}
		err := d.check(file)
		if err == nil {
			break
		}
		if e := file.Truncate(0); e != nil {
			return errors.Join(err, e)
		}
		if !resumed {
			return errors.Join(err, os.Remove(part))
		}
		resumed = false // the beginning was of something else: all of it anew
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return durable.Rename(part, path)
}

// hasDigest reports whether the ETag is a SHA-256.
func (d description) hasDigest() bool { return sha256Pattern.MatchString(d.etag) }

// describes reports whether there is a file at path, of which all holds that was told.
func (d description) describes(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || d.size >= 0 && info.Size() != d.size {
		return false
	}
	d.size = info.Size()
	return d.check(file) == nil
}

// check compares a file with what was told of it.
func (d description) check(file *os.File) error {
	if !d.hasDigest() {
		return nil
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, io.NewSectionReader(file, 0, d.size)); err != nil {
		return err
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != d.etag {
		return fmt.Errorf("damaged on the way: its sha256 is %s, want %s", got, d.etag)
	}
	return nil
}

// interrupted is an error after which it helps to try again.
type interrupted struct{ error }

func (e interrupted) Unwrap() error { return e.error }

// receive appends to file what is missing. Where the connection breaks it goes on, until
// nothing comes in several attempts.
func (h Hub) receive(ctx context.Context, f File, d *description, file *os.File, progress func(done, total int64)) error {
	const attempts = 5
	longest := int64(0)
	for attempt := 1; ; attempt++ {
		n, err := h.attempt(ctx, f, d, file, progress)
		if !errors.As(err, new(interrupted)) {
			return err
		}
		if n > longest {
			longest, attempt = n, 1
		}
		if attempt == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(cmp.Or(h.pause, time.Second)):
		}
	}
}

// attempt is one request of receive, after which there are the first done bytes.
func (h Hub) attempt(ctx context.Context, f File, d *description, file *os.File, progress func(done, total int64)) (done int64, err error) {
	done, err = file.Seek(0, io.SeekEnd)
	if err != nil || done == d.size {
		return done, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(h.patient(), func() { cancel(fmt.Errorf("nothing came for %v", h.patient())) })
	defer watch.Stop()
	broken := func(err error) error {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return interrupted{err}
	}

	res, err := h.do(ctx, &http.Client{Transport: h.transport}, http.MethodGet, f, done)
	if err != nil {
		return done, broken(err)
	}
	defer res.Body.Close()
	if kind(res) == "text/html" && res.StatusCode < http.StatusBadRequest {
		return done, errors.New("the answer is an HTML page, want a file of weights")
	}
	from, total := done, res.ContentLength
	switch {
	case res.StatusCode == http.StatusOK: // all of it, whatever was asked for
		from = 0
	case res.StatusCode == http.StatusPartialContent && done > 0:
		var first, last int64
		text := res.Header.Get("Content-Range")
		if _, err := fmt.Sscanf(text, "bytes %d-%d/%d", &first, &last, &total); err != nil || first != done || last != total-1 {
			return done, fmt.Errorf("the answer has Content-Range %.100q, want what is missing, from byte %d on", text, done)
		}
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && done > 0:
		return 0, interrupted{errors.Join(refused(res), file.Truncate(0))}
	default:
		return done, refused(res)
	}
	switch {
	case d.size < 0 && total < 0:
		return done, errors.New("the server does not say how large it is")
	case d.size < 0:
		d.size = total
	case total >= 0 && total != d.size:
		return done, fmt.Errorf("the answer, %s, is of %d bytes, want %d", kind(res), total, d.size)
	}
	if from < done {
		if _, err := file.Seek(from, io.SeekStart); err != nil {
			return done, err
		}
		if err := file.Truncate(from); err != nil {
			return done, err
		}
		done = from
	}

	buffer := make([]byte, 1<<16)
	for done < d.size {
		n, e := res.Body.Read(buffer[:min(int64(len(buffer)), d.size-done)])
		watch.Reset(h.patient())
		if _, err := file.Write(buffer[:n]); err != nil {
			return done, err
		}
		done += int64(n)
		progress(done, d.size)
		if e != nil && done < d.size {
			return done, broken(fmt.Errorf("truncated: %d of %d bytes came: %w", done, d.size, e))
		}
	}
	return done, nil
}
