package checkpoint

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Read reads the file at path. The error names the file and what is wrong
// with it.
func Read(path string) (*Checkpoint, error) { return readFile(path, true) }

// check reads the file at path without keeping the tensors' data.
func check(path string) error {
	_, err := readFile(path, false)
	return err
}

func readFile(path string, keep bool) (*Checkpoint, error) {
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := decode(f, size, keep, own)
	if err != nil {
		if head, e := readHead(f, size); e == nil && isPyTorch(head) {
			err = errors.New("a PyTorch file, want a checkpoint of this program; a run with model.init set to it starts from its weights")
		}
		return nil, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	return c, nil
}

// open opens a regular file of the given size in bytes.
func open(path string) (f *os.File, size int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, fmt.Errorf("checkpoint: %w", err)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for ever
		return nil, 0, fmt.Errorf("checkpoint: %s: not a regular file", path)
	}
	if f, err = os.Open(path); err != nil {
		return nil, 0, fmt.Errorf("checkpoint: %w", err)
	}
	return f, info.Size(), nil
}

// decode reads a safetensors file of the given size in bytes from r. It is strict:
// names are unique, types are among those given, the tensors tile the file to its
// end, checksums that are present hold. It uses memory in proportion to size;
// without keep, none for the tensors' data.
func decode(r io.Reader, size int64, keep bool, types dtypes) (*Checkpoint, error) {
	var prefix [8]byte
	if size < int64(len(prefix)) {
		return nil, fmt.Errorf("not a safetensors file: %d bytes, want at least %d", size, len(prefix))
	}
	if err := readFull(r, prefix[:]); err != nil {
		return nil, err
	}
	length, rest := binary.LittleEndian.Uint64(prefix[:]), size-int64(len(prefix))
	if length > maxHeader {
		return nil, fmt.Errorf("not a safetensors file: header of %d bytes, want at most %d", length, maxHeader)
	}
	if int64(length) > rest {
		return nil, fmt.Errorf("truncated: header of %d bytes, but %d bytes are left", length, rest)
	}
	header := make([]byte, length)
	if err := readFull(r, header); err != nil {
		return nil, err
	}
	c, err := parseHeader(header, rest-int64(length), types)
	if err != nil {
		return nil, err
	}
	if want, ok := c.Meta[headerDigest]; ok && want != digestHeader(c.Meta, c.Tensors) {
		return nil, errors.New("damaged: the header's checksum does not hold")
	}
	digest := sha256.New()
	if err := c.readData(io.TeeReader(r, digest), keep, types); err != nil {
		return nil, err
	}
	if want, ok := c.Meta[dataDigest]; ok && want != hex.EncodeToString(digest.Sum(nil)) {
		return nil, errors.New("damaged: the tensors' checksum does not hold")
	}
	return c, nil
}

func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("truncated: the file ends early")
	}
	return err
}

func (c *Checkpoint) readData(r io.Reader, keep bool, types dtypes) error {
	buf := make([]byte, chunk)
	for i := range c.Tensors {
		t := &c.Tensors[i]
		d := types[t.stored]
		left, _ := elements(t.Shape, d.size)
		keep := keep && d.value != nil
		if keep {
			t.Data = make([]float32, left)
		}
		for data := t.Data; left > 0; {
			n := min(left, chunk/d.size)
			if err := readFull(r, buf[:d.size*n]); err != nil {
				return err
			}
			if keep {
				for j := range data[:n] {
					data[j] = d.value(buf[d.size*j:])
				}
				data = data[n:]
			}
			left -= n
		}
	}
	return nil
}

