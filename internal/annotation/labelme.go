package annotation

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

type labelMeFile struct {
	Shapes      *[]labelMeShape // nil: a file of another kind
	ImagePath   string
	ImageData   json.RawMessage // the image in base64, or null
	ImageHeight float64
	ImageWidth  float64
}

type labelMeShape struct {
	Label     string
	Points    [][]float64
	ShapeType string `json:"shape_type"` // "" is a polygon
	Mask      string // of the type mask: a PNG in base64
}

// ignoredLabel is LabelMe's name of void.
const ignoredLabel = "__ignore__"

// parseLabelMe reads a LabelMe file.
func parseLabelMe(r io.Reader) (*labelMeFile, error) {
	d := json.NewDecoder(bufio.NewReader(r))
	f := &labelMeFile{}
	if err := d.Decode(f); err != nil {
		return nil, jsonError(err, d)
	}
	if f.Shapes == nil {
		return nil, errors.New("has no shapes, want a LabelMe file")
	}
	return f, nil
}

func readLabelMe(path string) (*labelMeFile, error) {
	f, _, err := imagefile.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseLabelMe(f)
}

// readLabelMe reads all LabelMe files of a folder and the folders in it.
func (s *Set) readLabelMe() error {
	root, files, images, err := s.walk()
	if err != nil {
		return err
	}
	labels, err := s.labelList()
	if err != nil {
		return err
	}
	listed := s.options.Classes != ""
	var occurring []string
	used := map[string]bool{} // images
	for _, name := range files {
		path := filepath.Join(root, name)
		f, err := readLabelMe(path)
		if err != nil {
			s.Report.add(unreadable, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		m := sample{split: splitOfFolder(name), name: name, stem: withoutExtension(name)}
		hasData := len(f.ImageData) > 0 && string(f.ImageData) != "null"
		switch file, problem := s.labelMeImage(root, path, f.ImagePath); {
		case problem == "" && used[file]:
			s.Report.add("annotations of an image that another file annotates", name)
			continue
		case problem == "":
			m.path = file
			used[file] = true
		case hasData:
			m.embedded = func() ([]byte, error) { return embeddedImage(path) }
		default:
			s.Report.add(problem, fmt.Sprintf("%s (%s)", name, f.ImagePath))
			continue
		}
		if len(*f.Shapes) == 0 && !s.options.KeepEmpty {
			s.Report.add(withoutAnnotation, name)
			continue
		}
		for _, shape := range *f.Shapes {
			if label := strings.TrimSpace(shape.Label); !listed && label != ignoredLabel && !slices.Contains(occurring, label) {
				occurring = append(occurring, label)
				if len(occurring) > imagefile.MaxClasses {
					return fmt.Errorf("%s has more than %d labels: list those wanted in a file for --classes, the others become void", s.options.Data, imagefile.MaxClasses)
				}
			}
		}
		m.mask = func(h, w int) (*canvas, Report) { return drawLabelMe(path, name, labels, h, w) }
		s.samples = append(s.samples, m)
	}
	for _, name := range images {
		if path := filepath.Join(root, name); !used[path] {
			if !s.options.KeepEmpty {
				s.Report.add(withoutAnnotation, name)
				continue
			}
			s.samples = append(s.samples, sample{split: splitOfFolder(name), name: name, stem: withoutExtension(name), path: path,
				mask: func(h, w int) (*canvas, Report) { return newCanvas(h, w, 0), Report{} }})
		}
	}
	slices.Sort(occurring)
	for _, label := range occurring {
		if _, err := labels.add(label); err != nil {
			return err
		}
	}
	s.Classes = labels.names
	return nil
}

// walk lists the JSON files and the images of a folder and the folders in it,
// relative to it; of a file, it and no images.
func (s *Set) walk() (root string, annotations, images []string, err error) {
	info, err := os.Stat(s.options.Data)
	if err != nil || !info.IsDir() {
		return filepath.Dir(s.options.Data), []string{filepath.Base(s.options.Data)}, nil, nil
	}
	root = s.options.Data
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != root && strings.HasPrefix(e.Name(), ".") || e.IsDir() && samePath(path, s.options.Out) {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case e.IsDir():
		case strings.EqualFold(filepath.Ext(path), ".json"):
			annotations = append(annotations, name)
		case imagefile.IsImageName(path):
			images = append(images, name)
		}
		return nil
	})
	if err == nil && len(annotations) == 0 {
		err = fmt.Errorf("%s has no *.json", root)
	}
	return root, annotations, images, err
}

func samePath(a, b string) bool {
	x, err := filepath.Abs(a)
	if err != nil || b == "" {
		return false
	}
	y, err := filepath.Abs(b)
	return err == nil && x == y
}

// labelList is the classes of the file of labels, or the background alone.
func (s *Set) labelList() (*classes, error) {
	labels := newClasses()
	if s.options.Classes == "" {
		return labels, nil
	}
	f, size, err := imagefile.OpenRegular(s.options.Classes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.options.Classes, err)
	}
	defer f.Close()
	const most = 1 << 20
	if size > most {
		return nil, fmt.Errorf("%s has %d bytes, want a list of labels", s.options.Classes, size)
	}
	err = eachLine(f, func(label string) error {
		if label == ignoredLabel {
			return nil
		}
		_, err := labels.add(label)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.options.Classes, err)
	}
	return labels, nil
}

