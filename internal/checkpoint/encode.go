package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"unicode/utf8"
)

// encode writes c as a safetensors file. It adds the checksums to the metadata; c
// itself is not changed. The tensors are streamed, once to hash them and once to
// write them. The error lists every name, text or shape that cannot be written;
// then nothing has been written.
func (c *Checkpoint) encode(w io.Writer) error {
	if err := c.validate(); err != nil {
		return err
	}
	digest := sha256.New()
	if err := c.writeData(digest); err != nil {
		return err
	}
	meta := maps.Clone(c.Meta)
	if meta == nil {
		meta = map[string]string{}
	}
	meta[dataDigest] = hex.EncodeToString(digest.Sum(nil))
	meta[headerDigest] = digestHeader(meta, c.Tensors)
	header, err := c.header(meta)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	return c.writeData(w)
}

func (c *Checkpoint) validate() error {
	var errs []error
	text := func(what, s string, most int) {
		if len(s) > most {
			errs = append(errs, fmt.Errorf("%.40s has %d bytes, want at most %d", what, len(s), most))
		}
		if !utf8.ValidString(s) {
			errs = append(errs, fmt.Errorf("%s is not valid UTF-8: %q", what, s))
		}
	}
	for key, value := range c.Meta {
		text("metadata key", key, maxName)
		text("metadata "+key, value, maxText)
	}
	seen := map[string]bool{metadataKey: true}
	for _, t := range c.Tensors {
		text("tensor name", t.Name, maxName)
		if seen[t.Name] {
			errs = append(errs, fmt.Errorf("tensor name %q is taken", t.Name))
		}
		seen[t.Name] = true
		if n, ok := elements(t.Shape, bytesPerValue); !ok || n != len(t.Data) || len(t.Shape) > maxDimensions {
			errs = append(errs, fmt.Errorf("tensor %q has shape %d and %d values", t.Name, t.Shape, len(t.Data)))
		}
	}
	return errors.Join(errs...)
}

// header is the length and the JSON, padded with spaces so that the data
// begin on a multiple of 8 bytes.
func (c *Checkpoint) header(meta map[string]string) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 8))
	var err error
	put := func(v any) {
		text, e := json.Marshal(v)
		err = errors.Join(err, e)
		b.Write(text)
	}
	fmt.Fprintf(b, `{"%s":`, metadataKey)
	put(meta)
	offset := 0
	for _, t := range c.Tensors {
		end := offset + bytesPerValue*len(t.Data)
		b.WriteByte(',')
		put(t.Name)
		b.WriteString(`:{"dtype":"F32","shape":`)
		put(append([]int{}, t.Shape...)) // not nil: [] and not null
		fmt.Fprintf(b, `,"data_offsets":[%d,%d]}`, offset, end)
		offset = end
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if err != nil {
		return nil, err
	}
	length := b.Len() - 8
	if length > maxHeader {
		return nil, fmt.Errorf("header has %d bytes, want at most %d", length, maxHeader)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(length))
	return b.Bytes(), nil
}

func (c *Checkpoint) writeData(w io.Writer) error {
	buf := make([]byte, chunk)
	for _, t := range c.Tensors {
		for data := t.Data; len(data) > 0; {
			n := min(len(data), chunk/bytesPerValue)
			for i, v := range data[:n] {
				binary.LittleEndian.PutUint32(buf[bytesPerValue*i:], math.Float32bits(v))
			}
			if _, err := w.Write(buf[:bytesPerValue*n]); err != nil {
				return err
			}
			data = data[n:]
		}
	}
	return nil
}

// chunk is the number of bytes converted at a time.
const chunk = 1 << 18
