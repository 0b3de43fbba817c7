package annotation

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// background is the name of class 0 where the format has none.
const background = "background"

// classes are names by index.
type classes struct {
	names []string
	index map[string]uint8
}

// newClasses has the background alone.
func newClasses() *classes {
	return &classes{names: []string{background}, index: map[string]uint8{background: 0}}
}

// add is named, but the names that tools have for the background are class 0.
func (c *classes) add(name string) (uint8, error) {
	name = strings.TrimSpace(name)
	if isBackground(name) {
		return 0, nil
	}
	return c.named(name)
}

// named is the index of a name, which is given one if it is new.
func (c *classes) named(name string) (uint8, error) {
	if i, ok := c.index[name]; ok {
		return i, nil
	}
	switch {
	case name == "" || !utf8.ValidString(name) || strings.HasPrefix(name, "#") || strings.ContainsFunc(name, unicode.IsControl):
		return 0, fmt.Errorf("class name %q, want printable text that does not begin with #", name)
	case len(c.names) == imagefile.MaxClasses:
		return 0, fmt.Errorf("more than %d classes with the background", imagefile.MaxClasses)
	}
	i := uint8(len(c.names))
	c.names, c.index[name] = append(c.names, name), i
	return i, nil
}

func isBackground(name string) bool {
	return strings.EqualFold(name, background) || name == "_background_"
}
