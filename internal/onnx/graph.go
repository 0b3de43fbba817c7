package onnx

// The numbers are those of the fields and of the types in onnx.proto
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).

// Element types of TensorProto.DataType.
const (
	float32s = 1
	int64s   = 7
)

// graph is a GraphProto under construction: its nodes and its tensors.
type graph struct{ message }

// node adds an op, whose output has the name of the node, which it returns.
func (g *graph) node(op, name string, attributes []attribute, inputs ...string) string {
	var n message
	for _, input := range inputs {
		n.text(1, input)
	}
	n.text(2, name)
	n.text(3, name)
	n.text(4, op)
	for _, a := range attributes {
		n.add(5, a.message())
	}
	g.add(1, n)
	return name
}

// tensor adds constant numbers and returns their name.
func (g *graph) tensor(name string, shape []int, values []float32) string {
	var t message
	for _, n := range shape {
		t.int(1, n)
	}
	t.int(2, float32s)
	t.text(8, name)
	t.floats(9, values)
	g.add(5, t)
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
	var dims message
	for _, n := range shape {
		var dim message
		switch n := n.(type) {
		case int:
			dim.int(1, n)
		case string:
			dim.text(2, n)
		}
		dims.add(1, dim)
	}
	var tensor, typ, v message
	tensor.int(1, elements)
	tensor.add(2, dims)
	typ.add(1, tensor)
	v.text(1, name)
	v.add(2, typ)
	v.text(3, about)
	g.add(field, v)
}

// attribute is a setting of a node: a string, an int or a list of ints.
type attribute struct {
	name  string
	value any
}

func (a attribute) message() message {
	var m message
	m.text(1, a.name)
	switch v := a.value.(type) {
	case int:
		m.int(3, v)
		m.int(20, 2)
	case string:
		m.text(4, v)
		m.int(20, 3)
	case []int:
		for _, n := range v {
			m.int(8, n)
		}
		m.int(20, 7)
	}
	return m
}
