package survey

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/visit"
)

// Inferred is the configuration that fits the files of a folder.
type Inferred struct {
	data.Config                // Source, Train, Val, Test, Classes, Palette, MaskValues and IgnoreIndex from the files, else data.DefaultConfig
	Sizes       map[[2]int]int // images by their own height and width
	Masks       string         // what stands in the masks, in words
	Notes       []string       // what may surprise: what was not used, and why

	masks  int // number of masks
	oneHot int // classes of one-hot arrays, 0: none
}

// Infer looks through a folder of labelled images: DIR/images and DIR/masks, or
// DIR/images.npy and DIR/masks.npy, or either of them in DIR/train, DIR/val and
// DIR/test, or others of the usual names. It reads the headers of all images and the
// values of all masks, and reports every file that cannot be used. workers and
// progress are as in data.CountClasses.
//
// Masks hold class indices if they are grey or paletted, or numbers of an array,
// and at least half of the indices up to the largest occur, or all of them have a
// name; one of 255, -1 and 65535 is void then. If none is 0, they are counted from
// the smallest. Else each number of an array or grey value of 16 bits is a class, and
// in other files each colour, in the order of red, green and blue. Names are those of
// classes.txt or labels.txt, one per line, in DIR for masks of indices, else class_V
// for value V.
func Infer(ctx context.Context, dir string, workers int, progress func(done, total int)) (Inferred, error) {
	r := Inferred{Config: data.DefaultConfig(), Sizes: map[[2]int]int{}}
	if err := r.findSplits(dir); err != nil {
		return Inferred{}, err
	}
	r.findSuffixes()
	samples, problems := r.listSamples()
	values := maskValues{}
	var mu sync.Mutex // guards r and values
	faults, err := visit.All(ctx, len(samples), workers, progress, func(i int) error {
		own, h, w, err := samples[i]()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		r.Sizes[[2]int{h, w}]++
		r.masks++
		for value, e := range own {
			values.add(value, e)
		}
		return nil
	})
	if err != nil {
		return Inferred{}, fmt.Errorf("data: looking through %s: %w", dir, err)
	}
	if err := errors.Join(imagefile.Fold(append(problems, faults...))...); err != nil {
		return Inferred{}, err
	}
	if err := r.interpret(dir, values); err != nil {
		return Inferred{}, err
	}
	return r, r.Validate()
}

// findSuffixes sets the suffixes of names by which images and masks pair, if they
// do not as they are.
func (r *Inferred) findSuffixes() {
	if r.Source != "folder" || r.Config.Layout().Together() || len(r.Config.Layout().List(r.Train).Pairs) > 0 {
		return
	}
	s, ok := r.Config.Layout().FindSuffixes(r.Train)
	if !ok {
		return
	}
	mask, ok := s.Mask()
	if !ok {
		return
	}
	r.ImageSuffix, r.MaskSuffix = s.Image, mask
	r.noteSuffixes()
}

func (r *Inferred) noteSuffixes() {
	note := ""
	if r.ImageSuffix != "" {
		note = fmt.Sprintf("images end in %s (data.image_suffix), ", r.ImageSuffix)
	}
	if r.MaskSuffix != "" {
		note += fmt.Sprintf("masks end in %s (data.mask_suffix)", r.MaskSuffix)
	}
	r.Notes = append(r.Notes, strings.TrimSuffix(note, ", "))
}

// entriesOf says in words what is in a folder.
func entriesOf(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return errors.Unwrap(err).Error()
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return "it is empty"
	}
	return "it has " + enumerate(names)
}

// sample reads the values of a mask and the size of its image.
type sample func() (values maskValues, h, w int, err error)

// listSamples lists the samples of all splits.
func (r *Inferred) listSamples() (samples []sample, problems []error) {
	for _, dir := range []string{r.Train, r.Val, r.Test} {
		if dir == "" {
			continue
		}
		var more []sample
		var errs []error
		if r.Source == "npy" {
			more, errs = r.listArrays(dir)
		} else {
			more, errs = r.listFiles(dir)
		}
		samples = append(samples, more...)
		problems = append(problems, errs...)
	}
	return samples, problems
}

