package data_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"reflect"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

func TestCountClasses(t *testing.T) {
	t.Chdir(t.TempDir())
	masks := [][]uint8{
		{0, 0, 0, 1, 1, 255},       // 5 labelled
		{0, 3, 255, 255, 255, 255}, // 2 labelled
		{3, 3, 3, 3, 3, 3},         // 6 labelled
	}
	for i, m := range masks {
		filetest.Write(t, fmt.Sprintf("images/%d.png", i), filetest.Encode(t, ".png", filetest.RGB(2, 3)))
		filetest.Write(t, fmt.Sprintf("masks/%d.png", i), filetest.Encode(t, ".png", filetest.Grey(2, 3, m...)))
	}
	c := folderConfig(2, 3)
	c.Augment = everything // must not matter
	s, err := data.Open(c, 1, "train")
	if err != nil {
		t.Fatal(err)
	}
	want := data.Counts{Images: 3, Pixels: []int64{4, 2, 0, 7}, ImagePixels: []int64{7, 5, 0, 8}, Ignored: 5, Between: make([]int64, 4), VoidBesideOther: 2, NoVoid: 1} // by hand
	first, err := data.CountClasses(t.Context(), s, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	want.Digest, want.Pictures = first.Digest, first.Pictures // whatever it is, it does not depend on the workers
	for workers := range 5 {
		var seen []string
		got, err := data.CountClasses(t.Context(), s, workers, func(done, total int) { seen = append(seen, fmt.Sprint(done, total)) })
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d workers: got %+v, %v, want %+v", workers, got, err, want)
		}
		if p := strings.Join(seen, ", "); p != "1 3, 2 3, 3 3" {
			t.Errorf("progress %s", p)
		}
	}
}

