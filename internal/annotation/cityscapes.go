package annotation

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// cityLabels are the labels of Cityscapes by id; those that are evaluated have a
// train id, the others are void (cityscapesScripts, helpers/labels.py).
var cityLabels = []struct {
	name  string
	train uint8
}{
	{"unlabeled", imagefile.Void}, {"ego vehicle", imagefile.Void}, {"rectification border", imagefile.Void},
	{"out of roi", imagefile.Void}, {"static", imagefile.Void}, {"dynamic", imagefile.Void}, {"ground", imagefile.Void},
	{"road", 0}, {"sidewalk", 1}, {"parking", imagefile.Void}, {"rail track", imagefile.Void},
	{"building", 2}, {"wall", 3}, {"fence", 4}, {"guard rail", imagefile.Void}, {"bridge", imagefile.Void}, {"tunnel", imagefile.Void},
	{"pole", 5}, {"polegroup", imagefile.Void}, {"traffic light", 6}, {"traffic sign", 7},
	{"vegetation", 8}, {"terrain", 9}, {"sky", 10}, {"person", 11}, {"rider", 12},
	{"car", 13}, {"truck", 14}, {"bus", 15}, {"caravan", imagefile.Void}, {"trailer", imagefile.Void},
	{"train", 16}, {"motorcycle", 17}, {"bicycle", 18},
}

// licensePlate has no id: it is not drawn.
const licensePlate = "license plate"

const (
	citySuffix  = "_leftImg8bit"
	cityIDs     = "_gtFine_labelIds.png"
	cityPolygon = "_gtFine_polygons.json"
)

// readCityscapes reads leftImg8bit/SPLIT/CITY and gtFine/SPLIT/CITY.
func (s *Set) readCityscapes() error {
	for _, label := range cityLabels {
		if label.train != imagefile.Void {
			s.Classes = append(s.Classes, label.name)
		}
	}
	imageDir := filepath.Join(s.options.Data, "leftImg8bit")
	if s.options.Images != "" {
		imageDir = s.options.Images
		if info, err := os.Stat(filepath.Join(imageDir, "leftImg8bit")); err == nil && info.IsDir() {
			imageDir = filepath.Join(imageDir, "leftImg8bit")
		}
	}
	truthDir := filepath.Join(s.options.Data, "gtFine")
	images, err := filesBelow(imageDir, func(name string) bool {
		return strings.HasSuffix(withoutExtension(name), citySuffix) && imagefile.IsImageName(name)
	})
	if err != nil {
		return fmt.Errorf("%w; want leftImg8bit/SPLIT/CITY/*%s.png in --data or --images", err, citySuffix)
	}
	truths, err := filesBelow(truthDir, func(name string) bool {
		return strings.HasSuffix(name, cityIDs) || strings.HasSuffix(name, cityPolygon)
	})
	if err != nil {
		return fmt.Errorf("%w; want gtFine/SPLIT/CITY/*%s or *%s in --data", err, cityIDs, cityPolygon)
	}
	used := map[string]bool{}
	for _, name := range images {
		stem := strings.TrimSuffix(withoutExtension(name), citySuffix)
		first, _, _ := strings.Cut(filepath.ToSlash(name), "/")
		m := sample{split: splitNames[first], name: name, stem: filepath.Base(stem), path: filepath.Join(imageDir, name)}
		ids, polygons := stem+cityIDs, stem+cityPolygon
		switch {
		case m.split == "":
			s.Report.add("images in a folder that is not train, val or test", name)
			continue
		case slices.Contains(truths, ids):
			m.mask = func(h, w int) (*canvas, Report) {
				return cityMask(filepath.Join(truthDir, ids), ids, s.options.MaxPixels, h, w)
			}
		case slices.Contains(truths, polygons):
			m.mask = func(h, w int) (*canvas, Report) {
				return cityPolygons(filepath.Join(truthDir, polygons), polygons, h, w)
			}
		default:
			s.Report.add(withoutAnnotation, name)
			continue
		}
		used[ids], used[polygons] = true, true
		s.samples = append(s.samples, m)
	}
	for _, name := range truths {
		if !used[name] {
			s.Report.add(withoutImage, name)
		}
	}
	return nil
}

