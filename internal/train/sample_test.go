package train

import (
	"context"
	"slices"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
)

// The samples are the same images in every epoch, as the split has them, with the
// prediction that was counted.
func TestSamples(t *testing.T) {
	for _, tc := range []struct {
		name string
		val  int
		want []int // positions in the split
	}{
		{"all there are", 5, []int{0, 1, 2, 3, 4}},
		{"exactly as many", 6, []int{0, 1, 2, 3, 4, 5}},
		{"spread evenly", 15, []int{0, 2, 5, 7, 10, 12}}, // 2.5 apart
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, events := tiny(t, func(s *Setup) {
				cfg := data.DefaultConfig()
				cfg.Size, cfg.Synthetic.Val = [2]int{16, 16}, tc.val
				var err error
				if s.Val, err = data.Open(cfg, 1, "val"); err != nil {
					t.Fatal(err)
				}
			})
			if _, err := Run(context.Background(), s); err != nil {
				t.Fatal(err)
			}
			if len(events.epochs) != 3 {
				t.Fatalf("%d epochs, want 3", len(events.epochs))
			}
			for _, e := range events.epochs {
				if len(e.Samples) != len(tc.want) {
					t.Fatalf("%d samples, want %d", len(e.Samples), len(tc.want))
				}
				counted := metric.NewConfusion(4)
				for i, got := range e.Samples {
					want, err := s.Val.Load(tc.want[i])
					if err != nil {
						t.Fatal(err)
					}
					if got.Name != s.Val.Name(tc.want[i]) || got.Image.H != 16 || got.Image.W != 16 ||
						!slices.Equal(got.Image.Pix, want.Image) || !slices.Equal(got.Truth, want.Mask) {
						t.Errorf("epoch %d: sample %d is not %s of the split", e.Epoch, i, s.Val.Name(tc.want[i]))
					}
					if err := counted.Add(got.Truth, got.Predicted); err != nil {
						t.Error(err)
					}
				}
				if tc.val <= len(tc.want) && !slices.EqualFunc(counted.Matrix(), e.Confusion.Matrix(), slices.Equal) {
					t.Errorf("epoch %d: the samples count %v, the split %v", e.Epoch, counted.Matrix(), e.Confusion.Matrix())
				}
			}
		})
	}
}
