package imagefile

import "io"

// ReadHeader reads what an image file of size bytes says of itself, and decodes
// nothing. An image of more than maxPixels pixels is an error.
func ReadHeader(r io.ReaderAt, size, maxPixels int64) (Header, error) {
	return readHeader(r, size, maxPixels)
}
