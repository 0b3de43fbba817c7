package survey_test

import (
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/survey"
)

// The size of the net's images, its depth and the batch size follow from the images.
func TestSuggest(t *testing.T) {
	for _, tc := range []struct {
		name         string
		encoder      string
		sizes        map[[2]int]int
		size         [2]int
		depth, batch int
	}{
		{"as they are", "unet", map[[2]int]int{{128, 128}: 9}, [2]int{128, 128}, 4, 8},
		{"rounded", "unet", map[[2]int]int{{100, 70}: 9}, [2]int{96, 64}, 4, 8},
		{"photos", "unet", map[[2]int]int{{2000, 3000}: 9}, [2]int{176, 256}, 4, 4}, // 170.7 x 256
		{"median", "unet", map[[2]int]int{{64, 64}: 2, {96, 64}: 2, {500, 500}: 1}, [2]int{96, 64}, 4, 8},
		{"small", "unet", map[[2]int]int{{32, 40}: 1}, [2]int{32, 40}, 3, 8},
		{"tiny", "unet", map[[2]int]int{{5, 9}: 1}, [2]int{6, 10}, 1, 8},
		{"a line", "unet", map[[2]int]int{{1, 10000}: 1}, [2]int{2, 256}, 1, 8},
		{"photos for an encoder", "resnet34", map[[2]int]int{{2000, 3000}: 9}, [2]int{160, 256}, 4, 4},
		{"tiny for an encoder", "efficientnet_lite0", map[[2]int]int{{5, 9}: 1}, [2]int{32, 32}, 4, 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found := survey.Inferred{Config: data.DefaultConfig(), Sizes: tc.sizes}
			cfg, err := survey.Suggest(found, "photos/.", tc.encoder)
			if err != nil {
				t.Fatal(err)
			}
			if init := cfg.Model.Init; cfg.Model.Encoder != tc.encoder || (init == "imagenet") != (tc.encoder != "unet") {
				t.Errorf("encoder %s, init %q", cfg.Model.Encoder, init)
			}
			if cfg.Data.Size != tc.size || cfg.Model.Depth != tc.depth || cfg.Train.BatchSize != tc.batch || cfg.Out != "runs/photos" {
				t.Errorf("size %v, depth %d, batch size %d, out %s", cfg.Data.Size, cfg.Model.Depth, cfg.Train.BatchSize, cfg.Out)
			}
		})
	}
}
