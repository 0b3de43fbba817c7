package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// schema is every section and key of Config by its dotted name; the whole is "".
type schema map[string]field

// field is a section, or a leaf: a key that has a value.
type field struct {
	typ   reflect.Type
	index []int // in Config, as reflect.Value.FieldByIndex takes it
	leaf  bool
	tag   reflect.StructTag
}

func newSchema() schema {
	s := schema{}
	s.add("", reflect.TypeFor[Config](), nil, "")
	return s
}

func (s schema) add(key string, t reflect.Type, index []int, tag reflect.StructTag) {
	f := field{typ: t, index: index, leaf: t.Kind() != reflect.Struct || ownYAML(t), tag: tag}
	s[key] = f
	if f.leaf {
		return
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		s.add(join(key, name), t.Field(i).Type, append(slices.Clip(index), i), t.Field(i).Tag)
	}
}

// field is the value of a key of c.
func (s schema) field(c Config, key string) reflect.Value {
	return reflect.ValueOf(c).FieldByIndex(s[key].index)
}

// ownYAML reports whether a type reads its YAML itself.
func ownYAML(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[yaml.Unmarshaler]()) ||
		p.Implements(reflect.TypeFor[interface{ UnmarshalYAML(func(any) error) error }]())
}

// join is the dotted name of a key in a section.
func join(section, name string) string {
	if section == "" {
		return name
	}
	return section + "." + name
}

// keys are all keys and sections, sorted.
func (s schema) keys() []string {
	keys := slices.Sorted(maps.Keys(s))
	return slices.DeleteFunc(keys, func(k string) bool { return k == "" })
}

// children are the names in a section, sorted.
func (s schema) children(section string) []string {
	var names []string
	for _, key := range s.keys() {
		if rest, ok := strings.CutPrefix(key, join(section, "")); ok && !strings.Contains(rest, ".") {
			names = append(names, rest)
		}
	}
	return names
}

// keyOf is the key with which the message of a validation error begins.
func (s schema) keyOf(message string) string {
	end := strings.IndexFunc(message, func(r rune) bool {
		return r != '.' && r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	if end < 0 {
		return ""
	}
	return strings.TrimRight(message[:end], ".")
}

// value is what n holds for the key, as the type of its field.
func (s schema) value(key string, n *yaml.Node) (any, error) {
	t := s[key].typ
	v := reflect.New(t).Elem()
	switch {
	case ownYAML(t):
		if err := n.Decode(v.Addr().Interface()); err != nil {
			return nil, fmt.Errorf("%s = %s, %s", key, show(n), strings.TrimPrefix(err.Error(), key+": "))
		}
	case n.ShortTag() == "!!null" && t.Kind() == reflect.String:
		// nothing after the colon: the empty string
	case !fits(n, t) || n.Decode(v.Addr().Interface()) != nil:
		return nil, fmt.Errorf("%s = %s, want %s", key, show(n), describe(t, false))
	case t.Kind() == reflect.Slice && v.Len() == 0:
		v.SetZero() // [] is the same as no list
	}
	return v.Interface(), nil
}

// fits reports whether n has the type t. It is stricter than the YAML library,
// which cuts the fraction off where an integer is wanted and takes null for anything.
func fits(n *yaml.Node, t reflect.Type) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	tag := n.ShortTag()
	switch t.Kind() {
	case reflect.String:
		return n.Kind == yaml.ScalarNode && tag != "!!null" && tag != "!!binary"
	case reflect.Bool:
		return tag == "!!bool"
	case reflect.Float32, reflect.Float64:
		return tag == "!!float" || tag == "!!int"
	case reflect.Array, reflect.Slice:
		if n.Kind != yaml.SequenceNode || (t.Kind() == reflect.Array && len(n.Content) != t.Len()) {
			return false
		}
		for _, item := range n.Content {
			if !fits(item, t.Elem()) {
				return false
			}
		}
		return true
	default:
		return tag == "!!int"
	}
}

// describe names what a key of type t takes: "an integer", "a list of 2 numbers".
func describe(t reflect.Type, plural bool) string {
	one, many := "", ""
	switch t.Kind() {
	case reflect.String:
		one, many = "text", "texts"
	case reflect.Bool:
		one, many = "true or false", "true or false"
	case reflect.Float32, reflect.Float64:
		one, many = "a number", "numbers"
	case reflect.Array:
		items := fmt.Sprintf("%d %s", t.Len(), describe(t.Elem(), true))
		one, many = "a list of "+items, "lists of "+items
	case reflect.Slice:
		items := describe(t.Elem(), true)
		one, many = "a list of "+items, "lists of "+items
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		one, many = "an integer >= 0", "integers >= 0"
	default:
		one, many = "an integer", "integers"
	}
	if plural {
		return many
	}
	return one
}

// show is a value as an error prints it: one line, not too long.
func show(n *yaml.Node) string {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	var s string
	switch {
	case n.Kind == yaml.MappingNode:
		s = "a mapping"
	case n.Kind == yaml.SequenceNode:
		items := make([]string, 0, 4)
		for _, item := range n.Content {
			if len(items) == 4 {
				items = append(items, "...")
				break
			}
			if item.Kind == yaml.ScalarNode {
				items = append(items, show(item))
			} else {
				items = append(items, "[...]")
			}
		}
		s = "[" + strings.Join(items, ", ") + "]"
	case n.ShortTag() == "!!null":
		s = "nothing"
	case n.ShortTag() == "!!str":
		s = fmt.Sprintf("%.60q", n.Value)
	default:
		s = fmt.Sprintf("%.60s", n.Value)
	}
	return s
}

// didYouMean is ", did you mean X?" for the nearest of the right names, or nothing when none is near.
func didYouMean(name string, right []string) string {
	slices.Sort(right)
	best, score := "", max(2, len(name)/3)+1
	last := func(s string) string { return s[strings.LastIndexByte(s, '.')+1:] }
	for _, r := range right {
		// A right name in the wrong section is nearer than a wrong name in the right one.
		d := min(distance(name, r), distance(last(name), last(r))+1)
		if len(last(name)) > 2 && strings.HasPrefix(last(r), last(name)) {
			d = min(d, 2)
		}
		if d < score {
			best, score = r, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

// distance is the Levenshtein distance of two names, in bytes; names over 100 bytes are far from everything.
func distance(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
