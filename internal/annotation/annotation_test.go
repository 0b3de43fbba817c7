package annotation_test

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/annotation"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// imported reads and writes annotations; it returns what was left out and what is wrong.
func imported(t *testing.T, o annotation.Options, out string) ([]string, error) {
	t.Helper()
	if o.MaxPixels == 0 {
		o.MaxPixels = 1e6
	}
	set, err := annotation.Read(o)
	if err != nil {
		return nil, err
	}
	_, err = set.Write(t.Context(), out, nil)
	return set.Report.Lines(), err
}

// art is a mask file, one letter per pixel: . for 0, v for void.
func art(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	mask, ok := img.(*image.Paletted)
	if !ok || len(mask.Palette) != 256 {
		t.Fatalf("%s is a %T, want 8 bits with a palette", path, img)
	}
	var b strings.Builder
	for y := range mask.Rect.Dy() {
		for x := range mask.Rect.Dx() {
			switch c := mask.ColorIndexAt(x, y); c {
			case 0:
				b.WriteByte('.')
			case 255:
				b.WriteByte('v')
			default:
				fmt.Fprintf(&b, "%d", c)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// photo writes an image of h x w pixels.
func photo(t *testing.T, path string, h, w int) {
	t.Helper()
	filetest.Write(t, path, filetest.Encode(t, path, filetest.RGB(h, w, [3]uint8{1, 2, 3})))
}

// nothingWritten checks that an import into dir/out has failed and left nothing.
func nothingWritten(t *testing.T, err error, dir string) {
	t.Helper()
	if err == nil || !strings.HasSuffix(err.Error(), "can be written") {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(dir + "/out"); err == nil {
		t.Errorf("written: %v", entries)
	}
}

func lines(rows ...string) string { return strings.Join(rows, "\n") + "\n" }

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}

// What shapes cover, by hand, on an image of 4x6 pixels (height, width). Category
// 10 is class 1, 20 is class 2, 30 is none.
func TestCOCOShapes(t *testing.T) {
	const nothing = "......\n......\n......\n......\n"
	const none = "\nimages of which no annotation can be drawn (1): a.png"
	for _, tc := range []struct {
		name string
		json string // category and segmentation of annotations
		want string // "" if the image is left out
		left string
	}{
		{"rectangle", `10: [[1,1, 4,1, 4,3, 1,3]]`, lines("......", ".111..", ".111..", "......"), ""},
		{"the other way round", `10: [[1,1, 1,3, 4,3, 4,1]]`, lines("......", ".111..", ".111..", "......"), ""},
		// Row 0 is at y = 0.5, the edge there at x = 0.75: the centre 0.5 is inside.
		{"triangle", `10: [[0,0, 6,4, 0,4]]`, lines("1.....", "11....", "1111..", "11111."), ""},
		{"between centres", `10: [[1.5,1.5, 3.5,1.5, 3.5,2.5, 1.5,2.5]]`, lines("......", ".11...", "......", "......"), ""},
		{"beyond all edges", `10: [[-9,-9, 99,-9, 99,99, -9,99]]`, lines("111111", "111111", "111111", "111111"), ""},
		{"beyond the left edge", `10: [[-9,1, 2,1, 2,2, -9,2]]`, lines("......", "11....", "......", "......"), ""},
		{"two parts that overlap", `10: [[0,0,3,0,3,2,0,2],[2,1,5,1,5,3,2,3]]`, lines("111...", "11111.", "..111.", "......"), ""},
		{"crosses itself", `10: [[0,0, 6,0, 0,4, 6,4]]`, lines(".1111.", "..11..", "..11..", ".1111."), ""},
		{"goes round twice", `10: [[0,0, 3,0, 3,3, 0,3, 0,0, 3,0, 3,3, 0,3]]`, nothing, "shapes that cover no pixel (1): a.png (annotation 1)"},
		// A ring that is cut open: out along one side of the cut, back along the other.
		{"hole", `10: [[0,0, 6,0, 6,4, 0,4, 0,0, 1,1, 1,3, 5,3, 5,1, 1,1]]`, lines("111111", "1....1", "1....1", "111111"), ""},
		{"later covers earlier", `10: [[0,0,4,0,4,4,0,4]] 20: [[2,0,6,0,6,2,2,2]]`, lines("112222", "112222", "1111..", "1111.."), ""},
		{"earlier is covered", `20: [[2,0,6,0,6,2,2,2]] 10: [[0,0,4,0,4,4,0,4]]`, lines("111122", "111122", "1111..", "1111.."), ""},
		{"unknown category", `30: [[0,0,2,0,2,2,0,2]]`, lines("vv....", "vv....", "......", "......"), "annotations of an unknown category (drawn as void) (1): a.png (category 30)"},
		{"tiny", `10: [[1.1,1.1, 1.2,1.1, 1.2,1.2]]`, nothing, "shapes that cover no pixel (1): a.png (annotation 1)"},
		{"a line", `10: [[1,1, 5,3]]`, nothing, "shapes that cover no pixel (1): a.png (annotation 1)"},
		{"outside", `10: [[10,10, 20,10, 20,20]]`, nothing, "shapes that cover no pixel (1): a.png (annotation 1)"},
		{"odd", `10: [[1,1, 5,3, 4]]`, "", "annotations with a broken shape (1): a.png (annotation 1): a polygon of 5 numbers, want pairs of x and y" + none},
		{"huge", `10: [[1,1, 1e300,3, 4,4]]`, "", "annotations with a broken shape (1): a.png (annotation 1): a polygon with the coordinate 1e+300, want at most 16777216" + none},
		{"a box only", `10: []`, "", "annotations without polygon or run lengths (their box is void) (1): a.png (annotation 1)" + none},
		{"a box beside a shape", `10: [[0,0,2,0,2,4,0,4]] 20: [], "bbox": [1,1,3,9]`, lines("11....", "11vv..", "11vv..", "11vv.."), "annotations without polygon or run lengths (their box is void) (1): a.png (annotation 2)"},
		{"a box below a shape", `20: null, "bbox": [1,1,3,2] 10: [[0,0,2,0,2,4,0,4]]`, lines("11....", "11vv..", "11vv..", "11...."), "annotations without polygon or run lengths (their box is void) (1): a.png (annotation 1)"},
		{"a huge box", `20: [], "bbox": [-1e300,0,1e308,9] 10: [[0,0,2,0,2,4,0,4]]`, lines("11....", "11....", "11....", "11...."), "annotations without polygon or run lengths (their box is void) (1): a.png (annotation 1)"},
		// Down the columns: 5 outside, 2 inside, 16 outside, 1 inside.
		{"run lengths", `10: {"size": [4, 6], "counts": [5, 2, 16, 1]}`, lines("......", ".1....", ".1....", ".....1"), ""},
		// 5, 2, 16 and then 1 - 2: of -1, 11111b.
		{"compressed", `10: {"size": [4, 6], "counts": "52` + "`0O" + `"}`, lines("......", ".1....", ".1....", ".....1"), ""},
		{"other size", `10: {"size": [6, 4], "counts": [24]}`, "", "annotations with a broken shape (1): a.png (annotation 1): run lengths for 4x6 pixels, want those of the image, 6x4" + none},
		{"huge size", `10: {"size": [1000000000, 1000000000], "counts": [1]}`, "", "annotations with a broken shape (1): a.png (annotation 1): run lengths for 1e+09x1e+09 pixels, want those of the image, 6x4" + none},
		{"too long", `10: {"size": [4, 6], "counts": [5, 1000000000]}`, "", "annotations with a broken shape (1): a.png (annotation 1): a run of 1000000000 pixels after 5, want at most 24 together" + none},
		{"too short", `10: {"size": [4, 6], "counts": [5, 2]}`, "", "annotations with a broken shape (1): a.png (annotation 1): run lengths of 7 pixels, want 24" + none},
		{"negative", `10: {"size": [4, 6], "counts": [25, -1]}`, "", "annotations with a broken shape (1): a.png (annotation 1): a run of 25 pixels after 0, want at most 24 together" + none},
		{"cut letters", `10: {"size": [4, 6], "counts": "52` + "`" + `"}`, "", "annotations with a broken shape (1): a.png (annotation 1): run lengths that end within a number" + none},
		{"no letters", `10: {"size": [4, 6], "counts": "5!"}`, "", `annotations with a broken shape (1): a.png (annotation 1): run lengths with the letter '!' at 1` + none},
		{"text", `10: "x"`, "", "annotations with a broken shape (1): a.png (annotation 1): run lengths: json: cannot unmarshal string into Go value of type annotation.cocoRuns" + none},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			var annotations []string
			for i, text := range strings.SplitAfter(strings.NewReplacer(" 10:", "\x0010:", " 20:", "\x0020:").Replace(tc.json), "\x00") {
				category, segmentation, _ := strings.Cut(strings.TrimSuffix(text, "\x00"), ":")
				annotations = append(annotations, fmt.Sprintf(`{"id": %d, "image_id": 1, "category_id": %s, "segmentation": %s}`, i+1, category, segmentation))
			}
			filetest.Write(t, dir+"/a.json", fmt.Appendf(nil, `{"annotations": [%s],
				"images": [{"id": 1, "file_name": "a.png", "height": 4, "width": 6}],
				"categories": [{"id": 20, "name": "dog"}, {"id": 10, "name": "cat"}]}`, strings.Join(annotations, ",")))
			photo(t, dir+"/a.png", 4, 6)
			left, err := imported(t, annotation.Options{Format: "coco", Data: dir + "/a.json"}, dir+"/out")
			equal(t, "left out", strings.Join(left, "\n"), tc.left)
			if tc.want == "" {
				nothingWritten(t, err, dir)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "mask", art(t, dir+"/out/masks/a.png"), tc.want)
			names, _ := os.ReadFile(dir + "/out/classes.txt")
			equal(t, "classes", string(names), "background\ncat\ndog\n")
		})
	}
}

// Images that cannot be imported are counted by what is wrong with them; the others are copied.
func TestCOCOImages(t *testing.T) {
	dir := t.TempDir()
	photo(t, dir+"/secret.png", 2, 2)
	photo(t, dir+"/set/photos/good.png", 2, 2)
	photo(t, dir+"/set/photos/b/good.png", 2, 2)
	photo(t, dir+"/set/photos/b_good.jpg", 2, 2)
	photo(t, dir+"/set/photos/large.png", 20, 20)
	photo(t, dir+"/set/photos/turned.png", 2, 3)
	photo(t, dir+"/set/photos/empty.png", 2, 2)
	filetest.Write(t, dir+"/set/photos/text.png", []byte("no image"))
	var images, annotations []string
	for i, name := range []string{"good.png", "b/good.png", "b_good.jpg", "large.png", "turned.png", "text.png", "../../secret.png",
		`..\\..\\secret.png`, dir + "/secret.png", "none.png", `\u001b[31m.png`, "empty.png", "more1", "more2", "more3", "more4", "more5"} {
		size := 2
		if name == "large.png" {
			size = 20
		}
		images = append(images, fmt.Sprintf(`{"id": %d, "file_name": "%s", "height": %d, "width": %[3]d}`, i, name, size))
		if name != "empty.png" {
			annotations = append(annotations, fmt.Sprintf(`{"id": %d, "image_id": "%[1]d", "category_id": 1, "segmentation": [[0,0,1,0,1,1,0,1]]}`, i))
		}
	}
	images = append(images, images[0])
	annotations = append(annotations, `{"id": 77, "image_id": 78, "category_id": 1, "segmentation": []}`)
	filetest.Write(t, dir+"/set/a.json", fmt.Appendf(nil, `{"info": {"year": 2020}, "images": [%s], "annotations": [%s], "categories": [{"id": 1, "name": "cat"}]}`,
		strings.Join(images, ","), strings.Join(annotations, ",")))
	left, err := imported(t, annotation.Options{Format: "coco", Data: dir + "/set/a.json", Images: dir + "/set/photos", MaxPixels: 100}, dir+"/out")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "left out", strings.ReplaceAll(strings.Join(left, "\n"), dir, "DIR"), `images whose path leaves the folder (3): ../../secret.png, ..\..\secret.png, DIR/secret.png
images that are not in DIR/set/photos (7): none.png, "\x1b[31m.png", more1, more2, more3, ...
images without annotation (1): empty.png
images whose id occurs before (1): good.png
annotations without image (1): annotation 77
images that cannot be read (2): large.png (is 20x20 pixels, want at most data.max_pixels = 100), text.png (is not a PNG, JPEG, BMP, GIF, PNM, TIFF or WebP image)
images of another size than they were annotated at (1): turned.png (3x2, not 2x2)`)
	for from, to := range map[string]string{"good.png": "good.png", "b/good.png": "b_good.png", "b_good.jpg": "b_good_2.jpg"} {
		want, _ := os.ReadFile(filepath.Join(dir, "set/photos", from))
		got, err := os.ReadFile(filepath.Join(dir, "out/images", to))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not a copy of %s: %v", to, from, err)
		}
	}
	for _, sub := range []string{"images", "masks"} {
		if files, err := os.ReadDir(filepath.Join(dir, "out", sub)); err != nil || len(files) != 3 {
			t.Errorf("%s: %v, %v, want 3 files", sub, files, err)
		}
	}
	t.Run("keep empty", func(t *testing.T) {
		if _, err := imported(t, annotation.Options{Format: "coco", Data: dir + "/set/a.json", Images: dir + "/set/photos", KeepEmpty: true}, dir+"/kept"); err != nil {
			t.Fatal(err)
		}
		equal(t, "mask", art(t, dir+"/kept/masks/empty.png"), lines("..", ".."))
	})
}

