package imagefile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Suffixes are the ends of names by which images and masks pair.
type Suffixes struct {
	Image string
	Masks []string // more than one, sorted, where each image has several files that may be its mask
}

// FindSuffixes looks for the ends of names, such as _leftImg8bit and
// _gtFine_labelIds, by which at least half of the images of a split have a mask.
// ok is false if there are none.
func (l Layout) FindSuffixes(dir string) (s Suffixes, ok bool) {
	images, masks, errs := l.read(dir)
	if len(errs) > 0 {
		return Suffixes{}, false
	}
	return l.findSuffixes(images.stems(), masks.stems())
}

// Mask is the suffix of the masks; ok is false if it cannot be told which of
// several holds class indices.
func (s Suffixes) Mask() (suffix string, ok bool) {
	if len(s.Masks) == 1 {
		return s.Masks[0], true
	}
	for _, word := range []string{"labeltrainids", "labelids", "mask", "label", "seg", "annot", "gt"} {
		var with []string
		for _, suffix := range s.Masks {
			if strings.Contains(strings.ToLower(suffix), word) {
				with = append(with, suffix)
			}
		}
		if len(with) > 0 {
			return with[0], len(with) == 1
		}
	}
	return "", false
}

// String says what was found and what to set.
func (s Suffixes) String() string {
	var found, set []string
	if s.Image != "" {
		found = append(found, "images end in "+s.Image)
		set = append(set, "data.image_suffix to "+s.Image)
	}
	if mask := strings.Join(s.Masks, " or "); mask != "" {
		found = append(found, "masks end in "+mask)
		set = append(set, "data.mask_suffix to "+mask)
	}
	return fmt.Sprintf("%s: set %s", strings.Join(found, " and "), strings.Join(set, " and "))
}

// findSuffixes tries the ends of a few images with those of the masks that begin as they do.
func (l Layout) findSuffixes(images, masks []string) (s Suffixes, ok bool) {
	const (
		mostExamples = 8
		mostTried    = 1000
	)
	masks = slices.Sorted(slices.Values(masks))
	isMask := map[string]bool{}
	for _, stem := range masks {
		isMask[stem] = true
	}
	fit := map[string][]string{} // suffixes of masks by that of the images
	tried := map[[2]string]bool{}
	examples := min(mostExamples, len(images))
	for e := range examples {
		stem := images[e*len(images)/examples]
		for end := len(stem); end > strings.LastIndexByte(stem, '/')+1; end-- {
			name, image := stem[:end], stem[end:]
			if !separates(name, image) {
				continue
			}
			first, _ := slices.BinarySearch(masks, name)
			for _, other := range masks[first:] {
				mask, ok := strings.CutPrefix(other, name)
				if !ok || len(tried) == mostTried {
					break
				}
				ends := [2]string{image, mask}
				if tried[ends] || image == mask || !separates(name, mask) || l.Together() && !saysMask(image, mask) {
					continue
				}
				tried[ends] = true
				l.ImageSuffix, l.MaskSuffix = image, mask
				if l.pairsHalf(images, isMask) {
					fit[image] = append(fit[image], mask)
				}
			}
		}
	}
	if len(fit) == 0 {
		return Suffixes{}, false
	}
	// The shortest end of the images leaves them the longest names.
	s.Image = slices.MinFunc(slices.Collect(maps.Keys(fit)), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	s.Masks = slices.Sorted(slices.Values(fit[s.Image]))
	return s, true
}

// pairsHalf reports whether at least half of the images have a mask.
func (l Layout) pairsHalf(images []string, isMask map[string]bool) bool {
	total, paired := 0, 0
	for _, stem := range images {
		name, ok := l.imageName(stem)
		if _, mask := l.maskName(stem); l.Together() && mask {
			continue
		}
		total++
		if ok && isMask[name+l.MaskSuffix] {
			paired++
		}
	}
	return paired > 0 && 2*paired >= total
}

// endWords are ends of names that need no separator before them.
var endWords = []string{"image", "img", "rgb", "sat", "photo", "mask", "masks", "label", "labels", "seg", "gt", "annot", "annotation"}

// separates reports whether a name may end where suffix begins.
func separates(name, suffix string) bool {
	last, _ := utf8.DecodeLastRuneInString(name)
	if strings.ContainsRune("_-. ", last) || !utf8.ValidString(suffix) || strings.Contains(suffix, "/") {
		return false
	}
	first, _ := utf8.DecodeRuneInString(suffix)
	return suffix == "" || !unicode.IsLetter(first) && !unicode.IsDigit(first) && !unicode.IsMark(first) ||
		slices.Contains(endWords, strings.ToLower(suffix))
}

// saysMask reports whether, of two files in one folder, the second calls itself the mask.
func saysMask(image, mask string) bool {
	says := func(suffix string) bool {
		suffix = strings.ToLower(suffix)
		return slices.ContainsFunc([]string{"mask", "label", "seg", "annot", "gt", "truth"}, func(word string) bool { return strings.Contains(suffix, word) })
	}
	return says(mask) && !says(image)
}
