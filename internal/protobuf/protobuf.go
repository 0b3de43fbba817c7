// Package protobuf writes Protocol Buffers messages in their wire format
// (https://protobuf.dev/programming-guides/encoding): fields one after the other,
// each a key, number<<3 | wire type, and a value. Which numbers the fields have
// is for the user to know, from the .proto file.
package protobuf

import (
	"encoding/binary"
	"math"
	"strings"
)

// Message is a message under construction, and its bytes. The zero value is the
// empty message.
type Message []byte

// Wire types.
const (
	varint  = 0
	fixed64 = 1
	sized   = 2 // a length, then so many bytes: string, bytes, messages, packed numbers
	fixed32 = 5
)

func (m *Message) key(field, wireType int) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|uint64(wireType))
}

// Int adds an int32, int64 or enum. A negative one is 10 bytes long.
func (m *Message) Int(field int, v int64) {
	m.key(field, varint)
	*m = binary.AppendUvarint(*m, uint64(v))
}

// Float adds a float.
func (m *Message) Float(field int, v float32) {
	m.key(field, fixed32)
	*m = binary.LittleEndian.AppendUint32(*m, math.Float32bits(v))
}

// Double adds a double.
func (m *Message) Double(field int, v float64) {
	m.key(field, fixed64)
	*m = binary.LittleEndian.AppendUint64(*m, math.Float64bits(v))
}

// String adds a string. Readers refuse one that is not UTF-8: what is not, becomes U+FFFD.
func (m *Message) String(field int, v string) {
	m.Bytes(field, []byte(strings.ToValidUTF8(v, "\ufffd")))
}

// Bytes adds bytes, or a message within the message.
func (m *Message) Bytes(field int, v []byte) {
	m.key(field, sized)
	*m = binary.AppendUvarint(*m, uint64(len(v)))
	*m = append(*m, v...)
}

// Floats adds bytes that hold numbers, little-endian. A packed repeated float is the same.
func (m *Message) Floats(field int, values []float32) {
	m.key(field, sized)
	*m = binary.AppendUvarint(*m, uint64(4*len(values)))
	for _, v := range values {
		*m = binary.LittleEndian.AppendUint32(*m, math.Float32bits(v))
	}
}
