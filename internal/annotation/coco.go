package annotation

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// cocoID is a number or a text; tools write both.
type cocoID string

// UnmarshalJSON takes 7, 7.0 and "7" for the same.
func (id *cocoID) UnmarshalJSON(b []byte) error {
	*id = cocoID(strings.TrimSuffix(strings.Trim(string(b), `"`), ".0"))
	return nil
}

type cocoImage struct {
	ID            cocoID
	FileName      string `json:"file_name"`
	Height, Width float64
}

type cocoCategory struct {
	ID   cocoID
	Name string
}

type cocoAnnotation struct {
	ID           cocoID
	ImageID      cocoID          `json:"image_id"`
	CategoryID   cocoID          `json:"category_id"`
	Segmentation json.RawMessage // polygons or cocoRuns
	Box          json.RawMessage `json:"bbox"` // x, y, width, height
}

type cocoRuns struct {
	Size   [2]float64      // height, width
	Counts json.RawMessage // numbers, or compressed as a text
}

type cocoFile struct {
	images      []cocoImage
	annotations []cocoAnnotation
	categories  []cocoCategory
}

// parseCOCO reads a COCO file, one element after the other.
func parseCOCO(r io.Reader) (*cocoFile, error) {
	d := json.NewDecoder(bufio.NewReader(r))
	if token, err := d.Token(); err != nil {
		return nil, jsonError(err, d)
	} else if token != json.Delim('{') {
		return nil, errors.New("is no JSON object, want one with images, annotations and categories")
	}
	f := &cocoFile{}
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, jsonError(err, d)
		}
		name, _ := key.(string)
		seen[name] = true
		switch name {
		case "images":
			err = decodeEach(d, &f.images)
		case "annotations":
			err = decodeEach(d, &f.annotations)
		case "categories":
			err = decodeEach(d, &f.categories)
		default:
			err = d.Decode(&json.RawMessage{})
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable(name), jsonError(err, d))
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, jsonError(err, d)
	}
	for _, key := range []string{"images", "annotations", "categories"} {
		if !seen[key] {
			return nil, fmt.Errorf("has no %q, want a COCO file with images, annotations and categories", key)
		}
	}
	return f, nil
}

// decodeEach appends the elements of a JSON array.
func decodeEach[T any](d *json.Decoder, all *[]T) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if token != json.Delim('[') {
		return errors.New("is not a list")
	}
	for d.More() {
		var e T
		if err := d.Decode(&e); err != nil {
			return err
		}
		*all = append(*all, e)
	}
	_, err = d.Token()
	return err
}

// jsonError says where in the file JSON is broken.
func jsonError(err error, d *json.Decoder) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON is truncated")
	}
	return fmt.Errorf("near byte %d: %w", d.InputOffset(), err)
}

// readCOCO reads one COCO file, or those of a folder, one per split.
func (s *Set) readCOCO() error {
	files, err := cocoFiles(s.options.Data)
	if err != nil {
		return err
	}
	names := newClasses()
	for _, c := range files {
		f, _, err := imagefile.OpenRegular(c.path)
		if err != nil {
			return fmt.Errorf("%s: %w", c.path, err)
		}
		file, err := parseCOCO(f)
		f.Close()
		if err == nil {
			err = s.addCOCO(file, c.path, c.split, names)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.path, err)
		}
	}
	s.Classes = names.names
	return nil
}

type splitFile struct{ split, path string }

