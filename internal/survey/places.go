package survey

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Usual names of folders and arrays, in lower case.
var (
	imageNames = []string{"images", "image", "imgs", "img", "jpegimages", "inputs", "input", "photos", "photo", "pictures", "frames", "original", "originals", "raw", "rgb", "leftimg8bit", "data", "x"}
	maskNames  = []string{"masks", "mask", "labels", "label", "segmentationclass", "segmentationclassraw", "segmentationclasspng", "segmentations", "segmentation", "seg",
		"annotations", "annotation", "annot", "targets", "target", "gt", "groundtruth", "ground_truth", "ground truth", "gtfine", "manual", "y"}
)

// splitNames are those of the splits.
var splitNames = []struct {
	split string
	names []string
}{
	{"train", []string{"train", "training"}},
	{"val", []string{"val", "valid", "validation"}},
	{"test", []string{"test", "testing"}},
}

// splitOf is the split that is called name, or "".
func splitOf(name string) string {
	for _, s := range splitNames {
		if slices.Contains(s.names, strings.ToLower(name)) {
			return s.split
		}
	}
	return ""
}

// place is where images or masks of a split may be: before+name+after, a path in the data set's folder.
type place struct {
	before, name, after string
	masks               bool
	split               string // "" if it has no name of a split
	shape               string // before*after without the name of the split: equal for all splits of a data set
	arrays              bool
}

func (p place) path() string { return p.before + p.name + p.after }

// pattern is what data.train is, with a * for the name.
func (p place) pattern() string { return p.before + "*" + p.after }

// kinds of a name: images, masks, both or neither.
func kinds(name string) (masks []bool) {
	name = strings.ToLower(name)
	if slices.Contains(imageNames, name) {
		masks = append(masks, false)
	}
	if slices.Contains(maskNames, name) {
		masks = append(masks, true)
	}
	return masks
}

// placesOf is what the name of one folder or array may stand for: images, train_images,
// x_train, or train beside train_masks.
func placesOf(name string) []place {
	var places []place
	for _, masks := range kinds(name) {
		places = append(places, place{name: name, masks: masks, shape: "*"})
	}
	lower := strings.ToLower(name)
	for _, s := range splitNames {
		for _, word := range s.names {
			if len(lower) != len(name) {
				continue // letters that are longer in lower case
			}
			if rest, ok := strings.CutPrefix(lower, word); ok {
				split, rest := name[:len(word)], name[len(name)-len(rest):]
				if rest == "" {
					places = append(places, place{before: split, split: s.split, shape: "SPLIT*"})
				}
				bare := strings.TrimLeft(rest, "_- .")
				between := rest[:len(rest)-len(bare)]
				for _, masks := range kinds(bare) {
					if between != "" {
						places = append(places, place{before: split + between, name: bare, masks: masks, split: s.split, shape: "SPLIT" + between + "*"})
					}
					if masks && len(bare) > 1 {
						places = append(places, place{before: split, name: rest, masks: true, split: s.split, shape: "SPLIT*"})
					}
				}
			}
			if rest, ok := strings.CutSuffix(lower, word); ok {
				rest, split := name[:len(rest)], name[len(rest):]
				bare := strings.TrimRight(rest, "_- .")
				if between := rest[len(bare):]; between != "" {
					for _, masks := range kinds(bare) {
						places = append(places, place{name: bare, after: between + split, masks: masks, split: s.split, shape: "*" + between + "SPLIT"})
					}
				}
			}
		}
	}
	return places
}

// placesIn is what a name may stand for in a folder or an npz file of a name.
func placesIn(folder, name string, npz bool) []place {
	var places []place
	stem, ext := folder, ""
	if npz {
		ext = filepath.Ext(folder)
		stem = strings.TrimSuffix(folder, ext)
	}
	outer := splitOf(stem)
	for _, p := range placesOf(name) {
		if p.name == "" || outer == "" && !npz || outer != "" && p.split != "" && p.split != outer {
			continue
		}
		shape := folder
		if outer != "" {
			p.split = outer
			shape = "SPLIT" + ext
		}
		p.before = folder + "/" + p.before
		p.shape = shape + "/" + p.shape
		places = append(places, p)
	}
	if split := splitOf(name); split != "" && !npz {
		for _, masks := range kinds(folder) {
			places = append(places, place{name: folder, after: "/" + name, masks: masks, split: split, shape: "*/SPLIT"})
		}
	}
	return places
}

