package config

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/loss/scheme"
)

// Key is a key of the configuration.
type Key struct {
	Name        string   // dotted: train.epochs
	Description string   // from configs/unet.yaml
	Values      []string // the words that it takes, if they are few
}

// Keys are all keys that have a value, sorted by name.
func Keys() []Key {
	s, about := newSchema(), descriptions()
	var all []Key
	for _, name := range s.keys() {
		f := s[name]
		if !f.leaf {
			continue
		}
		key := Key{Name: name, Description: about[name], Values: f.enum()}
		switch {
		case f.typ.Kind() == reflect.Bool:
			key.Values = []string{"false", "true"}
		case f.typ == reflect.TypeFor[scheme.ClassWeights]():
			key.Values = scheme.Schemes()
		}
		all = append(all, key)
	}
	return all
}

// JSONSchema describes configuration files for editors, which complete and check
// keys by it: types, words, ranges, defaults and meanings. It is draft 7, which
// all of them know. Names and types come from the Config types, words and
// ranges from their enum and range tags, meanings from configs/unet.yaml.
func JSONSchema() []byte {
	s, about := newSchema(), descriptions()
	root := s.node("", about)
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "Configuration of a UNet's training"
	b, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // it holds only numbers, strings and lists
	}
	return append(b, '\n')
}

// node is the schema of a key or section.
func (s schema) node(key string, about map[string]string) map[string]any {
	f := s[key]
	n := map[string]any{}
	if f.leaf {
		n = f.jsonType(f.typ)
		n["default"] = plain(s.field(Default(), key))
	} else {
		properties := map[string]any{}
		for _, name := range s.children(key) {
			properties[name] = s.node(join(key, name), about)
		}
		n["type"] = "object"
		n["properties"] = properties
		n["additionalProperties"] = false
	}
	if text := about[key]; text != "" {
		n["description"] = text
	}
	return n
}

// jsonType is the schema of a value of type t, which is the field's or that of its elements.
func (f field) jsonType(t reflect.Type) map[string]any {
	if t == reflect.TypeFor[scheme.ClassWeights]() {
		weights := f.jsonType(reflect.TypeFor[[]float64]())
		return map[string]any{"anyOf": []any{map[string]any{"enum": scheme.Schemes()}, weights}}
	}
	n := map[string]any{}
	switch t.Kind() {
	case reflect.String:
		n["type"] = "string"
		if words := f.enum(); words != nil {
			n["enum"] = words
		}
	case reflect.Bool:
		n["type"] = "boolean"
	case reflect.Array:
		n["minItems"], n["maxItems"] = t.Len(), t.Len()
		fallthrough
	case reflect.Slice:
		n["type"] = "array"
		n["items"] = f.jsonType(t.Elem())
	case reflect.Float32, reflect.Float64:
		n["type"] = "number"
		f.limit(n)
	default:
		n["type"] = "integer"
		f.limit(n)
		if _, ok := n["minimum"]; !ok && t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64 {
			n["minimum"] = 0
		}
	}
	return n
}

// enum is the words of the field's tag: enum:"batch,none".
func (f field) enum() []string {
	if words := f.tag.Get("enum"); words != "" {
		return strings.Split(words, ",")
	}
	return nil
}

// limit adds the interval of the field's tag to a number: range:"[0,1)", or range:"(0,)" without an end.
func (f field) limit(n map[string]any) {
	interval := f.tag.Get("range")
	low, high, ok := strings.Cut(interval, ",")
	if !ok {
		return
	}
	if bound, open := strings.CutPrefix(low, "("); open {
		n["exclusiveMinimum"] = json.Number(bound)
	} else {
		n["minimum"] = json.Number(strings.TrimPrefix(bound, "["))
	}
	switch bound, open := strings.CutSuffix(high, ")"); {
	case open && bound != "":
		n["exclusiveMaximum"] = json.Number(bound)
	case !open:
		n["maximum"] = json.Number(strings.TrimSuffix(bound, "]"))
	}
}

// plain is a value as JSON has it.
func plain(v reflect.Value) any {
	if weights, ok := v.Interface().(scheme.ClassWeights); ok {
		return weights.Scheme // of the defaults
	}
	if v.Kind() == reflect.Slice && v.IsNil() {
		return []any{}
	}
	return v.Interface()
}
