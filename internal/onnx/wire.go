package onnx

import (
	"encoding/binary"
	"math"
)

// message is a Protocol Buffers message in its wire format: fields one after the
// other, each a key (number<<3 | type) and a value.
type message []byte

// Wire types.
const (
	varint = 0
	bytes  = 2 // a length, then so many bytes: text, bytes, messages
)

func (m *message) key(field, wireType int) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|uint64(wireType))
}

// int adds an integer >= 0.
func (m *message) int(field, value int) {
	m.key(field, varint)
	*m = binary.AppendUvarint(*m, uint64(value))
}

// text adds a string.
func (m *message) text(field int, value string) {
	m.key(field, bytes)
	*m = binary.AppendUvarint(*m, uint64(len(value)))
	*m = append(*m, value...)
}

// add adds a message within the message.
func (m *message) add(field int, value message) {
	m.key(field, bytes)
	*m = binary.AppendUvarint(*m, uint64(len(value)))
	*m = append(*m, value...)
}

// floats adds the bytes of numbers, little-endian.
func (m *message) floats(field int, values []float32) {
	m.key(field, bytes)
	*m = binary.AppendUvarint(*m, uint64(4*len(values)))
	for _, v := range values {
		*m = binary.LittleEndian.AppendUint32(*m, math.Float32bits(v))
	}
}
