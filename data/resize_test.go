package data_test

import (
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// By hand: output pixel o shows the input pixel that holds its centre.
func TestMasksResizeByNearest(t *testing.T) {
	for _, tt := range []struct {
		outH, outW int
		want       []uint8
	}{
		{2, 4, []uint8{0, 1, 2, 3, 3, 2, 1, data.Void}},
		{1, 2, []uint8{2, data.Void}},                                                   // centres (1, 1) and (3, 1)
		{4, 4, []uint8{0, 1, 2, 3, 0, 1, 2, 3, 3, 2, 1, data.Void, 3, 2, 1, data.Void}}, // each row twice
		{2, 6, []uint8{0, 1, 1, 2, 3, 3, 3, 2, 2, 1, data.Void, data.Void}},             // centres 1/3, 1, 5/3, 7/3, 3, 11/3
		{2, 3, []uint8{0, 2, 3, 3, 1, data.Void}},                                       // centres 2/3, 2, 10/3
		{1, 1, []uint8{1}}, {3, 1, []uint8{2, 1, 1}},
	} {
		c := folderConfig(2, 4)
		c.Size = [2]int{2, 4}
		t.Run("", func(t *testing.T) {
			t.Chdir(t.TempDir())
			filetest.Write(t, "images/a.png", filetest.Encode(t, ".png", filetest.RGB(2, 4)))
			filetest.Write(t, "masks/a.png", filetest.Encode(t, ".png", filetest.Grey(2, 4, 0, 1, 2, 3, 3, 2, 1, 255)))
			c.Size = [2]int{tt.outH, tt.outW}
			s, err := data.Open(c, 1, "train")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Load(0); err != nil || !slices.Equal(got.Mask, tt.want) {
				t.Errorf("to %dx%d: got %v, %v, want %v", tt.outW, tt.outH, got.Mask, err, tt.want)
			}
		})
	}
}
