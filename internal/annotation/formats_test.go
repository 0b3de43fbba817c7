package annotation_test

import (
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/annotation"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// tree lists the files of a folder and the folders in it.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(names)
	return strings.Join(names, " ")
}

func textOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shape is a LabelMe shape.
func shape(label, kind, points string, more ...string) string {
	return fmt.Sprintf(`{"label": %q, "shape_type": %q, "points": %s, "group_id": null, "flags": {}%s}`, label, kind, points, strings.Join(more, ""))
}

// labelMe is a LabelMe file.
func labelMe(imagePath, imageData string, shapes ...string) []byte {
	if imageData == "" {
		imageData = "null"
	}
	return fmt.Appendf(nil, `{"version": "5.4.1", "flags": {}, "shapes": [%s], "imagePath": %q, "imageData": %s, "imageHeight": 4, "imageWidth": 6}`,
		strings.Join(shapes, ", "), imagePath, imageData)
}

// What LabelMe's shapes cover, by hand, on an image of 4x6 pixels.
func TestLabelMeShapes(t *testing.T) {
	stencil := base64.StdEncoding.EncodeToString(filetest.Encode(t, "x.png", filetest.Grey(2, 2, 0, 255, 255, 0)))
	const nothing = "......\n......\n......\n......\n"
	const none = "\nimages of which no annotation can be drawn (1): a.json"
	for _, tc := range []struct {
		name   string
		shapes []string
		want   string
		left   string
	}{
		{"polygon", []string{shape("cat", "polygon", "[[1,1],[4,1],[4,3],[1,3]]")}, lines("......", ".111..", ".111..", "......"), ""},
		{"an area and a line", []string{shape("cat", "line", "[[0,0],[2,2]]"), shape("cat", "rectangle", "[[0,0],[6,1]]")}, lines("111111", "......", "......", "......"), "shapes of the type line, which has no area (1): a.json (cat)"},
		{"rectangle", []string{shape("cat", "rectangle", "[[4,3],[1,1]]")}, lines("......", ".111..", ".111..", "......"), ""},
		{"rectangle of four", []string{shape("cat", "rectangle", "[[1,1],[4,1],[4,3],[1,3]]")}, lines("......", ".111..", ".111..", "......"), ""},
		// Centres within 1.6 of (3, 2): of column and row distances 0.5 and 1.5, those but (1.5, 1.5).
		{"circle", []string{shape("cat", "circle", "[[3,2],[3,3.6]]")}, lines("..11..", ".1111.", ".1111.", "..11.."), ""},
		{"circle beyond the edges", []string{shape("cat", "circle", "[[0,0],[1.6,0]]")}, lines("11....", "1.....", "......", "......"), ""},
		{"circle of a point", []string{shape("cat", "circle", "[[3,2],[3,2]]")}, nothing, "shapes that cover no pixel (1): a.json (cat)"},
		{"mask", []string{shape("cat", "mask", "[[1,2],[2,3]]", `, "mask": "`+stencil+`"`)}, lines("......", "......", "..1...", ".1...."), ""},
		{"mask beyond the edge", []string{shape("cat", "mask", "[[-1,-1],[0,0]]", `, "mask": "`+stencil+`"`)}, nothing, "shapes that cover no pixel (1): a.json (cat)"},
		{"mask half beyond", []string{shape("cat", "mask", "[[5,0],[6,1]]", `, "mask": "`+stencil+`"`)}, lines("......", ".....1", "......", "......"), ""},
		{"mask that is none", []string{shape("cat", "mask", "[[5,0],[6,1]]", `, "mask": "abc"`)}, "", "annotations with a broken shape (1): a.json (cat): a mask that is not base64" + none},
		{"draw order", []string{shape("dog", "rectangle", "[[0,0],[4,2]]"), shape("cat", "rectangle", "[[2,0],[6,2]]")}, lines("221111", "221111", "......", "......"), ""},
		{"background over", []string{shape("cat", "rectangle", "[[0,0],[6,4]]"), shape("_background_", "rectangle", "[[0,0],[3,4]]")}, lines("...111", "...111", "...111", "...111"), ""},
		{"ignored", []string{shape("__ignore__", "rectangle", "[[0,0],[2,2]]")}, lines("vv....", "vv....", "......", "......"), ""},
		{"unlisted", []string{shape("cow", "rectangle", "[[0,0],[2,2]]")}, lines("vv....", "vv....", "......", "......"), "shapes of a label that is not in --classes (drawn as void) (1): a.json (cow)"},
		{"without area", []string{shape("cat", "line", "[[0,0],[2,2]]"), shape("cat", "point", "[[0,0]]"), shape("dog", "linestrip", "[[0,0],[2,2],[3,3]]"), shape("cat", "line", "[[0,1],[2,2]]")}, "",
			"shapes of the type line, which has no area (2): a.json (cat)\nshapes of the type point, which has no area (1): a.json (cat)\nshapes of the type linestrip, which has no area (1): a.json (dog)" + none},
		{"unknown type", []string{shape("cat", "star", "[[0,0],[2,2]]")}, "", "annotations with a broken shape (1): a.json (cat): an unknown shape_type star" + none},
		{"rectangle of one", []string{shape("cat", "rectangle", "[[0,0]]")}, "", "annotations with a broken shape (1): a.json (cat): a rectangle of 1 points, want 2" + none},
		{"point of one", []string{shape("cat", "polygon", "[[0,0],[1]]")}, "", "annotations with a broken shape (1): a.json (cat): a point of 1 numbers, want 2" + none},
		{"far circle", []string{shape("cat", "circle", "[[0,0],[1e300,0]]")}, "", "annotations with a broken shape (1): a.json (cat): a circle with the coordinate 1e+300, want at most 16777216" + none},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			photo(t, dir+"/set/a.png", 4, 6)
			filetest.Write(t, dir+"/set/a.json", labelMe("a.png", "", tc.shapes...))
			filetest.Write(t, dir+"/labels.txt", []byte("__ignore__\n_background_\ncat\n\ndog\n"))
			left, err := imported(t, annotation.Options{Format: "labelme", Data: dir + "/set", Classes: dir + "/labels.txt"}, dir+"/out")
			equal(t, "left out", strings.Join(left, "\n"), tc.left)
			if tc.want == "" {
				nothingWritten(t, err, dir)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "mask", art(t, dir+"/out/masks/a.png"), tc.want)
			equal(t, "classes", textOf(t, dir+"/out/classes.txt"), "background\ncat\ndog\n")
		})
	}
}

