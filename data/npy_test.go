package data_test

import (
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Folder and npy forms of one data set are the same samples.
func TestNPYEqualsFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	c := data.DefaultConfig()
	c.Size = [2]int{16, 24}
	c.Synthetic = data.SyntheticConfig{Train: 3, Val: 1}
	if err := data.WriteSynthetic(".", c.Size, 3, 5); err != nil {
		t.Fatal(err)
	}
	synthetic, err := data.Open(c, 5, "train")
	if err != nil {
		t.Fatal(err)
	}
	c.Source, c.Train, c.Val = "folder", ".", "."
	folder, err := data.Open(c, 5, "train")
	if err != nil {
		t.Fatal(err)
	}
	var images, masks []float32
	for i := range folder.Len() {
		s, err := folder.Load(i)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, s.Image...)
		for _, m := range s.Mask {
			row := make([]float32, 4)
			row[m] = 1
			masks = append(masks, row...)
		}
	}
	if err := imagefile.WriteNPY("images.npy", []int{3, 16, 24, 3}, images); err != nil {
		t.Fatal(err)
	}
	if err := imagefile.WriteNPY("masks.npy", []int{3, 16, 24, 4}, masks); err != nil {
		t.Fatal(err)
	}
	c.Source = "npy"
	arrays, err := data.Open(c, 5, "train")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		want, _ := synthetic.Load(i)
		for name, s := range map[string]*data.Split{"folder": folder, "npy": arrays} {
			got, err := s.Load(i)
			if err != nil || !slices.Equal(got.Image, want.Image) || !slices.Equal(got.Mask, want.Mask) {
				t.Errorf("%s: sample %d differs from the synthetic one (%v)", name, i, err)
			}
		}
	}
	patches := data.LoaderConfig{BatchSize: 2, Patches: 4, RarePatches: 0.5, Augment: data.AugmentConfig{Crop: 0.5}, Seed: 7}
	want, _ := collect(t, data.NewLoader(synthetic, patches), 1, 0)
	for name, s := range map[string]*data.Split{"folder": folder, "npy": arrays} {
		got, _ := collect(t, data.NewLoader(s, patches), 1, 0)
		for i := range got {
			got[i].name = want[i].name // arrays have none
		}
		if err := same(got, want); err != nil {
			t.Errorf("%s: patches: %v", name, err)
		}
	}
	if folder.Name(2) != "train-000002" || folder.Name(2) != synthetic.Name(2) {
		t.Errorf("names %q and %q, want train-000002", folder.Name(2), synthetic.Name(2))
	}
}