// The digest is another where the same number of pixels of each class lie elsewhere,
// in the mask or in another image.
// What several processes count of parts of a split, each sent to the others, is what one
// counts of all of it.
func TestCountSome(t *testing.T) {
	t.Chdir(t.TempDir())
	for i := range 5 {
		filetest.Write(t, fmt.Sprintf("images/%d.png", i), filetest.Encode(t, ".png", image.NewNRGBA(image.Rect(0, 0, 3, 1)))) // transparent
		filetest.Write(t, fmt.Sprintf("masks/%d.png", i), filetest.Encode(t, ".png", filetest.Grey(1, 3, 0, uint8(i%4), []uint8{2, 255}[i%2])))
	}
	s, err := data.Open(folderConfig(1, 3), 1, "train")
	if err != nil {
		t.Fatal(err)
	}
	want, err := data.CountClasses(t.Context(), s, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(want.Remarks()) == 0 {
		t.Fatal("no remark on transparent images")
	}
	var got data.Counts
	for lo := 0; lo < 5; lo += 2 {
		counts, err := data.CountSome(t.Context(), s, lo, min(lo+2, 5), 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := counts.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var sent data.Counts
		if err := sent.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		got.Add(sent)
	}
	got.Sort()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if err := got.UnmarshalBinary([]byte("no counts")); err == nil {
		t.Error("other bytes are no error")
	}
}

func TestDigestOfMasks(t *testing.T) {
	seen := map[uint64]string{}
	for name, masks := range map[string][2][]uint8{
		"as it is":    {{0, 1, 2, 255}, {0, 0, 1, 1}},
		"moved":       {{1, 0, 2, 255}, {0, 0, 1, 1}},
		"void moved":  {{0, 1, 255, 2}, {0, 0, 1, 1}},
		"exchanged":   {{0, 0, 1, 1}, {0, 1, 2, 255}},
		"both turned": {{255, 2, 1, 0}, {1, 1, 0, 0}},
	} {
		t.Chdir(t.TempDir())
		for i, m := range masks {
			filetest.Write(t, fmt.Sprintf("images/%d.png", i), filetest.Encode(t, ".png", filetest.RGB(2, 2)))
			filetest.Write(t, fmt.Sprintf("masks/%d.png", i), filetest.Encode(t, ".png", filetest.Grey(2, 2, m...)))
		}
		s, err := data.Open(folderConfig(2, 2), 1, "train")
		if err != nil {
			t.Fatal(err)
		}
		counts, err := data.CountClasses(t.Context(), s, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[counts.Digest]; ok {
			t.Errorf("masks %s have the digest of those %s", name, other)
		}
		seen[counts.Digest] = name
	}
}

func TestCountClassesReportsAllBadMasks(t *testing.T) {
	t.Chdir(t.TempDir())
	for i := range 5 {
		filetest.Write(t, fmt.Sprintf("images/%d.png", i), filetest.Encode(t, ".png", filetest.RGB(1, 1)))
		filetest.Write(t, fmt.Sprintf("masks/%d.png", i), filetest.Encode(t, ".png", filetest.Grey(1, 1, uint8(i*2))))
	}
	s, err := data.Open(folderConfig(1, 1), 1, "train")
	if err != nil {
		t.Fatal(err)
	}
	want := `data: mask masks/2.png: pixel (0, 0) has class 4, want 0..3 or ignore 255, or data.mask_values: [1, 2, 3, 4] if classes are counted from 1
data: mask masks/3.png: pixel (0, 0) has class 6, want 0..3 or ignore 255
data: mask masks/4.png: pixel (0, 0) has class 8, want 0..3 or ignore 255`
	if _, err := data.CountClasses(t.Context(), s, 2, nil); filetest.Message(err) != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestCountClassesStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := shapes(t, 50, "off")
	last := 0
	_, err := data.CountClasses(ctx, s, 2, func(done, total int) {
		last = done
		if done == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || last > 4 {
		t.Errorf("stopped after %d of 50 with %v", last, err)
	}
}

// The rare class is below 1 % and there, for every seed and size.
func TestSyntheticClasses(t *testing.T) {
	c := data.DefaultConfig()
	for seed := range uint64(2) {
		for _, size := range [][2]int{{128, 128}, {64, 96}, {32, 32}} {
			c.Size, c.Synthetic.Train = size, 64
			s, err := data.Open(c, seed, "train")
			if err != nil {
				t.Fatal(err)
			}
			counts, err := data.CountClasses(t.Context(), s, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			total := float64(64 * size[0] * size[1])
			share := func(class int) float64 { return float64(counts.Pixels[class]) / total }
			if share(3) < 0.002 || share(3) > 0.009 || share(1) < 0.04 || share(2) < 0.04 || share(0) < 0.6 || counts.Ignored != 0 {
				t.Errorf("seed %d, size %v: shares %.4f %.4f %.4f %.4f, %d void", seed, size, share(0), share(1), share(2), share(3), counts.Ignored)
			}
		}
	}
}

// Sample i depends on seed, split and i, not on how many there are.
func TestSyntheticSamples(t *testing.T) {
	open := func(seed uint64, n int, split string) one {
		c := data.DefaultConfig()
		c.Size, c.Synthetic = [2]int{16, 16}, data.SyntheticConfig{Train: n, Val: n}
		s, err := data.Open(c, seed, split)
		if err != nil {
			t.Fatal(err)
		}
		smp, err := s.Load(2)
		if err != nil {
			t.Fatal(err)
		}
		return one{s.Name(2), smp.Image, nil}
	}
	first := open(1, 3, "train")
	if same([]one{first}, []one{open(1, 30, "train")}) != nil {
		t.Error("sample 2 of 3 and of 30 differ")
	}
	for name, other := range map[string]one{"seed": open(2, 3, "train"), "val": open(1, 3, "val"), "test": open(1, 3, "test")} {
		other.name = first.name
		if same([]one{first}, []one{other}) == nil {
			t.Errorf("another %s gives the same sample", name)
		}
	}
}

func TestWriteSyntheticRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	filetest.Write(t, "old/masks/a.png", nil)
	for _, tt := range []struct {
		dir  string
		n    int
		want string
	}{
		{"old", 1, "data: old/masks is not empty, want a new folder"},
		{"new", 0, "data: 0 images of 8x8, want at least 1 of at least 1x1"},
	} {
		if err := data.WriteSynthetic(tt.dir, [2]int{8, 8}, tt.n, 1); filetest.Message(err) != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}
