package imagefile

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Pair is an image and its mask.
type Pair struct {
	Name        string // of both files, with sub-folders (a/b), without extension and suffix
	Image, Mask string // paths
}

// Listing is what the folder of a split holds.
type Listing struct {
	Pairs    []Pair   // sorted by name
	Left     []string // files beside the masks that belong to an image, but have another end than data.mask_suffix
	Problems []error  // all other files that are not one of a pair
}

// List pairs the images and masks of dir, sub-folders too, by their names without
// extension and suffix. Pairs is nil where there is nothing to read.
func (l Layout) List(dir string) Listing {
	images, masks, errs := l.read(dir)
	if len(errs) > 0 {
		return Listing{Problems: errs}
	}
	r := Listing{Pairs: []Pair{}, Problems: images.problems}
	if !l.Together() {
		r.Problems = append(r.Problems, masks.problems...)
	}
	bad := func(text string, names ...string) {
		r.Problems = append(r.Problems, Fault{Err: errors.New("data: " + text), Names: names})
	}
	named := func(t tree, take func(stem string) (name string, ok bool)) (files map[string]string, rest []treeFile) {
		files = map[string]string{}
		for _, file := range t.images {
			name, ok := take(file.stem)
			other, twice := files[name]
			switch {
			case !ok:
				rest = append(rest, file)
			case !twice:
				files[name] = file.path
			case strings.TrimSuffix(other, filepath.Ext(other)) == strings.TrimSuffix(file.path, filepath.Ext(file.path)):
				bad(fmt.Sprintf("%s and %s differ only in the extension, want one file", other, file.path), other, file.path)
			default:
				bad(fmt.Sprintf("%s and %s have one name in two Unicode forms, want one file", other, file.path), other, file.path)
			}
		}
		return files, rest
	}
	imageOf, strayImages := named(images, l.imageName)
	maskOf, strayMasks := named(masks, l.maskName)
	if l.Together() {
		strayImages = slices.DeleteFunc(strayImages, func(f treeFile) bool { _, ok := l.maskName(f.stem); return ok })
		strayMasks = nil
	}
	if len(imageOf)+len(maskOf)+len(strayImages)+len(strayMasks)+len(images.others)+len(masks.others)+len(r.Problems) == 0 {
		return Listing{Problems: []error{fmt.Errorf("data: %s has no images (%s)", images.dir, strings.Join(extensions, " "))}}
	}

	// With a suffix, an image may have other files beside its mask: x_color.png, x_polygons.json.
	belongs := func(f treeFile) bool {
		if l.MaskSuffix == "" {
			return false
		}
		for end := range len(f.stem) + 1 {
			if _, ok := imageOf[f.stem[:end]]; ok && separates(f.stem[:end], f.stem[end:]) {
				return true
			}
		}
		return false
	}
	others := images.others
	if !l.Together() {
		others = slices.Concat(others, masks.others)
	}
	for _, f := range others {
		if belongs(f) {
			r.Left = append(r.Left, f.path)
		} else {
			bad(fmt.Sprintf("%s is not an image, want %s", f.path, strings.Join(extensions, " ")), f.path)
		}
	}
	for _, f := range strayImages {
		if l.Together() && belongs(f) {
			r.Left = append(r.Left, f.path)
		} else {
			bad(fmt.Sprintf("image %s does not end in data.image_suffix = %q", f.path, l.ImageSuffix), f.path)
		}
	}
	for _, f := range strayMasks {
		if belongs(f) {
			r.Left = append(r.Left, f.path)
		} else {
			bad(fmt.Sprintf("mask %s does not end in data.mask_suffix = %q", f.path, l.MaskSuffix), f.path)
		}
	}

	maskIn := map[string]string{} // masks without an image of their name, by it in lower case
	for name := range maskOf {
		if _, ok := imageOf[name]; !ok {
			maskIn[strings.ToLower(name)] = name
		}
	}
	missing := map[string]string{}
	for name, image := range imageOf {
		if mask, ok := maskOf[name]; ok {
			r.Pairs = append(r.Pairs, Pair{Name: l.pairName(images.dir, image), Image: image, Mask: mask})
			delete(maskOf, name)
		} else if other, ok := maskIn[strings.ToLower(name)]; ok && maskOf[other] != "" {
			bad(fmt.Sprintf("image %s and mask %s differ in upper and lower case, want equal names", image, maskOf[other]), image, maskOf[other])
			delete(maskOf, other)
		} else {
			missing[name] = image
		}
	}
	slices.SortFunc(r.Pairs, func(a, b Pair) int { return cmp.Compare(a.Name, b.Name) })
	if len(r.Pairs) == 0 && len(missing) > 0 && len(maskOf) > 0 {
		if s, ok := l.findSuffixes(images.stems(), masks.stems()); ok {
			bad(fmt.Sprintf("no mask in %s has the name of an image in %s: %v", masks.dir, images.dir, s))
			clear(missing)
			clear(maskOf)
		}
	}
	for name, image := range missing {
		want := filepath.Join(masks.dir, filepath.FromSlash(name)) + l.MaskSuffix + ".*"
		bad(fmt.Sprintf("image %s has no mask %s", image, want), image, want)
	}
	for name, mask := range maskOf {
		want := filepath.Join(images.dir, filepath.FromSlash(name)) + l.ImageSuffix + ".*"
		bad(fmt.Sprintf("mask %s has no image %s", mask, want), mask, want)
	}
	slices.SortFunc(r.Problems, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return r
}

// read lists the folders of images and of masks.
func (l Layout) read(dir string) (images, masks tree, errs []error) {
	imageDir, maskDir := l.Paths(dir)
	images, err := readTree(imageDir)
	if err != nil {
		errs = append(errs, fmt.Errorf("data: %w", err))
	}
	if l.Together() {
		return images, images, errs
	}
	if masks, err = readTree(maskDir); err != nil {
		errs = append(errs, fmt.Errorf("data: %w", err))
	}
	return images, masks, errs
}

// pairName is the name of an image as the file system has it.
func (l Layout) pairName(dir, image string) string {
	name, err := filepath.Rel(dir, image)
	if err != nil {
		name = filepath.Base(image)
	}
	name = filepath.ToSlash(strings.TrimSuffix(name, filepath.Ext(name)))
	if cut, ok := strings.CutSuffix(name, l.ImageSuffix); ok {
		return cut
	}
	return strings.TrimSuffix(norm.NFC.String(name), norm.NFC.String(l.ImageSuffix))
}

// Headers checks, from the headers of both files, that they can be read and have
// equal sizes. image and mask are valid where only the sizes differ, too.
func (p Pair) Headers(masks MaskFormat) (image, mask Header, err error) {
	image, err = decodeHeader(p.Image, masks.maxPixels)
	if err != nil {
		err = fmt.Errorf("data: image %s: %w", p.Image, err)
	}
	mask, maskErr := masks.header(p.Mask)
	if err := errors.Join(err, maskErr); err != nil {
		return Header{}, Header{}, p.fault(err)
	}
	return image, mask, p.fault(p.sameSize(image.H, image.W, mask.H, mask.W))
}

// Read decodes both files.
func (p Pair) Read(images ImageFormat, masks MaskFormat) (Image, Mask, error) {
	image, err := images.Read(p.Image)
	mask, maskErr := masks.read(p.Mask)
	if err := errors.Join(err, maskErr); err != nil {
		return Image{}, Mask{}, p.fault(err)
	}
	return image, mask, p.fault(p.sameSize(image.H, image.W, mask.h, mask.w))
}

func (p Pair) sameSize(h, w, maskH, maskW int) error {
	if h != maskH || w != maskW {
		return fmt.Errorf("data: image %s is %dx%d pixels, its mask %s is %dx%d, want equal sizes", p.Image, w, h, p.Mask, maskW, maskH)
	}
	return nil
}

// fault marks the errors of a pair.
func (p Pair) fault(err error) error {
	var errs []error
	for _, err := range flatten(err) {
		errs = append(errs, Fault{Err: err, Names: []string{p.Image, p.Mask}})
	}
	return errors.Join(errs...)
}
