package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fixed are the keys that a resumed run must keep: the shapes and the meaning
// of the parameters, and what the optimizer's state belongs to.
var fixed = []string{
	"data.classes", "data.normalize", "model.encoder", "model.decoder_channels", "model.base_channels", "model.depth", "model.norm", "model.up", "model.deep_supervision", "model.freeze", "optimizer.name",
}

// Difference is a key whose value differs between two configurations.
type Difference struct {
	Key, Old, New string // values in YAML
}

// String is "train.epochs 10 -> 20".
func (d Difference) String() string { return fmt.Sprintf("%s %s -> %s", d.Key, d.Old, d.New) }

// Compare lists what differs between the configuration of a checkpoint and the
// one it is to be resumed with: refused, where the checkpoint would not fit, and
// changed, where it may. Both are sorted by key.
func Compare(old, resumed Config) (refused, changed []Difference) {
	s := newSchema()
	for _, key := range s.keys() {
		if !s[key].leaf {
			continue
		}
		d := Difference{key, text(s.field(old, key)), text(s.field(resumed, key))}
		switch {
		case d.Old == d.New:
		case slices.Contains(fixed, key):
			refused = append(refused, d)
		default:
			changed = append(changed, d)
		}
	}
	return refused, changed
}

// text is a value as one line of YAML.
func text(v reflect.Value) string {
	var n yaml.Node
	if err := n.Encode(v.Interface()); err != nil {
		panic(err) // a Config holds only numbers, strings and lists
	}
	flowLists(&n)
	b, err := yaml.Marshal(&n)
	if err != nil {
		panic(err) // as above
	}
	return strings.TrimSpace(string(b))
}

// Differing are the keys whose values are not the same in all of the configurations,
// sorted, and values[i][k] is that of key k in configuration i, in YAML.
func Differing(all []Config) (keys []string, values [][]string) {
	s := newSchema()
	values = make([][]string, len(all))
	for _, key := range s.keys() {
		if !s[key].leaf {
			continue
		}
		var column []string
		for _, c := range all {
			column = append(column, text(s.field(c, key)))
		}
		if len(slices.Compact(slices.Clone(column))) < 2 {
			continue
		}
		keys = append(keys, key)
		for i, value := range column {
			values[i] = append(values[i], value)
		}
	}
	return keys, values
}