// parseHeader reads the JSON of a file with size bytes of data. The tensors
// come in the order of their data, which they do not have yet.
func parseHeader(header []byte, size int64, types dtypes) (*Checkpoint, error) {
	if !bytes.HasPrefix(header, []byte("{")) {
		return nil, errors.New("not a safetensors file: the header does not begin with {")
	}
	if !utf8.Valid(header) {
		return nil, errors.New("header: not valid UTF-8")
	}
	p := headerParser{json.NewDecoder(bytes.NewReader(header))}
	p.UseNumber()
	c := &Checkpoint{Meta: map[string]string{}}
	var ranges []dataRange
	err := p.object(func(name string) (err error) {
		if name == metadataKey {
			err := p.object(func(key string) error {
				text, err := p.text()
				if err == nil && len(text) > maxText {
					err = fmt.Errorf("%.20s has %d bytes, want at most %d", key, len(text), maxText)
				}
				c.Meta[key] = text
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", metadataKey, err)
			}
			return nil
		}
		r, err := p.tensor(types)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		r.tensor.Name = name
		ranges = append(ranges, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if _, err := p.Token(); err != io.EOF {
		return nil, errors.New("header: more after the closing }")
	}
	slices.SortStableFunc(ranges, func(a, b dataRange) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	end := 0
	for _, r := range ranges {
		if r.begin != end {
			return nil, fmt.Errorf("header: tensor %q begins at byte %d of the data, want %d: no hole and no overlap", r.tensor.Name, r.begin, end)
		}
		end = r.end
		c.Tensors = append(c.Tensors, r.tensor)
	}
	if int64(end) != size {
		return nil, fmt.Errorf("the tensors need %d bytes of data, the file has %d", end, size)
	}
	return c, nil
}

const (
	maxName = 1 << 10 // bytes of the name of a tensor or of a key
	maxText = 1 << 24 // bytes of a text in the metadata
)

// maxDimensions bounds the memory that a short text can ask for.
const maxDimensions = 32

// dataRange is a tensor without its data and the bytes where they are.
type dataRange struct {
	tensor     Tensor
	begin, end int
}

// headerParser reads JSON token by token: encoding/json's own decoding would
// accept duplicate keys and unknown ones.
type headerParser struct{ *json.Decoder }

func (p headerParser) tensor(types dtypes) (dataRange, error) {
	var r dataRange
	var offsets []int
	err := p.object(func(key string) (err error) {
		switch key {
		case "dtype":
			r.tensor.stored, err = p.text()
		case "shape":
			r.tensor.Shape, err = p.list(maxDimensions)
		case "data_offsets":
			offsets, err = p.list(2)
		default:
			err = errors.New("want dtype, shape and data_offsets only")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	d, ok := types[r.tensor.stored]
	if !ok {
		return r, fmt.Errorf("dtype %q, want %s", r.tensor.stored, strings.Join(slices.Sorted(maps.Keys(types)), ", "))
	}
	if r.tensor.Shape == nil {
		return r, errors.New("no shape")
	}
	if len(offsets) != 2 {
		return r, fmt.Errorf("%d data_offsets, want 2", len(offsets))
	}
	r.begin, r.end = offsets[0], offsets[1]
	n, ok := elements(r.tensor.Shape, d.size)
	if !ok {
		return r, fmt.Errorf("shape %d is too large", r.tensor.Shape)
	}
	if r.end-r.begin != n*d.size {
		return r, fmt.Errorf("data_offsets [%d, %d] hold %d bytes, shape %d needs %d", r.begin, r.end, r.end-r.begin, r.tensor.Shape, n*d.size)
	}
	return r, nil
}

// object reads {...}; value is called at each key to read what belongs to it.
func (p headerParser) object(value func(key string) error) error {
	if err := p.delim('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.More() {
		key, err := p.text()
		if err != nil {
			return err
		}
		if seen[key] {
			return fmt.Errorf("key %q twice", key)
		}
		seen[key] = true
		if len(key) > maxName {
			return fmt.Errorf("name %.20q... of %d bytes, want at most %d", key, len(key), maxName)
		}
		if err := value(key); err != nil {
			return err
		}
	}
	return p.delim('}')
}

// list reads an array of at most limit whole numbers >= 0.
func (p headerParser) list(limit int) ([]int, error) {
	if err := p.delim('['); err != nil {
		return nil, err
	}
	numbers := []int{}
	for p.More() {
		token, err := p.next()
		if err != nil {
			return nil, err
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%v, want a whole number >= 0", token)
		}
		n, err := strconv.ParseUint(number.String(), 10, strconv.IntSize-1)
		if err != nil {
			return nil, fmt.Errorf("%v, want a whole number >= 0", number)
		}
		if len(numbers) == limit {
			return nil, fmt.Errorf("more than %d numbers", limit)
		}
		numbers = append(numbers, int(n))
	}
	return numbers, p.delim(']')
}

func (p headerParser) text() (string, error) {
	token, err := p.next()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("%v, want a string", token)
	}
	return s, nil
}

func (p headerParser) delim(want json.Delim) error {
	token, err := p.next()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("%v, want %v", token, want)
	}
	return nil
}

func (p headerParser) next() (json.Token, error) {
	token, err := p.Token()
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, errors.New("the JSON ends early")
	}
	return token, err
}