// cocoFiles are the COCO files that path has: itself, or those in a folder, in its
// annotations/ (of COCO's own only instances_*.json), or in folders of splits. Each
// has a split of its own, by its name or that of its folder.
func cocoFiles(path string) (files []splitFile, err error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return []splitFile{{path: path}}, nil
	}
	var instances, others []splitFile
	for _, pattern := range []string{"*.json", "annotations/*.json", "*/*.json"} {
		found, err := fs.Glob(os.DirFS(path), pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			dir, base := filepath.Split(filepath.FromSlash(name))
			f := splitFile{cmp.Or(splitOf(base), splitOf(dir)), filepath.Join(path, name)}
			switch {
			case strings.HasPrefix(base, "instances"):
				instances = append(instances, f)
			case pattern != "*/*.json" || splitOf(dir) != "":
				others = append(others, f)
			}
		}
		if len(instances) > 0 {
			others = instances
		}
		if len(others) > 0 {
			break
		}
	}
	if len(others) == 0 {
		return nil, fmt.Errorf("%s has no *.json, annotations/*.json or train/*.json", path)
	}
	for i, f := range others {
		for _, before := range others[:i] {
			if before.split == f.split {
				return nil, fmt.Errorf("%s and %s: want one file, or one each with train, val or test in its name: give one of them instead of the folder", before.path, f.path)
			}
		}
	}
	return others, nil
}

// addCOCO adds the images of a COCO file to the set, and their categories to the classes.
func (s *Set) addCOCO(file *cocoFile, path, split string, names *classes) error {
	classOf, err := cocoClasses(file.categories, names)
	if err != nil {
		return err
	}
	ofImage := map[cocoID][]cocoAnnotation{}
	for _, a := range file.annotations {
		ofImage[a.ImageID] = append(ofImage[a.ImageID], a)
	}
	folders := cocoFolders(path, s.options.Images)
	missing := "images that are not in " + strings.Join(folders, " or ")
	known := map[cocoID]bool{}
	for _, image := range file.images {
		switch annotations := ofImage[image.ID]; {
		case known[image.ID]:
			s.Report.add("images whose id occurs before", image.FileName)
		case len(annotations) == 0 && !s.options.KeepEmpty:
			s.Report.add(withoutAnnotation, image.FileName)
		default:
			name, ok := localPath(image.FileName)
			if !ok {
				s.Report.add(leavesFolder, image.FileName)
				break
			}
			path, ok := firstFile(folders, name)
			if !ok {
				s.Report.add(missing, image.FileName)
				break
			}
			s.samples = append(s.samples, sample{split: split, name: name, stem: withoutExtension(name), path: path,
				mask: func(h, w int) (*canvas, Report) { return drawCOCO(image, annotations, classOf, h, w) }})
		}
		known[image.ID] = true
	}
	for _, a := range file.annotations {
		if !known[a.ImageID] {
			s.Report.add(withoutImage, "annotation "+string(a.ID))
		}
	}
	return nil
}

// cocoClasses adds the categories, in the order of their ids, to the classes.
func cocoClasses(categories []cocoCategory, names *classes) (map[cocoID]uint8, error) {
	number := func(c cocoCategory) float64 {
		n, _ := strconv.ParseFloat(string(c.ID), 64)
		return n
	}
	slices.SortStableFunc(categories, func(a, b cocoCategory) int { return cmp.Compare(number(a), number(b)) })
	classOf := map[cocoID]uint8{}
	for _, c := range categories {
		class, err := names.add(c.Name)
		if err != nil {
			return nil, fmt.Errorf("category %s: %w", printable(string(c.ID)), err)
		}
		if before, ok := classOf[c.ID]; ok && before != class {
			return nil, fmt.Errorf("category %s is there twice, as %s and as %s", printable(string(c.ID)), names.names[before], names.names[class])
		}
		classOf[c.ID] = class
	}
	return classOf, nil
}

// cocoFolders are the folders in which images of a COCO file are looked for:
// images, or that of the file, its images/, and those beside annotations/.
func cocoFolders(path, images string) (folders []string) {
	dir := filepath.Dir(path)
	part := withoutExtension(filepath.Base(path)) // train2017 of instances_train2017
	if _, after, ok := strings.Cut(part, "_"); ok {
		part = after
	}
	roots := []string{dir}
	if images != "" {
		roots = []string{images}
	} else if filepath.Base(dir) == "annotations" {
		roots = append(roots, filepath.Dir(dir))
	}
	for _, root := range roots {
		for _, sub := range []string{"", "images", part, filepath.Join("images", part)} {
			folder := filepath.Join(root, sub)
			if info, err := os.Stat(folder); err == nil && info.IsDir() {
				folders = append(folders, folder)
			}
		}
	}
	return folders
}

