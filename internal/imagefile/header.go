package imagefile

import "io"

// ReadHeader reads what an image file of size bytes says of itself, and decodes
// nothing. An image of more than maxPixels pixels is an error.
func ReadHeader(r io.ReaderAt, size, maxPixels int64) (Header, error) {
	return readHeader(r, size, maxPixels)
}

// IsImageName reports whether a file's extension is that of an image that [Read] reads.
func IsImageName(path string) bool { return isImageName(path) }
