package arch_test

import (
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

func TestOperations(t *testing.T) {
	for _, c := range []struct {
		up      string
		forward float64
	}{
		// By hand, 4x4 pixels, depth 1, base 2, 3 channels, 4 classes:
		// encoder.0: 9*3*2*16 + 9*2*2*16 = 1440; encoder.1: 9*2*4*4 + 9*4*4*4 = 864;
		// decoder.0: 9*4*2*16 + 9*2*2*16 = 1728; head: 2*4*16 = 128;
		{"transpose", 2 * (1440 + 864 + 1728 + 128 + 4*4*2*4)},
		{"nearest", 2 * (1440 + 864 + 1728 + 128 + 9*4*2*16)},
	} {
		net, err := arch.Describe(arch.Config{BaseChannels: 2, Depth: 1, Norm: "batch", Up: c.up}, 3, 4)
		if err != nil {
			t.Fatal(err)
		}
		forward, training := net.Operations(4, 4)
		if forward != c.forward {
			t.Errorf("up %s: forward %v, want %v", c.up, forward, c.forward)
		}
		if want := 3*c.forward - 2*9*3*2*16; training != want {
			t.Errorf("up %s: training %v, want %v", c.up, training, want)
		}
	}

	// Heads of deep supervision are part of the training alone.
	deep := arch.Config{BaseChannels: 2, Depth: 3, Norm: "batch", Up: "transpose"}
	plain, err := arch.Describe(deep, 3, 4)
	if err != nil {
		t.Fatal(err)
	}
	deep.DeepSupervision = true
	supervised, err := arch.Describe(deep, 3, 4)
	if err != nil {
		t.Fatal(err)
	}
	forward, training := plain.Operations(8, 8)
	if f, with := supervised.Operations(8, 8); f != forward || with != training+3*2*(4*4*4*4) {
		t.Errorf("deep supervision: %v and %v, want %v and %v", f, with, forward, training+3*2*(4*4*4*4))
	}

	// The sums of above, doubled: a frozen encoder is passed forward only, and the
	// transposed convolution after it needs no gradient of its input.
	frozen, err := arch.Describe(arch.Config{BaseChannels: 2, Depth: 1, Norm: "batch", Up: "transpose", Freeze: []string{"encoder"}}, 3, 4)
	if err != nil {
		t.Fatal(err)
	}
	if _, training := frozen.Operations(4, 4); training != 2*(1440+864)+2*2*(4*4*2*4)+3*2*(1728+128) {
		t.Errorf("frozen encoder: training %v", training)
	}
}
