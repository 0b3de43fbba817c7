package survey_test

import (
	"archive/zip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
)

// Data sets under the names that they have in public.
func TestInferFindsNames(t *testing.T) {
	photo, mask := filetest.Encode(t, ".png", filetest.RGB(8, 12)), filetest.Encode(t, ".png", bands(0, 1))
	array, indices := filetest.NPY(t, 1, "|u1", "(2, 1, 2, 3)", make([]float64, 12)...), filetest.NPY(t, 1, "|u1", "(2, 1, 2)", 0, 1, 1, 0)
	npz := func(names string) []byte {
		arrays := map[string][]byte{}
		for i, name := range strings.Fields(names) {
			arrays[name] = [][]byte{array, indices}[i%2]
		}
		return filetest.NPZ(t, zip.Deflate, arrays)
	}
	for _, tc := range []struct {
		name   string
		photos string // files of each kind
		masks  string
		other  map[string][]byte
		dir    string // ., if it is not given
		want   data.Config
		images int    // of the training set
		note   string // contained in one of the notes
		err    string
	}{
		{name: "plain", photos: "images/a images/b", masks: "masks/a masks/b", want: data.Config{Train: ".", ImageFolder: "images", MaskFolder: "masks"}, images: 2},
		{name: "imgs and masks", photos: "imgs/a", masks: "masks/a", want: data.Config{Train: ".", ImageFolder: "imgs", MaskFolder: "masks"}, images: 1,
			note: "images and masks are the folders imgs and masks in . (data.images, data.masks)"},
		{name: "image and label", photos: "image/0 image/1", masks: "label/0 label/1", want: data.Config{Train: ".", ImageFolder: "image", MaskFolder: "label"}, images: 2},
		{name: "upper case", photos: "Images/a", masks: "Labels/a", want: data.Config{Train: ".", ImageFolder: "Images", MaskFolder: "Labels"}, images: 1},
		{name: "Pascal VOC", photos: "JPEGImages/a", masks: "SegmentationClass/a SegmentationObject/a", other: map[string][]byte{"Annotations/a.xml": nil},
			want: data.Config{Train: ".", ImageFolder: "JPEGImages", MaskFolder: "SegmentationClass"}, images: 1},
		{name: "boxes beside masks", photos: "images/a", masks: "masks/a", other: map[string][]byte{"labels/a.txt": nil}, want: data.Config{Train: ".", ImageFolder: "images", MaskFolder: "masks"}, images: 1},
		{name: "two kinds of masks", photos: "images/a", masks: "masks/a labels/a", want: data.Config{Train: ".", ImageFolder: "images", MaskFolder: "masks"}, images: 1,
			note: "the folders images and labels are not used"},
		{name: "which of two", photos: "img/a", masks: "mask/a label/a",
			err: "data: . may be read as the folders img and label, or the folders img and mask: move all but one of them away, or set data.train, data.images and data.masks"},

		{name: "splits", photos: "train/img/a validation/img/b test/img/c", masks: "train/mask/a validation/mask/b test/mask/c",
			want: data.Config{Train: "train", Val: "validation", Test: "test", ImageFolder: "img", MaskFolder: "mask"}, images: 1},
		{name: "splits below", photos: "images/training/a images/validation/b", masks: "annotations/training/a annotations/validation/b",
			want: data.Config{Train: "*/training", Val: "*/validation", ImageFolder: "images", MaskFolder: "annotations"}, images: 1,
			note: "images and masks are the folders images/training and annotations/training in . (data.images, data.masks)"},
		{name: "splits below images and masks", photos: "images/train/a images/val/b", masks: "masks/train/a masks/val/b",
			want: data.Config{Train: "*/train", Val: "*/val", ImageFolder: "images", MaskFolder: "masks"}, images: 1},
		{name: "Cityscapes", photos: "leftImg8bit/train/ulm/ulm_0_leftImg8bit leftImg8bit/val/bonn/bonn_0_leftImg8bit leftImg8bit/test/berlin/berlin_0_leftImg8bit",
			masks: "gtFine/train/ulm/ulm_0_gtFine_labelIds gtFine/train/ulm/ulm_0_gtFine_color gtFine/val/bonn/bonn_0_gtFine_labelIds gtFine/val/bonn/bonn_0_gtFine_color",
			want:  data.Config{Train: "*/train", Val: "*/val", ImageFolder: "leftImg8bit", MaskFolder: "gtFine", ImageSuffix: "_leftImg8bit", MaskSuffix: "_gtFine_labelIds"}, images: 1,
			note: "leftImg8bit/test is not used: no masks of that split were found"},
		{name: "CamVid", photos: "train/a val/b test/c", masks: "trainannot/a valannot/b testannot/c",
			want: data.Config{Train: "train*", Val: "val*", Test: "test*", ImageFolder: "", MaskFolder: "annot"}, images: 1},
		{name: "Carvana", photos: "train/0cdf_01 train/0cdf_02 test/f00d_01", masks: "train_masks/0cdf_01_mask train_masks/0cdf_02_mask",
			want: data.Config{Train: "train*", ImageFolder: "", MaskFolder: "_masks", MaskSuffix: "_mask"}, images: 2, note: "test is not used: no masks of that split were found"},
		{name: "names with the split", photos: "train_images/a val_images/a", masks: "train_masks/a val_masks/a", want: data.Config{Train: "train_*", Val: "val_*", ImageFolder: "images", MaskFolder: "masks"}, images: 1},
		{name: "other names in another split", photos: "train/images/a val/img/a", masks: "train/masks/a val/mask/a",
			err: "data: . has the folders train/images and train/masks, and the folders val/img and val/mask: want one kind of file and one pair of names for all splits"},

		{name: "one folder", photos: "1_sat 2_sat", masks: "1_mask 2_mask", want: data.Config{Train: ".", ImageSuffix: "_sat", MaskSuffix: "_mask"}, images: 2,
			note: "images and masks lie in one folder, . (data.images, data.masks)"},
		{name: "one folder per split", photos: "train/1_sat train/2_sat valid/3_sat", masks: "train/1_mask train/2_mask", want: data.Config{Train: "train", ImageSuffix: "_sat", MaskSuffix: "_mask"}, images: 2,
			note: "valid is not used: no masks were found in it"},
		{name: "one folder of folders", photos: "benign/b(1) malignant/m(1)", masks: "benign/b(1)_mask malignant/m(1)_mask", want: data.Config{Train: ".", MaskSuffix: "_mask"}, images: 2},

		{name: "arrays", other: map[string][]byte{"x_train.npy": array, "y_train.npy": indices, "x_val.npy": array, "y_val.npy": indices, "x_test.npy": array, "y_test.npy": indices},
			want: data.Config{Source: "npy", Train: "*_train", Val: "*_val", Test: "*_test", ImageFolder: "x", MaskFolder: "y"}, images: 2, note: "images and masks are the arrays x_train and y_train in . (data.images, data.masks)"},
		{name: "arrays as scikit-learn names them", other: map[string][]byte{"X_train.npy": array, "y_train.npy": indices}, want: data.Config{Source: "npy", Train: "*_train", ImageFolder: "X", MaskFolder: "y"}, images: 2},
		{name: "arrays with the split first", other: map[string][]byte{"train_images.npy": array, "train_labels.npy": indices}, want: data.Config{Source: "npy", Train: "train_*", ImageFolder: "images", MaskFolder: "labels"}, images: 2},
		{name: "arrays in folders", other: map[string][]byte{"train/X.npy": array, "train/Y.npy": indices}, want: data.Config{Source: "npy", Train: "train", ImageFolder: "X", MaskFolder: "Y"}, images: 2},
		{name: "npz", other: map[string][]byte{"set.npz": npz("x_train y_train x_test y_test")}, want: data.Config{Source: "npy", Train: "set.npz/*_train", Test: "set.npz/*_test", ImageFolder: "x", MaskFolder: "y"}, images: 2},
		{name: "npz itself", dir: "set.npz", other: map[string][]byte{"set.npz": npz("images masks")}, want: data.Config{Source: "npy", Train: "set.npz", ImageFolder: "images", MaskFolder: "masks"}, images: 2},
		{name: "npz per split", other: map[string][]byte{"train.npz": npz("images masks"), "val.npz": npz("images masks")}, want: data.Config{Source: "npy", Train: "train.npz", Val: "val.npz", ImageFolder: "images", MaskFolder: "masks"}, images: 2},
		{name: "damaged npz", other: map[string][]byte{"set.npz": []byte("PK")}, err: "data: set.npz: is not an npz file (a zip of npy files), or is damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name := range strings.FieldsSeq(tc.photos) {
				filetest.Write(t, name+".png", photo)
			}
			for name := range strings.FieldsSeq(tc.masks) {
				filetest.Write(t, name+".png", mask)
			}
			for name, b := range tc.other {
				filetest.Write(t, name, b)
			}
			dir := tc.dir
			if dir == "" {
				dir = "."
			}
			r, err := survey.Infer(t.Context(), filepath.Clean(dir), 2, nil)
			if filetest.Message(err) != tc.err {
				t.Fatalf("got  %v\nwant %s", err, tc.err)
			}
			if err != nil {
				return
			}
			if tc.want.Source == "" {
				tc.want.Source = "folder"
			}
			got := data.Config{Source: r.Source, Train: r.Train, Val: r.Val, Test: r.Test, ImageFolder: r.ImageFolder, MaskFolder: r.MaskFolder, ImageSuffix: r.ImageSuffix, MaskSuffix: r.MaskSuffix}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			if tc.note != "" && !slices.Contains(r.Notes, tc.note) {
				t.Errorf("notes %q, want %q", r.Notes, tc.note)
			}
			r.Val = r.Train
			c, err := survey.Check(t.Context(), with(r.Config, 1, 1), "train", nil)
			if err != nil || len(c.Faults) > 0 || c.Images != tc.images {
				t.Errorf("%d images, faults %v, %v", c.Images, c.Faults, err)
			}
		})
	}
}