// filesBelow are the files in a folder and the folders in it that are wanted, relative to it.
func filesBelow(root string, wanted func(name string) bool) (names []string, err error) {
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && wanted(e.Name()) {
			path, err = filepath.Rel(root, path)
			names = append(names, path)
		}
		return err
	})
	return names, err
}

// cityMask turns a mask of label ids into train ids.
func cityMask(path, name string, maxPixels int64, h, w int) (_ *canvas, report Report) {
	d, ok := decodeMask(path, name, maxPixels, h, w, &report)
	if !ok {
		return nil, report
	}
	stored := d.Stored()
	if stored == nil {
		report.add("masks in colour, where label ids are wanted", name)
		return nil, report
	}
	c := newCanvas(h, w, imagefile.Void)
	for y := range h {
		for x := range w {
			id := stored(x, y)
			if id >= len(cityLabels) {
				report.add("masks with a value that is no label id", fmt.Sprintf("%s (pixel (%d, %d): %d)", name, x, y, id))
				return nil, report
			}
			c.mask[y*w+x] = cityLabels[id].train
		}
	}
	return c, report
}

type cityFile struct {
	ImgHeight, ImgWidth float64
	Objects             *[]struct {
		Label   string
		Polygon [][2]float64
		Deleted json.RawMessage // 0, 1, false or true
	}
}

// parseCity reads a file of polygons.
func parseCity(r io.Reader) (*cityFile, error) {
	d := json.NewDecoder(bufio.NewReader(r))
	f := &cityFile{}
	if err := d.Decode(f); err != nil {
		return nil, jsonError(err, d)
	}
	if f.Objects == nil {
		return nil, errors.New("has no objects, want a file of Cityscapes polygons")
	}
	return f, nil
}

// cityPolygons draws the polygons of an image of h x w pixels.
func cityPolygons(path, name string, h, w int) (_ *canvas, report Report) {
	file, _, err := imagefile.OpenRegular(path)
	if err != nil {
		report.add(unreadable, fmt.Sprintf("%s: %v", name, err))
		return nil, report
	}
	defer file.Close()
	f, err := parseCity(file)
	if err != nil {
		report.add(unreadable, fmt.Sprintf("%s: %v", name, err))
		return nil, report
	}
	if f.ImgHeight != float64(h) || f.ImgWidth != float64(w) {
		report.add(otherSize, sizeNote(name, h, w, f.ImgHeight, f.ImgWidth))
		return nil, report
	}
	c := newCanvas(h, w, imagefile.Void)
	for _, o := range *f.Objects {
		if o.Label == licensePlate || string(o.Deleted) == "1" || string(o.Deleted) == "true" {
			continue
		}
		class, ok := cityClass(o.Label)
		if !ok {
			class = imagefile.Void
			report.add("shapes of an unknown label (drawn as void)", fmt.Sprintf("%s (%s)", name, o.Label))
		}
		var xy []float64
		for _, p := range o.Polygon {
			xy = append(xy, p[0], p[1])
		}
		switch pixels, err := c.polygon(xy, class); {
		case err != nil:
			report.add(brokenShape, fmt.Sprintf("%s (%s): %v", name, o.Label, err))
		case pixels == 0:
			report.add(noPixel, fmt.Sprintf("%s (%s)", name, o.Label))
		}
	}
	return c, report
}

// cityClass is the train id of a label, or of the one that it is a group of.
func cityClass(label string) (uint8, bool) {
	for _, name := range []string{label, strings.TrimSuffix(label, "group")} {
		for _, l := range cityLabels {
			if l.name == name {
				return l.train, true
			}
		}
	}
	return 0, false
}
