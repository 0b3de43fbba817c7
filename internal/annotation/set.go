package annotation

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image/color"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/visit"
)

// Options say where annotations are.
type Options struct {
	Format    string // coco, labelme, voc or cityscapes
	Data      string // file or folder of annotations
	Images    string // folder of images, "": where the format has them
	Classes   string // labelme: file of labels, "": those that occur
	Out       string // folder to be written to: nothing in it is an input
	KeepEmpty bool   // keep images without annotation, as background
	MaxPixels int64  // larger images are refused
}

// Set is annotated images whose masks are not drawn yet.
type Set struct {
	Classes []string // names, by index
	Report  Report   // of what was left out so far

	options Options
	samples []sample
}

// sample is an annotated image.
type sample struct {
	split string // train, val, test, or "" in a set without splits
	name  string // for the report
	stem  string // of the files to be written; slashes until nameFiles
	path  string // of the image
	// embedded has the image where there is no path.
	embedded func() ([]byte, error)
	// mask draws the mask of the image of this size, and reports what is not drawn.
	// It is nil where the image is to be left out.
	mask func(h, w int) (*canvas, Report)
}

// Read reads annotations, all but the pixels. An error means that nothing can be
// imported; what is wrong with a part of them is in the set's report.
func Read(o Options) (*Set, error) {
	s := &Set{options: o}
	var err error
	switch o.Format {
	case "coco":
		err = s.readCOCO()
	case "labelme":
		err = s.readLabelMe()
	case "voc":
		err = s.readVOC()
	case "cityscapes":
		err = s.readCityscapes()
	default:
		err = fmt.Errorf("format %q, want coco, labelme, voc or cityscapes", o.Format)
	}
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	s.settleSplits()
	s.nameFiles()
	return s, nil
}

// splitNames are the usual names of splits in files and folders.
var splitNames = map[string]string{
	"train": "train", "training": "train",
	"val": "val", "valid": "val", "validation": "val",
	"test": "test", "testing": "test",
}

// splitOf is the split that a name of a file or folder says, "" for none: train for
// instances_train2017.json.
func splitOf(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) })
	for _, word := range words {
		if split, ok := splitNames[word]; ok {
			return split
		}
	}
	return ""
}

// splitOfFolder is the split that the first folder of a path says, "" for none.
func splitOfFolder(path string) string {
	first, _, ok := strings.Cut(filepath.ToSlash(path), "/")
	if !ok {
		return ""
	}
	return splitOf(first)
}

// settleSplits drops the splits if there is only one, if there is nothing to train
// on, or if they do not say where each image belongs.
func (s *Set) settleSplits() {
	splits := s.splits()
	if len(splits) > 1 && slices.Contains(splits, "train") && !slices.Contains(splits, "") {
		return
	}
	for i := range s.samples {
		s.samples[i].split = ""
	}
}

// nameFiles gives each sample the stem of its files: the image's name with its
// folders, so that images of one name in several folders stay apart.
func (s *Set) nameFiles() {
	taken := map[string]bool{}
	for i := range s.samples {
		name := filepath.ToSlash(filepath.Clean(s.samples[i].stem))
		if split := s.samples[i].split; split != "" && splitOfFolder(name) == split {
			_, name, _ = strings.Cut(name, "/")
		}
		stem := strings.Map(func(r rune) rune {
			if r == '/' || r == '\\' || r == ':' || r == unicode.ReplacementChar || !unicode.IsPrint(r) {
				return '_'
			}
			return r
		}, name)
		if strings.HasPrefix(stem, ".") {
			stem = "_" + stem // hidden files are no images of a folder
		}
		unique := stem
		key := func() string { return s.samples[i].split + "/" + strings.ToLower(unique) }
		for n := 2; taken[key()]; n++ {
			unique = fmt.Sprintf("%s_%d", stem, n)
		}
		taken[key()] = true
		s.samples[i].stem = unique
	}
}

// Written is what Write wrote.
type Written struct {
	Images int
	Splits map[string]int // images by split, nil without splits
	Others []string       // files beside the images and masks, which were there before
}

// Write writes the folder data set: dir/images, dir/masks and dir/classes.txt, or
// dir/SPLIT/images and dir/SPLIT/masks where the annotations have splits. Images
// are copied byte for byte, masks are 8-bit paletted PNGs. A sample that cannot be
// written is left out and reported. It is an error if none is left.
func (s *Set) Write(ctx context.Context, dir string, progress func(done, total int)) (Written, error) {
	if err := s.checkInputs(dir); err != nil {
		return Written{}, fmt.Errorf("import: %w", err)
	}
	palette := imagefile.WithVoid(imagefile.Colors(len(s.Classes), nil)) // an index looks the same in all masks
	reports := make([]Report, len(s.samples))
	images := make([]string, len(s.samples)) // written, else ""
	writing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	_, err := visit.All(writing, len(s.samples), 0, progress, func(i int) (err error) {
		if images[i], reports[i], err = s.write(s.samples[i], dir, palette); err != nil {
			stop(err) // the next would fail like it
		}
		return err
	})
	if err != nil {
		return Written{}, fmt.Errorf("import: %s is incomplete: %w", printable(dir), err)
	}
	written := Written{Splits: map[string]int{}}
	ours := map[string]bool{}
	for i, r := range reports {
		s.Report.merge(r)
		if m := s.samples[i]; images[i] != "" {
			written.Images++
			written.Splits[m.split]++
			ours[images[i]], ours[m.maskPath(dir)] = true, true
		}
	}
	if written.Images == 0 {
		return Written{}, fmt.Errorf("import: nothing of %s can be written", printable(s.options.Data))
	}
	if err := durable.WriteFile(filepath.Join(dir, "classes.txt"), []byte(strings.Join(s.Classes, "\n")+"\n")); err != nil {
		return Written{}, fmt.Errorf("import: %w", err)
	}
	for _, split := range []string{"", "train", "val", "test"} {
		for _, sub := range []string{"images", "masks"} {
			entries, err := os.ReadDir(filepath.Join(dir, split, sub))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return Written{}, fmt.Errorf("import: %w", err)
			}
			for _, e := range entries {
				if path := filepath.Join(dir, split, sub, e.Name()); !ours[path] && !strings.HasPrefix(e.Name(), ".") {
					written.Others = append(written.Others, path)
				}
			}
		}
	}
	return written, nil
}

