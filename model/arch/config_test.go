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
	for _, tc := range []struct {
		freeze []string
		want   string // "": right
	}{
		{[]string{"encoder"}, ""},
		{[]string{"encoder.4", "up.3", "decoder.0", "head"}, ""},
		{[]string{"encoder.5"}, `model.freeze has "encoder.5", want parts of the net: encoder, encoder.0 to encoder.4, up, up.0 to up.3, decoder, decoder.0 to decoder.3, head`},
		{[]string{"head", "enc"}, `model.freeze has "enc", want`},
		{[]string{"encoder.0.conv1"}, `model.freeze has "encoder.0.conv1", want`},
		{[]string{""}, `model.freeze has "", want`},
		{[]string{"encoder", "up", "decoder", "head"}, "model.freeze = [encoder, up, decoder, head], want at least one part left to train"},
	} {
		cfg := arch.DefaultConfig()
		cfg.Freeze = tc.freeze
		if err := cfg.Validate(); tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("freeze %q: error is %v, want %q", tc.freeze, err, tc.want)
		}
	}
	nan := arch.DefaultConfig()
	nan.Dropout = math.NaN()
	if nan.Validate() == nil {
		t.Error("a dropout of NaN was taken")
	}
	for _, tt := range []struct {
		h, w  int
		right bool
	}{{128, 128, true}, {16, 32, true}, {0, 16, false}, {8, 16, false}, {16, 24, false}, {-16, 16, false}} {
		err := arch.DefaultConfig().CheckSize(tt.h, tt.w)
		if (err == nil) != tt.right {
			t.Errorf("%d x %d: error is %v", tt.h, tt.w, err)
		}
	}
}
