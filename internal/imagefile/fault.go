package imagefile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Fault is what is wrong with a sample. Its text is that of Err.
type Fault struct {
	Err   error
	Names []string // of its files, as they stand in the text
}

func (f Fault) Error() string { return f.Err.Error() }
func (f Fault) Unwrap() error { return f.Err }

// numbers are what may differ between equal faults, such as the place of a pixel.
var numbers = regexp.MustCompile(`\d+(\.\d+)?`)

// kind is what is equal in the texts of equal faults, and name the first of the files that it names.
func (f Fault) kind() (kind, name string) {
	kind = f.Error()
	for _, n := range f.Names {
		if strings.Contains(kind, n) {
			if name == "" {
				name = n
			}
			kind = strings.ReplaceAll(kind, n, "")
		}
	}
	return numbers.ReplaceAllString(kind, "0"), name
}

// Fold is the list without faults that are like one before them but for files and
// numbers, if there are more than three: the first says how many follow and names
// a few of them. Joined errors count one by one.
func Fold(errs []error) []error {
	const (
		mostAlike = 3
		mostNamed = 3
	)
	errs = Each(errs)
	alike := map[string][]string{} // names by kind
	kinds := make([]string, len(errs))
	for i, err := range errs {
		var f Fault
		if errors.As(err, &f) {
			kind, name := f.kind()
			if name != "" {
				kinds[i] = kind
				alike[kind] = append(alike[kind], name)
			}
		}
	}
	var folded []error
	for i, err := range errs {
		names := alike[kinds[i]]
		switch {
		case kinds[i] == "" || len(names) <= mostAlike && names != nil:
			folded = append(folded, err)
		case names != nil:
			more := names[1:min(len(names), 1+mostNamed)]
			rest := ""
			if len(names) > 1+mostNamed {
				rest = ", ..."
			}
			folded = append(folded, fmt.Errorf("%w (and %d more like it: %s%s)", err, len(names)-1, strings.Join(more, ", "), rest))
			alike[kinds[i]] = nil
		}
	}
	return folded
}

// Each is the list with joined errors one by one.
func Each(errs []error) []error { return flatten(errors.Join(errs...)) }

// flatten is the list of the errors that are joined in err.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || err.Error() != errors.Join(joined.Unwrap()...).Error() { // with words of its own
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, flatten(err)...)
	}
	return all
}
