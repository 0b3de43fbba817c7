package imagefile_test

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// Names as data sets have them. Files are not opened, so they are empty here.
func TestList(t *testing.T) {
	plain := imagefile.DefaultLayout()
	suffixed := func(image, mask string) imagefile.Layout {
		return imagefile.Layout{Images: "images", Masks: "masks", ImageSuffix: image, MaskSuffix: mask}
	}
	in := func(images, masks, image, mask string) imagefile.Layout {
		return imagefile.Layout{Images: images, Masks: masks, ImageSuffix: image, MaskSuffix: mask}
	}
	const kinds = "want .png .jpg .jpeg .bmp .gif .tif .tiff .webp .pbm .pgm .ppm .pnm"
	for _, tc := range []struct {
		name     string
		layout   imagefile.Layout
		dir      string
		files    string
		pairs    string // name=image+mask
		left     string
		problems []string
	}{
		{name: "equal names", layout: plain, files: "images/a.jpg images/b.png masks/a.png masks/b.bmp",
			pairs: "a=images/a.jpg+masks/a.png b=images/b.png+masks/b.bmp"},
		{name: "folders of cities", layout: plain, files: "images/aachen/1.png images/ulm/1.png masks/aachen/1.png masks/ulm/1.png",
			pairs: "aachen/1=images/aachen/1.png+masks/aachen/1.png ulm/1=images/ulm/1.png+masks/ulm/1.png"},
		{name: "another city", layout: plain, files: "images/aachen/1.png masks/ulm/1.png",
			problems: []string{"image images/aachen/1.png has no mask masks/aachen/1.*", "mask masks/ulm/1.png has no image images/ulm/1.*"}},
		{name: "suffix of masks", layout: suffixed("", "_mask"), files: "images/a.jpg masks/a_mask.png", pairs: "a=images/a.jpg+masks/a_mask.png"},
		{name: "both suffixes, and other annotations", layout: suffixed("_leftImg8bit", "_gtFine_labelIds"),
			files: "images/c/x_leftImg8bit.png masks/c/x_gtFine_labelIds.png masks/c/x_gtFine_color.png masks/c/x_gtFine_polygons.json",
			pairs: "c/x=images/c/x_leftImg8bit.png+masks/c/x_gtFine_labelIds.png", left: "masks/c/x_gtFine_polygons.json masks/c/x_gtFine_color.png"},
		{name: "what has no suffix belongs to no image", layout: suffixed("_sat", "_mask"), files: "images/a_sat.png images/b.png masks/a_mask.png masks/b.png masks/ab_mask.png masks/notes.txt",
			pairs: "a=images/a_sat.png+masks/a_mask.png",
			problems: []string{`image images/b.png does not end in data.image_suffix = "_sat"`, "mask masks/ab_mask.png has no image images/ab_sat.*",
				`mask masks/b.png does not end in data.mask_suffix = "_mask"`, "masks/notes.txt is not an image, " + kinds}},
		{name: "one folder", layout: in("", "", "_sat", "_mask"), files: "1_sat.jpg 1_mask.png 2_sat.jpg 2_mask.png 3.jpg",
			pairs: "1=1_sat.jpg+1_mask.png 2=2_sat.jpg+2_mask.png", problems: []string{`image 3.jpg does not end in data.image_suffix = "_sat"`}},
		{name: "one folder, one suffix", layout: in("", "", "", "_mask"), files: "1.jpg 1_mask.png 2.jpg",
			pairs: "1=1.jpg+1_mask.png", problems: []string{"image 2.jpg has no mask 2_mask.*"}},
		{name: "split below", layout: plain, dir: "set/*/train", files: "set/images/train/a.png set/masks/train/a.png",
			pairs: "a=set/images/train/a.png+set/masks/train/a.png"},
		{name: "split in the name", layout: in("", "annot", "", ""), dir: "set/train*", files: "set/train/a.png set/trainannot/a.png",
			pairs: "a=set/train/a.png+set/trainannot/a.png"},
		{name: "Unicode forms", layout: plain, files: "images/u\u0308ber.png masks/\u00fcber.png", pairs: "u\u0308ber=images/u\u0308ber.png+masks/\u00fcber.png"},
		{name: "Unicode forms of one folder", layout: plain, files: "images/u\u0308.png images/\u00fc.png masks/\u00fc.png",
			pairs: "u\u0308=images/u\u0308.png+masks/\u00fc.png", problems: []string{"images/u\u0308.png and images/\u00fc.png have one name in two Unicode forms, want one file"}},
		{name: "upper and lower case", layout: plain, files: "images/IMG_1.JPG masks/img_1.png images/2.png masks/2.PNG",
			pairs: "2=images/2.png+masks/2.PNG", problems: []string{"image images/IMG_1.JPG and mask masks/img_1.png differ in upper and lower case, want equal names"}},
		{name: "hidden", layout: plain, files: "images/a.png images/._a.png images/.git/x.png images/Thumbs.db masks/a.png masks/.DS_Store", pairs: "a=images/a.png+masks/a.png"},

		{name: "Carvana", layout: plain, files: "images/a_01.jpg images/b_01.jpg masks/a_01_mask.png masks/b_01_mask.png",
			problems: []string{"no mask in masks has the name of an image in images: masks end in _mask: set data.mask_suffix to _mask"}},
		{name: "Cityscapes", layout: plain, files: "images/c/x_1_leftImg8bit.png masks/c/x_1_gtFine_labelIds.png masks/c/x_1_gtFine_color.png",
			problems: []string{"no mask in masks has the name of an image in images: images end in _leftImg8bit and masks end in _gtFine_color or _gtFine_labelIds: set data.image_suffix to _leftImg8bit and data.mask_suffix to _gtFine_color or _gtFine_labelIds"}},
		{name: "nothing alike", layout: plain, files: "images/a.jpg masks/1.png",
			problems: []string{"image images/a.jpg has no mask masks/a.*", "mask masks/1.png has no image images/1.*"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name := range strings.FieldsSeq(tc.files) {
				filetest.Write(t, name, nil)
			}
			listing := tc.layout.List(cmp.Or(tc.dir, "."))
			var pairs, problems []string
			for _, p := range listing.Pairs {
				pairs = append(pairs, p.Name+"="+p.Image+"+"+p.Mask)
			}
			for _, err := range listing.Problems {
				problems = append(problems, strings.TrimPrefix(err.Error(), "data: "))
			}
			if got := strings.Join(pairs, " "); got != tc.pairs {
				t.Errorf("pairs %q, want %q", got, tc.pairs)
			}
			if got := strings.Join(listing.Left, " "); got != tc.left {
				t.Errorf("left %q, want %q", got, tc.left)
			}
			if !slices.Equal(problems, tc.problems) {
				t.Errorf("problems\n%s\nwant\n%s", strings.Join(problems, "\n"), strings.Join(tc.problems, "\n"))
			}
		})
	}
}

