package imagefile_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// withOrientation puts an EXIF segment with one tag behind the start of a JPEG.
func withOrientation(jpeg []byte, order binary.AppendByteOrder, magic string, orientation uint16) []byte {
	b := []byte("Exif\x00\x00" + magic)
	b = order.AppendUint32(b, 8) // the directory follows the header
	b = order.AppendUint16(b, 2) // entries
	for _, entry := range [][2]uint16{{0x010f, 0}, {0x0112, orientation}} {
		b = order.AppendUint16(b, entry[0])
		b = order.AppendUint16(b, 3) // 16 bit
		b = order.AppendUint32(b, 1)
		b = order.AppendUint16(b, entry[1])
		b = order.AppendUint16(b, 0)
	}
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(b)+2))
	out := append([]byte{}, jpeg[:2]...)
	out = append(out, segment...)
	out = append(out, b...)
	return append(out, jpeg[2:]...)
}

// The stored image is 16 wide and 8 high with a white 8x8 block at the left. Where
// the block is seen follows from the meaning of the eight orientations (TIFF 6.0,
// tag 274: the sides of the picture that the first row and column stand for). A
// second, grey block in its upper half tells mirrored from turned.
func TestEXIFOrientation(t *testing.T) {
	stored := filetest.RGB(8, 16)
	for y := range 8 {
		for x := range 8 {
			v := uint8(255)
			if y >= 4 {
				v = 128
			}
			o := stored.PixOffset(x, y)
			stored.Pix[o], stored.Pix[o+1], stored.Pix[o+2] = v, v, v
		}
	}
	jpeg := filetest.Encode(t, ".jpg", stored)
	type spot struct{ x, y int }
	tests := []struct {
		orientation uint16
		h, w        int
		white, grey spot // the middle of the blocks
	}{
		{1, 8, 16, spot{3, 1}, spot{3, 6}},
		{2, 8, 16, spot{12, 1}, spot{12, 6}}, // first column right
		{3, 8, 16, spot{12, 6}, spot{12, 1}}, // first row bottom, column right
		{4, 8, 16, spot{3, 6}, spot{3, 1}},   // first row bottom
		{5, 16, 8, spot{1, 3}, spot{6, 3}},   // first row left, column top
		{6, 16, 8, spot{6, 3}, spot{1, 3}},   // first row right, column top
		{7, 16, 8, spot{6, 12}, spot{1, 12}}, // first row right, column bottom
		{8, 16, 8, spot{1, 12}, spot{6, 12}}, // first row left, column bottom
		{0, 8, 16, spot{3, 1}, spot{3, 6}},   // unknown values mean upright
		{9, 8, 16, spot{3, 1}, spot{3, 6}},
	}
	t.Chdir(t.TempDir())
	for _, tt := range tests {
		for _, order := range []struct {
			binary.AppendByteOrder
			magic string
		}{{binary.LittleEndian, "II*\x00"}, {binary.BigEndian, "MM\x00*"}} {
			t.Run(fmt.Sprint(tt.orientation, order.AppendByteOrder), func(t *testing.T) {
				filetest.Write(t, "a.jpg", withOrientation(jpeg, order, order.magic, tt.orientation))
				m, err := imagefile.Read("a.jpg", 1000)
				if err != nil {
					t.Fatal(err)
				}
				if m.H != tt.h || m.W != tt.w {
					t.Fatalf("is %dx%d, want %dx%d", m.W, m.H, tt.w, tt.h)
				}
				for _, p := range []struct {
					spot
					want float32
				}{{tt.white, 1}, {tt.grey, 128. / 255}} {
					if got := m.Pix[(p.y*m.W+p.x)*3]; got < p.want-0.1 || got > p.want+0.1 {
						t.Errorf("pixel (%d, %d) is %v, want %v", p.x, p.y, got, p.want)
					}
				}
			})
		}
	}
}

// A photo that is upright only by its EXIF tag goes with an upright mask.
func TestUprightPairs(t *testing.T) {
	t.Chdir(t.TempDir())
	filetest.Write(t, "images/a.jpg", withOrientation(filetest.Encode(t, ".jpg", filetest.RGB(8, 16)), binary.LittleEndian, "II*\x00", 6))
	filetest.Write(t, "masks/a.png", filetest.Encode(t, ".png", filetest.Grey(16, 8)))
	format := imagefile.NewMaskFormat(4, 255, nil, 1000)
	pairs, problems := imagefile.Pairs(".")
	if len(pairs) != 1 || len(problems) > 0 {
		t.Fatal(pairs, problems)
	}
	if _, _, err := pairs[0].Headers(format); err != nil {
		t.Error(err)
	}
	if _, _, err := pairs[0].Read(format); err != nil {
		t.Error(err)
	}
	filetest.Write(t, "masks/a.png", filetest.Encode(t, ".png", filetest.Grey(8, 16)))
	want := "data: image images/a.jpg is 8x16 pixels, its mask masks/a.png is 16x8, want equal sizes"
	if _, _, err := pairs[0].Headers(format); filetest.Message(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, _, err := pairs[0].Read(format); filetest.Message(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
