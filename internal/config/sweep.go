package config

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
)

// Variant is one of the combinations of values of several keys.
type Variant struct {
	Name string   // from the values: lr=0.001,seed=1
	Set  []string // key=value, as Options takes it
}

// Variants are all combinations of the values in key=value,value,... arguments of
// --set, the last key varying fastest. A comma in brackets, braces, parentheses or
// quotes is part of a value: model.decoder_channels=[64, 32, 16, 16, 8]. Keys with one
// value are in every Set, and in no Name.
func Variants(set []string) ([]Variant, error) {
	type axis struct {
		key    string
		values []string
	}
	var axes []axis
	for _, pair := range set {
		key, text, ok := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		if !ok {
			return nil, fmt.Errorf("--set %s: want key=value,value", pair)
		}
		if slices.ContainsFunc(axes, func(a axis) bool { return a.key == key }) {
			return nil, fmt.Errorf("--set %s: %s is given twice, want all of its values in one --set", pair, key)
		}
		axes = append(axes, axis{key, slices.Collect(alternatives(text))})
	}
	short := func(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }
	shorts := map[string]int{}
	for _, a := range axes {
		if len(a.values) > 1 {
			shorts[short(a.key)]++
		}
	}
	all := []Variant{{}}
	for _, a := range axes {
		var longer []Variant
		for _, v := range all {
			for _, value := range a.values {
				w := Variant{v.Name, append(slices.Clip(v.Set), a.key+"="+value)}
				if len(a.values) > 1 {
					name := short(a.key)
					if shorts[name] > 1 {
						name = a.key
					}
					if w.Name != "" {
						w.Name += ","
					}
					w.Name += name + "=" + inName(value)
				}
				longer = append(longer, w)
			}
		}
		all = longer
	}
	seen := map[string][]string{}
	for _, v := range all {
		if before, ok := seen[v.Name]; ok && len(all) > 1 {
			return nil, fmt.Errorf("%s and %s are both called %s, want values that differ in letters and digits", strings.Join(before, " "), strings.Join(v.Set, " "), v.Name)
		}
		seen[v.Name] = v.Set
	}
	return all, nil
}

var notInName = regexp.MustCompile(`[^\pL\pN._+-]+`)

// inName is a value as part of a file's name.
func inName(value string) string {
	value = notInName.ReplaceAllString(strings.Trim(value, `[]{}()"' `), "-")
	if value == "" {
		return "none"
	}
	return value
}

// alternatives are the values between the commas of a text.
func alternatives(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start, depth, quote := 0, 0, rune(0)
		for i, r := range text {
			begins := strings.TrimSpace(text[start:i]) == "" || depth > 0
			switch {
			case quote != 0:
				if r == quote {
					quote = 0
				}
			case begins && (r == '"' || r == '\''):
				quote = r
			case strings.ContainsRune("[{(", r):
				depth++
			case strings.ContainsRune("]})", r):
				depth = max(depth-1, 0)
			case r == ',' && depth == 0:
				if !yield(strings.TrimSpace(text[start:i])) {
					return
				}
				start = i + 1
			}
		}
		yield(strings.TrimSpace(text[start:]))
	}
}