// Where LabelMe's images are, and what becomes of those that are not there.
func TestLabelMeImages(t *testing.T) {
	dir := t.TempDir()
	cat, dog := shape("cat", "rectangle", "[[0,0],[6,4]]"), shape("a dog", "", "[[0,0],[6,0],[6,4]]")
	photo(t, dir+"/set/photos/a.png", 4, 6)
	photo(t, dir+"/set/photos/b.png", 4, 6)
	photo(t, dir+"/set/photos/unlabelled.png", 4, 6)
	photo(t, dir+"/set/photos/large.png", 8, 12)
	photo(t, dir+"/elsewhere/c.png", 4, 6)
	photo(t, dir+"/secret.png", 4, 6)
	embedded := filetest.Encode(t, "x.png", filetest.RGB(4, 6))
	filetest.Write(t, dir+"/set/labels/a.json", labelMe("../photos/a.png", "", cat))
	filetest.Write(t, dir+"/set/labels/again.json", labelMe(dir+"/set/photos/a.png", "", cat))
	filetest.Write(t, dir+"/set/labels/b.JSON", labelMe(`..\photos\b.png`, "", dog))
	filetest.Write(t, dir+"/set/labels/c.json", labelMe("c.png", "", cat))
	filetest.Write(t, dir+"/set/labels/d.json", labelMe("nowhere.png", `"`+base64.StdEncoding.EncodeToString(embedded)+`"`, cat))
	filetest.Write(t, dir+"/set/labels/e.json", labelMe("nowhere.png", `"!"`, cat))
	filetest.Write(t, dir+"/set/labels/empty.json", labelMe("../photos/b.png", ""))
	filetest.Write(t, dir+"/set/labels/large.json", labelMe("../photos/large.png", "", cat))
	filetest.Write(t, dir+"/set/labels/none.json", labelMe("none.png", "", cat))
	filetest.Write(t, dir+"/set/labels/secret.json", labelMe("../../secret.png", "", cat))
	filetest.Write(t, dir+"/set/labels/passwd.json", labelMe("/etc/passwd", "", cat))
	filetest.Write(t, dir+"/set/labels/cut.json", []byte(`{"shapes": [`))
	filetest.Write(t, dir+"/set/package.json", []byte(`{"name": "x"}`))
	filetest.Write(t, dir+"/set/.hidden.json", []byte(`{`))
	filetest.Write(t, dir+"/set/out/images/old.png", embedded)
	left, err := imported(t, annotation.Options{Format: "labelme", Data: dir + "/set", Images: dir + "/elsewhere", Out: dir + "/set/out"}, dir+"/set/out")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "left out", strings.ReplaceAll(strings.Join(left, "\n"), dir, "DIR"), `annotations of an image that another file annotates (2): labels/again.json, labels/empty.json
annotations that cannot be read (2): labels/cut.json: the JSON is truncated, package.json: has no shapes, want a LabelMe file
annotations without image (1): labels/none.json (none.png)
annotations whose image lies outside of --data and --images (2): labels/passwd.json (/etc/passwd), labels/secret.json (../../secret.png)
images without annotation (1): photos/unlabelled.png
images that cannot be read (1): labels/e.json (imageData is not base64)
images of another size than they were annotated at (1): labels/large.json (12x8, not 6x4)`)
	equal(t, "files", tree(t, dir+"/set/out"), "classes.txt images/labels_a.png images/labels_b.png images/labels_c.png images/labels_d.png images/old.png masks/labels_a.png masks/labels_b.png masks/labels_c.png masks/labels_d.png")
	equal(t, "the embedded image", textOf(t, dir+"/set/out/images/labels_d.png"), string(embedded))
	equal(t, "classes", textOf(t, dir+"/set/out/classes.txt"), "background\na dog\ncat\n")
	equal(t, "mask", art(t, dir+"/set/out/masks/labels_b.png"), lines(".11111", "..1111", "....11", ".....1"))
}