// look lists all places in dir that have a usual name.
func look(dir string) ([]place, error) {
	if isNPZ(dir) {
		names, err := imagefile.ArrayNames(dir)
		return arrays(names, placesOf), err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var places []place
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		switch {
		case err != nil || strings.HasPrefix(name, "."):
		case info.IsDir():
			places = append(places, placesOf(name)...)
			if splitOf(name) == "" && kinds(name) == nil {
				continue
			}
			below, err := os.ReadDir(path)
			if err != nil {
				return nil, err
			}
			for _, e := range below {
				if array, ok := strings.CutSuffix(e.Name(), ".npy"); ok {
					places = append(places, arrays([]string{array}, func(array string) []place { return placesIn(name, array, false) })...)
				} else if info, err := os.Stat(filepath.Join(path, e.Name())); err == nil && info.IsDir() {
					places = append(places, placesIn(name, e.Name(), false)...)
				}
			}
		case isNPZ(name):
			names, err := imagefile.ArrayNames(path)
			if err != nil {
				return nil, err
			}
			places = append(places, arrays(names, func(array string) []place { return placesIn(name, array, true) })...)
		default:
			if array, ok := strings.CutSuffix(name, ".npy"); ok {
				places = append(places, arrays([]string{array}, placesOf)...)
			}
		}
	}
	return places, nil
}

// arrays are the places that names of arrays may stand for.
func arrays(names []string, of func(name string) []place) []place {
	var places []place
	for _, name := range names {
		for _, p := range of(name) {
			if p.name != "" { // an array that has only the name of a split
				p.arrays = true
				places = append(places, p)
			}
		}
	}
	return places
}

func isNPZ(path string) bool { return strings.EqualFold(filepath.Ext(path), ".npz") }

// found is a data set: the patterns of its splits, "" for a whole that has none.
type found struct {
	images, masks string
	shape         string
	arrays        bool
	splits        map[string]string
}

func (f found) layout() imagefile.Layout { return imagefile.Layout{Images: f.images, Masks: f.masks} }

// String is where images and masks are.
func (f found) String() string {
	pattern := cmp.Or(f.splits["train"], f.splits[""], f.splits["val"], f.splits["test"])
	images, masks := f.layout().Paths(pattern)
	if f.arrays {
		return fmt.Sprintf("the arrays %s and %s", images, masks)
	}
	return fmt.Sprintf("the folders %s and %s", images, masks)
}

// pair makes data sets of the places that belong together.
func pair(places []place) []found {
	type key struct {
		images, masks, shape string
		arrays               bool
	}
	sets := map[key]found{}
	for _, image := range places {
		for _, mask := range places {
			if image.masks || !mask.masks || image.pattern() != mask.pattern() || image.shape != mask.shape || image.arrays != mask.arrays || image.name == mask.name {
				continue
			}
			k := key{image.name, mask.name, image.shape, image.arrays}
			f, ok := sets[k]
			if !ok {
				f = found{image.name, mask.name, image.shape, image.arrays, map[string]string{}}
				sets[k] = f
			}
			if f.splits[image.split] == "" {
				f.splits[image.split] = image.pattern()
			}
		}
	}
	return slices.SortedFunc(maps.Values(sets), func(a, b found) int { return strings.Compare(a.String(), b.String()) })
}

// choose is the data set in dir. Several are an error, unless one has the names
// that the program gives or only one has images.
func choose(dir string, all []found) (chosen found, notes []string, err error) {
	only := func(keep func(f found) bool) {
		if some := slices.DeleteFunc(slices.Clone(all), func(f found) bool { return !keep(f) }); len(some) > 0 {
			all = some
		}
	}
	// images/train is a split, not a part of images/.
	only(func(f found) bool {
		return f.shape != "*" || !slices.ContainsFunc(all, func(g found) bool { return g.shape == "*/SPLIT" && g.images == f.images && g.masks == f.masks })
	})
	only(func(f found) bool {
		for _, pattern := range f.splits {
			images, masks := f.layout().Paths(filepath.Join(dir, pattern))
			if !f.arrays && !(imagefile.HasImages(images) && imagefile.HasImages(masks)) {
				return false
			}
		}
		return true
	})
	candidates := all
	only(func(f found) bool { return f.layout() == imagefile.DefaultLayout() })
	only(func(f found) bool { return f.splits[""] != "" })
	if len(all) > 1 {
		var names []string
		for _, f := range all {
			names = append(names, f.String())
		}
		return found{}, nil, fmt.Errorf("data: %s may be read as %s: move all but one of them away, or set data.train, data.images and data.masks", dir, strings.Join(names, ", or "))
	}
	for _, f := range candidates {
		if f.String() != all[0].String() {
			notes = append(notes, f.String()+" are not used")
		}
	}
	return all[0], notes, nil
}

