package report

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"strings"
	"time"
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

// message is a protocol buffer under construction.
type message []byte

// Wire types.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

func (m message) key(field, wire int) message {
	return binary.AppendUvarint(m, uint64(field<<3|wire))
}

func (m message) integer(field int, v int64) message {
	return binary.AppendUvarint(m.key(field, wireVarint), uint64(v))
}

func (m message) double(field int, v float64) message {
	return binary.LittleEndian.AppendUint64(m.key(field, wireFixed64), math.Float64bits(v))
}

func (m message) float(field int, v float64) message {
	return binary.LittleEndian.AppendUint32(m.key(field, wireFixed32), math.Float32bits(float32(v)))
}

func (m message) bytes(field int, v []byte) message {
	return append(binary.AppendUvarint(m.key(field, wireBytes), uint64(len(v))), v...)
}

// text is a string, which readers refuse if it is not UTF-8.
func (m message) text(field int, v string) message {
	return m.bytes(field, []byte(strings.ToValidUTF8(v, "\ufffd")))
}

// scalar adds a number to a Summary, unless it is undefined.
func (m message) scalar(tag string, v float64) message {
	if math.IsNaN(v) {
		return m
	}
	return m.bytes(summaryValue, message{}.text(valueTag, tag).float(valueSimple, v))
}

// image adds an RGB image of h x w pixels, encoded as PNG, to a Summary.
func (m message) image(tag string, h, w int, png []byte) message {
	image := message{}.integer(imageHeight, int64(h)).integer(imageWidth, int64(w)).integer(imageColorspace, colorRGB).bytes(imageEncoded, png)
	return m.bytes(summaryValue, message{}.text(valueTag, tag).bytes(valueImage, image))
}

// event is an Event with one of its oneof fields, a string or message.
func event(at time.Time, step int64, field int, what []byte) message {
	return message{}.double(eventWallTime, float64(at.UnixMicro())/1e6).integer(eventStep, step).bytes(field, what)
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