// Folders of splits are splits of the data set.
func TestLabelMeSplits(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"train/a", "train/b", "valid/a"} {
		photo(t, dir+"/set/"+name+".png", 4, 6)
		filetest.Write(t, dir+"/set/"+name+".json", labelMe(filepath.Base(name)+".png", "", shape("cat", "rectangle", "[[0,0],[6,4]]")))
	}
	if left, err := imported(t, annotation.Options{Format: "labelme", Data: dir + "/set"}, dir+"/out"); err != nil || left != nil {
		t.Fatal(left, err)
	}
	equal(t, "files", tree(t, dir+"/out"), "classes.txt train/images/a.png train/images/b.png train/masks/a.png train/masks/b.png val/images/a.png val/masks/a.png")
}

// The class_names.txt of labelme2voc.py names the classes of VOC's colours.
func TestVOCClassNames(t *testing.T) {
	dir := t.TempDir()
	photo(t, dir+"/set/JPEGImages/a.png", 1, 3)
	filetest.Write(t, dir+"/set/SegmentationClass/a.png", filetest.Encode(t, "x.png", filetest.RGB(1, 3, [3]uint8{}, [3]uint8{0, 128, 0}, [3]uint8{224, 224, 192})))
	filetest.Write(t, dir+"/set/class_names.txt", []byte("_background_\ncat\ndog: old\n"))
	if left, err := imported(t, annotation.Options{Format: "voc", Data: dir + "/set"}, dir+"/out"); err != nil || left != nil {
		t.Fatal(left, err)
	}
	equal(t, "mask", art(t, dir+"/out/masks/a.png"), ".2v\n")
	equal(t, "classes", textOf(t, dir+"/out/classes.txt"), "background\ncat\ndog: old\n")
}

