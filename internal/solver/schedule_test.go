package solver_test

import (
	"math"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
)

func TestFactor(t *testing.T) {
	schedule := func(name string, warmup, final float64) solver.ScheduleConfig {
		return solver.ScheduleConfig{Name: name, WarmupEpochs: warmup, FinalLRFactor: final}
	}
	for _, test := range []struct {
		name          string
		c             solver.ScheduleConfig
		epoch, epochs float64
		want          float64 // by hand
	}{
		{"warm-up begins small", schedule("cosine", 1, 0.01), 0, 10, 0.001},
		{"warm-up half way", schedule("cosine", 1, 0.01), 0.5, 10, 0.5005},
		{"fractional warm-up", schedule("poly", 0.5, 0.01), 0.25, 10, 0.5005},
		{"warm-up ends at 1", schedule("cosine", 1, 0.01), 1, 10, 1},
		{"no warm-up begins at 1", schedule("cosine", 0, 0.01), 0, 10, 1},
		{"warm-up longer than the run", schedule("cosine", 20, 0.01), 10, 10, 0.5005},
		{"warm-up as long as the run", schedule("cosine", 10, 0.01), 10, 10, 1},
		{"cosine half way", schedule("cosine", 1, 0.01), 5.5, 10, 0.505},
		{"cosine, a third", schedule("cosine", 1, 0), 4, 10, 0.75},
		{"cosine ends at final", schedule("cosine", 1, 0.01), 10, 10, 0.01},
		{"after the end", schedule("cosine", 1, 0.01), 12, 10, 0.01},
		{"constant stays", schedule("constant", 1, 0.01), 9.9, 10, 1},
		{"constant warms up", schedule("constant", 1, 0.01), 0.5, 10, 0.5005},
		{"poly half way", schedule("poly", 0, 0), 5, 10, 0.5358867312681466}, // 0.5^0.9
		{"poly ends at final", schedule("poly", 1, 0.01), 10, 10, 0.01},
		{"step before the first drop", schedule("step", 0, 0.01), 4.99, 10, 1},
		{"step first drop", schedule("step", 0, 0.01), 5, 10, 0.1},
		{"step second drop", schedule("step", 0, 0.01), 7.5, 10, 0.01},
		{"step counts from the warm-up's end", schedule("step", 2, 0.01), 5.9, 10, 1},
		{"no epochs", schedule("cosine", 0, 0.01), 0, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.c.Factor(test.epoch, test.epochs); math.Abs(got-test.want) > 1e-12 {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

func TestScheduleValidate(t *testing.T) {
	if err := solver.DefaultScheduleConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := solver.ScheduleConfig{Name: "cos", WarmupEpochs: math.NaN(), FinalLRFactor: 1.5}.Validate()
	want := `schedule.name = cos, want constant, cosine, poly or step
schedule.warmup_epochs = NaN, want >= 0
schedule.final_lr_factor = 1.5, want in [0, 1]`
	if err == nil || err.Error() != want {
		t.Errorf("error\n%v\nwant\n%v", err, want)
	}
}
