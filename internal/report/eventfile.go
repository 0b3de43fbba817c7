package report

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/protobuf"
)

// An event file of TensorBoard is a sequence of TFRecords, each an Event in the
// wire format of protocol buffers (tensorflow/core/util/event.proto and
// tensorflow/core/framework/summary.proto):
//
//	Event       { double wall_time = 1; int64 step = 2; oneof { string file_version = 3; Summary summary = 5; SessionLog session_log = 7 } }
//	Summary     { repeated Value value = 1 }
//	Value       { string tag = 1; oneof { float simple_value = 2; Image image = 4 } }
//	Image       { int32 height = 1; int32 width = 2; int32 colorspace = 3; bytes encoded_image_string = 4 }
//	SessionLog  { Status status = 1 }
const (
	eventWallTime, eventStep, eventFileVersion, eventSummary, eventSessionLog = 1, 2, 3, 5, 7
	summaryValue                                                              = 1
	valueTag, valueSimple, valueImage                                         = 1, 2, 4
	imageHeight, imageWidth, imageColorspace, imageEncoded                    = 1, 2, 3, 4
	sessionStatus                                                             = 1
)

const (
	fileVersion  = "brain.Event:2" // of a file's first event
	sessionStart = 1               // readers drop what they have of this step and later ones
	colorRGB     = 3
)

// summary is a Summary under construction.
type summary struct{ protobuf.Message }

// scalar adds a number, unless it is undefined.
func (s *summary) scalar(tag string, v float64) {
	if math.IsNaN(v) {
		return
	}
	var value protobuf.Message
	value.String(valueTag, tag)
	value.Float(valueSimple, float32(v))
	s.Bytes(summaryValue, value)
}

// image adds an RGB image of h x w pixels, encoded as PNG.
func (s *summary) image(tag string, h, w int, png []byte) {
	var image, value protobuf.Message
	image.Int(imageHeight, int64(h))
	image.Int(imageWidth, int64(w))
	image.Int(imageColorspace, colorRGB)
	image.Bytes(imageEncoded, png)
	value.String(valueTag, tag)
	value.Bytes(valueImage, image)
	s.Bytes(summaryValue, value)
}

// newEvent is an Event with one of its oneof fields, a string or message.
func newEvent(at time.Time, step int64, field int, what []byte) protobuf.Message {
	var m protobuf.Message
	m.Double(eventWallTime, float64(at.UnixMicro())/1e6)
	m.Int(eventStep, step)
	m.Bytes(field, what)
	return m
}

// record frames data as a TFRecord: its length (uint64), the checksum of the
// length (uint32), the data, the checksum of the data (uint32), little endian.
func record(data []byte) []byte {
	r := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	r = binary.LittleEndian.AppendUint32(r, checksum(r))
	r = append(r, data...)
	return binary.LittleEndian.AppendUint32(r, checksum(data))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is CRC-32C, rotated right by 15 bits plus a constant, since a CRC over
// bytes that contain their own CRC says little.
func checksum(b []byte) uint32 {
	crc := crc32.Checksum(b, castagnoli)
	return (crc>>15 | crc<<17) + 0xa282ead8
}
