package data_test

import (
	"path/filepath"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

func TestOpenListsAllProblems(t *testing.T) {
	t.Chdir(t.TempDir())
	image, mask := filetest.Encode(t, ".png", filetest.RGB(2, 2)), filetest.Encode(t, ".png", filetest.Grey(2, 2))
	for _, name := range []string{"a.png", "b.png", "c.PNG", "c.png", "e.png", "f.png"} {
		filetest.Write(t, "images/"+name, image)
	}
	for _, name := range []string{"a.png", "c.png", "d.png", "e.png", "g.png"} {
		filetest.Write(t, "masks/"+name, mask)
	}
	filetest.Write(t, "masks/e.png", filetest.Encode(t, ".png", filetest.Grey(2, 3)))
	filetest.Write(t, "masks/notes.txt", nil)
	filetest.Write(t, "images/sub/x.png", image)
	filetest.Write(t, "images/.hidden", nil)
	filetest.Write(t, "images/a.png", image[:20])
	want := `data: image images/b.png has no mask masks/b.*
data: image images/f.png has no mask masks/f.*
data: image images/sub/x.png has no mask masks/sub/x.*
data: images/c.PNG and images/c.png differ only in the extension, want one file
data: mask masks/d.png has no image images/d.*
data: mask masks/g.png has no image images/g.*
data: masks/notes.txt is not an image, want .png .jpg .jpeg .bmp .gif .tif .tiff .webp .pbm .pgm .ppm .pnm
data: image images/a.png: is truncated: unexpected EOF
data: image images/e.png is 2x2 pixels, its mask masks/e.png is 3x2, want equal sizes`
	if _, err := data.Open(folderConfig(2, 2), 1, "train"); filetest.Message(err) != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	nowhere, err := filepath.Abs("nowhere")
	if err != nil {
		t.Fatal(err)
	}
	filetest.Write(t, "file", nil)
	filetest.Write(t, "empty/images/.keep", nil)
	filetest.Write(t, "empty/masks/.keep", nil)
	filetest.Write(t, "halves/images/.keep", nil)
	filetest.Write(t, "one/images/a.png", filetest.Encode(t, ".png", filetest.RGB(2, 2)))
	filetest.Write(t, "one/masks/a.png", filetest.Encode(t, ".png", filetest.Grey(2, 2)))
	tests := []struct{ name, train, val, split, want string }{
		{"missing", "nowhere", "", "train", `data.train = "nowhere": no such file or directory: looked at ` + nowhere},
		{"missing, for val", "nowhere", "", "val", `data.train = "nowhere": no such file or directory: looked at ` + nowhere},
		{"missing val", "one", "nowhere", "val", `data.val = "nowhere": no such file or directory: looked at ` + nowhere},
		{"file", "file", "", "train", `data.train = "file" is a file, want a folder`},
		{"no test", "one", "one", "test", `data: there is no test split: set data.test to its folder`},
		{"strange split", "one", "one", "dev", `data: split "dev", want train, val or test`},
		{"no images", "empty", "empty", "train", `data: empty/images has no images (.png .jpg .jpeg .bmp .gif .tif .tiff .webp .pbm .pgm .ppm .pnm)`},
		{"no masks folder", "halves", "", "train", `data: open halves/masks: no such file or directory`},
		{"too few to divide", "one", "", "train", `data: one: has 1 image, too few to split off validation images: set data.val, or add images`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := folderConfig(2, 2)
			c.Train, c.Val = tt.train, tt.val
			if _, err := data.Open(c, 1, tt.split); filetest.Message(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
