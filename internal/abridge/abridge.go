// Package abridge shortens lists in messages: the first are named, the others counted.
package abridge

import (
	"fmt"
	"strings"
)

// Join is strings.Join of at most the first most texts; it says how many more there are.
func Join(texts []string, separator string, most int) string {
	if more := len(texts) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(texts[:most], separator), more)
	}
	return strings.Join(texts, separator)
}
