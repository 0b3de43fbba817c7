package survey

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/data"
)

// Beside says what is wrong with a split, val or test, beside the training set: images
// that are in both, on which a net is measured by what it has learnt by heart, and
// masks whose palettes differ between the two.
func Beside(cfg data.Config, split string, c, train data.Counts) (warnings []string) {
	if text := repeated(c.Pictures, train.Pictures); text != "" {
		wayOut := "take the copies out of one of them"
		if split == "val" && cfg.Val != "" {
			wayOut += ", or set data.val empty to split off data.val_fraction"
		}
		warnings = append(warnings, fmt.Sprintf("%s: %s: mIoU tells little of images that the net has not seen; %s", split, text, wayOut))
	}
	if palettes(c.Shown, cfg.Classes) == "" && palettes(train.Shown, cfg.Classes) == "" {
		both := map[data.Colour][]string{}
		maps.Copy(both, train.Shown)
		for colour, names := range c.Shown {
			both[colour] = slices.Concat(both[colour], names)
		}
		if text := palettes(both, cfg.Classes); text != "" {
			warnings = append(warnings, fmt.Sprintf("train and %s: %s", split, text))
		}
	}
	return warnings
}

// repeated names the images that are in the training set, too.
func repeated(pictures, train map[uint64]string) string {
	var names []string
	for digest, name := range pictures {
		before, ok := train[digest]
		if !ok {
			continue
		}
		if before != name {
			name += " = " + before
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return fmt.Sprintf("%d of %d different images are in the training set, too: %s", len(names), len(pictures), enumerate(names))
}

// palettes says which class has several colours in palettes that are not read.
func palettes(shown map[data.Colour][]string, classes []string) string {
	byClass := map[uint8][]data.Colour{}
	for c := range shown {
		byClass[c.Class] = append(byClass[c.Class], c)
	}
	for _, class := range slices.Sorted(maps.Keys(byClass)) {
		colours := byClass[class]
		if len(colours) == 1 {
			continue
		}
		slices.SortFunc(colours, func(a, b data.Colour) int {
			return cmp.Or(cmp.Compare(len(shown[b]), len(shown[a])), slices.Compare(a.RGB[:], b.RGB[:]))
		})
		var each []string
		for _, c := range colours {
			names := slices.Sorted(slices.Values(shown[c]))
			each = append(each, fmt.Sprintf("%v in %d (%s)", c.RGB, len(names), enumerate(names)))
		}
		return fmt.Sprintf("masks have different palettes and are read by their indices: class %d (%s) is %s; if the colour says the class, set data.palette to the colour of each class",
			class, classes[class], strings.Join(each[:min(len(each), mostNames)], " and "))
	}
	return ""
}
