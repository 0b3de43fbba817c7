package onnx

import "github.com/unet-gorgonia/unet-gorgonia/internal/protobuf"

// The numbers are those of the fields and of the types in onnx.proto
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).

// Element types of TensorProto.DataType.
const (
	float32s = 1
	int64s   = 7
)

// graph is a GraphProto under construction: its nodes and its tensors.
type graph struct{ protobuf.Message }

// node adds an op, whose output has the name of the node, which it returns.
func (g *graph) node(op, name string, attributes []attribute, inputs ...string) string {
	var n protobuf.Message
	for _, input := range inputs {
		n.String(1, input)
	}
	n.String(2, name)
	n.String(3, name)
	n.String(4, op)
	for _, a := range attributes {
		n.Bytes(5, a.message())
	}
	g.Bytes(1, n)
	return name
}

// tensor adds constant numbers and returns their name.
func (g *graph) tensor(name string, shape []int, values []float32) string {
	var t protobuf.Message
	for _, n := range shape {
		t.Int(1, int64(n))
	}
	t.Int(2, float32s)
	t.String(8, name)
	t.Floats(9, values)
	g.Bytes(5, t)
	return name
}

// Fields of a GraphProto.
const (
	graphInput  = 11
	graphOutput = 12
)

// value declares an input or output of the graph. A dimension is a number, or a
// name for one that is free.
func (g *graph) value(field int, name, about string, elements int, shape ...any) {
	var dims protobuf.Message
	for _, n := range shape {
		var dim protobuf.Message
		switch n := n.(type) {
		case int:
			dim.Int(1, int64(n))
		case string:
			dim.String(2, n)
		}
		dims.Bytes(1, dim)
	}
	var tensor, typ, v protobuf.Message
	tensor.Int(1, int64(elements))
	tensor.Bytes(2, dims)
	typ.Bytes(1, tensor)
	v.String(1, name)
	v.Bytes(2, typ)
	v.String(3, about)
	g.Bytes(field, v)
}

// attribute is a setting of a node: a string, an int or a list of ints.
type attribute struct {
	name  string
	value any
}

func (a attribute) message() protobuf.Message {
	var m protobuf.Message
	m.String(1, a.name)
	switch v := a.value.(type) {
	case int:
		m.Int(3, int64(v))
		m.Int(20, 2)
	case string:
		m.String(4, v)
		m.Int(20, 3)
	case []int:
		for _, n := range v {
			m.Int(8, int64(n))
		}
		m.Int(20, 7)
	}
	return m
}