func withoutExtension(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) }

// localPath is a path in an annotation, with either slash, if it stays in its folder.
func localPath(path string) (string, bool) {
	path = filepath.FromSlash(strings.ReplaceAll(path, `\`, "/"))
	if !filepath.IsLocal(path) || strings.ContainsRune(path, 0) {
		return "", false
	}
	return filepath.Clean(path), true
}

// firstFile is the file of this name in the first folder that has it.
func firstFile(folders []string, name string) (string, bool) {
	for _, folder := range folders {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, true
		}
	}
	return "", false
}

// drawCOCO draws the mask of an image of h x w pixels.
func drawCOCO(image cocoImage, annotations []cocoAnnotation, classOf map[cocoID]uint8, h, w int) (_ *canvas, report Report) {
	if image.Height != float64(h) || image.Width != float64(w) {
		report.add(otherSize, sizeNote(image.FileName, h, w, image.Height, image.Width))
		return nil, report
	}
	c := newCanvas(h, w, 0)
	drawn := len(annotations) == 0
	for _, a := range annotations {
		name := fmt.Sprintf("%s (annotation %s)", image.FileName, a.ID)
		class, ok := classOf[a.CategoryID]
		if !ok {
			class = imagefile.Void
			report.add("annotations of an unknown category (drawn as void)", fmt.Sprintf("%s (category %s)", image.FileName, a.CategoryID))
		}
		pixels, err := c.coco(a.Segmentation, class)
		drawn = drawn || err == nil
		switch {
		case errors.Is(err, errNoShape):
			report.add("annotations without polygon or run lengths (their box is void)", name)
		case err != nil:
			report.add(brokenShape, fmt.Sprintf("%s: %v", name, err))
		case pixels == 0:
			report.add(noPixel, name)
		}
		if err != nil {
			c.doubt(a.Box)
		}
	}
	if !drawn {
		report.add(noneDrawn, image.FileName)
		return nil, report
	}
	return c, report
}

// doubt makes the background in the box of an annotation that cannot be drawn void.
func (c *canvas) doubt(box json.RawMessage) {
	var b [4]float64
	if json.Unmarshal(box, &b) != nil {
		return
	}
	for _, v := range b {
		if !(math.Abs(v) <= farthest) {
			return
		}
	}
	for y := max(centre(b[1]), 0); y < min(centre(b[1]+b[3]), c.h); y++ {
		for x := max(centre(b[0]), 0); x < min(centre(b[0]+b[2]), c.w); x++ {
			if at := &c.mask[y*c.w+x]; *at == 0 {
				*at = imagefile.Void
			}
		}
	}
}

var errNoShape = errors.New("no shape")

// coco draws the segmentation of an annotation.
func (c *canvas) coco(segmentation json.RawMessage, class uint8) (pixels int, err error) {
	switch text := string(segmentation); {
	case text == "" || text == "null" || text == "[]" || text == "{}":
		return 0, errNoShape
	case text[0] == '[':
		var polygons [][]float64
		if err := json.Unmarshal(segmentation, &polygons); err != nil {
			return 0, fmt.Errorf("polygons: %w", err)
		}
		for _, xy := range polygons {
			n, err := c.polygon(xy, class)
			if err != nil {
				return 0, err
			}
			pixels += n
		}
		return pixels, nil
	}
	var runs cocoRuns
	if err := json.Unmarshal(segmentation, &runs); err != nil {
		return 0, fmt.Errorf("run lengths: %w", err)
	}
	if runs.Size != [2]float64{float64(c.h), float64(c.w)} {
		return 0, fmt.Errorf("run lengths for %gx%g pixels, want those of the image, %dx%d", runs.Size[1], runs.Size[0], c.w, c.h)
	}
	var letters string
	if json.Unmarshal(runs.Counts, &letters) == nil {
		return c.runs(compressed(letters), class)
	}
	var counts []float64
	if err := json.Unmarshal(runs.Counts, &counts); err != nil {
		return 0, fmt.Errorf("run lengths: %w", err)
	}
	return c.runs(listed(counts), class)
}