// checkInputs is an error if a folder to be written to has an image that is imported.
func (s *Set) checkInputs(dir string) error {
	written := map[string]bool{}
	for _, split := range s.splits() {
		for _, sub := range []string{"images", "masks"} {
			if real, err := filepath.EvalSymlinks(filepath.Join(dir, split, sub)); err == nil {
				written[real] = true
			}
		}
	}
	for _, m := range s.samples {
		if real, err := filepath.EvalSymlinks(m.path); m.path != "" && err == nil && written[filepath.Dir(real)] {
			return fmt.Errorf("%s would be written to, but %s in it is an image that is imported: choose another folder", printable(dir), printable(m.path))
		}
	}
	return nil
}

// splits are the splits that samples are of, "" for none.
func (s *Set) splits() (splits []string) {
	for _, m := range s.samples {
		if !slices.Contains(splits, m.split) {
			splits = append(splits, m.split)
		}
	}
	return splits
}

// maskPath is where a sample's mask is written to.
func (m sample) maskPath(dir string) string {
	return filepath.Join(dir, m.split, "masks", m.stem+".png")
}

// write writes one sample and returns the path of its image, or "" and a report of
// why it is left out. Its error is one of the folder that is written to.
func (s *Set) write(m sample, dir string, palette color.Palette) (written string, report Report, err error) {
	f, size, err := m.open()
	if err != nil {
		report.add("images that cannot be read", fmt.Sprintf("%s (%v)", m.name, err))
		return "", report, nil
	}
	defer f.Close()
	header, err := imagefile.ReadHeader(f, size, s.options.MaxPixels)
	if err != nil {
		report.add("images that cannot be read", fmt.Sprintf("%s (%v)", m.name, err))
		return "", report, nil
	}
	c, report := m.mask(header.H, header.W)
	if c == nil {
		return "", report, nil
	}
	if !slices.ContainsFunc(c.mask, func(class uint8) bool { return class != imagefile.Void }) {
		report.add("images without a labelled pixel", m.name)
		return "", report, nil
	}
	for _, sub := range []string{"images", "masks"} {
		if err := durable.MakeFolder(filepath.Join(dir, m.split, sub)); err != nil {
			return "", report, err
		}
	}
	extension := "." + cmp.Or(map[string]string{"jpeg": "jpg", "tiff": "tif"}[header.Format], header.Format)
	written = filepath.Join(dir, m.split, "images", m.stem+extension)
	err = errors.Join(
		durable.Write(written, func(w io.Writer) error {
			_, err := io.Copy(w, io.NewSectionReader(f, 0, size))
			return err
		}),
		imagefile.WriteMask(m.maskPath(dir), c.mask, c.h, c.w, palette),
	)
	return written, report, err
}

// imageSource is the file of an image, or one in memory.
type imageSource interface {
	io.ReaderAt
	io.Closer
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// open opens the image of a sample.
func (m sample) open() (imageSource, int64, error) {
	if m.path != "" {
		return imagefile.OpenRegular(m.path)
	}
	b, err := m.embedded()
	return inMemory{bytes.NewReader(b)}, int64(len(b)), err
}

// decodeMask decodes a mask file, which is to be of h x w pixels; ok is false, and the
// report says why, if it cannot be used.
func decodeMask(path, name string, maxPixels int64, h, w int, report *Report) (d imagefile.Decoded, ok bool) {
	d, err := imagefile.DecodeMask(path, maxPixels)
	switch {
	case err != nil:
		report.add(unreadable, err.Error())
	case d.Header.H != h || d.Header.W != w:
		report.add(otherSize, sizeNote(name, h, w, float64(d.Header.H), float64(d.Header.W)))
	default:
		return d, true
	}
	return d, false
}

// eachLine calls f with the lines of a text that are not empty, without the white
// space around them. An error of f gets the number of the line.
func eachLine(r io.Reader, f func(line string) error) error {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if line == "" {
			continue
		}
		if err := f(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return lines.Err()
}

// sizeNote says that an image has another size than its annotations are for.
func sizeNote(name string, h, w int, annotatedH, annotatedW float64) string {
	return fmt.Sprintf("%s (%dx%d, not %gx%g)", name, w, h, annotatedW, annotatedH)
}

// Reasons that several formats have.
const (
	withoutAnnotation = "images without annotation"
	withoutImage      = "annotations without image"
	leavesFolder      = "images whose path leaves the folder"
	otherSize         = "images of another size than they were annotated at"
	unreadable        = "annotations that cannot be read"
	brokenShape       = "annotations with a broken shape"
	noPixel           = "shapes that cover no pixel"
	noneDrawn         = "images of which no annotation can be drawn"
)
