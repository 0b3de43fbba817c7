package train

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
)

// The samples are the worst, the median and the best images of the split by the
// predictions that were counted, of images in patches the patch with the most wrong
// pixels, and in a second run the same.
func TestSamples(t *testing.T) {
	builtIn := func(images int) func(t *testing.T) data.Config {
		return func(*testing.T) data.Config {
			cfg := data.DefaultConfig()
			cfg.Size, cfg.Synthetic.Val = [2]int{16, 16}, images
			return cfg
		}
	}
	for _, tc := range []struct {
		name   string
		config func(t *testing.T) data.Config
		want   []int // places from the worst to the best, from 0
		ranks  string
	}{
		{"one", builtIn(1), []int{0}, ""},
		{"two", builtIn(2), []int{0, 1}, "worst,best"},
		{"fewer", builtIn(5), []int{0, 1, 2, 3, 4}, "worst,second worst,median,second best,best"},
		{"as many", builtIn(6), []int{0, 1, 2, 3, 4, 5}, "worst,second worst,lower median,upper median,second best,best"},
		{"more", builtIn(15), []int{0, 1, 6, 7, 13, 14}, "worst,second worst,lower median,upper median,second best,best"},
		{"in patches", patches, []int{0, 1, 3, 4, 6, 7}, "worst,second worst,lower median,upper median,second best,best"}, // the ninth has no label
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := tc.config(t)
			run := func() (Setup, *events) {
				s, events := tiny(t, func(s *Setup) {
					s.Epochs = 2
					var err error
					if s.Val, err = data.Open(cfg, 1, "val"); err != nil {
						t.Fatal(err)
					}
				})
				if _, err := Run(context.Background(), s); err != nil {
					t.Fatal(err)
				}
				if len(events.epochs) != 2 {
					t.Fatalf("%d epochs, want 2", len(events.epochs))
				}
				return s, events
			}
			s, first := run()
			_, second := run()
			for i, e := range first.epochs {
				if len(e.Samples) != len(tc.want) {
					t.Fatalf("epoch %d: %d samples, want %d", i, len(e.Samples), len(tc.want))
				}
				for k, got := range e.Samples {
					if other := second.epochs[i].Samples[k]; other.Name != got.Name || !slices.Equal(other.Predicted, got.Predicted) {
						t.Errorf("epoch %d: sample %d is %s, in a second run %s", i, k, got.Name, other.Name)
					}
				}
			}

			// What the net predicts after the last epoch.
			type part struct {
				name             string
				image            []float32
				truth, predicted []uint8
				wrong            int
			}
			shown := make([]part, s.Val.Len())
			counts := make([]*metric.Confusion, s.Val.Len())
			graphs := &Graphs{Engine: s.Engine, Params: s.Params, Loss: s.Loss, Seed: s.Seed}
			loader := data.NewLoader(s.Val, data.LoaderConfig{BatchSize: s.BatchSize})
			if _, _, err := NewEvaluator(graphs).Run(t.Context(), loader, func(b *data.Batch, truth, predicted []uint8) error {
				for i, image := range b.Index {
					now := part{b.Names[i], slices.Clone(b.Images[i*768:][:768]), slices.Clone(truth[i*256:][:256]), slices.Clone(predicted[i*256:][:256]), 0}
					for k, class := range now.truth {
						if class != data.Void && class != now.predicted[k] {
							now.wrong++
						}
					}
					if counts[image] == nil {
						counts[image], shown[image] = metric.NewConfusion(4), now
					} else if now.wrong > shown[image].wrong {
						shown[image] = now
					}
					if err := counts[image].Add(now.truth, now.predicted); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			var scores []float64
			for _, c := range counts {
				if c.Total() > 0 {
					scores = append(scores, c.MeanIoU())
				}
			}
			slices.Sort(scores)
			names := map[string]bool{}
			var ranks []string
			for k, got := range first.epochs[1].Samples {
				if got.MeanIoU != scores[tc.want[k]] {
					t.Errorf("sample %d has mean IoU %v, want %v", k, got.MeanIoU, scores[tc.want[k]])
				}
				image := slices.IndexFunc(shown, func(p part) bool { return p.name == got.Name })
				if image < 0 {
					t.Fatalf("sample %d is %s, which is no image, or not its worst patch", k, got.Name)
				}
				if want := shown[image]; got.Image.H != 16 || got.Image.W != 16 || !slices.Equal(got.Image.Pix, want.image) || !slices.Equal(got.Truth, want.truth) || !slices.Equal(got.Predicted, want.predicted) {
					t.Errorf("sample %d is not %s as it was counted", k, got.Name)
				}
				if counts[image].MeanIoU() != got.MeanIoU {
					t.Errorf("%s has mean IoU %v, want %v", got.Name, got.MeanIoU, counts[image].MeanIoU())
				}
				names[got.Name] = true
				ranks = append(ranks, got.Rank)
			}
			if len(names) != len(tc.want) {
				t.Errorf("%d samples, some of them twice", len(names))
			}
			if got := strings.Join(ranks, ","); got != tc.ranks {
				t.Errorf("ranks %s, want %s", got, tc.ranks)
			}
		})
	}
}

// patches is nine images of several sizes in patches, of which one has no label.
func patches(t *testing.T) data.Config {
	t.Helper()
	t.Chdir(t.TempDir())
	for i, size := range [][2]int{{16, 16}, {20, 40}, {9, 33}, {48, 16}, {1, 1}, {17, 17}, {30, 31}, {5, 64}, {32, 32}} {
		img, mask := filetest.RGB(size[0], size[1]), filetest.Grey(size[0], size[1])
		for p := range mask.Pix {
			mask.Pix[p] = uint8(p * (i + 3) / 7 % 4)
			img.Pix[4*p+i%3] = 40 * mask.Pix[p]
			if i == 8 {
				mask.Pix[p] = 255
			}
		}
		filetest.Write(t, fmt.Sprintf("val/images/%d.png", i), filetest.Encode(t, ".png", img))
		filetest.Write(t, fmt.Sprintf("val/masks/%d.png", i), filetest.Encode(t, ".png", mask))
	}
	cfg := data.DefaultConfig()
	cfg.Source, cfg.Train, cfg.Val, cfg.Size, cfg.Patches = "folder", "val", "val", [2]int{16, 16}, 1
	return cfg
}