// Suffixes are found by at least half of the images.
func TestFindSuffixes(t *testing.T) {
	for _, tc := range []struct {
		name, images, masks string // in one folder if there are no masks
		want                imagefile.Suffixes
		mask                string // "" if it cannot be told
	}{
		{name: "Carvana", images: "0cdf_01 0cdf_02 f00d_01", masks: "0cdf_01_mask 0cdf_02_mask f00d_01_mask", want: imagefile.Suffixes{Masks: []string{"_mask"}}, mask: "_mask"},
		{name: "CamVid", images: "0001TP_006690 0001TP_006720", masks: "0001TP_006690_L 0001TP_006720_L", want: imagefile.Suffixes{Masks: []string{"_L"}}, mask: "_L"},
		{name: "ISIC", images: "ISIC_0000000 ISIC_0000001", masks: "ISIC_0000000_segmentation ISIC_0000001_segmentation", want: imagefile.Suffixes{Masks: []string{"_segmentation"}}, mask: "_segmentation"},
		{name: "two experts", images: "Image_01L Image_01R", masks: "Image_01L_1stHO Image_01L_2ndHO Image_01R_1stHO Image_01R_2ndHO", want: imagefile.Suffixes{Masks: []string{"_1stHO", "_2ndHO"}}},
		{name: "Cityscapes", images: "ulm/ulm_0_1_leftImg8bit bonn/bonn_0_1_leftImg8bit", masks: "ulm/ulm_0_1_gtFine_labelIds ulm/ulm_0_1_gtFine_instanceIds ulm/ulm_0_1_gtFine_color bonn/bonn_0_1_gtFine_labelIds bonn/bonn_0_1_gtFine_instanceIds bonn/bonn_0_1_gtFine_color",
			want: imagefile.Suffixes{Image: "_leftImg8bit", Masks: []string{"_gtFine_color", "_gtFine_instanceIds", "_gtFine_labelIds"}}, mask: "_gtFine_labelIds"},
		{name: "suffix of images only", images: "a_rgb b_rgb", masks: "a b", want: imagefile.Suffixes{Image: "_rgb", Masks: []string{""}}},
		{name: "no separator", images: "1sat 2sat", masks: "1gt 2gt", want: imagefile.Suffixes{Image: "sat", Masks: []string{"gt"}}, mask: "gt"},
		{name: "some are missing", images: "a b c d", masks: "a_mask b_mask", want: imagefile.Suffixes{Masks: []string{"_mask"}}, mask: "_mask"},
		{name: "one folder", images: "1_sat 1_mask 2_sat 2_mask", want: imagefile.Suffixes{Image: "_sat", Masks: []string{"_mask"}}, mask: "_mask"},
		{name: "one folder, one suffix", images: "benign/b(1) benign/b(1)_mask benign/b(2) benign/b(2)_mask", want: imagefile.Suffixes{Masks: []string{"_mask"}}, mask: "_mask"},

		{name: "most are missing", images: "a b c", masks: "a_mask"},
		{name: "numbers", images: "1", masks: "11"},
		{name: "part of a word", images: "cat", masks: "category"},
		{name: "photos in one folder", images: "1 1_2 2 2_2"},
		{name: "another folder", images: "a/1", masks: "b/1_mask"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			layout := imagefile.DefaultLayout()
			for name := range strings.FieldsSeq(tc.images) {
				filetest.Write(t, "images/"+name+".png", nil)
			}
			for name := range strings.FieldsSeq(tc.masks) {
				filetest.Write(t, "masks/"+name+".png", nil)
			}
			if tc.masks == "" {
				layout.Masks = layout.Images
			}
			got, ok := layout.FindSuffixes("")
			if !reflect.DeepEqual(got, tc.want) || ok != (tc.want.Masks != nil) {
				t.Fatalf("got %+v, %v, want %+v", got, ok, tc.want)
			}
			if mask, _ := got.Mask(); ok && mask != tc.mask {
				t.Errorf("the masks' suffix is %q, want %q", mask, tc.mask)
			}
		})
	}
}
