package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/model"
)

// What was validated is what every command takes from a checkpoint: the averages.
func TestAveragedWeights(t *testing.T) {
	inFolder(t)
	must(t, tiny("--set", "train.ema=0.9", "--set", "optimizer.lr=0.05")...)
	last := "run/checkpoints/last.safetensors"
	all := tensors(t, last)
	if sameBits(all["head.weight"], all["optimizer.weights.head.weight"]) {
		t.Fatal("the averages are the weights")
	}
	if shown := must(t, "inspect", last); !strings.Contains(shown, "\noptimizer.weights.head.weight ") {
		t.Errorf("inspect shows\n%s", shown)
	}

	var measured struct{ MIoU float64 }
	decode(t, must(t, "evaluate", "--checkpoint", last, "--json"), &measured)
	rows := metricsOf(t, "run")
	if got := strconv.FormatFloat(measured.MIoU, 'g', 6, 64); !strings.Contains(strings.Join(rows[len(rows)-1], " "), got) {
		t.Errorf("evaluate measures %s, the run's last validation was %v", got, rows[len(rows)-1])
	}

	must(t, "export", "--checkpoint", last, "--out", "net.safetensors")
	exported := tensors(t, "net.safetensors")
	for name, tensor := range all {
		got, ok := exported[name]
		if state := strings.HasPrefix(name, "optimizer."); ok == state || ok && !sameBits(got, tensor) {
			t.Errorf("exported %s: %v", name, ok)
		}
	}

	// From the averages, with nothing to say about the weights beside them.
	o := command(t, keep("--out", "from", "--set", "model.init="+last)...)
	if o.code != 0 || strings.Contains(o.stderr, "weights.") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
	if !sameBits(tensors(t, "from/checkpoints/last.safetensors")["encoder.0.conv1.weight"], all["encoder.0.conv1.weight"]) {
		t.Error("model.init did not take the averages")
	}
	if _, err := model.Open(last); err != nil {
		t.Error(err)
	}
}

// Without the weights that are trained, a run cannot go on, whatever the optimizer.
func TestResumeOfExportedAverages(t *testing.T) {
	inFolder(t)
	flags := tiny("--set", "train.ema=0.9", "--set", "optimizer={name: sgd, momentum: 0}", "--epochs", "1")
	must(t, flags...)
	must(t, "export", "--checkpoint", "run/checkpoints/last.safetensors", "--out", "net.safetensors")
	o := command(t, append(flags, "--out", "more", "--resume", "net.safetensors", "--epochs", "2")...)
	tells(t, o, 2, []string{"train: net.safetensors was exported without the optimizer's state: resume from a checkpoint of the run folder, or start anew with model.init=net.safetensors\n"}, nil)
}