// findSplits sets Source, Train, Val, Test and the layout to what is in dir.
func (r *Inferred) findSplits(dir string) error {
	places, err := look(dir)
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) && p.Path == dir {
			return fmt.Errorf("data: %s: %w", dir, p.Err)
		}
		return err
	}
	all := pair(places)
	rest := slices.Clone(all)
	all = slices.DeleteFunc(all, func(f found) bool { return f.splits[""] == "" && f.splits["train"] == "" })
	if len(all) == 0 {
		if r.findTogether(dir) {
			return nil
		}
		return fmt.Errorf("data: %s has neither images/ and masks/, nor images.npy and masks.npy, nor train/ with either, nor others of the usual names; %s: rename or move them to images/ and masks/, or set data.images and data.masks", dir, entriesOf(dir))
	}
	set, notes, err := choose(dir, all)
	if err != nil {
		return err
	}
	for _, f := range rest {
		for split := range f.splits {
			if split != "" && split != "train" && set.splits[""] == "" && set.splits[split] == "" && f.splits["train"] == "" {
				return fmt.Errorf("data: %s has %s, and %s: want one kind of file and one pair of names for all splits", dir, set, f)
			}
		}
	}
	r.Notes = append(r.Notes, notes...)
	r.Source = "folder"
	if set.arrays {
		r.Source = "npy"
	}
	r.ImageFolder, r.MaskFolder = set.images, set.masks
	at := func(split string) string {
		pattern := set.splits[split]
		if pattern == "" {
			return ""
		}
		return filepath.Join(dir, strings.TrimSuffix(strings.TrimSuffix(pattern, "*"), "/"))
	}
	for split, pattern := range set.splits {
		path := filepath.Join(dir, pattern)
		if pattern == "*" || strings.HasSuffix(pattern, "/*") {
			path = at(split)
		}
		switch split {
		case "val":
			r.Val = path
		case "test":
			r.Test = path
		default:
			r.Train = path
		}
	}
	if set.layout() != imagefile.DefaultLayout() || strings.Contains(r.Train, "*") {
		r.Notes = append(r.Notes, fmt.Sprintf("images and masks are %s in %s (data.images, data.masks)", set, dir))
	}
	r.noteUnused(dir, places, set)
	return nil
}

// noteUnused names the splits that have images, but no masks beside them.
func (r *Inferred) noteUnused(dir string, places []place, set found) {
	used := map[string]bool{}
	for _, pattern := range set.splits {
		images, masks := set.layout().Paths(pattern)
		used[images], used[masks] = true, true
	}
	unused := map[string]bool{}
	for _, p := range places {
		path := filepath.Clean(p.path())
		if p.masks || p.split == "" || used[path] || p.arrays || !imagefile.HasImages(filepath.Join(dir, path)) ||
			slices.ContainsFunc(slices.Collect(maps.Keys(used)), func(u string) bool { return strings.HasPrefix(u, path+"/") || strings.HasPrefix(path, u+"/") }) {
			continue
		}
		unused[path] = true
	}
	for _, path := range slices.Sorted(maps.Keys(unused)) {
		r.Notes = append(r.Notes, fmt.Sprintf("%s is not used: no masks of that split were found", filepath.Join(dir, path)))
	}
}

// findTogether looks for images and masks in one folder that differ in a suffix:
// dir itself, or those of the splits.
func (r *Inferred) findTogether(dir string) bool {
	layout := imagefile.Layout{}
	fits := func(path string) bool {
		s, ok := layout.FindSuffixes(path)
		if !ok {
			return false
		}
		mask, ok := s.Mask()
		if ok && r.Train == "" {
			r.Source = "folder"
			r.ImageFolder, r.MaskFolder, r.ImageSuffix, r.MaskSuffix = "", "", s.Image, mask
		}
		return ok && s.Image == r.ImageSuffix && mask == r.MaskSuffix
	}
	for _, s := range splitNames {
		for _, name := range s.names {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err != nil || !info.IsDir() {
				continue
			}
			switch ok := fits(path); {
			case !ok:
				if imagefile.HasImages(path) {
					r.Notes = append(r.Notes, fmt.Sprintf("%s is not used: no masks were found in it", path))
				}
			case s.split == "train":
				r.Train = path
			case s.split == "val":
				r.Val = path
			default:
				r.Test = path
			}
		}
		if r.Train == "" {
			break
		}
	}
	if r.Train == "" {
		r.Notes = nil
		if !fits(dir) {
			return false
		}
		r.Train = dir
	}
	r.Notes = append(r.Notes, fmt.Sprintf("images and masks lie in one folder, %s (data.images, data.masks)", r.Train))
	r.noteSuffixes()
	return true
}