func (r *Inferred) listFiles(dir string) (samples []sample, problems []error) {
	format := imagefile.NewMaskFormat(len(r.Classes), r.IgnoreIndex, nil, r.MaxPixels)
	listing := r.Config.Layout().List(dir)
	if n := len(listing.Left); n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d files beside the masks do not end in %s and are not used, such as %s", n, r.MaskSuffix, listing.Left[0]))
	}
	for _, p := range listing.Pairs {
		samples = append(samples, func() (maskValues, int, int, error) {
			if _, _, err := p.Headers(format); err != nil {
				return nil, 0, 0, err
			}
			mask, err := imagefile.DecodeMask(p.Mask, r.MaxPixels)
			if err != nil {
				return nil, 0, 0, err
			}
			values, err := valuesOf(mask)
			if err != nil {
				return nil, 0, 0, imagefile.Fault{Err: fmt.Errorf("data: mask %s: %w", p.Mask, err), Names: []string{p.Mask}}
			}
			return values.of(filepath.Base(p.Mask)), mask.Header.H, mask.Header.W, nil
		})
	}
	return samples, listing.Problems
}

func (r *Inferred) listArrays(dir string) (samples []sample, problems []error) {
	shape, err := r.Config.Layout().MaskShape(dir)
	if err != nil {
		return nil, []error{err}
	}
	classes := imagefile.MaxClasses // takes every index
	if len(shape) == 4 && shape[3] > 1 {
		classes, r.oneHot = shape[3], shape[3]
	}
	s, err := r.Config.Layout().OpenArrays(dir, imagefile.ImageFormat{MaxPixels: r.MaxPixels, Normalize: imagefile.Percentile}, imagefile.NewMaskFormat(classes, r.IgnoreIndex, nil, r.MaxPixels))
	if err != nil {
		return nil, []error{err}
	}
	for i := range s.N {
		samples = append(samples, func() (maskValues, int, int, error) {
			numbers, err := r.numbers(s, i)
			if err != nil {
				return nil, 0, 0, err
			}
			values, err := valuesOfArray(numbers, s.H, s.W)
			if err != nil {
				return nil, 0, 0, s.MaskFault(i, err)
			}
			return values.of(fmt.Sprintf("sample %d", i)), s.H, s.W, nil
		})
	}
	return samples, nil
}

// numbers are those of a mask; those of one-hot masks are the classes and Void.
func (r *Inferred) numbers(s *imagefile.Arrays, i int) ([]float64, error) {
	if r.oneHot == 0 {
		return s.Values(i)
	}
	mask, err := s.Mask(i)
	numbers := make([]float64, len(mask))
	for p, c := range mask {
		numbers[p] = float64(c)
	}
	return numbers, err
}

// interpret sets Classes, and Palette or MaskValues and IgnoreIndex, by the values of the masks.
func (r *Inferred) interpret(dir string, v maskValues) error {
	file, names, namesErr := classNames(dir)
	values, void, isIndex := v.indices(len(names))
	stored, isGrey := v.stored()
	marks, _ := v.marks()
	var coarse []string // colours that do not fit into a palette
	for _, m := range marks {
		if _, ok := m.rgb(); !ok {
			coarse = append(coarse, m.String())
		}
	}
	if r.oneHot == 0 {
		if err := v.smoothed(); err != nil && (r.Source == "folder" || !isIndex) {
			return fmt.Errorf("data: the masks in %s %w", dir, err)
		}
	}
	if len(marks) < 2 && r.oneHot == 0 {
		return fmt.Errorf("data: the masks in %s have only one value, %v: want at least two classes", dir, marks[0])
	}
	switch {
	case r.oneHot > 0:
		r.Masks = "one-hot vectors"
		values = upTo(r.oneHot)
		if e := v.extentOf(imagefile.Void); e.pixels > 0 {
			r.Masks += ", and void"
			r.Notes = append(r.Notes, "vectors of zeros are void: "+r.reach(e, v))
		}
	case isIndex:
		r.Masks = fmt.Sprintf("class indices %d..%d", values[0], values[len(values)-1])
		if void != nil {
			r.IgnoreIndex = *void
			r.Masks += ", and void"
			r.Notes = append(r.Notes, fmt.Sprintf("%d is taken as void: %s; if it is a class, set data.mask_values: [%s] and name it in data.classes",
				*void, r.reach(v.extentOf(*void), v), enumerate(texts(append(slices.Clone(values), *void)))))
		}
		if values[0] > 0 {
			r.MaskValues = values
			r.Notes = append(r.Notes, fmt.Sprintf("no mask holds 0: data.mask_values counts the classes from %d", values[0]))
		}
	case r.Source == "npy", isGrey && len(coarse) > 0:
		r.Masks = "values " + enumerate(texts(stored))
		r.MaskValues, values = stored, stored
	case len(coarse) > 0:
		return fmt.Errorf("data: the masks in %s have %d colours that need 16 bits per channel, such as %s: data.palette has 8 bits, save the masks so", dir, len(coarse), coarse[0])
	default:
		for _, m := range marks {
			rgb, _ := m.rgb()
			r.Palette = append(r.Palette, rgb)
		}
		r.Masks = fmt.Sprintf("%d colours", len(marks))
		if depths := v.depths(); v.ambiguous() && len(depths) > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("masks are encoded differently and read by colour: %s", enumerate(depths)))
		}
		r.Notes = append(r.Notes, v.doubtful()...)
		values = upTo(len(marks))
	}
	r.Classes = nil
	for _, value := range values {
		r.Classes = append(r.Classes, fmt.Sprintf("class_%d", value))
	}
	if file != "" {
		r.takeNames(file, names, namesErr)
	}
	if r.oneHot == 0 && r.Palette == nil && r.MaskValues == nil && void == nil && len(r.Classes) > 2 && meansVoid(r.Classes[0]) {
		r.Notes = append(r.Notes, fmt.Sprintf("0 (%s) is taken as void by its name: %s", r.Classes[0], r.reach(v.extentOf(0), v)))
		r.IgnoreIndex, r.MaskValues, r.Classes = 0, upTo(len(r.Classes))[1:], r.Classes[1:]
	}
	return nil
}