// The COCO files of a folder are found with their splits and images.
func TestCOCOFolders(t *testing.T) {
	coco := func(name string) []byte {
		return fmt.Appendf(nil, `{"images": [{"id": 1, "file_name": %q, "height": 2, "width": 2}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0,0,1,0,1,1,0,1]]}], "categories": [{"id": 1, "name": "cat"}]}`, name)
	}
	const splits = "classes.txt train/images/a.png train/masks/a.png val/images/b.png val/masks/b.png"
	for _, tc := range []struct {
		name   string
		files  []string // JSON files have the image a, those for validation b
		images []string
		want   string // files, or an error
	}{
		{"COCO's own", []string{"annotations/instances_train2017.json", "annotations/instances_val2017.json", "annotations/captions_train2017.json"}, []string{"train2017/a.png", "val2017/b.png"}, splits},
		{"Roboflow's", []string{"train/_annotations.coco.json", "valid/_annotations.coco.json"}, []string{"train/a.png", "valid/b.png"}, splits},
		{"one", []string{"annotations.json"}, []string{"images/a.png"}, "classes.txt images/a.png masks/a.png"},
		{"one split", []string{"annotations/instances_train.json"}, []string{"images/train/a.png"}, "classes.txt images/a.png masks/a.png"},
		{"two of one split", []string{"one.json", "two.json"}, []string{"a.png"}, "import: DIR/one.json and DIR/two.json: want one file, or one each with train, val or test in its name: give one of them instead of the folder"},
		{"none", nil, []string{"a.png"}, "import: DIR has no *.json, annotations/*.json or train/*.json"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range tc.files {
				name := "a.png"
				if strings.Contains(f, "val") {
					name = "b.png"
				}
				filetest.Write(t, dir+"/set/"+f, coco(name))
			}
			for _, f := range tc.images {
				photo(t, dir+"/set/"+f, 2, 2)
			}
			left, err := imported(t, annotation.Options{Format: "coco", Data: dir + "/set"}, dir+"/out")
			if err != nil {
				equal(t, "error", strings.ReplaceAll(err.Error(), dir+"/set", "DIR"), tc.want)
				return
			}
			if left != nil {
				t.Error(left)
			}
			equal(t, "files", tree(t, dir+"/out"), tc.want)
		})
	}
}

// vocPalette is the first colours of VOC's map, as its documentation lists them, and the border.
var vocPalette = color.Palette{color.NRGBA{0, 0, 0, 255}, color.NRGBA{128, 0, 0, 255}, color.NRGBA{0, 128, 0, 255}, color.NRGBA{128, 128, 0, 255},
	color.NRGBA{0, 0, 128, 255}, color.NRGBA{128, 0, 128, 255}, color.NRGBA{0, 128, 128, 255}, color.NRGBA{128, 128, 128, 255}, color.NRGBA{64, 0, 0, 255}, color.NRGBA{224, 224, 192, 255}}

