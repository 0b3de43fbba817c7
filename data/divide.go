package data

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
)

func (c Config) validateFolds() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case c.Folds < 0 || c.Folds == 1:
		bad("data.folds = %d, want >= 2, or 0 for data.val_fraction", c.Folds)
	case c.Folds > 0 && c.Val != "":
		bad("data.folds = %d takes the validation set from data.train, want 0, or data.val empty: it is %q", c.Folds, c.Val)
	}
	if c.Folds < 2 && c.Fold != 0 {
		bad("data.fold = %d, want 0 with data.folds = %d", c.Fold, c.Folds)
	} else if c.Folds >= 2 && (c.Fold < 0 || c.Fold >= c.Folds) {
		bad("data.fold = %d, want 0..%d with data.folds = %d", c.Fold, c.Folds-1, c.Folds)
	}
	if _, err := regexp.Compile(c.Group); err != nil {
		bad("data.group = %q, want a regular expression such as ^([^_]*)_: %w", c.Group, err)
	}
	return errs
}

// divide draws, by seed, which samples of a source are for validation; the others are
// for training. Samples of one group stay together. Both lists are ascending, and
// neither is empty.
func (c Config) divide(src source, seed uint64) (val, train []int, err error) {
	groups, err := c.groups(src)
	if err != nil {
		return nil, nil, err
	}
	if n := len(groups); n < max(c.Folds, 2) {
		noun, by := "image", ""
		if c.Group != "" {
			noun, by = "group", " by data.group"
		}
		if n != 1 {
			noun += "s"
		}
		if c.Folds > 0 {
			return nil, nil, fmt.Errorf("has %d %s%s, want at least data.folds = %d", n, noun, by, c.Folds)
		}
		return nil, nil, fmt.Errorf("has %d %s%s, too few to split off validation images: set data.val, or add images", n, noun, by)
	}
	drawn := make([][]int, 0, len(groups))
	for _, i := range random(seed, forValidation).Perm(len(groups)) {
		drawn = append(drawn, groups[i])
	}
	n := src.Len()
	if c.Folds > 0 {
		val = deal(drawn, c.Folds)[c.Fold]
	} else {
		val = take(drawn, min(max(int(math.Round(float64(n)*c.ValFraction)), 1), n-1))
	}
	slices.Sort(val)
	for i := range n {
		if _, ok := slices.BinarySearch(val, i); !ok {
			train = append(train, i)
		}
	}
	return val, train, nil
}

// groups are the samples of each group, in the order of their first samples. Without
// data.group each sample is one.
func (c Config) groups(src source) (groups [][]int, err error) {
	if c.Group == "" {
		for i := range src.Len() {
			groups = append(groups, []int{i})
		}
		return groups, nil
	}
	pattern, err := regexp.Compile(c.Group)
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	var without []string
	for i := range src.Len() {
		match := pattern.FindStringSubmatch(src.Name(i))
		if match == nil {
			without = append(without, src.Name(i))
			continue
		}
		name := match[min(1, len(match)-1)]
		g, ok := at[name]
		if !ok {
			g = len(groups)
			at[name] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	if without != nil {
		return nil, fmt.Errorf("data.group = %q does not match %s", c.Group, abridge.Join(without, ", ", 3))
	}
	return groups, nil
}

// deal makes k parts of groups, about equally large: the largest group goes first,
// each to the part that is smallest so far.
func deal(groups [][]int, k int) [][]int {
	slices.SortStableFunc(groups, func(a, b []int) int { return cmp.Compare(len(b), len(a)) })
	parts := make([][]int, k)
	for _, group := range groups {
		smallest := 0
		for i, part := range parts {
			if len(part) < len(parts[smallest]) {
				smallest = i
			}
		}
		parts[smallest] = append(parts[smallest], group...)
	}
	return parts
}

// take chooses groups in their order as long as they have at most so many samples
// together, but at least one group, the smallest.
func take(groups [][]int, most int) (chosen []int) {
	for _, group := range groups {
		if len(chosen)+len(group) <= most {
			chosen = append(chosen, group...)
		}
	}
	if chosen == nil {
		smallest := slices.MinFunc(groups, func(a, b []int) int { return cmp.Compare(len(a), len(b)) })
		chosen = slices.Clone(smallest)
	}
	return chosen
}
