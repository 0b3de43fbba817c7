package annotation

import (
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// vocNames are the classes of PASCAL VOC 2007 to 2012.
var vocNames = []string{background, "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
	"diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"}

// vocBorder is the colour of the pixels around objects, which are void.
var vocBorder = [3]uint8{224, 224, 192}

// vocColour is the colour of an index in VOC's colour map: bits 0, 3, 6 of the
// index are the highest three of red, 1, 4, 7 those of green, 2, 5 those of blue
// (VOCdevkit, VOClabelcolormap.m).
func vocColour(index int) (rgb [3]uint8) {
	for i := range 8 {
		rgb[i%3] |= uint8(index>>i&1) << (7 - i/3)
	}
	return rgb
}

// vocMap is what the colours and values of masks mean.
type vocMap struct {
	classes
	colours map[[3]uint8]uint8 // class or void
}

func newVOCMap() *vocMap {
	return &vocMap{classes{index: map[string]uint8{}}, map[[3]uint8]uint8{}}
}

// add names the next class; its colour is that of its index in VOC's map if none is given.
func (m *vocMap) add(name string, colour *[3]uint8) error {
	if _, ok := m.index[name]; ok {
		return fmt.Errorf("%s is there twice", name)
	}
	class, err := m.named(name)
	if err != nil {
		return err
	}
	rgb := vocColour(int(class))
	if colour != nil {
		rgb = *colour
	}
	if other, ok := m.colours[rgb]; ok {
		return fmt.Errorf("%s and %s have one colour, %v", m.names[other], name, rgb)
	}
	m.colours[rgb] = class
	return nil
}

// complete is the map when all its names are known.
func (m *vocMap) complete() (*vocMap, error) {
	if len(m.names) < 2 {
		return nil, fmt.Errorf("%d names, want at least 2", len(m.names))
	}
	if _, ok := m.colours[vocBorder]; !ok {
		m.colours[vocBorder] = imagefile.Void
	}
	return m, nil
}

// readVOC reads the folder of a year of PASCAL VOC, or one that is laid out like it.
func (s *Set) readVOC() error {
	root, err := vocRoot(s.options.Data)
	if err != nil {
		return err
	}
	classes, err := readVOCMap(root)
	if err != nil {
		return err
	}
	s.Classes = classes.names
	masks, err := stemsOf(filepath.Join(root, "SegmentationClass"))
	if err != nil {
		return err
	}
	imageDir := filepath.Join(root, "JPEGImages")
	if s.options.Images != "" {
		imageDir = s.options.Images
	}
	images, err := stemsOf(imageDir)
	if err != nil {
		return err
	}
	splits, listed, err := s.vocSplits(root)
	if err != nil {
		return err
	}
	for _, name := range listed {
		if masks[name] == "" {
			s.Report.add(withoutAnnotation, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(masks)) {
		split, known := splits[name]
		switch {
		case !known && len(splits) > 0:
			s.Report.add("masks that no list in ImageSets/Segmentation names", name)
		case images[name] == "":
			s.Report.add(withoutImage, name)
		default:
			s.samples = append(s.samples, sample{split: split, name: name, stem: name, path: images[name],
				mask: func(h, w int) (*canvas, Report) {
					return classes.draw(masks[name], name, s.options.MaxPixels, h, w)
				}})
		}
	}
	return nil
}

// vocRoot is dir or the folder in it that has SegmentationClass.
func vocRoot(dir string) (string, error) {
	var found []string
	for _, pattern := range []string{"SegmentationClass", "*/SegmentationClass", "VOCdevkit/*/SegmentationClass"} {
		matches, err := fs.Glob(os.DirFS(dir), pattern)
		if err != nil {
			return "", err
		}
		for _, m := range matches {
			found = append(found, filepath.Join(dir, filepath.Dir(filepath.FromSlash(m))))
		}
		if pattern == "SegmentationClass" && len(found) > 0 {
			break
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%s has no SegmentationClass/, want the folder of a year of PASCAL VOC, as VOCdevkit/VOC2012", dir)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%s has more than one data set: give one of %s", dir, strings.Join(found, ", "))
}

// stemsOf maps the names of the images in a folder, without extension, to their paths.
func stemsOf(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	stems := map[string]string{}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || !imagefile.IsImageName(e.Name()) {
			continue
		}
		stem := withoutExtension(e.Name())
		if before, ok := stems[stem]; ok {
			return nil, fmt.Errorf("%s and %s differ only in the extension, want one file", before, filepath.Join(dir, e.Name()))
		}
		stems[stem] = filepath.Join(dir, e.Name())
	}
	return stems, nil
}

// vocSplits are the splits of the lists in ImageSets/Segmentation, and the names in
// their order. Without train.txt and val.txt there are none.
func (s *Set) vocSplits(root string) (splits map[string]string, listed []string, err error) {
	splits = map[string]string{}
	for _, split := range []string{"train", "val", "test"} {
		path := filepath.Join(root, "ImageSets", "Segmentation", split+".txt")
		f, _, err := imagefile.OpenRegular(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		err = eachLine(f, func(line string) error {
			name := strings.Fields(line)[0]
			before, ok := splits[name]
			switch {
			case !ok:
				splits[name] = split
				listed = append(listed, name)
			case before != split:
				s.Report.add("names in two splits (used in the first)", fmt.Sprintf("%s (%s, %s)", name, before, split))
			}
			return nil
		})
		f.Close()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return splits, listed, nil
}

// readVOCMap reads classes and colours from the labelmap.txt that CVAT and datumaro
// write, or the class_names.txt that labelme2voc.py writes. Without either they are VOC's.
func readVOCMap(root string) (*vocMap, error) {
	for _, c := range []struct {
		file  string
		parse func(io.Reader) (*vocMap, error)
	}{{"labelmap.txt", parseLabelMap}, {"class_names.txt", parseClassNames}} {
		path := filepath.Join(root, c.file)
		f, _, err := imagefile.OpenRegular(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		defer f.Close()
		m, err := c.parse(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return m, nil
	}
	return parseClassNames(strings.NewReader(strings.Join(vocNames, "\n")))
}

// parseClassNames reads one name per line; the colours are those of VOC's map.
func parseClassNames(r io.Reader) (*vocMap, error) {
	m := newVOCMap()
	err := eachLine(r, func(name string) error {
		switch {
		case name == ignoredLabel:
			return nil
		case isBackground(name):
			name = background
		}
		return m.add(name, nil)
	})
	if err != nil {
		return nil, err
	}
	return m.complete()
}

// parseLabelMap reads lines of "name:r,g,b:parts:actions". A name without a colour
// has that of its index in VOC's map.
func parseLabelMap(r io.Reader) (*vocMap, error) {
	m := newVOCMap()
	err := eachLine(r, func(line string) error {
		if strings.HasPrefix(line, "#") {
			return nil
		}
		fields := strings.Split(line, ":")
		var colour *[3]uint8
		if len(fields) > 1 && strings.TrimSpace(fields[1]) != "" {
			rgb, err := parseColour(fields[1])
			if err != nil {
				return err
			}
			colour = &rgb
		}
		return m.add(strings.TrimSpace(fields[0]), colour)
	})
	if err != nil {
		return nil, err
	}
	return m.complete()
}

// parseColour reads "r,g,b".
func parseColour(text string) (rgb [3]uint8, err error) {
	parts := strings.Split(text, ",")
	if len(parts) != len(rgb) {
		return rgb, fmt.Errorf("colour %q, want r,g,b", text)
	}
	for i, p := range parts {
		v, err := strconv.ParseUint(strings.TrimSpace(p), 10, 8)
		if err != nil {
			return rgb, fmt.Errorf("colour %q, want r,g,b in 0..255", text)
		}
		rgb[i] = uint8(v)
	}
	return rgb, nil
}

// draw reads a mask: the colours of a paletted or colour image, the values of a grey one.
func (m *vocMap) draw(path, name string, maxPixels int64, h, w int) (_ *canvas, report Report) {
	d, ok := decodeMask(path, name, maxPixels, h, w, &report)
	if !ok {
		return nil, report
	}
	c := newCanvas(h, w, 0)
	colour, stored := d.Colour(), d.Stored()
	switch d.Image.(type) {
	case *image.Paletted, *image.NRGBA, *image.NRGBA64, *image.RGBA, *image.RGBA64: // greys, too, are colours there
		stored = nil
	}
	for y := range h {
		for x := range w {
			var class uint8
			var ok bool
			var found string
			if stored != nil {
				v := stored(x, y)
				class, ok = uint8(v), v < len(m.names) || v == imagefile.Void
				if !ok {
					found = strconv.Itoa(v)
				}
			} else {
				at := colour(x, y)
				rgb := [3]uint8{uint8(at.R >> 8), uint8(at.G >> 8), uint8(at.B >> 8)}
				class, ok = m.colours[rgb]
				ok = ok && at.A == math.MaxUint16
				if !ok {
					found = fmt.Sprintf("[%d, %d, %d]", rgb[0], rgb[1], rgb[2])
				}
			}
			if !ok {
				report.add("masks with a colour that is no class", fmt.Sprintf("%s (pixel (%d, %d) is %s)", name, x, y, found))
				return nil, report
			}
			c.mask[y*w+x] = class
		}
	}
	return c, report
}
