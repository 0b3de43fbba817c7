package train

import (
	"context"
	"math"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

// Each instruction set trains the same net, up to rounding.
func TestKernelsTrainTheSameNet(t *testing.T) {
	losses := map[string]float64{}
	for _, name := range []string{"generic", "avx2", "avx512"} {
		engine, err := kernel.NewEngine(2, name)
		if err != nil {
			t.Logf("not on this CPU: %v", err)
			continue
		}
		s, recorder := tiny(t, func(s *Setup) {
			s.Engine = engine
			s.Epochs = 2
			cfg := tinyNet
			cfg.BaseChannels = 16 // wide enough for every path of the convolutions
			s.Params = net(t, cfg)
		})
		if _, err := Run(context.Background(), s); err != nil {
			t.Fatal(err)
		}
		losses[name] = recorder.epochs[1].ValLoss
	}
	for name, loss := range losses {
		if want := losses["generic"]; math.Abs(loss-want) > 0.01*want {
			t.Errorf("kernel %s: validation loss %v, want about %v as of generic", name, loss, want)
		}
	}
}
