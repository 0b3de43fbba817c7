package protobuf_test

import (
	"bytes"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/protobuf"
)

// The bytes are those of the encoding guide of Protocol Buffers, or by hand after it.
func TestMessage(t *testing.T) {
	for _, tc := range []struct {
		name  string
		write func(*protobuf.Message)
		want  []byte
	}{
		{"int, the guide's Test1", func(m *protobuf.Message) { m.Int(1, 150) }, []byte{0x08, 0x96, 0x01}},
		{"string, the guide's Test2", func(m *protobuf.Message) { m.String(2, "testing") }, []byte("\x12\x07testing")},
		{"message, the guide's Test3", func(m *protobuf.Message) {
			var inner protobuf.Message
			inner.Int(1, 150)
			m.Bytes(3, inner)
		}, []byte{0x1a, 0x03, 0x08, 0x96, 0x01}},
		{"the guide's -2", func(m *protobuf.Message) { m.Int(1, -2) }, []byte{0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
		{"a key of two bytes", func(m *protobuf.Message) { m.Int(20, 0) }, []byte{0xa0, 0x01, 0x00}},
		{"a string that is not UTF-8", func(m *protobuf.Message) { m.String(2, "a\xffb") }, []byte("\x12\x05a\ufffdb")},
		{"no bytes", func(m *protobuf.Message) { m.Bytes(2, nil) }, []byte{0x12, 0x00}},
		{"float", func(m *protobuf.Message) { m.Float(1, 1.5) }, []byte{0x0d, 0x00, 0x00, 0xc0, 0x3f}},
		{"double", func(m *protobuf.Message) { m.Double(1, 1.5) }, []byte{0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f}},
		{"floats", func(m *protobuf.Message) { m.Floats(9, []float32{1, -2}) }, []byte{0x4a, 0x08, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}},
		{"two fields", func(m *protobuf.Message) { m.Int(1, 1); m.Int(1, 2) }, []byte{0x08, 0x01, 0x08, 0x02}},
	} {
		var m protobuf.Message
		if tc.write(&m); !bytes.Equal(m, tc.want) {
			t.Errorf("%s: % x, want % x", tc.name, []byte(m), tc.want)
		}
	}
}