// An image is never written over, not even by its own copy.
func TestNeverOverAnInput(t *testing.T) {
	dir := t.TempDir()
	photo(t, dir+"/images/a.png", 2, 2)
	filetest.Write(t, dir+"/labels/a.json", []byte(`{"images": [{"id": 1, "file_name": "a.png", "height": 2, "width": 2}],
		"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0,0,1,0,1,1,0,1]]}], "categories": [{"id": 1, "name": "cat"}]}`))
	if err := os.Symlink(dir, dir+"/link"); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{dir, dir + "/link"} {
		_, err := imported(t, annotation.Options{Format: "coco", Data: dir + "/labels/a.json", Images: dir + "/images"}, out)
		if err == nil || !strings.Contains(err.Error(), "is an image that is imported: choose another folder") {
			t.Errorf("%s: got %v", out, err)
		}
		if _, err := os.Stat(dir + "/masks"); err == nil {
			t.Error("masks were written")
		}
	}
}

// What is no COCO file is named, and nothing is written.
func TestCOCOFaults(t *testing.T) {
	for _, tc := range []struct{ name, json, want string }{
		{"empty", ``, "the JSON is truncated"},
		{"list", `[]`, "is no JSON object, want one with images, annotations and categories"},
		{"cut", `{"images": [`, "images: the JSON is truncated"},
		{"other", `{"version": "5", "shapes": []}`, `has no "images", want a COCO file with images, annotations and categories`},
		{"no list", `{"images": 7}`, "images: near byte 12: is not a list"},
		{"no number", `{"images": [{"height": "7"}]}`, "images: near byte 27: json: cannot unmarshal string into Go struct field cocoImage.Height of type float64"},
		{"control", `{"images": [], "annotations": [], "categories": [{"id": 1, "name": "\u001b[2J"}]}`, `category 1: class name "\x1b[2J", want printable text that does not begin with #`},
		{"no name", `{"images": [], "annotations": [], "categories": [{"id": 1}]}`, `category 1: class name "", want printable text that does not begin with #`},
		{"twice", `{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}`, `category 1 is there twice, as a and as b`},
		{"many", `{"images": [], "annotations": [], "categories": [` + manyCategories(255) + `]}`, "category 254: more than 255 classes with the background"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			filetest.Write(t, dir+"/a.json", []byte(tc.json))
			_, err := annotation.Read(annotation.Options{Format: "coco", Data: dir + "/a.json", MaxPixels: 1e6})
			equal(t, "error", filetest.Message(err), "import: "+dir+"/a.json: "+tc.want)
		})
	}
}

func manyCategories(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"id": %d, "name": "c%[1]d"}`, i))
	}
	return strings.Join(all, ",")
}