func TestVOC(t *testing.T) {
	dir := t.TempDir()
	voc := dir + "/VOCdevkit/VOC2012/"
	paletted := image.NewPaletted(image.Rect(0, 0, 3, 2), vocPalette)
	copy(paletted.Pix, []uint8{0, 1, 2, 8, 9, 9})
	for name, mask := range map[string]image.Image{
		"paletted": paletted,
		"rgb":      filetest.RGB(2, 3, [3]uint8{}, [3]uint8{128}, [3]uint8{0, 128}, [3]uint8{64}, [3]uint8{224, 224, 192}, [3]uint8{224, 224, 192}),
		"car":      filetest.RGB(2, 3, [3]uint8{128, 128, 128}), // in greys alone, and yet in colours
		"grey":     filetest.Grey(2, 3, 0, 1, 2, 8, 255, 255),
		"smooth":   filetest.RGB(2, 3, [3]uint8{}, [3]uint8{127}),
		"index":    filetest.Grey(2, 3, 0, 21),
		"size":     filetest.Grey(3, 2),
		"void":     filetest.RGB(2, 3, [3]uint8{224, 224, 192}, [3]uint8{224, 224, 192}, [3]uint8{224, 224, 192}, [3]uint8{224, 224, 192}, [3]uint8{224, 224, 192}, [3]uint8{224, 224, 192}),
		"unlisted": filetest.Grey(2, 3),
		"noimage":  filetest.Grey(2, 3),
	} {
		filetest.Write(t, voc+"SegmentationClass/"+name+".png", filetest.Encode(t, "x.png", mask))
		if name != "noimage" {
			photo(t, voc+"JPEGImages/"+name+".jpg", 2, 3)
		}
	}
	photo(t, voc+"JPEGImages/detection.jpg", 2, 3) // most images of VOC have boxes only
	filetest.Write(t, voc+"ImageSets/Segmentation/train.txt", []byte("paletted\nrgb  1\r\nsmooth\nindex\nsize\nvoid\nnoimage\n../../x\n"))
	filetest.Write(t, voc+"ImageSets/Segmentation/val.txt", []byte("grey\nrgb\ncar\n"))
	filetest.Write(t, voc+"ImageSets/Segmentation/trainval.txt", []byte("grey\nrgb\nunlisted\n"))
	left, err := imported(t, annotation.Options{Format: "voc", Data: dir}, dir+"/out")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "left out", strings.Join(left, "\n"), `names in two splits (used in the first) (1): rgb (train, val)
images without annotation (1): ../../x
annotations without image (1): noimage
masks that no list in ImageSets/Segmentation names (1): unlisted
masks with a colour that is no class (2): index (pixel (1, 0) is 21), smooth (pixel (1, 0) is [127, 0, 0])
images of another size than they were annotated at (1): size (3x2, not 2x3)
images without a labelled pixel (1): void`)
	equal(t, "files", tree(t, dir+"/out"), "classes.txt train/images/paletted.jpg train/images/rgb.jpg train/masks/paletted.png train/masks/rgb.png val/images/car.jpg val/images/grey.jpg val/masks/car.png val/masks/grey.png")
	for _, mask := range []string{"train/masks/paletted", "train/masks/rgb", "val/masks/grey"} {
		equal(t, mask, art(t, dir+"/out/"+mask+".png"), lines(".12", "8vv"))
	}
	equal(t, "car", art(t, dir+"/out/val/masks/car.png"), lines("7..", "..."))
	if names := textOf(t, dir+"/out/classes.txt"); !strings.HasPrefix(names, "background\naeroplane\n") || !strings.HasSuffix(names, "\ntrain\ntvmonitor\n") || strings.Count(names, "\n") != 21 {
		t.Errorf("classes: %s", names)
	}
}

// A labelmap.txt has classes and colours of its own.
func TestVOCLabelMap(t *testing.T) {
	for _, tc := range []struct{ name, text, want, fault string }{
		{"colours", "\ufeff# label:color_rgb:parts:actions\nground:0,0,0::\nwater: 9, 8,7::\n", ".1", ""},
		{"VOC's colours", "ground:::\nsky:::\nwater:9,8,7::\n", ".2", ""},
		{"one colour twice", "ground:0,0,0::\nwater:0,0,0::\n", "", "line 2: ground and water have one colour, [0 0 0]"},
		{"no colour", "ground:0,0::\n", "", `line 1: colour "0,0", want r,g,b`},
		{"large colour", "ground:0,0,256::\n", "", `line 1: colour "0,0,256", want r,g,b in 0..255`},
		{"name twice", "a:::\na:1,1,1::\n", "", "line 2: a is there twice"},
		{"one name", "a:::\n", "", "1 names, want at least 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			photo(t, dir+"/set/JPEGImages/a.png", 1, 2)
			filetest.Write(t, dir+"/set/SegmentationClass/a.png", filetest.Encode(t, "x.png", filetest.RGB(1, 2, [3]uint8{}, [3]uint8{9, 8, 7})))
			filetest.Write(t, dir+"/set/labelmap.txt", []byte(tc.text))
			_, err := imported(t, annotation.Options{Format: "voc", Data: dir + "/set"}, dir+"/out")
			if tc.fault != "" {
				equal(t, "error", filetest.Message(err), "import: "+dir+"/set/labelmap.txt: "+tc.fault)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "mask", art(t, dir+"/out/masks/a.png"), tc.want+"\n")
		})
	}
}