// labelMeImage is the image of a LabelMe file, or what is wrong with its path. The
// path is relative to the file and may lead out of its folder, but not out of what
// is imported.
func (s *Set) labelMeImage(root, annotation, path string) (file, problem string) {
	path = filepath.FromSlash(strings.ReplaceAll(path, `\`, "/"))
	if path == "" || strings.ContainsRune(path, 0) {
		return "", withoutImage
	}
	file = path
	if !filepath.IsAbs(path) {
		file = filepath.Join(filepath.Dir(annotation), path)
	}
	roots := []string{root}
	if s.options.Images != "" {
		roots = append(roots, s.options.Images)
	}
	inside := false
	for _, dir := range roots {
		rel, err := relative(dir, file)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		inside = true
		file := filepath.Join(dir, rel)
		if regular(file) {
			return file, ""
		}
	}
	if s.options.Images != "" && filepath.IsLocal(path) {
		inside = true
		if file := filepath.Join(s.options.Images, path); regular(file) {
			return file, ""
		}
	}
	if !inside {
		return "", "annotations whose image lies outside of --data and --images"
	}
	return "", withoutImage
}

func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// relative is path as seen from dir, even if only one of them is absolute.
func relative(dir, path string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.Rel(dir, path)
}

// embeddedImage is the image that a LabelMe file has in itself.
func embeddedImage(path string) ([]byte, error) {
	f, err := readLabelMe(path)
	if err != nil {
		return nil, err
	}
	var b []byte // base64 in JSON
	if err := json.Unmarshal(f.ImageData, &b); err != nil {
		return nil, errors.New("imageData is not base64")
	}
	return b, nil
}

// drawLabelMe draws the mask of an image of h x w pixels.
func drawLabelMe(path, name string, labels *classes, h, w int) (_ *canvas, report Report) {
	f, err := readLabelMe(path)
	if err != nil {
		report.add(unreadable, fmt.Sprintf("%s: %v", name, err))
		return nil, report
	}
	if f.ImageHeight != 0 && f.ImageHeight != float64(h) || f.ImageWidth != 0 && f.ImageWidth != float64(w) {
		report.add(otherSize, sizeNote(name, h, w, f.ImageHeight, f.ImageWidth))
		return nil, report
	}
	c := newCanvas(h, w, 0)
	drawn := len(*f.Shapes) == 0
	for _, shape := range *f.Shapes {
		label := strings.TrimSpace(shape.Label)
		class, ok := labels.index[label]
		switch {
		case isBackground(label):
			class = 0
		case !ok:
			class = imagefile.Void
			if label != ignoredLabel {
				report.add("shapes of a label that is not in --classes (drawn as void)", fmt.Sprintf("%s (%s)", name, label))
			}
		}
		pixels, err := c.labelMe(shape, class)
		drawn = drawn || err == nil
		switch {
		case errors.Is(err, errNoShape):
			report.add(fmt.Sprintf("shapes of the type %s, which has no area", shape.ShapeType), fmt.Sprintf("%s (%s)", name, label))
		case err != nil:
			report.add(brokenShape, fmt.Sprintf("%s (%s): %v", name, label, err))
		case pixels == 0:
			report.add(noPixel, fmt.Sprintf("%s (%s)", name, label))
		}
	}
	if !drawn {
		report.add(noneDrawn, name)
		return nil, report
	}
	return c, report
}

// labelMe draws a shape; errNoShape means that its type has no area.
func (c *canvas) labelMe(shape labelMeShape, class uint8) (pixels int, err error) {
	var xy []float64
	for _, p := range shape.Points {
		if len(p) != 2 {
			return 0, fmt.Errorf("a point of %d numbers, want 2", len(p))
		}
		xy = append(xy, p...)
	}
	two := func() error {
		if len(xy) != 4 {
			return fmt.Errorf("a %s of %d points, want 2", shape.ShapeType, len(xy)/2)
		}
		return nil
	}
	switch shape.ShapeType {
	case "", "polygon", "oriented_rectangle", "rotation":
		return c.polygon(xy, class)
	case "rectangle":
		if len(xy) == 8 { // all its corners
			return c.polygon(xy, class)
		}
		if err := two(); err != nil {
			return 0, err
		}
		return c.polygon([]float64{xy[0], xy[1], xy[2], xy[1], xy[2], xy[3], xy[0], xy[3]}, class)
	case "circle": // its centre and a point of its edge
		if err := two(); err != nil {
			return 0, err
		}
		return c.disc(xy[0], xy[1], math.Hypot(xy[2]-xy[0], xy[3]-xy[1]), class)
	case "mask": // two corners, and the pixels between
		if err := two(); err != nil {
			return 0, err
		}
		return c.labelMeMask(xy[0], xy[1], shape.Mask, class)
	case "line", "linestrip", "point", "points":
		return 0, errNoShape
	}
	return 0, fmt.Errorf("an unknown shape_type %s", printable(shape.ShapeType))
}

func (c *canvas) labelMeMask(x, y float64, text string, class uint8) (pixels int, err error) {
	if !(math.Abs(x) <= farthest && math.Abs(y) <= farthest) {
		return 0, fmt.Errorf("a mask at (%g, %g), want at most %d", x, y, farthest)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return 0, errors.New("a mask that is not base64")
	}
	header, err := imagefile.ReadHeader(bytes.NewReader(b), int64(len(b)), int64(c.h)*int64(c.w))
	if err != nil {
		return 0, fmt.Errorf("a mask that %w", err)
	}
	if header.Format != "png" {
		return 0, fmt.Errorf("a mask in %s, want PNG", header.Format)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return 0, fmt.Errorf("a mask: %w", err)
	}
	return c.stencil(int(x), int(y), img, class), nil
}
