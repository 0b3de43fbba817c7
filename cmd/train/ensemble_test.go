package main

import (
	"encoding/binary"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"testing"
)

// probabilities reads what predict --probabilities has written.
func probabilities(t *testing.T, path string) (values []float32) {
	t.Helper()
	file := []byte(read(t, path))
	for b := file[10+binary.LittleEndian.Uint16(file[8:]):]; len(b) > 0; b = b[4:] {
		values = append(values, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return values
}

// Probabilities of several nets, of several kinds, are averaged in float32 in the
// order given; resized, in tiles and over flips. One checkpoint is averaged with
// nothing.
func TestEnsemble(t *testing.T) {
	inFolder(t)
	for i, flags := range [][]string{{"--set", "model.norm=none"}, {"--set", "model.base_channels=3", "--set", "train.batch_size=2"}, {"--set", "seed=7", "--set", "data.augment.flip_vertical=0.5"}} {
		must(t, tiny(append(flags, "--quiet", "--epochs", "1", "--out", fmt.Sprint(i))...)...)
	}
	folderOf(t, "set", image.Pt(24, 20))
	predicted := func(out string, nets string, flags ...string) []float32 {
		t.Helper()
		args := []string{"predict", "--input", "set/images", "--out", out, "--probabilities", "--force"}
		for _, net := range nets {
			args = append(args, "--checkpoint", string(net)+"/checkpoints/last.safetensors")
		}
		must(t, append(args, flags...)...)
		return probabilities(t, out+"/0.npy")
	}
	for _, flags := range [][]string{{}, {"--tile"}, {"--tta"}} {
		a, b, c := predicted("a", "0", flags...), predicted("b", "1", flags...), predicted("c", "2", flags...)
		want := make([]float32, len(a))
		for i := range want {
			want[i] = float32(float32(a[i]+b[i])+c[i]) / 3
		}
		got := predicted("all", "012", flags...)
		largest := 0.0
		for i := range want {
			largest = max(largest, math.Abs(float64(got[i]-want[i])))
		}
		// Tiles are averaged before they are blended: rounded elsewhere.
		if tiled := slices.Contains(flags, "--tile"); len(got) == 0 || len(got) != len(want) || !(largest <= 1e-6) || !tiled && largest != 0 {
			t.Errorf("%v: the mean differs by %g", flags, largest)
		}
		if slices.Equal(a, b) || slices.Equal(b, c) || slices.Equal(got, predicted("all", "01", flags...)) {
			t.Errorf("%v: nets are alike, so this test shows nothing", flags)
		}
		if !slices.Equal(predicted("twice", "00", flags...), a) || read(t, "twice/0.png") != read(t, "a/0.png") {
			t.Errorf("%v: a net averaged with itself is another", flags)
		}
		must(t, append([]string{"predict", "--input", "set/images", "--out", "pattern", "--force", "--probabilities", "--checkpoint", "[0-9]/checkpoints/last.safetensors"}, flags...)...)
		if !slices.Equal(probabilities(t, "pattern/0.npy"), got) {
			t.Errorf("%v: the checkpoints of a pattern give others than each by its name", flags)
		}
	}

	measure := func(nets string, flags ...string) (r struct {
		Checkpoint string
		Loss       *float64
		Confusion  [][]int
	}) {
		t.Helper()
		args := []string{"evaluate", "--json", "--split", "train"}
		for _, net := range nets {
			args = append(args, "--checkpoint", string(net)+"/checkpoints/last.safetensors")
		}
		decode(t, must(t, append(args, flags...)...), &r)
		return r
	}
	alone, twice, both := measure("0"), measure("00"), measure("01")
	if fmt.Sprint(twice.Confusion) != fmt.Sprint(alone.Confusion) || fmt.Sprint(both.Confusion) == fmt.Sprint(alone.Confusion) {
		t.Errorf("confusion of a net %v, averaged with itself %v, with another %v", alone.Confusion, twice.Confusion, both.Confusion)
	}
	if alone.Loss == nil || both.Loss != nil || both.Checkpoint != "0/checkpoints/last.safetensors, 1/checkpoints/last.safetensors" {
		t.Errorf("loss %v, averaged %v of %q", alone.Loss, both.Loss, both.Checkpoint)
	}
}

// What cannot be averaged is refused, by the keys that differ; and a validation set
// that one of the nets may have seen is told.
func TestEnsembleMistakes(t *testing.T) {
	inFolder(t)
	must(t, "synth", "--out", "set", "--count", "6")
	train := func(out string, flags ...string) string {
		must(t, tiny(append(flags, "--quiet", "--epochs", "1", "--out", out)...)...)
		return out + "/checkpoints/last.safetensors"
	}
	set := []string{"--set", "data.source=folder", "--set", "data.train=set", "--set", "loss.allow_absent_classes=true"}
	a := train("a", set...)
	other := train("other", append(set, "--set", "data.classes=[ground, disc, square, triangle]", "--set", "data.normalize=zscore", "--set", "data.size=[32, 32]")...)
	patches := train("patches", append(set, "--set", "data.patches=1")...)
	seed := train("seed", append(set, "--set", "seed=1")...)
	same := ": want checkpoints with the same, to average their probabilities"
	refused := []string{
		"train: a/checkpoints/last.safetensors has data.classes = [background disc square triangle] and other/checkpoints/last.safetensors [ground disc square triangle]" + same,
		"train: a/checkpoints/last.safetensors has data.normalize = none and other/checkpoints/last.safetensors zscore" + same,
		"train: a/checkpoints/last.safetensors has data.size = [16 16] and other/checkpoints/last.safetensors [32 32]" + same,
	}
	predict := []string{"predict", "--input", "set/images", "--out", "out", "--checkpoint", a, "--checkpoint"}
	check(t, command(t, append(predict, other)...), 2, refused)
	check(t, command(t, "evaluate", "--checkpoint", a, "--checkpoint", other), 2, refused)
	check(t, command(t, append(predict, patches)...), 2, []string{
		"train: one of a/checkpoints/last.safetensors (data.patches = 0) and patches/checkpoints/last.safetensors (1) was trained on patches and the other on resized images: want checkpoints of one kind, or --tile"})
	check(t, command(t, append(predict, "*/nothing")...), 1, []string{"train: checkpoint: */nothing: no file matches"})
	must(t, append(predict, patches, "--tile")...)
	check(t, command(t, append(predict, "")...), 2, []string{"train: --checkpoint FILE is missing: checkpoint FILE or pattern; the probabilities of several are averaged"})

	warning := "warning: seed/checkpoints/last.safetensors was trained on other images than a/checkpoints/last.safetensors, perhaps on some of the latter's validation set"
	for args, warns := range map[string]bool{"": true, "--data set": false, "--split train": false} {
		o := command(t, append([]string{"evaluate", "--checkpoint", a, "--checkpoint", seed}, strings.Fields(args)...)...)
		if o.code != 0 || strings.Contains(o.stderr, warning) != warns {
			t.Errorf("%q: exit code %d, want the warning: %v\n%s", args, o.code, warns, o.stderr)
		}
	}
}
