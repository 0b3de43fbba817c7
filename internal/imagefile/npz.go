package imagefile

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
)

// maxInflated bounds the bytes of a compressed array, which is kept in memory.
const maxInflated = 1 << 30

// inNPZ splits the path of an array in a zip of arrays (npz), which takes the place
// of a folder: set.npz/x_train.
func inNPZ(path string) (file, name string, ok bool) {
	file, name = filepath.Split(path)
	file = filepath.Clean(file)
	return file, name, strings.EqualFold(filepath.Ext(file), ".npz")
}

// openArray finds an array by its path without extension: path.npy, or an array in an npz.
func openArray(path string) (npyArray, error) {
	shown := path + ".npy"
	open := func() (npyArray, error) { return openNPYArray(shown) }
	if file, name, ok := inNPZ(path); ok {
		shown = path
		open = func() (npyArray, error) { return openMember(file, name) }
	}
	a, err := open()
	if err != nil {
		return npyArray{}, fmt.Errorf("data: %s: %w", shown, err)
	}
	a.path = shown
	return a, nil
}

// HasArray reports whether there is an array of a path without extension.
func HasArray(path string) bool {
	if file, name, ok := inNPZ(path); ok {
		names, err := ArrayNames(file)
		return err == nil && slices.Contains(names, name)
	}
	info, err := os.Stat(path + ".npy")
	return err == nil && !info.IsDir()
}

// ArrayNames are the arrays in an npz file.
func ArrayNames(path string) ([]string, error) {
	f, size, err := OpenRegular(path)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", path, err)
	}
	defer f.Close()
	z, err := zip.NewReader(f, size)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", path, zipError(err))
	}
	return arrayNames(z), nil
}

func arrayNames(z *zip.Reader) []string {
	var names []string
	for _, member := range z.File {
		if name, ok := strings.CutSuffix(member.Name, ".npy"); ok {
			names = append(names, name)
		}
	}
	return names
}

// openMember reads the header of an array in an npz file, and all of it if it is compressed.
func openMember(path, name string) (npyArray, error) {
	f, size, err := OpenRegular(path)
	if err != nil {
		return npyArray{}, err
	}
	defer f.Close()
	z, err := zip.NewReader(f, size)
	if err != nil {
		return npyArray{}, zipError(err)
	}
	var member *zip.File
	for _, m := range z.File {
		switch {
		case m.Name != name+".npy":
		case member != nil:
			return npyArray{}, errors.New("is there twice in the npz file, want one array of a name")
		default:
			member = m
		}
	}
	if member == nil {
		return npyArray{}, fmt.Errorf("is not in the npz file, which has %s: set data.images and data.masks", noneOrSome(arrayNames(z)))
	}
	const encrypted = 1
	switch {
	case member.Flags&encrypted != 0:
		return npyArray{}, errors.New("is encrypted")
	case member.Method == zip.Store:
		return openStored(f, size, member)
	case member.Method == zip.Deflate:
		return inflate(member)
	}
	return npyArray{}, fmt.Errorf("is compressed by method %d, want numpy.savez or numpy.savez_compressed", member.Method)
}

// openStored leaves the array where it is in the file.
func openStored(f *os.File, size int64, member *zip.File) (npyArray, error) {
	start, err := member.DataOffset()
	if err != nil {
		return npyArray{}, zipError(err)
	}
	length := int64(member.UncompressedSize64)
	if member.CompressedSize64 != member.UncompressedSize64 || length < 0 || start > size || length > size-start {
		return npyArray{}, errors.New("is damaged: its place is beyond the npz file")
	}
	h, err := readNPYHeader(io.NewSectionReader(f, start, length), length)
	h.data += start
	return npyArray{npyHeader: h, file: f.Name(), size: length}, err
}

// inflate reads a compressed array into memory. Its size is checked before, and it
// grows with what is read, so that a lie about the size takes no memory.
func inflate(member *zip.File) (npyArray, error) {
	size := member.UncompressedSize64
	if size > maxInflated {
		return npyArray{}, fmt.Errorf("is compressed and has %d bytes, want at most %d: unpack the npz file (it is a zip of npy files) or save it by numpy.savez", size, int64(maxInflated))
	}
	r, err := member.Open()
	if err != nil {
		return npyArray{}, zipError(err)
	}
	defer r.Close()
	h, err := readNPYHeader(r, int64(size))
	if err != nil {
		return npyArray{}, err
	}
	var b bytes.Buffer
	switch n, err := io.Copy(&b, io.LimitReader(r, int64(size)-h.data+1)); {
	case err != nil:
		return npyArray{}, zipError(err)
	case n != int64(size)-h.data:
		return npyArray{}, fmt.Errorf("has %d bytes, %d by the npz file's directory", n+h.data, size)
	}
	h.data = 0
	return npyArray{npyHeader: h, inflated: b.Bytes(), size: int64(size)}, nil
}

func zipError(err error) error {
	switch {
	case errors.Is(err, zip.ErrFormat):
		return errors.New("is not an npz file (a zip of npy files), or is damaged")
	case errors.Is(err, zip.ErrChecksum):
		return errors.New("is damaged: its checksum is wrong")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("is truncated: %w", io.ErrUnexpectedEOF)
	}
	return bare(err)
}

// noneOrSome are the first of the names.
func noneOrSome(names []string) string {
	if len(names) == 0 {
		return "no arrays"
	}
	const most = 6
	return abridge.Join(names, ", ", most)
}