// meansVoid reports whether a class is called what pixels without a class are called.
func meansVoid(name string) bool {
	switch strings.ToLower(name) {
	case "void", "unlabelled", "unlabeled", "ignore", "ignored":
		return true
	}
	return false
}

func texts(numbers []int) (all []string) {
	for _, n := range numbers {
		all = append(all, fmt.Sprint(n))
	}
	return all
}

// upTo are 0, 1, ..., n-1.
func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// reach says in words how far a value reaches.
func (r *Inferred) reach(e extent, v maskValues) string {
	all := v.pixels()
	return fmt.Sprintf("%d of %d pixels (%.1f %%), in %d of %d masks (%s)", e.pixels, all, 100*float64(e.pixels)/float64(all), e.masks, r.masks, e.in())
}

// classNames reads the file of names in dir; file is "" if there is none.
func classNames(dir string) (file string, names []string, err error) {
	if isNPZ(dir) {
		dir = filepath.Dir(dir)
	}
	for _, name := range []string{"classes.txt", "labels.txt"} {
		file = filepath.Join(dir, name)
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return file, nil, err
		}
		defer f.Close()
		names, err = readNames(f)
		return file, names, err
	}
	return "", nil, nil
}

// takeNames names the classes by the names in a file, if they fit.
func (r *Inferred) takeNames(file string, names []string, err error) {
	switch {
	case err != nil:
	case r.Palette != nil:
		err = errors.New("it does not say which colour each name belongs to")
	case r.MaskValues != nil && len(names) != len(r.Classes):
		err = r.takeNamesByValue(names)
	case len(names) < len(r.Classes):
		err = fmt.Errorf("it names %d of the %d classes in the masks", len(names), len(r.Classes))
	default:
		r.Classes = names
	}
	if err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("%s is not used: %v", file, err))
	}
}

// takeNamesByValue names each class by its value: names[0] is that of 0.
func (r *Inferred) takeNamesByValue(names []string) error {
	first, last := r.MaskValues[0], r.MaskValues[len(r.MaskValues)-1]
	if first < 0 || last >= len(names) {
		return fmt.Errorf("it names %d classes, want the %d in the masks, or 0..%d", len(names), len(r.Classes), last)
	}
	if last-first+1 == len(r.MaskValues) { // those beyond are classes that do not occur
		r.MaskValues, r.Classes = upTo(len(names))[first:], names[first:]
		return nil
	}
	for i, v := range r.MaskValues {
		r.Classes[i] = names[v]
	}
	return nil
}

// readNames are the lines of a file that are neither empty nor a comment.
func readNames(r io.Reader) (names []string, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		switch {
		case name == "" || strings.HasPrefix(name, "#"):
			continue
		case !utf8.ValidString(name):
			return nil, fmt.Errorf("%q is not UTF-8", name)
		case slices.Contains(names, name):
			return nil, fmt.Errorf("%q is there twice", name)
		case len(names) == imagefile.MaxClasses:
			return nil, fmt.Errorf("it has more than %d lines", imagefile.MaxClasses)
		}
		names = append(names, name)
	}
	return names, lines.Err()
}
