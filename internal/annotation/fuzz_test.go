package annotation

import (
	"encoding/json"
	"strings"
	"testing"
)

// Any segmentation is drawn or refused, and counts the pixels it changes.
func FuzzSegmentation(f *testing.F) {
	for _, seed := range []string{
		`[[0,0, 6,0, 0,4, 6,4]]`, `[[1.5,1.5, 3.5,1.5, 3.5]]`, `[[-1e9,1, 1e300,3, 4,4]]`, `[]`, `[[]]`, `[[1,1]]`, `7`, `{`,
		`{"size": [4, 6], "counts": [5, 2, 16, 1]}`, `{"size": [4, 6], "counts": [1e18, -1, 0.5]}`,
		`{"size": [4, 6], "counts": "52` + "`0O" + `"}`, `{"size": [4, 6], "counts": "oooooooo"}`, `{"size": [1e9, 1e9], "counts": "1"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := newCanvas(4, 6, 0)
		pixels, err := c.coco(json.RawMessage(text), 1)
		changed := 0
		for _, class := range c.mask {
			changed += int(class)
		}
		if err == nil && (changed > pixels || changed == 0 && pixels > 0) {
			t.Errorf("%d pixels changed, %d counted", changed, pixels)
		}
		for i, inside := range c.flip {
			if inside {
				t.Fatalf("a change at %d is left over", i)
			}
		}
	})
}

// Any file is read or refused.
func FuzzParseCOCO(f *testing.F) {
	for _, seed := range []string{
		`{"images": [{"id": 1, "file_name": "a.png", "height": 4, "width": 6}], "annotations": [{"id": 1.0, "image_id": "1", "category_id": 2, "segmentation": []}], "categories": [{"id": 2, "name": "cat"}]}`,
		`{"images": [`, `[]`, ``, `{"images": {}}`, `{"licenses": [[[[]]]], "images": []}`, "\xff{}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parseCOCO(strings.NewReader(text))
		if (file == nil) == (err == nil) {
			t.Fatalf("%v and %v", file, err)
		}
		if err == nil {
			_, _ = cocoClasses(file.categories, newClasses())
		}
	})
}

// Any shape of LabelMe is drawn or refused.
func FuzzLabelMe(f *testing.F) {
	for _, seed := range []string{
		`{"shapes": [{"label": "a", "points": [[1,1],[4,1],[4,3]], "shape_type": "polygon"}], "imagePath": "../a.png"}`,
		`{"shapes": [{"label": "a", "points": [[1,1],[1e300,1]], "shape_type": "circle"}, {"shape_type": "rectangle", "points": [[-1,-1],[2,2]]}]}`,
		`{"shapes": [{"shape_type": "mask", "points": [[-1,1],[1,2]], "mask": "iVBORw0KGgo="}]}`,
		`{"shapes": [{"shape_type": "line", "points": [[], [1]]}]}`, `{"shapes": null}`, `[]`, `{`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parseLabelMe(strings.NewReader(text))
		if (file == nil) == (err == nil) {
			t.Fatalf("%v and %v", file, err)
		}
		if err != nil {
			return
		}
		c := newCanvas(4, 6, 0)
		for _, shape := range *file.Shapes {
			if pixels, err := c.labelMe(shape, 1); err != nil && pixels > 0 {
				t.Errorf("%d pixels and %v", pixels, err)
			}
		}
	})
}

// Any file of Cityscapes polygons and any labelmap.txt is read or refused.
func FuzzCityAndLabelMap(f *testing.F) {
	for _, seed := range []string{
		`{"imgHeight": 2, "imgWidth": 3, "objects": [{"label": "cargroup", "deleted": 1, "polygon": [[0,0],[3,0],[3,1]]}]}`,
		`{"objects": [{"polygon": [[0]]}]}`, `{"objects": null}`, "a:0,0,0::\nb:1,2,3::\n", "# x\n\ufeffa\nb:::\n", "a:256,0,0", ":",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if file, err := parseCity(strings.NewReader(text)); (file == nil) == (err == nil) {
			t.Fatalf("%v and %v", file, err)
		}
		m, err := parseLabelMap(strings.NewReader(text))
		if (m == nil) == (err == nil) {
			t.Fatalf("%v and %v", m, err)
		}
		if m != nil && (len(m.names) < 2 || len(m.colours) < len(m.names)) {
			t.Errorf("%d names, %d colours", len(m.names), len(m.colours))
		}
	})
}
