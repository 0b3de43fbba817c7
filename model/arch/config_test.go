package arch_test

import (
	"math"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

func TestConfigErrors(t *testing.T) {
	if err := arch.DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	bad := arch.Config{BaseChannels: 0, Depth: 9, Norm: "layer", Up: "bilinear", Dropout: 1}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"model.base_channels = 0, want 1..1024",
		"model.depth = 9, want 1..8",
		`model.norm = "layer", want batch or none`,
		`model.up = "bilinear", want transpose or nearest`,
		"model.dropout = 1, want 0 <= dropout < 1",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q, want it to have %q", err, want)
		}
	}
	unet, lite0, resnet := arch.DefaultConfig(), arch.DefaultConfig(), arch.DefaultConfig()
	lite0.Encoder, resnet.Encoder = arch.EfficientNetLite0, arch.ResNet18
	for _, tc := range []struct {
		net    arch.Config
		freeze []string
		want   string // "": right
	}{
		{resnet, []string{"encoder"}, ""},
		{resnet, []string{"encoder.conv1", "encoder.layer1", "decoder.blocks.0", "segmentation_head"}, ""},
		{resnet, []string{"encoder.bn1"}, `model.freeze has "encoder.bn1", want parts of the net: encoder, encoder.conv1, encoder.layer1 to encoder.layer4, decoder, decoder.blocks.0 to decoder.blocks.4, segmentation_head`},
		{lite0, []string{"encoder.model.conv_stem", "encoder.model.blocks.0"}, ""},
		{lite0, []string{"encoder.0"}, `model.freeze has "encoder.0", want parts of the net: encoder, encoder.model.conv_stem, encoder.model.blocks.0 to encoder.model.blocks.6, decoder, decoder.blocks.0 to decoder.blocks.4, segmentation_head`},
		{unet, []string{"encoder"}, ""},
		{unet, []string{"encoder.4", "up.3", "decoder.0", "head"}, ""},
		{unet, []string{"encoder.5"}, `model.freeze has "encoder.5", want parts of the net: encoder, encoder.0 to encoder.4, up, up.0 to up.3, decoder, decoder.0 to decoder.3, head`},
		{unet, []string{"head", "enc"}, `model.freeze has "enc", want`},
		{unet, []string{"encoder.0.conv1"}, `model.freeze has "encoder.0.conv1", want`},
		{unet, []string{""}, `model.freeze has "", want`},
		{unet, []string{"encoder", "up", "decoder", "head"}, "model.freeze = [encoder, up, decoder, head], want at least one part left to train"},
	} {
		cfg := tc.net
		cfg.Freeze = tc.freeze
		if err := cfg.Validate(); tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("freeze %q: error is %v, want %q", tc.freeze, err, tc.want)
		}
	}
	for _, tc := range []struct {
		encoder string
		depth   int
		want    string // "": right
	}{
		{arch.PlainUNet, 3, ""},
		{arch.PlainUNet, 2, "model.deep_supervision = true, want false with model.depth 2"},
		{arch.ResNet18, 4, "model.deep_supervision = true, want false with model.encoder resnet18"},
	} {
		cfg := arch.DefaultConfig()
		cfg.Encoder, cfg.Depth, cfg.DeepSupervision = tc.encoder, tc.depth, true
		if err := cfg.Validate(); tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("deep supervision of %s, depth %d: error is %v, want %q", tc.encoder, tc.depth, err, tc.want)
		}
	}
	nan := arch.DefaultConfig()
	nan.Dropout = math.NaN()
	if nan.Validate() == nil {
		t.Error("a dropout of NaN was taken")
	}
	for _, tt := range []struct {
		net  arch.Config
		h, w int
		want string // "": right
	}{
		{unet, 128, 128, ""}, {unet, 16, 32, ""},
		{unet, 0, 16, "data.size = [0, 16], want multiples of 16 (2^model.depth), such as [16, 16]"},
		{unet, 8, 16, "such as [16, 16]"}, {unet, 16, 23, "such as [16, 16]"}, {unet, 16, 24, "such as [16, 32]"}, {unet, -16, 16, "such as [16, 16]"},
		{lite0, 32, 64, ""},
		{lite0, 144, 250, "data.size = [144, 250], want multiples of 32 (model.encoder efficientnet_lite0), such as [160, 256]"},
		{resnet, 16, 16, "want multiples of 32 (model.encoder resnet18), such as [32, 32]"},
	} {
		err := tt.net.CheckSize(tt.h, tt.w)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%d x %d: error is %v, want %q", tt.h, tt.w, err, tt.want)
		}
	}
}