func TestCityscapes(t *testing.T) {
	dir := t.TempDir()
	city := func(folder, name string) string { return dir + "/set/" + folder + "/" + name }
	for _, name := range []string{"train/ulm/ulm_1", "train/ulm/ulm_2", "train/bonn/bonn_1", "val/koeln/koeln_1", "test/berlin/berlin_1", "train_extra/x/x_1", "train/ulm/strange"} {
		photo(t, city("leftImg8bit", name+"_leftImg8bit.png"), 2, 3)
	}
	ids := func(values ...uint8) []byte { return filetest.Encode(t, "x.png", filetest.Grey(2, 3, values...)) }
	filetest.Write(t, city("gtFine", "train/ulm/ulm_1_gtFine_labelIds.png"), ids(0, 7, 8, 9, 11, 33))
	filetest.Write(t, city("gtFine", "train/ulm/ulm_1_gtFine_polygons.json"), []byte("{")) // not read
	filetest.Write(t, city("gtFine", "train/ulm/ulm_1_gtFine_color.png"), ids())
	filetest.Write(t, city("gtFine", "train/ulm/strange_gtFine_labelIds.png"), ids(7, 34))
	filetest.Write(t, city("gtFine", "train/ulm/lost_gtFine_labelIds.png"), ids(7))
	filetest.Write(t, city("gtFine", "test/berlin/berlin_1_gtFine_labelIds.png"), ids(3, 3, 3, 3, 3, 3))
	filetest.Write(t, city("gtFine", "val/koeln/koeln_1_gtFine_polygons.json"), []byte(`{"imgHeight": 2, "imgWidth": 3, "objects": [
		{"label": "road", "polygon": [[0,0],[3,0],[3,1],[0,1]]},
		{"label": "cargroup", "polygon": [[0,0],[1,0],[1,2],[0,2]]},
		{"label": "license plate", "polygon": [[0,0],[3,0],[3,2],[0,2]]},
		{"label": "sky", "deleted": 1, "polygon": [[0,0],[3,0],[3,2],[0,2]]},
		{"label": "parking", "polygon": [[1,0],[2,0],[2,1],[1,1]]},
		{"label": "whale", "polygon": [[2,1],[3,1],[3,2],[2,2]]}]}`))
	left, err := imported(t, annotation.Options{Format: "cityscapes", Data: dir + "/set"}, dir+"/out")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "left out", strings.Join(left, "\n"), `images without annotation (2): train/bonn/bonn_1_leftImg8bit.png, train/ulm/ulm_2_leftImg8bit.png
images in a folder that is not train, val or test (1): train_extra/x/x_1_leftImg8bit.png
annotations without image (1): train/ulm/lost_gtFine_labelIds.png
images without a labelled pixel (1): test/berlin/berlin_1_leftImg8bit.png
masks with a value that is no label id (1): train/ulm/strange_gtFine_labelIds.png (pixel (1, 0): 34)
shapes of an unknown label (drawn as void) (1): val/koeln/koeln_1_gtFine_polygons.json (whale)`)
	equal(t, "files", tree(t, dir+"/out"), "classes.txt train/images/ulm_1.png train/masks/ulm_1.png val/images/koeln_1.png val/masks/koeln_1.png")
	equal(t, "ids", art(t, dir+"/out/train/masks/ulm_1.png"), lines("v.1", "v218"))
	equal(t, "polygons", art(t, dir+"/out/val/masks/koeln_1.png"), lines("13v.", "13vv"))
	if names := textOf(t, dir+"/out/classes.txt"); !strings.HasPrefix(names, "road\nsidewalk\nbuilding\n") || !strings.HasSuffix(names, "\nmotorcycle\nbicycle\n") || strings.Count(names, "\n") != 19 {
		t.Errorf("classes: %s", names)
	}
}

// What is not laid out as the format says names what is wanted.
func TestLayout(t *testing.T) {
	dir := t.TempDir()
	filetest.Write(t, dir+"/set/a.txt", nil)
	for format, want := range map[string]string{
		"labelme":    "import: DIR has no *.json",
		"voc":        "import: DIR has no SegmentationClass/, want the folder of a year of PASCAL VOC, as VOCdevkit/VOC2012",
		"cityscapes": "import: lstat DIR/leftImg8bit: no such file or directory; want leftImg8bit/SPLIT/CITY/*_leftImg8bit.png in --data or --images",
		"yolo":       `import: format "yolo", want coco, labelme, voc or cityscapes`,
	} {
		_, err := annotation.Read(annotation.Options{Format: format, Data: dir + "/set", MaxPixels: 1e6})
		equal(t, format, strings.ReplaceAll(filetest.Message(err), dir+"/set", "DIR"), want)
	}
}
