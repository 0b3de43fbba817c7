package config

import (
	"fmt"
	"iter"
	"regexp"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/configs"
)

// manualLine is a line of configs/unet.yaml, the manual of the keys.
type manualLine struct {
	text    string
	key     string // dotted name; empty where the line has none
	name    string // the key's name in its section, indented
	comment string // what the key means
}

var keyLine = regexp.MustCompile(`^((?:  )*)(\w+):[^#]*(?:# (.*))?$`)

// manual walks over the lines of configs/unet.yaml.
func manual() iter.Seq[manualLine] {
	return func(yield func(manualLine) bool) {
		var path []string
		for text := range strings.Lines(configs.Unet) {
			text = strings.TrimSuffix(text, "\n")
			line := manualLine{text: text}
			if m := keyLine.FindStringSubmatch(text); m != nil {
				path = append(path[:len(m[1])/2], m[2])
				line = manualLine{text, strings.Join(path, "."), m[1] + m[2], m[3]}
			}
			if !yield(line) {
				return
			}
		}
	}
}

// descriptions are what the keys mean, by their dotted names.
func descriptions() map[string]string {
	all := map[string]string{}
	for line := range manual() {
		all[line.key] = line.comment
	}
	delete(all, "")
	return all
}

// commentColumn is where comments begin; after longer lines they stand above.
const commentColumn = 30

// Commented is the configuration as YAML with every key that concerns its
// source, and what it means. title is the comment at the top, without #.
func (c Config) Commented(title string) []byte {
	s := newSchema()
	written, err := Parse("unet.yaml", []byte(configs.Unet))
	if err != nil {
		panic(err) // it is part of the program
	}
	var b strings.Builder
	for line := range strings.Lines(title) {
		fmt.Fprintln(&b, strings.TrimSpace("# "+line))
	}
	inTitle := true // that of the manual
	for line := range manual() {
		inTitle = inTitle && strings.HasPrefix(line.text, "#")
		if inTitle || c.Data.Source != "synthetic" && strings.HasPrefix(line.key, "data.synthetic") {
			continue
		}
		value := ""
		if s[line.key].leaf {
			value = text(s.field(c, line.key))
		}
		if value == "" || value == text(s.field(written, line.key)) {
			fmt.Fprintln(&b, line.text)
			continue
		}
		before := line.name + ": " + value
		if len(before) >= commentColumn {
			indent := line.name[:strings.LastIndexByte(line.name, ' ')+1]
			fmt.Fprintf(&b, "%s# %s\n%s\n", indent, line.comment, before)
			continue
		}
		fmt.Fprintf(&b, "%-*s# %s\n", commentColumn, before, line.comment)
	}
	return []byte(b.String())
}
